"""What was counted of one metric in one part of a measurement. Its size does not grow with the number of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.evalcard import Metric
from releasegate.reporting.cuts import Cut

BINS = 1_000
"""Bins of a histogram of scores, of one width, over the range of the metric."""


@dataclass
class Tally:
    """Counts of one metric.

    Attributes:
        total: sum of the values: of a bernoulli metric, its hits.
        error: the first failure.
        flagged: of scores with a frozen threshold, how many it flags; None without one.
        bins: int64 [BINS], the histogram of scores; None of other metrics.
    """

    scored: int = 0
    failed: int = 0
    total: float = 0.0
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
        if metric is None or metric.type != "thresholded":
            return
        if cut is not None:
            self.flagged = (self.flagged or 0) + cut.flags(value)
        if self.bins is None:
            self.bins = np.zeros(BINS, dtype=np.int64)
        self.bins[bin_of(value, metric.range)] += 1

    def fail(self, error: str) -> None:
        """Nothing; an item without a value is counted."""
        self.failed += 1
        self.error = self.error or error

    @property
    def mean(self) -> float | None:
        """The mean of the values; None without any."""
        return self.total / self.scored if self.scored else None

    def hits(self, metric: Metric) -> int | None:
        """How many values are a yes; None where they are no answers."""
        if metric.type == "bernoulli":
            return int(self.total)
        return self.flagged


def bin_of(value: float, span: tuple[float, float]) -> int:
    """The bin of a score; the highest possible score is in the last one.

    >>> bin_of(0.0, (0, 1)), bin_of(0.5, (0, 1)), bin_of(1.0, (0, 1))
    (0, 500, 999)
    """
    low, high = span
    return min(max(int((value - low) / (high - low) * BINS), 0), BINS - 1)
