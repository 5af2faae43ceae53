"""Where scores become yes or no: the thresholds that a decision froze, by metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.decision import Decision
from releasegate.evalcard import EvalCard, Metric
from releasegate.figures import TradeoffFigure
from releasegate.intervals import Side
from releasegate.plan import Plan
from releasegate.thresholds import flagged


@dataclass(frozen=True)
class Cut:
    """A frozen threshold.

    Attributes:
        value: a score.
        side: of the requirement that it serves: `at_least` flags what scores above it, `at_most` what scores it or above.
            A score that ties counts against the release.
    """

    value: float
    side: Side

    def flags(self, score: float) -> bool:
        """Whether a score is flagged.

        >>> Cut(0.5, "at_least").flags(0.5), Cut(0.5, "at_most").flags(0.5)
        (False, True)
        """
        return bool(flagged(score, self.value, self.side))

    def flags_each(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each score is flagged, any shape."""
        return flagged(scores, self.value, self.side)


Cuts = Mapping[str, Cut]
"""By metric, `<eval>/<metric>`."""


def cuts_of(decision: Decision, plan: Plan) -> dict[str, Cut]:
    """The threshold of every metric that has one; a metric without its own takes that of its partner on the same scale."""
    found: dict[str, Cut] = {}
    for finding in decision.findings:
        value = finding.slices[0].threshold
        if value is not None:
            found.setdefault(finding.metric, Cut(value, "at_least" if finding.side == "at_least" else "at_most"))
    for eval_id, card in plan.cards.items():
        for positives, negatives in scale_pairs(card):
            one, other = f"{eval_id}/{positives}", f"{eval_id}/{negatives}"
            for lacking, having in ((one, other), (other, one)):
                if having in found:
                    found.setdefault(lacking, found[having])
    return found


def scale_pairs(card: EvalCard) -> Iterator[tuple[str, str]]:
    """The metrics of positives and of negatives that the card puts on one scale."""
    for metric in card.metrics.values():
        if metric.curve is not None:
            yield metric.curve.positives, metric.curve.negatives
    for figure in card.figures or ():
        if isinstance(figure, TradeoffFigure):
            yield figure.positives, figure.negatives


def answers(metric: Metric | None, cut: Cut | None, value: float) -> bool | None:
    """Whether a value is a yes; None for a value that is neither yes nor no, such as a score without a threshold."""
    if metric is None or metric.type == "bernoulli":
        return value > 0
    if metric.type == "thresholded" and cut is not None:
        return cut.flags(value)
    return None


def answers_each(metric: Metric | None, cut: Cut | None, values: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Whether each value is a yes, any shape; None as of `answers`."""
    if metric is None or metric.type == "bernoulli":
        return values > 0
    if metric.type == "thresholded" and cut is not None:
        return cut.flags_each(values)
    return None
