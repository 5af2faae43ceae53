"""How far a slice is from its limit, and which slice is worst."""

from __future__ import annotations

from releasegate.decision.record import Finding, SliceFinding
from releasegate.reporting.wording.numbers import distance


def worst_first(finding: Finding, slices: tuple[SliceFinding, ...]) -> tuple[SliceFinding, ...]:
    """The slices as the decision ordered them, with what is not shown before what is met, and the closest to its limit first.

    Slices whose limits a judge's errors moved apart may stand in another order by their bounds alone.
    """

    def rank(found: SliceFinding) -> tuple[int, float]:
        if found.reason in ("want_of_evidence", "does_not_count"):
            return 0, 0.0
        if found.status == "violated":
            return 1, 0.0
        inside = margin(finding, found)
        shown = {"not_shown": 2, "met": 3, "waived": 3, "excused": 4}[found.status]
        return shown, float("-inf") if inside is None else inside

    return tuple(sorted(slices, key=rank))


def tested(finding: Finding, found: SliceFinding) -> float:
    """What the bounds of a slice are compared with: the limit, or where a judge's errors moved it to."""
    at = moved(found)
    return finding.limit if at is None else at


def moved(found: SliceFinding) -> float | None:
    """Where a judge's errors moved the limit of a slice; of a refuted one, what it was refuted by. None if nowhere."""
    return found.moved


def conservative(finding: Finding, found: SliceFinding) -> float | None:
    """The bound that must be on the right side of the limit; of a refuted requirement, the one that refutes it."""
    refuted = found.status == "violated"
    return found.estimate.low if (finding.side == "at_least") != refuted else found.estimate.high


def margin(finding: Finding, found: SliceFinding) -> float | None:
    """How far the conservative bound of a slice is inside of its limit; negative beyond it, None without a bound."""
    bound = conservative(finding, found)
    if bound is None:
        return None
    limit = tested(finding, found)
    return bound - limit if finding.side == "at_least" else limit - bound


def distance_words(finding: Finding, found: SliceFinding) -> str:
    """How far the conservative bound of a slice is from the limit."""
    inside = margin(finding, found)
    return "none" if inside is None else distance(inside)


def bars(finding: Finding, slices: tuple[SliceFinding, ...]) -> tuple[float | None, ...]:
    """Of each slice its distance beside the largest one, from -1 (furthest beyond the limit) to 1; None without a bound."""
    found = [margin(finding, one) for one in slices]
    most = max((abs(one) for one in found if one is not None), default=0.0)
    return tuple(None if one is None else one / most if most else 0.0 for one in found)
