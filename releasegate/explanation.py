"""Why a capability came to its verdict: route, requirement, slice, estimate, and the samples that decide it. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Literal

from releasegate.decision.owners import findings_by_capability
from releasegate.decision.record import Decision, Finding, Verdict
from releasegate.decision.slices import UNLABELLED, is_threat
from releasegate.discretion import hashed, is_hashed
from releasegate.evidence import Failed, Measured
from releasegate.plan import Plan
from releasegate.policy import CHANNELS, Artefact, Channel, Policy
from releasegate.records import Record
from releasegate.sensitivity import is_discreet

Effect = Literal["failed", "against", "in_favour"]
"""What a sample does to its requirement. A failed one, or a pair of which one member failed, counts against it too."""
_EFFECTS: tuple[Effect, ...] = ("failed", "against", "in_favour")


class Route(Record):
    """A way to be published, and whether it is open."""

    name: str
    channel: Channel | None = None
    """At which it is open or not, where that is not the same at all channels."""
    met: bool
    requirements: tuple[str, ...]


class DecidingSample(Record):
    """One item of the slice that decides, and what it counts for."""

    item: int
    labels: dict[str, str] = {}
    effect: Effect
    value: float | None = None
    source_value: float | None = None
    """Of a pair: what the source had."""
    detail: dict[str, str] = {}
    outputs: dict[str, str] = {}
    error: str | None = None


class RequirementExplained(Record):
    """A finding, and the samples that decide it: those against it first."""

    finding: Finding
    samples: tuple[DecidingSample, ...]
    against: int
    """Items of the worst slice that have a record and count against it; `samples` shows the first few."""


class InArtefact(Record):
    """What becomes of the capability in one artefact that carries it."""

    artefact: Artefact
    asked: Channel
    verdict: Verdict
    route: str | None = None
    sentence: str


class Explanation(Record):
    """From the verdict on one capability down to samples."""

    capability: str
    title: str
    rationale: str
    verdict: Verdict
    sentence: str
    route: str | None = None
    artefacts: tuple[InArtefact, ...] = ()
    """Where the policy lists several: what becomes of it in each that carries it."""
    routes: tuple[Route, ...]
    requirements: tuple[RequirementExplained, ...]


def findings_of(decision: Decision, policy: Policy, capability: str) -> list[Finding]:
    """Every finding that is about the capability, on the source and then on the stripped checkpoint."""
    return [f for owner, f in findings_by_capability(decision, policy) if owner == capability]


def explain(
    decision: Decision, policy: Policy, capability: str, requirements: Iterable[RequirementExplained]
) -> Explanation:
    """The explanation of one capability of the decision.

    Args:
        requirements: what is shown in detail: some or all of `findings_of`.
    """
    own = next(c for c in decision.capabilities if c.id == capability)
    return Explanation(
        capability=own.id,
        title=own.title,
        rationale=own.rationale,
        verdict=own.verdict,
        sentence=own.sentence,
        route=own.route,
        artefacts=tuple(_in_artefacts(decision, capability)),
        routes=tuple(_routes(decision, policy, capability)),
        requirements=tuple(requirements),
    )


def _in_artefacts(decision: Decision, capability: str) -> Iterator[InArtefact]:
    for a in decision.artefacts if len(decision.artefacts) > 1 else ():
        for c in a.capabilities:
            if c.id == capability:
                yield InArtefact(artefact=a.name, asked=a.asked, verdict=c.verdict, route=c.route, sentence=c.sentence)


def _routes(decision: Decision, policy: Policy, capability: str) -> Iterator[Route]:
    own = next(c for c in decision.capabilities if c.id == capability)
    stated = next(c for c in policy.capabilities if c.id == capability)
    if stated.unconditional:
        yield Route(name="unconditional", met=True, requirements=())
    lists = {"misuse": [f for f in own.findings if f.section in ("misuse", "working")]}
    for name in stated.safeguards or {}:
        lists[f"safeguards/{name}"] = [f for f in own.findings if f.safeguards == name]
    for name, listed in lists.items():
        for channel, here in _by_channel(listed):
            met = all(f.status == "met" for f in here) and not (name == "misuse" and own.closed)
            yield Route(name=name, channel=channel, met=met, requirements=tuple(f.requirement for f in here))
    if decision.strip is not None and capability in decision.strip.capabilities:
        wanted = {r.id for s, _, r in stated.sections() if s in ("removal", "keep")}
        listed = [f for f in decision.strip.findings if f.requirement in wanted]
        yield Route(name="strip", met=own.route == "strip", requirements=tuple(f.requirement for f in listed))


def _by_channel(listed: list[Finding]) -> Iterator[tuple[Channel | None, list[Finding]]]:
    """The findings of a list at each channel that one of them is told apart by; else all of them."""
    apart = {f.channel for f in listed} - {None}
    for channel in CHANNELS:
        if channel in apart:
            yield channel, [f for f in listed if f.channel in (None, channel)]
    if listed and not apart:
        yield None, listed


def deciding_samples(
    finding: Finding,
    plan: Plan,
    samples: Iterable[Measured | Failed],
    base: Iterable[Measured | Failed],
    most: int,
) -> RequirementExplained:
    """The finding with at most `most` items of its worst slice: failed ones, then those against it, then the others.

    Items without a record are counted in the estimate, and have nothing to show.

    Args:
        samples: stored samples of the finding's eval on its checkpoint, in planned order.
        base: those of the source, if the finding compares with it.
    """
    eval_id, name = finding.metric.split("/")
    card = plan.cards.get(eval_id)
    metric = card.metrics.get(name) if card else None
    judged = (
        _pairs(name, metric.better if metric else "higher", samples, base)
        if finding.side == "margin"
        else _shares(name, finding, samples)
    )
    against = 0
    inside: list[DecidingSample] = []
    for sample in judged:
        if _is_inside(finding, sample.labels):
            against += sample.effect != "in_favour"
            inside.append(sample)
            if len(inside) > 2 * most + 100:
                inside = heapq.nsmallest(most, inside, key=lambda s: _rank(s, finding))
    chosen = heapq.nsmallest(most, inside, key=lambda s: _rank(s, finding))
    if card is not None and is_discreet(card, plan.policy):
        chosen = [_veiled(sample) for sample in chosen]
    return RequirementExplained(finding=finding, samples=tuple(chosen), against=against)


def _veiled(sample: DecidingSample) -> DecidingSample:
    """The sample with a digest and a length in place of each text."""
    veiled = {name: text if is_hashed(text) else hashed(text) for name, text in sample.detail.items()}
    return sample.model_copy(update={"detail": veiled})


def _rank(sample: DecidingSample, finding: Finding) -> tuple[int, float, int]:
    """What hurts most comes first."""
    value = sample.value or 0.0
    return _EFFECTS.index(sample.effect), value if finding.side == "at_least" else -value, sample.item


def _is_inside(finding: Finding, labels: Mapping[str, str]) -> bool:
    """Whether items with these labels belong to the worst slice of a finding."""
    wanted = finding.slices[0].labels
    return all(labels.get(d, UNLABELLED) == v for d, v in wanted.items()) and is_threat(finding.values, labels)


def _shares(metric: str, finding: Finding, samples: Iterable[Measured | Failed]) -> Iterator[DecidingSample]:
    """A value on the wrong side of the limit, or of the threshold of its slice, is against the requirement."""
    threshold = finding.slices[0].threshold
    border = finding.limit if threshold is None else threshold
    low = finding.side == "at_least"
    for sample in samples:
        if isinstance(sample, Failed):
            if metric in sample.metrics:
                yield _lost(sample, sample.error)
        elif metric in sample.values:
            value = sample.values[metric]
            wrong = (value < border if low else value > border) or (threshold is not None and value == border)
            yield _shown(sample, "against" if wrong else "in_favour", value)


def _pairs(
    metric: str, better: str, samples: Iterable[Measured | Failed], base: Iterable[Measured | Failed]
) -> Iterator[DecidingSample]:
    """Both streams run in the order of the items; a pair of which one member is lost is a loss."""
    sides = (((s.item, 0, s) for s in base), ((s.item, 1, s) for s in samples))
    for _, pair in groupby(heapq.merge(*sides, key=lambda entry: entry[:2]), key=lambda entry: entry[0]):
        found = {side: sample for _, side, sample in pair}
        source, other = found.get(0), found.get(1)
        if other is None or not _carries(other, metric):
            continue  # no record on the stripped checkpoint
        failed = next((s for s in (other, source) if isinstance(s, Failed)), None)
        if failed is not None:
            yield _lost(failed, f"on the {'stripped' if failed is other else 'source'} checkpoint: {failed.error}")
        elif source is None:
            yield DecidingSample(item=other.item, labels=other.labels, effect="failed", error="not on the source")
        elif isinstance(source, Measured) and isinstance(other, Measured):
            before, after = source.values[metric], other.values[metric]
            lost = after < before if better == "higher" else after > before
            shown = _shown(other, "against" if lost else "in_favour", after)
            yield shown.model_copy(update={"source_value": before})


def _carries(sample: Measured | Failed, metric: str) -> bool:
    return metric in (sample.values if isinstance(sample, Measured) else sample.metrics)


def _lost(sample: Failed, error: str) -> DecidingSample:
    return DecidingSample(item=sample.item, labels=sample.labels, effect="failed", error=error)


def _shown(sample: Measured, effect: Effect, value: float) -> DecidingSample:
    return DecidingSample(
        item=sample.item,
        labels=sample.labels,
        effect=effect,
        value=value,
        detail=sample.detail,
        outputs=sample.outputs,
    )
