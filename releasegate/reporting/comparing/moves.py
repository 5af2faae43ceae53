"""The slices of a requirement that moved most between two decisions."""

from __future__ import annotations

from releasegate.decision import Finding
from releasegate.decision.record import SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.reporting.comparing.views import SliceMove
from releasegate.reporting.findings.distances import tested
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.wording.numbers import MOST_TITLE, beside, shortened
from releasegate.reporting.wording.words import Mark

AWAY, TOWARDS = Mark("better", "better"), Mark("worse", "worse")
MOST_MOVES = 8
"""Slices that are listed of one requirement."""


def slice_moves(before: Finding, after: Finding, card: EvalCard | None) -> tuple[SliceMove, ...]:
    """The slices that both judged and whose values differ, those that moved furthest first."""
    if before.metric != after.metric:
        return ()
    old = {_key(s): s for s in before.slices if s.labels}
    pairs = [(old[_key(s)], s) for s in after.slices if s.labels and _key(s) in old]
    found = [
        (abs(moved), _move(before, one, after, other, moved, card))
        for one, other in pairs
        if one.estimate.value is not None
        and other.estimate.value is not None
        and (moved := other.estimate.value - one.estimate.value)
    ]
    return tuple(move for _, move in sorted(found, key=lambda entry: -entry[0]))


def _key(found: SliceFinding) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(found.labels.items()))


def _move(
    before: Finding, one: SliceFinding, after: Finding, other: SliceFinding, moved: float, card: EvalCard | None
) -> SliceMove:
    rises = after.side == "at_least"
    return SliceMove(
        label=shortened(label_words(card, other.labels), MOST_TITLE),
        before=_numbers(before, one),
        after=_numbers(after, other),
        moved=f"{moved:+.3g}".replace("-", "−", 1) if moved < 0 else f"{moved:+.3g}",
        mark=AWAY if (moved > 0) == rises else TOWARDS,
    )


def _numbers(finding: Finding, found: SliceFinding) -> str:
    e, at = found.estimate, tested(finding, found)
    return f"{beside(e.value, at)} [{beside(e.low, at)}, {beside(e.high, at)}]"
