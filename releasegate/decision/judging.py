"""One requirement on one checkpoint: the finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

from releasegate.decision.continuing import is_sequential, opening_of
from releasegate.decision.estimating import Rule, judge_pairs, judge_share, worst_first
from releasegate.decision.excusing import excuse, excused_text
from releasegate.decision.explaining import sentence, settle, settle_pairs
from releasegate.decision.instruments import Prepared, prepare
from releasegate.decision.record import Finding, Reason, SliceFinding, Status
from releasegate.decision.sequences import judge_clusters, judge_paired_sequence, judge_sequence
from releasegate.decision.slices import Slice, outside_of, slices_of
from releasegate.decision.units import units_of
from releasegate.decision.waiving import waive
from releasegate.evalcard import EvalCard
from releasegate.evidence import Columns, Evidence
from releasegate.intervals import Side
from releasegate.plan import SOURCE, Measurement, Plan
from releasegate.policy import Channel, Limited, Policy, Requirement, Section, counts_at
from releasegate.waiver import Waivers

UNLOADED = "mend what does not load, or install what it imports, and gate into a new run folder"
"""What settles a requirement whose eval's code did not load."""


@dataclass(frozen=True)
class Bench:
    """What every finding of one decision is judged by.

    Attributes:
        alpha: effective alpha.
        stale: why no evidence counts, if it is too old.
        settled: digests of measurements whose missing items were not attempted, as everything on them was decided before.
    """

    policy: Policy
    plan: Plan
    evidence: Evidence
    alpha: float
    stale: str | None
    waivers: Waivers
    settled: frozenset[str] = frozenset()

    @cached_property
    def _identities(self) -> dict[tuple[str, str, str], str]:
        return {(m.eval, m.checkpoint, m.role): self.plan.identity(m) for m in self.plan.measurements}

    def identity(self, measurement: Measurement) -> str:
        """Digest of a planned measurement: `plan.identity`, worked out once."""
        return self._identities[measurement.eval, measurement.checkpoint, measurement.role]

    def columns(self, measurement: Measurement | None) -> Columns | None:
        """What was measured, if anything was."""
        if measurement is None or self.plan.nonce is None:
            return None
        return self.evidence.columns.get(self.identity(measurement))


def judge(
    bench: Bench,
    requirement: Requirement,
    section: Section,
    checkpoint: str,
    channel: Channel,
    safeguards: str | None = None,
    *,
    owner: str | None = None,
) -> Finding:
    """The finding for one requirement on one checkpoint, as judged for one channel.

    The status is met when every gated slice is met, violated when one is violated, else not_shown: for want of evidence
    if any slice wants it.

    Args:
        owner: the capability whose control it is.
    """
    card = bench.plan.cards.get(requirement.eval)
    measurement = bench.plan.find(requirement.eval, checkpoint)
    columns = bench.columns(measurement)
    side, limit = requirement.stated
    direction: Side = "at_least" if side == "at_least" else "at_most"
    gated, beyond = _all_slices(bench, requirement, section, card, measurement, columns)
    if bench.stale:
        gated, beyond = ([_unjudged(f, "want_of_evidence") for f in found] for found in (gated, beyond))
    elif measurement is not None and columns is not None and bench.identity(measurement) in bench.settled:
        gated, beyond = ([_cut_short(f) for f in found] for found in (gated, beyond))
    if measurement is not None and measurement.subject.served and channel not in ("api", "none"):
        gated, beyond = ([_elsewhere(f, channel) for f in found] for found in (gated, beyond))
    if section == "safeguards" and not counts_at(requirement.enforced_by, channel):
        gated = [_unjudged(f, "does_not_count") for f in gated]
    ordered = tuple(worst_first(gated, direction))
    status, reason = _combined(ordered)
    errors = _errors(columns, measurement)
    why, settled = _reasons(bench, requirement, ordered, (status, reason), errors)
    if measurement is not None and measurement.problem and reason == "want_of_evidence" and not bench.stale:
        why, settled = f"nothing of it was measured: {errors[0]}", UNLOADED
    finding = Finding(
        requirement=requirement.id,
        section=section,
        capability=owner,
        safeguards=safeguards,
        checkpoint=checkpoint,
        metric=requirement.metric,
        side=side,
        limit=limit,
        status=status,
        reason=reason,
        enforced_by=requirement.enforced_by,
        slices=ordered,
        values=requirement.values,
        outside=tuple(worst_first(beyond, direction)),
        errors=errors,
        sentence=why,
        settle=settled,
    )
    return waive(finding, bench.policy, bench.plan, bench.waivers)


def _elsewhere(found: SliceFinding, channel: Channel) -> SliceFinding:
    """A slice of what a server answered: of weights that would go out it shows nothing."""
    problem = f"a server answered, whose weights nothing ties to the digest: that shows nothing of {channel}"
    return _unjudged(found, "want_of_evidence").model_copy(update={"problem": problem})


def _cut_short(found: SliceFinding) -> SliceFinding:
    """A slice of a measurement that stopped when everything on it was settled: what it lacks is no want of evidence."""
    e = found.estimate
    update: dict[str, object] = {"estimate": e.model_copy(update={"not_attempted": e.planned - e.attempted})}
    if found.refuted:
        update |= {"status": "violated", "reason": None}
    elif found.reason == "want_of_evidence" and found.problem is None:
        update["reason"] = "unsettled"
    return found.model_copy(update=update)


def raw_slices(
    bench: Bench,
    requirement: Requirement,
    section: Section,
    card: EvalCard,
    measurement: Measurement,
    columns: Columns,
) -> list[SliceFinding]:
    """What every gated slice shows by itself, before channel, age and waivers: a gap is a gap, wherever it is.

    It is asked after every shard, so bounds of sequences, which nobody reads then, are left out.

    Args:
        columns: of the measurement; of some of its first items, for what those show alone.
    """
    of, seen = _judged_items(requirement, section, card, measurement, columns)
    judged = _slice_judge(bench, requirement, section, card, measurement.checkpoint, seen, bounds=False)
    return [judged(part) for part in slices_of(requirement, card, of.cells)]


def _judged_items(
    r: Requirement, section: Section, card: EvalCard, measurement: Measurement, columns: Columns | None
) -> tuple[Measurement, Columns | None]:
    """What a requirement is judged on: all items of a sequence; else those of the opening, wherever an extension went on."""
    if measurement.parts is None or is_sequential(r, section, card):
        return measurement, columns
    return opening_of(measurement, columns)


def _all_slices(
    bench: Bench,
    requirement: Requirement,
    section: Section,
    card: EvalCard | None,
    measurement: Measurement | None,
    columns: Columns | None,
) -> tuple[list[SliceFinding], list[SliceFinding]]:
    """What the gated slices show, and alike those outside the threat set."""
    name = requirement.metric_name
    if card is None or name not in card.metrics:
        return [judge_share(name, Slice({}, (), 0), None, _rule(bench, requirement))], []
    if measurement is not None:
        measurement, columns = _judged_items(requirement, section, card, measurement, columns)
    cells = measurement.cells if measurement else ()
    checkpoint = measurement.checkpoint if measurement else SOURCE
    judged = _slice_judge(bench, requirement, section, card, checkpoint, columns)
    gated = [judged(part) for part in slices_of(requirement, card, cells)]
    return gated, [judged(part) for part in outside_of(requirement, card, cells)]


def _rule(bench: Bench, requirement: Requirement, *, bounds: bool = True) -> Rule:
    side, limit = requirement.stated
    direction: Side = "at_least" if side == "at_least" else "at_most"
    alpha = bench.alpha / 2 if requirement.excused else bench.alpha
    return Rule(direction, limit, alpha, bench.policy.release.max_failed, bounds=bounds)


def _slice_judge(
    bench: Bench,
    requirement: Requirement,
    section: Section,
    card: EvalCard,
    checkpoint: str,
    columns: Columns | None,
    *,
    bounds: bool = True,
) -> Callable[[Slice], SliceFinding]:
    """What judges one slice of a requirement."""
    rule = _rule(bench, requirement, bounds=bounds)
    if section == "keep":
        baseline = bench.plan.find(requirement.eval, SOURCE)
        base = bench.columns(baseline)
        if baseline is not None:
            base = _judged_items(requirement, section, card, baseline, base)[1]
        return partial(_kept, requirement, card, base, columns, rule)
    labelled = bench.plan.find_calibration(requirement.eval, checkpoint)
    calibration = bench.columns(labelled)
    units = units_of(card, by_cluster=bench.plan.by_cluster is not None)
    prepared = partial(prepare, requirement.metric_name, card, columns, calibration, rule, units)
    known = labelled.cells if labelled else ()
    excusing = partial(excuse, requirement, known, calibration, rule, units)
    if card.metrics[requirement.metric_name].judged_by is not None:
        return lambda part: _limited(requirement, card, prepared(labels=part.labels), excusing, part)
    return partial(_limited, requirement, card, prepared(), excusing)


def _unjudged(found: SliceFinding, reason: Reason) -> SliceFinding:
    return found.model_copy(update={"status": "not_shown", "reason": reason, "excused": None, "refuted": False})


def _kept(
    r: Requirement, card: EvalCard, base: Columns | None, other: Columns | None, rule: Rule, part: Slice
) -> SliceFinding:
    """A margin: exact for a fixed number of yes and no, else betting on the differences."""
    metric = card.metrics[r.metric_name]
    if metric.type == "bernoulli" and not r.sequential:
        return judge_pairs(r.metric_name, part, base, other, metric.better, rule)
    return judge_paired_sequence(r.metric_name, part, base, other, metric.better, rule, metric.range)


def _limited(
    r: Requirement,
    card: EvalCard,
    prepared: Prepared,
    excusing: Callable[[SliceFinding], SliceFinding],
    part: Slice,
) -> SliceFinding:
    """A limit, moved where a judge stands behind the metric; excused, if it may be."""
    judge = partial(_tested, r, card, prepared.columns, part)
    update: dict[str, object] = {"tested_limit": prepared.tested_limit, "threshold": prepared.threshold}
    lost = prepared.threshold is not None and not prepared.rule.refutes
    found = judge(prepared.rule)
    if prepared.refuting_limit is not None and found.status != "met":
        beyond = judge(replace(prepared.rule, limit=prepared.refuting_limit, refutes=True))
        if beyond.status == "violated" or beyond.refuted:
            found = beyond
            update["refuting_limit"] = prepared.refuting_limit
        elif found.status == "violated":
            found = _unjudged(found, "unsettled")
    if lost and found.estimate.used is not None and found.status == "violated":
        # A threshold that lost items moved might have stopped the sequence elsewhere, at an item that says otherwise.
        found, update["problem"] = _unjudged(found, "want_of_evidence"), "lost calibration items moved the threshold"
    if prepared.problem is not None:
        update |= {"status": "not_shown", "reason": "want_of_evidence", "problem": prepared.problem, "refuted": False}
    return excusing(found.model_copy(update=update))


def _tested(r: Requirement, card: EvalCard, columns: Columns | None, part: Slice, rule: Rule) -> SliceFinding:
    """A rate or a mean against a limit: by the metric's declared type, its sampling, and whether the policy looks early."""
    metric = card.metrics[r.metric_name]
    if card.clusters is not None and card.clusters.population == "sampled":
        return judge_clusters(r.metric_name, part, columns, rule, card.clusters.key, metric.gated_range)
    if metric.type == "bounded_mean":
        return judge_sequence(r.metric_name, part, columns, rule, "mean", metric.range)
    if r.sequential:
        return judge_sequence(r.metric_name, part, columns, rule, "share", (0.0, 1.0))
    return judge_share(r.metric_name, part, columns, rule)


def _combined(found: tuple[SliceFinding, ...]) -> tuple[Status, Reason | None]:
    """Intersection-union: every slice must hold that is not excused, and if all are excused nothing is shown.

    A requirement that some slice violates is violated unless another wants evidence: what was not measured must never
    look more settled than it is.
    """
    if all(f.status == "excused" for f in found):
        return "not_shown", "want_of_evidence"
    blocking: tuple[Reason, ...] = ("want_of_evidence", "does_not_count")
    for reason in blocking:
        if any(f.reason == reason for f in found):
            return "not_shown", reason
    if any(f.status == "violated" for f in found):
        return "violated", None
    if any(f.status == "not_shown" for f in found):
        return "not_shown", "unsettled"
    return "met", None


def _errors(columns: Columns | None, measurement: Measurement | None) -> tuple[str, ...]:
    if measurement is not None and measurement.problem:
        return (measurement.problem,)
    return columns.errors if columns else ()


def _reasons(
    bench: Bench,
    requirement: Requirement,
    ordered: tuple[SliceFinding, ...],
    outcome: tuple[Status, Reason | None],
    errors: tuple[str, ...],
) -> tuple[str, str | None]:
    """Why a requirement has its status, and what would settle it."""
    if bench.stale and outcome[1] == "want_of_evidence":
        return bench.stale, "measure again"
    side, limit = requirement.stated
    excuses = "; ".join(excused_text(f) for f in ordered if f.status == "excused")
    decisive = next((f for f in ordered if (f.status, f.reason) == outcome), None)
    if decisive is None:
        return f"every slice is excused, which shows nothing: {excuses}", "gate what leaves the material usable as well"
    why = sentence(decisive, requirement.metric, side, limit, errors, bench.alpha)
    settled = _settle(decisive, side, limit, bench.alpha)
    return f"{why}; excused: {excuses}" if excuses else why, settled


def _settle(found: SliceFinding, side: Limited, limit: float, effective: float) -> str | None:
    if side == "margin" and found.estimate.gains is not None:
        return settle_pairs(found, limit)
    return settle(found, "at_most" if side == "at_most" else "at_least", limit, effective)
