"""The numbers of a slice beside its limit, as text: none is rounded onto or across it."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.decision.record import Finding, SliceFinding
from releasegate.reporting.findings.distances import moved
from releasegate.reporting.wording.numbers import NONE, beside, limit
from releasegate.reporting.wording.words import SIDE


@dataclass(frozen=True)
class Standing:
    """Where a slice stands.

    Attributes:
        limit: as the policy states it, and where a judge's errors moved it to.
        moved: there; of what is refuted, the limit that it was refuted by. Empty where none moved it.
        items: scored of planned, and how many were lost.
        lost: items that were due and have no value.
    """

    estimate: str
    low: str
    high: str
    limit: str
    moved: str
    items: str
    lost: int

    @property
    def bounds(self) -> str:
        """Both, in words."""
        return NONE if self.low == NONE else f"{self.low} to {self.high}"


def standing(finding: Finding, found: SliceFinding) -> Standing:
    """The texts for one slice of a finding."""
    e = found.estimate
    limits = found.limits(finding.limit)
    at = moved(found)
    tested = limit(at, e.value, e.low, e.high) if at is not None else ""
    stated = f"{SIDE[finding.side]} {limit(finding.limit)}" + (f", tested at {tested}" if tested else "")
    lost = (e.planned - e.not_attempted if e.used is None else e.used) - e.scored
    items = f"{e.scored} of {e.planned}" + (f", {lost} failed or missing" if lost else "")
    ends = e.interval or (None, None)
    value, low, high = (beside(x, *limits) for x in (e.value, *ends))
    return Standing(value, low, high, stated, tested, items, lost)
