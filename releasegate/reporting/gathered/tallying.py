"""What was counted of one metric in one part of a measurement. Its size does not grow with the number of samples.

An item that failed counts against the release, as in a decision: as a hit where hits speak against it, as a miss elsewhere;
among scores it lies beyond all of them. Otherwise what fails would improve the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.evalcard import Metric
from releasegate.reporting.gathered.cuts import Cut

BINS = 1_000
"""Bins of a histogram of scores, of one width, over the range of the metric."""


@dataclass
class Tally:
    """Counts of one metric.

    Attributes:
        high_hurts: whether a high value speaks against the release; None to go by what the card calls better.
        scored, failed: items with a value, and without one.
        total, squares: sum of the values (of a bernoulli metric, its hits), and of their squares.
        error: the first failure.
        flagged: of scores with a frozen threshold, how many it flags, failed items apart; None without one.
        binned: whether a histogram is kept of values that are no scores.
        bins: int64 [BINS], the histogram of scores; None of other metrics.
    """

    high_hurts: bool | None = None
    binned: bool = False
    scored: int = 0
    failed: int = 0
    total: float = 0.0
    squares: float = 0.0
    error: str = ""
    flagged: int | None = None
    bins: NDArray[np.int64] | None = None

    def score(self, value: float, metric: Metric | None, cut: Cut | None) -> None:
        """Nothing; the value of one item is counted.

        Args:
            metric: None if the card does not know it.
            cut: its frozen threshold.
        """
        self.scored += 1
        self.total += value
        self.squares += value * value
        if metric is None or not (self.binned or metric.type == "thresholded"):
            return
        if cut is not None and metric.type == "thresholded":
            self.flagged = (self.flagged or 0) + cut.flags(value)
        if self.bins is None:
            self.bins = np.zeros(BINS, dtype=np.int64)
        self.bins[bin_of(value, metric.range)] += 1

    def fail(self, error: str, metric: Metric | None = None, cut: Cut | None = None) -> None:
        """Nothing; an item without a value is counted; arguments as of `score`."""
        self.failed += 1
        self.error = self.error or error
        if metric is not None and metric.type == "thresholded" and cut is not None:
            self.flagged = self.flagged or 0

    @property
    def n(self) -> int:
        """How many items there were."""
        return self.scored + self.failed

    def lost_high(self, metric: Metric) -> bool:
        """Whether failed items count as high values, or hits."""
        return metric.better == "lower" if self.high_hurts is None else self.high_hurts

    def hits(self, metric: Metric) -> int | None:
        """How many of the items count as a yes, failed ones as what hurts; None where values are no answers."""
        hits = int(self.total) if metric.type == "bernoulli" else self.flagged
        return None if hits is None else hits + (self.failed if self.lost_high(metric) else 0)

    def mean(self, metric: Metric) -> float | None:
        """The mean over the items, failed ones at the end of the range that hurts; None without any.

        What is only reported is judged nowhere, and has ranges that no value comes near: there it is the mean of the values.
        """
        if metric.type == "report_only":
            return self.total / self.scored if self.scored else None
        end = metric.range[1 if self.lost_high(metric) else 0]
        return (self.total + self.failed * end) / self.n if self.n else None

    def histogram(self, metric: Metric) -> NDArray[np.int64] | None:
        """int64 [BINS + 2], the histogram of scores with failed items below or above all of them; None without any item."""
        if not self.n:
            return None
        bins = np.zeros(BINS, dtype=np.int64) if self.bins is None else self.bins
        high = self.lost_high(metric)
        return np.concatenate([[0 if high else self.failed], bins, [self.failed if high else 0]])

    def said_of_failed(self, metric: Metric) -> str:
        """How many items failed and what they count as, to go behind a count; empty if none did."""
        if not self.failed:
            return ""
        if metric.type == "report_only":
            return f", {self.failed} failed and left out"
        if self.hits(metric) is not None:
            return f", {self.failed} failed, counted as {'hits' if self.lost_high(metric) else 'misses'}"
        return f", {self.failed} failed, counted as {metric.range[1 if self.lost_high(metric) else 0]:g}"


def wider(span: tuple[float, float]) -> tuple[float, float]:
    """The range of a histogram of scores in `span` with its bins of failed items."""
    low, high = span
    return low - (high - low) / BINS, high + (high - low) / BINS


def bin_of(value: float, span: tuple[float, float]) -> int:
    """The bin of a score; the highest possible score is in the last one.

    >>> bin_of(0.0, (0, 1)), bin_of(0.5, (0, 1)), bin_of(1.0, (0, 1))
    (0, 500, 999)
    """
    return int(bins_of(np.array([value]), span)[0])


def bins_of(values: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.int64]:
    """int64, the bin of each score, any shape."""
    low, high = span
    return np.clip(((values - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)
