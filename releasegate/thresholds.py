"""Thresholds that are set on calibration negatives, on the side that hurts the release. Pure arithmetic.

A detector flags what scores above a threshold; how often it flags negatives is known only from a sample of them. The
threshold is one of their scores, so far down or up that the rate among all negatives is on the wrong side of the wanted
one with probability at most alpha / 2. What is measured at that threshold is then judged at the other alpha / 2.

The rate above the r-th largest of n independent scores has the distribution Beta(r, n - r + 1), or lies to the safe side
of it where scores tie: S. S. Wilks, "Determination of sample sizes for setting tolerance limits", 1941.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrc

from releasegate.intervals import Side


class Threshold(NamedTuple):
    """A frozen threshold.

    Attributes:
        value: a score.
        rank: it is the rank-th largest, from 1, failed negatives counted where they hurt.
        n: independent negatives, failed ones included.
        side: of the requirement on what is flagged, which decides what a tie is.
    """

    value: float
    rank: int
    n: int
    side: Side

    def flags(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Whether each score is flagged.

        Raises:
            ValueError: a score is not a number.
        """
        return flagged(scores, self.value, self.side)


def flagged(scores: ArrayLike, value: float, side: Side) -> NDArray[np.bool_]:
    """Whether each score is flagged at a threshold; one that ties with it counts against the release.

    Args:
        scores: any shape; higher is more like what is detected.
        value: the threshold.
        side: of the requirement on what is flagged.

    Raises:
        ValueError: a score is not a number.

    >>> flagged([0.4, 0.5, 0.6], 0.5, "at_least").tolist(), flagged([0.4, 0.5, 0.6], 0.5, "at_most").tolist()
    ([False, False, True], [False, True, True])
    """
    given = _numbers(scores)
    return given > value if side == "at_least" else given >= value


def rank_of(n: int, rate: float, side: Side, alpha: float) -> int:
    """The rank of the score among n negatives, largest first, from 1, that may serve as the threshold.

    For a safeguard (a detection rate `at_least` so high, at a false-positive rate of at most `rate`) it is the lowest score
    with P(false-positive rate > rate) <= alpha / 2. For misuse (an acceptance rate `at_most` so high, at a false-match rate
    of no less than `rate`) it is the highest with P(false-match rate < rate) <= alpha / 2.

    On either side there must be so many negatives that, but for a probability of alpha / 2, one of them lies beyond the threshold
    of that very rate. Of fewer a threshold for misuse could be had too, on the safe side, but at a rate that has little to do
    with the one that stands beside it.

    Args:
        n: independent negatives: clips of named speakers, but speakers where speakers are sampled.
        rate: the wanted rate among negatives, in (0, 1).
        side: of the requirement on what is flagged.
        alpha: effective alpha of the requirement; half of it is spent here.

    Raises:
        ValueError: so few negatives cannot support the rate.

    >>> rank_of(1000, .01, "at_least", .05), rank_of(1000, .01, "at_most", .05)
    (4, 18)
    """
    if not 0 < rate < 1 or not 0 < alpha < 1:
        raise ValueError(f"no threshold for a rate of {rate} at {alpha}")
    ranks = np.arange(1, n + 1)
    if side == "at_least":
        fit = ranks[bdtr(ranks - 1, n, rate) <= alpha / 2]
    else:
        fit = ranks[bdtrc(ranks - 1, n, rate) <= alpha / 2]
    needed = negatives_needed(rate, side, alpha)
    if n < needed:
        raise ValueError(f"{n} negatives cannot support a rate of {rate:g}: needs {needed}")
    return int(fit[-1] if side == "at_least" else fit[0])


def negatives_needed(rate: float, side: Side, alpha: float) -> int:
    """The fewest independent negatives that can support a rate.

    >>> negatives_needed(.01, "at_least", .05), negatives_needed(.01, "at_most", .05)
    (368, 368)
    >>> negatives_needed(.9, "at_least", .05), negatives_needed(.9, "at_most", .05)
    (2, 36)
    """
    # Not all of them below the threshold of that rate; for misuse, where the rate is high, not all of them above it either.
    miss = 1 - rate if side == "at_least" else max(rate, 1 - rate)
    n = max(1, int(np.ceil(np.log(alpha / 2) / np.log(miss))))
    return n if miss**n <= alpha / 2 else n + 1


def threshold(scores: ArrayLike, rate: float, side: Side, alpha: float, failed: int = 0) -> Threshold:
    """The threshold at which negatives are flagged at the wanted rate, set on the side that hurts the release.

    Args:
        scores: of independent calibration negatives, in any order; higher is more like what is detected.
        rate, side, alpha: as of `rank_of`.
        failed: negatives without a score: taken as the highest for a safeguard, as the lowest for misuse.

    Raises:
        ValueError: so few negatives cannot support the rate, so many failed that no score is left for the threshold, or a
            score is not a number.

    >>> threshold(np.arange(1000), .01, "at_least", .05), threshold(np.arange(1000), .01, "at_most", .05).value
    (Threshold(value=996.0, rank=4, n=1000, side='at_least'), 982.0)
    >>> threshold(np.arange(1000), .01, "at_least", .05, failed=2).value
    998.0
    """
    given = np.sort(_numbers(scores))[::-1]
    n = len(given) + failed
    rank = rank_of(n, rate, side, alpha)
    place = rank - 1 - (failed if side == "at_least" else 0)
    if not 0 <= place < len(given):
        raise ValueError(f"{failed} of {n} negatives failed: no score is left for a threshold at a rate of {rate:g}")
    return Threshold(float(given[place]), rank, n, side)


def frozen_threshold(negatives: ArrayLike, positives: ArrayLike, rate: float, side: Side) -> Threshold:
    """The threshold half-way between calibration negatives and positives: frozen, and known for nothing.

    Half-way between the medians of the two kinds, which a few odd clips do not move; higher if more than `rate` of the negatives
    lie above that. Nothing follows from it for other items: what is flagged of either kind is to be judged on fresh ones, which
    had no part in the choice, each at the full alpha.

    Args:
        negatives, positives: scores, in any order; higher is more like what is detected.
        rate: in (0, 1).
        side: of the requirement on what is flagged, for ties alone.

    Raises:
        ValueError: there are no scores of one kind, or a score is not a number.

    >>> frozen_threshold([0, .1, .2], [.7, .9, .9], .01, "at_least").value
    0.5
    >>> frozen_threshold([0, .1, .8], [.7, .9, .9], .01, "at_least").value
    0.8
    """
    below, above = np.sort(_numbers(negatives))[::-1], _numbers(positives)
    if not len(below) or not len(above) or not 0 < rate < 1:
        raise ValueError(
            f"no threshold between {len(below)} negatives and {len(above)} positives at a rate of {rate:g}"
        )
    rank = int(rate * len(below)) + 1
    middle = (float(np.median(below)) + float(np.median(above))) / 2
    return Threshold(max(middle, float(below[rank - 1])), rank, len(below), side)


def _numbers(scores: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(scores, dtype=np.float64)
    if not np.all(np.isfinite(given)):
        raise ValueError("a score is not a number")
    return given
