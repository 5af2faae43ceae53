"""Detection against false alarms over every threshold, from two histograms of scores. Pure arithmetic.

The area under the curve is the probability that a positive scores above a negative, ties counted half: D. Bamber, "The area
above the ordinal dominance graph and the area below the receiver operating characteristic graph", 1975.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Area(NamedTuple):
    """An area under the curve, or where it meets the line of equal errors.

    Attributes:
        value: in [0, 1]; 0.5 tells nothing apart.
        slack: by how much it may be off either way, as scores in one bin are taken as ties.
    """

    value: float
    slack: float


def area_under(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> Area | None:
    """The area under the curve; None without items of both kinds.

    Args:
        positives, negatives: int64 [bins] each, how many items score in each bin, from the lowest scores to the highest.

    >>> area_under(np.array([0, 1, 3]), np.array([2, 2, 0]))
    Area(value=0.9375, slack=0.0625)
    """
    pairs = float(positives.sum()) * float(negatives.sum())
    if not pairs:
        return None
    above = positives.sum() - np.cumsum(positives)  # [bins], positives in higher bins
    tied = float((positives.astype(float) * negatives).sum()) / 2
    return Area((float((negatives.astype(float) * above).sum()) + tied) / pairs, tied / pairs)


def equal_error_rate(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> Area | None:
    """The rate of misses and of false alarms where the two are equal; None without items of both kinds.

    Between two thresholds the curve is a straight line.

    Args:
        positives, negatives: as of `area_under`.

    >>> equal_error_rate(np.array([1, 0, 3]), np.array([2, 2, 0]))
    Area(value=0.25, slack=0.0)
    """
    if not positives.sum() or not negatives.sum():
        return None
    alarms, found = (np.concatenate([[0], np.cumsum(counts[::-1])]) / counts.sum() for counts in (negatives, positives))
    after = int(np.argmax(alarms + found >= 1))  # 0 flagged of both at first, all of both at last
    before = max(after - 1, 0)
    rise = alarms[after] + found[after] - alarms[before] - found[before]
    share = (1 - alarms[before] - found[before]) / rise if rise else 0.0
    value = float(alarms[before] + share * (alarms[after] - alarms[before]))
    least, most = max(alarms[before], 1 - found[after]), min(alarms[after], 1 - found[before])
    return Area(value, float(max(value - least, most - value, 0.0)))


def curve_of(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], span: tuple[float, float]
) -> list[tuple[float, float, float]]:
    """False-alarm rate, detection rate and threshold, from a threshold that flags nothing to one that flags all.

    Points at which nothing changes are left out. What is flagged lies in the bins above the threshold.

    Args:
        positives, negatives: as of `area_under`, both with items.
        span: from where the lowest bin begins to where the highest ends.
    """
    low, high = span
    flagged = [np.concatenate([[0], np.cumsum(counts[::-1])]) / counts.sum() for counts in (negatives, positives)]
    thresholds = high - (high - low) * np.arange(len(positives) + 1) / len(positives)  # [bins + 1], falling
    points = list(zip(flagged[0].tolist(), flagged[1].tolist(), thresholds.tolist(), strict=True))
    return points[:1] + [point for before, point in pairwise(points) if point[:2] != before[:2]]
