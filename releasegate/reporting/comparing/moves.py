"""The slices of a requirement that moved most between two decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from releasegate.decision import Finding
from releasegate.decision.record import SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.reporting.comparing.views import SliceMove
from releasegate.reporting.figures.valued import Valued, valued
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.gathered.dimensions import Label
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened
from releasegate.reporting.wording.words import Mark

BETTER, WORSE = Mark("better", "better"), Mark("worse", "worse")
MOST_MOVES = 8
"""Slices that are listed of one requirement."""
GATED = "The slices that moved most"
UNGATED = "The slices that moved most; they are not gated: exact 95 % intervals"


@dataclass(frozen=True)
class Found:
    """One of two findings on a requirement.

    Attributes:
        card: of its eval, if it is at hand.
        gathered: what was measured in its run, if it is at hand.
    """

    finding: Finding
    card: EvalCard | None
    gathered: Gathered | None

    def valued(self) -> dict[Label, Valued]:
        """What the slices of the card show beside a requirement on the pooled items, with a value each."""
        eval_id, name = self.finding.metric.split("/")
        if self.card is None or self.gathered is None or name not in self.card.metrics:
            return {}
        cut = self.gathered.cuts.get(self.finding.metric)
        if cut is not None and cut.value != self.finding.slices[0].threshold:
            return {}  # counted at the threshold of another requirement
        place, carried = (eval_id, "gate", self.finding.checkpoint), self.card.metrics[name].rests_on or name
        tallies = self.gathered.tallies
        labels = {part[0] for p, m, part in tallies if (p, m) == (place, carried) and len(part) == 1}
        found = {label: valued(tallies, place, self.card, name, (label,)) for label in sorted(labels)}
        return {label: one for label, one in found.items() if one is not None and one.value is not None}


def slice_moves(before: Found, after: Found) -> tuple[str, tuple[SliceMove, ...]]:
    """What they are, and the slices of both whose values differ, those that moved furthest first.

    They are the gated slices; where the requirement is about the pooled items, those that the card names.
    """
    if before.finding.metric != after.finding.metric:
        return GATED, ()
    gated = any(s.labels for s in (*before.finding.slices, *after.finding.slices))
    if not gated and after.finding.side == "margin":
        return UNGATED, ()  # a loss over pairs, which the tallies of one checkpoint do not show
    found = list(_gated(before, after) if gated else _ungated(before, after))
    moves = tuple(move for _, move in sorted(found, key=lambda entry: -abs(entry[0])))
    return GATED if gated else UNGATED, moves


def _gated(before: Found, after: Found) -> Iterator[tuple[float, SliceMove]]:
    old = {_key(s): s for s in before.finding.slices if s.labels}
    for new in after.finding.slices:
        was = old.get(_key(new)) if new.labels else None
        if was is None or was.estimate.value is None or new.estimate.value is None:
            continue
        moved = new.estimate.value - was.estimate.value
        if moved:
            texts = _numbers(before.finding, was), _numbers(after.finding, new)
            yield moved, _move(after, label_words(after.card, new.labels), texts, moved)


def _ungated(before: Found, after: Found) -> Iterator[tuple[float, SliceMove]]:
    old = before.valued()
    for label, new in after.valued().items():
        was = old.get(label)
        moved = new.value - was.value if was is not None and was.value is not None and new.value is not None else 0.0
        if was is not None and moved:
            texts = f"{was.text} [{was.low}, {was.high}]", f"{new.text} [{new.low}, {new.high}]"
            yield moved, _move(after, label_words(after.card, {label[0]: label[1]}), texts, moved)


def _key(found: SliceFinding) -> tuple[Label, ...]:
    return tuple(sorted(found.labels.items()))


def _move(after: Found, label: str, texts: tuple[str, str], moved: float) -> SliceMove:
    rises = after.finding.side == "at_least"
    return SliceMove(
        label=shortened(label, MOST_TITLE),
        before=texts[0],
        after=texts[1],
        moved=f"{moved:+.3g}".replace("-", "−", 1) if moved < 0 else f"{moved:+.3g}",
        mark=BETTER if (moved > 0) == rises else WORSE,
    )


def _numbers(finding: Finding, found: SliceFinding) -> str:
    at = standing(finding, found)
    return f"{at.estimate} [{at.low}, {at.high}]"
