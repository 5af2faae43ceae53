"""The numbers of a slice beside its limit, as text: none is rounded onto or across it."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.decision.record import Finding, SliceFinding
from releasegate.reporting.wording.numbers import NONE, beside, limit
from releasegate.reporting.wording.words import SIDE


@dataclass(frozen=True)
class Standing:
    """Where a slice stands.

    Attributes:
        limit: as the policy states it, and where a judge's errors moved it to.
        items: scored of planned, and how many were lost.
    """

    estimate: str
    bounds: str
    limit: str
    items: str


def standing(finding: Finding, found: SliceFinding) -> Standing:
    """The texts for one slice of a finding."""
    e = found.estimate
    limits = limits_of(finding, found)
    moved = found.tested_limit if found.refuting_limit is None else found.refuting_limit
    stated = f"{SIDE[finding.side]} {limit(finding.limit)}"
    if moved is not None:
        stated += f", tested at {limit(moved, e.value, e.low, e.high)}"
    bounds = f"{beside(e.low, *limits)} to {beside(e.high, *limits)}" if e.low is not None else NONE
    lost = (e.planned - e.not_attempted if e.used is None else e.used) - e.scored
    items = f"{e.scored} of {e.planned}" + (f", {lost} failed or missing" if lost else "")
    return Standing(beside(e.value, *limits), bounds, stated, items)


def limits_of(finding: Finding, found: SliceFinding) -> tuple[float, ...]:
    """Every limit that the numbers of a slice may stand beside: stated, tested, refuting."""
    return (finding.limit, *(one for one in (found.tested_limit, found.refuting_limit) if one is not None))
