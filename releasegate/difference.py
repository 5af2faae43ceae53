"""What changed between two decisions, and why; and between two policies. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import JsonValue

from releasegate.decision.excusing import excused_text
from releasegate.decision.explaining import label_text, percent_free, would_be
from releasegate.decision.record import (
    ArtefactDecision,
    CapabilityDecision,
    Decision,
    Estimate,
    Finding,
    Reason,
    SliceFinding,
    Status,
    Verdict,
)
from releasegate.evidence import Labels
from releasegate.policy import CHANNELS, Artefact, Channel, Limited, Policy, narrower
from releasegate.records import Record
from releasegate.rounding import decimal, limit_text

Cause = Literal[
    "new", "removed", "not_judged", "limit", "metric", "alpha", "slices", "method", "evidence", "want_of_evidence",
    "channel", "judging", "excused", "outside",
]  # fmt: skip
"""`judging`: everything that a decision records is the same, and the status is not."""

Stated = tuple[Collection[str] | None, Collection[str] | None]
"""The ids of the requirements of the first and the second policy; None where the policy is not at hand."""

WORDS: Mapping[Limited, str] = {"at_most": "at most", "at_least": "at least", "margin": "worse by at most"}


class Why(Record):
    """One thing that changed about a requirement, in a sentence."""

    cause: Cause
    sentence: str


class Found(Record):
    """One side of a comparison: what was found, with the numbers of the worst slice."""

    status: Status
    reason: Reason | None = None
    metric: str
    side: Limited
    limit: float
    labels: Labels = {}
    estimate: Estimate


class RequirementChange(Record):
    """A requirement that is not found as it was, on one checkpoint."""

    requirement: str
    checkpoint: Literal["source", "stripped"]
    channel: Channel | None = None
    """At which it was judged, where the findings of a decision differ by channel."""
    before: Found | None = None
    after: Found | None = None
    why: tuple[Why, ...]


class Change(Record):
    """A value that is another one. None: there was, or is, none."""

    path: str
    before: JsonValue = None
    after: JsonValue = None
    effect: Literal["looser", "stricter"] | None = None
    """Of a policy's limit: whether more would be released, or less."""


class CapabilityChange(Record):
    """A capability that does not come to what it came to."""

    capability: str
    before: Verdict | None = None
    after: Verdict | None = None
    route_before: str | None = None
    route_after: str | None = None


class ArtefactChange(Record):
    """An artefact that does not come to what it came to. None: the policy does not list it."""

    artefact: Artefact
    before: Verdict | None = None
    after: Verdict | None = None
    granted_before: Channel | None = None
    granted_after: Channel | None = None


class DecisionDifference(Record):
    """How the second of two decisions differs from the first."""

    about: tuple[Change, ...]
    """What was judged, and by what: policy, model, attempt, alpha."""
    verdict: Change | None = None
    channel: Change | None = None
    artefacts: tuple[ArtefactChange, ...] = ()
    """Where one of the decisions is about several."""
    capabilities: tuple[CapabilityChange, ...]
    requirements: tuple[RequirementChange, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        changes = (self.about, self.verdict, self.channel, self.artefacts, self.capabilities, self.requirements)
        return not any(changes)


class PolicyDifference(Record):
    """How the second of two policies differs from the first."""

    changes: tuple[Change, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not self.changes


def decision_difference(
    before: Decision,
    after: Decision,
    stated: Stated = (None, None),
) -> DecisionDifference:
    """How `after` differs from `before`.

    Args:
        stated: the requirements of either policy, where they are known; they tell a requirement that was not judged
            from one that the policy does not have.
    """
    return DecisionDifference(
        about=tuple(_about(before, after)),
        verdict=_changed("verdict", before.verdict, after.verdict),
        channel=_changed("channel", before.channel, after.channel),
        artefacts=tuple(_artefacts(before.artefacts, after.artefacts)),
        capabilities=tuple(_capabilities(before.capabilities, after.capabilities)),
        requirements=tuple(_requirements(before, after, stated)),
    )


def _changed(path: str, before: JsonValue, after: JsonValue) -> Change | None:
    return None if before == after else Change(path=path, before=before, after=after)


def _about(before: Decision, after: Decision) -> Iterator[Change]:
    """The evidence digest is left out: a new nonce makes it another one, whatever was measured."""
    for name in ("policy", "policy_digest", "model", "attempt", "alpha", "rehearsal", "replay"):
        change = _changed(name, getattr(before, name), getattr(after, name))
        if change is not None:
            yield change
    if any(d.verdict != d.verdict_without_waivers for d in (before, after)):
        change = _changed("verdict_without_waivers", before.verdict_without_waivers, after.verdict_without_waivers)
        if change is not None:
            yield change


def _artefacts(before: Sequence[ArtefactDecision], after: Sequence[ArtefactDecision]) -> Iterator[ArtefactChange]:
    """Nothing where both are about one: the verdict and its channel say the same."""
    old, new = {a.name: a for a in before}, {a.name: a for a in after}
    for name in {**old, **new} if len({**old, **new}) > 1 else ():
        one, other = old.get(name), new.get(name)
        if one and other and (one.verdict, one.granted) == (other.verdict, other.granted):
            continue
        yield ArtefactChange(
            artefact=name,
            before=one.verdict if one else None,
            after=other.verdict if other else None,
            granted_before=one.granted if one else None,
            granted_after=other.granted if other else None,
        )


def _capabilities(
    before: Sequence[CapabilityDecision], after: Sequence[CapabilityDecision]
) -> Iterator[CapabilityChange]:
    old, new = {c.id: c for c in before}, {c.id: c for c in after}
    for name in {**old, **new}:
        one, other = old.get(name), new.get(name)
        if one and other and (one.verdict, one.route) == (other.verdict, other.route):
            continue
        yield CapabilityChange(
            capability=name,
            before=one.verdict if one else None,
            after=other.verdict if other else None,
            route_before=one.route if one else None,
            route_after=other.route if other else None,
        )


Key = tuple[str, Literal["source", "stripped"], Channel | None]
"""A requirement, the checkpoint, and the channel, where findings differ by channel."""


def _findings(decision: Decision) -> dict[Key, Finding]:
    found: dict[Key, Finding] = {
        (f.requirement, "source", f.channel): f for c in decision.capabilities for f in c.findings
    }
    if decision.strip is not None:
        found |= {(f.requirement, "stripped", f.channel): f for f in decision.strip.findings}
    return found


def _at(found: Mapping[Key, Finding], key: Key) -> Finding | None:
    """The finding at a channel: where a decision does not tell channels apart, it is the same at each."""
    return found.get(key) or found.get((key[0], key[1], None))


def _keys(before: Mapping[Key, Finding], after: Mapping[Key, Finding]) -> Iterator[Key]:
    """Every finding of either, at each channel that one of them tells apart."""
    every = {**before, **after}
    apart = {key[:2] for key in every if key[2] is not None}
    return (key for key in every if key[2] is not None or key[:2] not in apart)


def paired_findings(before: Decision, after: Decision) -> Iterator[tuple[Key, Finding | None, Finding | None]]:
    """Every requirement of either decision on each checkpoint, with both findings; None where one does not judge it."""
    one, other = _findings(before), _findings(after)
    return ((key, _at(one, key), _at(other, key)) for key in _keys(one, other))


def _requirements(before: Decision, after: Decision, stated: Stated) -> Iterator[RequirementChange]:
    for (name, checkpoint, channel), one, other in paired_findings(before, after):
        if one is not None and other is not None:
            why = tuple(_why(one, other))
        else:
            why = (_came_or_went(name, stated, gone=other is None),)
        if why:
            yield RequirementChange(
                requirement=name,
                checkpoint=checkpoint,
                channel=channel,
                before=_found(one) if one else None,
                after=_found(other) if other else None,
                why=why,
            )


def _came_or_went(name: str, stated: Stated, *, gone: bool) -> Why:
    """Why only one decision judges a requirement."""
    known = stated[1] if gone else stated[0]
    if known is not None and name not in known:
        which = "second" if gone else "first"
        return Why(cause="removed" if gone else "new", sentence=f"the {which} policy does not have it")
    sentence = "the second decision does not judge it" if gone else "the first decision did not judge it"
    return Why(cause="not_judged", sentence=sentence)


def _found(finding: Finding) -> Found:
    worst = finding.slices[0]
    return Found(
        status=finding.status,
        reason=finding.reason,
        metric=finding.metric,
        side=finding.side,
        limit=finding.limit,
        labels=worst.labels,
        estimate=worst.estimate,
    )


def _why(before: Finding, after: Finding) -> Iterator[Why]:
    """Every cause, the policy's before the evidence's; none if nothing changed."""
    if before.metric != after.metric:
        yield Why(cause="metric", sentence=f"it is about {after.metric}, and was about {before.metric}")
    old, new = f"{WORDS[before.side]} {limit_text(before.limit)}", f"{WORDS[after.side]} {limit_text(after.limit)}"
    if (before.side, before.limit) != (after.side, after.limit):
        yield Why(cause="limit", sentence=f"the limit is {new}, and was {old}")
    if (before.reason == "does_not_count") != (after.reason == "does_not_count"):
        counts = "does not count" if after.reason == "does_not_count" else "counts"
        yield Why(cause="channel", sentence=f"the safeguard {counts} at the channel, enforced by {after.enforced_by}")
    yield from _why_estimates(before, after)
    if "want_of_evidence" in (before.reason, after.reason) and before.reason != after.reason:
        lacking = after.reason == "want_of_evidence"
        text = f"evidence is wanting: {after.sentence}" if lacking else f"evidence was wanting: {before.sentence}"
        yield Why(cause="want_of_evidence", sentence=text)


def _why_estimates(before: Finding, after: Finding) -> Iterator[Why]:
    one, other = _by_labels(before), _by_labels(after)
    if set(one) != set(other):
        yield Why(cause="slices", sentence=f"it is judged on {_slices(after)}, and was on {_slices(before)}")
    yield from _why_left_out(before, after)
    was, now = before.slices[0].estimate, after.slices[0].estimate
    if was.alpha != now.alpha:
        yield Why(cause="alpha", sentence=f"the effective alpha is {now.alpha:.4f}, and was {was.alpha:.4f}")
    if was.method != now.method:
        words = [e.method.replace("_", " ") for e in (now, was)]
        yield Why(cause="method", sentence=f"the method is {words[0]}, and was {words[1]}")
    shared = [(one[key].estimate, other[key].estimate, one[key].labels) for key in one if key in other]
    counted = [(a, b, labels) for a, b, labels in shared if _counts(a) != _counts(b)]
    if counted:
        a, b, labels = counted[0]
        where = f" for {label_text(labels)}" if labels else ""
        more = f", and {len(counted) - 1} more slices changed" if len(counted) > 1 else ""
        yield Why(cause="evidence", sentence=f"{counts_text(b)}{where}, and was {counts_text(a)}{more}")
    elif _bare(before) != _bare(after) and _same_rule(before, after):
        yield Why(cause="judging", sentence=f"{after.sentence}; was: {before.sentence}")


def _why_left_out(before: Finding, after: Finding) -> Iterator[Why]:
    """Slices that became excused, or left the threat set, and the reverse."""
    excused = [sorted(excused_text(s) for s in f.slices if s.status == "excused") for f in (before, after)]
    if excused[0] != excused[1]:
        yield Why(cause="excused", sentence=f"excused: {_listed(excused[1])}; was: {_listed(excused[0])}")
    outside = [sorted(f"{label_text(s.labels)} {would_be(s)}" for s in f.outside) for f in (before, after)]
    if outside[0] != outside[1]:
        yield Why(
            cause="outside", sentence=f"outside the threat set: {_listed(outside[1])}; was: {_listed(outside[0])}"
        )


def _listed(names: list[str]) -> str:
    return "; ".join(names) or "nothing"


def _same_rule(before: Finding, after: Finding) -> bool:
    """Whether nothing else accounts for a change."""
    rule = ("metric", "side", "limit", "reason")
    alphas = {f.slices[0].estimate.alpha for f in (before, after)}
    methods = {f.slices[0].estimate.method for f in (before, after)}
    return (
        not list(_why_left_out(before, after))
        and all(getattr(before, name) == getattr(after, name) for name in rule)
        and len(alphas) == len(methods) == 1
        and set(_by_labels(before)) == set(_by_labels(after))
    )


def _bare(finding: Finding) -> Any:
    """Everything but the texts, and in no order of slices."""
    slices = sorted((str(sorted(s.labels.items())), s.plain()) for s in finding.slices)
    return finding.status, finding.reason, [plain for _, plain in slices]


def _by_labels(finding: Finding) -> dict[tuple[tuple[str, str], ...], SliceFinding]:
    return {tuple(sorted(s.labels.items())): s for s in finding.slices}


def _slices(finding: Finding) -> str:
    if len(finding.slices) == 1 and not finding.slices[0].labels:
        return "all items together"
    names = sorted({" x ".join(s.labels) for s in finding.slices})
    return f"{len(finding.slices)} {'slice' if len(finding.slices) == 1 else 'slices'} of {', '.join(names)}"


def _counts(e: Estimate) -> Any:
    """What was counted or measured, and not what was made of it. Other values at the same counts are other evidence."""
    return e.planned, e.scored, e.failed, e.hits, e.gains, e.used, e.clusters, e.value


def counts_text(e: Estimate) -> str:
    """What was counted: `12 of 400, 3 lost of 403 planned`; of a mean, over how many items it was taken."""
    if e.gains is not None:
        text = f"{e.hits} losses and {e.gains} gains in {e.scored} pairs"
    elif e.hits is not None:
        text = f"{e.hits} of {e.scored}"
    else:
        text = f"{e.scored} measured"
    if e.clusters is not None:
        text += f", in {e.clusters} clusters"
    if e.used is not None and e.used < e.planned:
        return f"{text}, looked at up to item {e.used}"
    lost = e.planned - e.not_attempted - e.scored
    return text + (f", {lost} lost of {e.planned} planned" if lost else "")


def value_text(e: Estimate, *limits: float) -> str:
    """` = 0.030`: the share or the mean itself; empty for pairs of yes and no, whose counts say it."""
    return f" = {decimal(e.value, limits)}" if e.value is not None and e.gains is None else ""


def found_text(found: Found) -> str:
    """A side in one line: `met: 12 of 400 = 0.030, bounds 0.015 – 0.054, at most 0.2`."""
    e = found.estimate
    bounds = (
        f", bounds {percent_free(e.interval.low, found.limit)} – {percent_free(e.interval.high, found.limit)}"
        if e.interval is not None
        else ""
    )
    where = f" for {label_text(found.labels)}" if found.labels else ""
    status = (found.reason or found.status).replace("_", " ")
    return f"{status}: {counts_text(e)}{value_text(e, found.limit)}{where}{bounds}, {WORDS[found.side]} {limit_text(found.limit)}"


# Policies.


def written(value: Any) -> str:
    """A value of a policy on one line.

    >>> written({"id": "weak", "at_most": 0.2}), written([True, None])
    ('{id: weak, at_most: 0.2}', '[true, none]')
    """
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(part) for part in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return limit_text(value) if isinstance(value, float) else str(value)


_LOOSER_IF_HIGHER: Mapping[str, bool] = {
    "at_most": True,
    "margin": True,
    "alpha": True,
    "max_failed": True,
    "max_age_days": True,
    "at_least": False,
}


def policy_difference(before: Policy, after: Policy) -> PolicyDifference:
    """How `after` differs from `before`, value by value; what has an id is followed by it, in whatever order it stands.

    The share of alpha that each requirement gets depends on the policy as a whole, so its change is listed as well.
    """
    changes = list(_walk("", before.plain(), after.plain()))
    alphas = [p.effective_alpha(1) for p in (before, after)]
    if alphas[0] != alphas[1]:
        effect: Literal["looser", "stricter"] = "looser" if alphas[1] > alphas[0] else "stricter"
        path = "effective alpha of the first attempt"
        changes.append(Change(path=path, before=alphas[0], after=alphas[1], effect=effect))
    return PolicyDifference(changes=tuple(changes))


def _walk(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    one, other = _children(before), _children(after)
    if one is None or other is None:
        yield Change(path=path, before=before, after=after, effect=_effect(path, before, after))
        return
    for name in {**one, **other}:
        yield from _walk(f"{path}.{name}" if path else name, one.get(name), other.get(name))


def _children(data: Any) -> Mapping[str, Any] | None:
    """The parts of a mapping by key, or of a list of things with ids by id; None for a value."""
    if isinstance(data, dict):
        return data
    if isinstance(data, list) and data and all(isinstance(part, dict) and "id" in part for part in data):
        return {str(part["id"]): part for part in data}
    return None


def _effect(path: str, before: Any, after: Any) -> Literal["looser", "stricter"] | None:
    key = path.rsplit(".", 1)[-1]
    through = key == "channel" or path.startswith("release.artefacts.")
    if through and before in CHANNELS and after in CHANNELS:
        return "stricter" if narrower(after, before) else "looser"
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (before, after))
    if key not in _LOOSER_IF_HIGHER or not numbers:
        return None
    return "looser" if (after > before) == _LOOSER_IF_HIGHER[key] else "stricter"
