"""Attacks that ruin the material: when a slice of a safeguard need not hold, and when that is not known.

A safeguard fails falsely if a slice that violates is shown to hold, or is excused although its material stays usable. Each
of the two is tested at half of the requirement's alpha.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from releasegate.decision.estimating import Rule, judge_share, status_of
from releasegate.decision.explaining import UNKNOWN_EXCUSE, label_text, percent_free
from releasegate.decision.record import Estimate, Excused, Finding, SliceFinding
from releasegate.decision.slices import Slice, is_threat
from releasegate.decision.units import Units
from releasegate.evidence import Cell, Columns
from releasegate.intervals import clopper_pearson
from releasegate.policy import Excuse, Requirement
from releasegate.rounding import limit_text


def excuse(
    requirement: Requirement,
    planned: tuple[Cell, ...],
    calibration: Columns | None,
    rule: Rule,
    units: Units,
    found: SliceFinding,
) -> SliceFinding:
    """The finding, `excused` where calibration items show that the material of the slice is ruined.

    A slice that is met needs no excuse. Of one that is not, nobody knows whether it has one if calibration items failed or
    are missing and the others do not tell: then it wants evidence, or else losing calibration items could turn a requirement
    that shows nothing into one that is refuted.

    Args:
        planned: the calibration items.
        rule: of the slice, at half of the requirement's alpha already.
        units: which of them are independent. Where a card samples clusters, none excuses: whether one of them is ruined says
            little of another.
    """
    stated = requirement.excused
    if stated is None or found.status == "met" or not units.excuses:
        return found
    part = calibrating(requirement, stated, found.labels, planned)
    if part is None:
        return found
    try:
        part, calibration = units.thinned(part, calibration, planned)
    except ValueError:
        return found
    side, limit = stated.stated
    of_excuse = Rule(side, limit, rule.alpha, rule.max_failed)
    shown = judge_share(stated.metric_name, part, calibration, of_excuse)
    if shown.status == "met":
        proof = Excused(metric=stated.metric, side=side, limit=limit, labels=part.labels, estimate=shown.estimate)
        return found.model_copy(
            update={"status": "excused", "reason": None, "problem": None, "refuted": False, "excused": proof}
        )
    if _might_be_met(shown.estimate, of_excuse):
        lost = part.planned - shown.estimate.scored
        problem = f"{lost} of {part.planned} calibration items for {label_text(part.labels)} {UNKNOWN_EXCUSE}"
        return found.model_copy(
            update={"status": "not_shown", "reason": "want_of_evidence", "refuted": False, "problem": problem}
        )
    return found


def calibrating(
    requirement: Requirement, stated: Excuse, labels: Mapping[str, str], planned: tuple[Cell, ...]
) -> Slice | None:
    """The calibration items that could excuse the slice with these labels; None if there are none.

    They have the labels of the slice in every dimension of it that calibration items carry, and belong to the threat set.
    """
    carrying = {i: cell for i, cell in enumerate(planned) if stated.metric_name in cell.metrics}
    carried = {d for cell in carrying.values() for d in cell.labels}
    shared = {d: value for d, value in labels.items() if d in carried}
    threats = {d: listed for d, listed in (requirement.values or {}).items() if d in carried and d not in shared}
    alike = [
        i
        for i, cell in carrying.items()
        if all(cell.labels.get(d) == value for d, value in shared.items()) and is_threat(threats, cell.labels)
    ]
    return Slice(shared, tuple(alike), sum(planned[i].n for i in alike)) if shared and alike else None


def _might_be_met(e: Estimate, rule: Rule) -> bool:
    """Whether the limit would be shown if all lost items had come out the right way."""
    lost = e.planned - e.scored
    hits = (e.hits or 0) + (lost if rule.side == "at_least" else 0)
    return lost > 0 and status_of(clopper_pearson(hits, e.planned, rule.alpha), rule) == "met"


def excused_text(found: SliceFinding) -> str:
    """The proof that an excused slice rests on, in words."""
    proof = found.excused
    assert proof is not None, "only of an excused slice"
    e, words = proof.estimate, "at most" if proof.side == "at_most" else "at least"
    kind, bound = ("upper", e.high) if proof.side == "at_most" else ("lower", e.low)
    assert bound is not None, "nothing is proven without an item"
    lost = e.planned - e.scored
    against = f", {lost} lost ones counted against the excuse" if lost else ""
    return (
        f"{label_text(found.labels)} ({proof.metric} {words} {limit_text(proof.limit)}: {e.hits} of {e.scored}{against}, "
        f"{kind} bound {percent_free(bound, proof.limit)} at half of the effective alpha, {e.alpha:.4f})"
    )


def excused_slices(findings: Iterable[Finding]) -> Iterator[str]:
    """A sentence for each requirement that counts as met with some of its slices excused."""
    for f in findings:
        listed = [excused_text(s) for s in f.slices if s.status == "excused"]
        if listed and f.holds:
            yield f"excused attacks of {f.requirement} on {f.checkpoint}: {'; '.join(listed)}"
