"""Exact one-sided bounds for shares, and the numbers of items that they ask for. Pure arithmetic.

Every bound is Clopper-Pearson (C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in
the case of the binomial", Biometrika 26, 1934), one-sided: each of the two ends errs with probability at most `alpha`.

scipy is imported when a bound is worked out: who verifies a release works out none.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

Side = Literal["at_most", "at_least"]
MOST_ITEMS = 10_000_000


class Bounds(NamedTuple):
    """A lower and an upper bound."""

    low: float
    high: float


def clopper_pearson(hits: int, n: int, alpha: float) -> Bounds:
    """The exact lower and upper bound of a share, each one-sided at `alpha`.

    Args:
        hits: items that counted, 0 to n.
        n: items, at least 1.
        alpha: the error probability of each end, in (0, 0.5).

    Raises:
        ValueError: without an item there is no bound.

    >>> round(clopper_pearson(967, 1000, .05).low, 5)
    0.95612
    >>> clopper_pearson(0, 10, .05).low, clopper_pearson(10, 10, .05).high
    (0.0, 1.0)
    """
    if n < 1 or not 0 <= hits <= n or not 0 < alpha < 0.5:
        raise ValueError(f"no bound for {hits} of {n} at {alpha}")
    from scipy.special import betaincinv

    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, alpha))
    high = 1.0 if hits == n else float(1.0 - betaincinv(n - hits, hits + 1, alpha))
    return Bounds(low, high)


def paired_difference(losses: int, gains: int, n: int, alpha: float) -> Bounds:
    """Bounds of P(loss) - P(gain) over pairs: each one-sided at `alpha`, from two exact bounds at alpha / 2.

    A loss is a pair in which the baseline was right and the other wrong; a gain the reverse.

    >>> round(paired_difference(0, 0, 122, .05).high, 4)
    0.0298
    """
    loss, gain = clopper_pearson(losses, n, alpha / 2), clopper_pearson(gains, n, alpha / 2)
    return Bounds(loss.low - gain.high, loss.high - gain.low)


def settles(hits: int, n: int, limit: float, side: Side, alpha: float) -> bool:
    """Whether `hits` of `n` show the share to be on the right side of the limit.

    >>> settles(299, 299, .99, "at_least", .05), settles(298, 298, .99, "at_least", .05)
    (True, False)
    """
    bounds = clopper_pearson(hits, n, alpha)
    return bounds.high <= limit if side == "at_most" else bounds.low >= limit


def items_to_settle(rate: float, limit: float, side: Side, alpha: float) -> int | None:
    """The fewest items that would show the share on the right side of the limit if it stays at `rate`; None: none would.

    Hits are rounded against the requirement.

    >>> [items_to_settle(1.0, .99, "at_least", a) for a in (.05, .0304)]
    [299, 348]
    >>> items_to_settle(.5, .2, "at_most", .05) is None
    True
    """
    wrong_rate = rate if side == "at_most" else 1 - rate
    if (rate >= limit) if side == "at_most" else (rate <= limit):
        return None

    if wrong_rate == 0:
        return _fewest(0, limit, side, alpha)

    def bears(rare: int) -> int | None:
        """The fewest items at the rate, with so many of the rarer kind (wrong or right), that show the limit, if any do."""
        if wrong_rate <= 0.5:
            n = _fewest(rare, limit, side, alpha)
            return n if n is not None and wrong_rate * n <= rare + 1e-9 else None
        n = math.ceil(rare / (1 - wrong_rate) - 1e-9)
        return n if _settles_with(n - rare, n, limit, side, alpha) else None

    low, high = 0, 1
    while bears(high) is None:
        low, high = high, high * 2
        if high > min(wrong_rate, 1 - wrong_rate) * MOST_ITEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bears(middle) else (middle, high)
    return bears(high)


def _fewest(wrong: int, limit: float, side: Side, alpha: float) -> int | None:
    """The fewest items that show the limit although `wrong` of them are on its wrong side; None: more than the most."""
    low, high = wrong, wrong + 1
    while not _settles_with(wrong, high, limit, side, alpha):
        low, high = high, high * 2
        if high > MOST_ITEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _settles_with(wrong, middle, limit, side, alpha) else (middle, high)
    return high


def _settles_with(wrong: int, n: int, limit: float, side: Side, alpha: float) -> bool:
    return settles(wrong if side == "at_most" else n - wrong, n, limit, side, alpha)


def most_hits(n: int, limit: float, side: Side, alpha: float) -> int | None:
    """How many items may go wrong of `n` with the requirement still shown; None: not even zero.

    >>> most_hits(473, .99, "at_least", .05), most_hits(298, .99, "at_least", .05)
    (1, None)
    """
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _settles_with(middle, n, limit, side, alpha) else (low, middle)
    return low if low >= 0 else None


def power(n: int, limit: float, side: Side, alpha: float, truth: float) -> float:
    """The probability that `n` items show the requirement if the share is `truth`.

    >>> round(power(2697, .99, "at_least", .05, .995), 2)
    0.91
    """
    wrong = most_hits(n, limit, side, alpha)
    if wrong is None:
        return 0.0
    from scipy.special import bdtr, bdtrc

    return float(bdtr(wrong, n, truth) if side == "at_most" else bdtrc(n - wrong - 1, n, truth))


def items_for_power(limit: float, side: Side, alpha: float, truth: float, wanted: float) -> int | None:
    """The fewest items that show the requirement with probability `wanted` or more if the share is `truth`; None: none do.

    Exact. A few items more may have slightly less power, until one more may go wrong: plan this number itself.

    >>> [items_for_power(.99, "at_least", .05, truth, .9) for truth in (.995, .999)]
    [2546, 473]
    >>> items_for_power(.99, "at_least", .05, .99, .9) is None
    True
    """
    if (truth >= limit) if side == "at_most" else (truth <= limit):
        return None

    def bears(wrong: int) -> int | None:
        """The fewest items that bear so many wrong ones, where power peaks; None: it is less than wanted."""
        n = _fewest(wrong, limit, side, alpha)
        return n if n is not None and power(n, limit, side, alpha, truth) >= wanted else None

    low, high = -1, 0
    while bears(high) is None:
        low, high = high, high * 2 + 1
        if _fewest(high, limit, side, alpha) is None:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bears(middle) is not None else (middle, high)
    # Peaks do not rise quite evenly: one a little lower may do.
    found = (bears(wrong) for wrong in range(0 if high <= 64 else high - 16, high + 1))
    return next(n for n in found if n is not None)


def next_peak(wrong: int, limit: float, side: Side, alpha: float) -> int | None:
    """The fewest items of which one more may go wrong than `wrong`, where power peaks; None: more than the most.

    Power falls from one peak to just before the next: a saw-tooth.

    >>> next_peak(-1, .99, "at_least", .05), next_peak(0, .99, "at_least", .05)
    (299, 473)
    """
    return _fewest(wrong + 1, limit, side, alpha)


def effective_alpha(alpha: float, attempt: int, shares: int) -> float:
    """The alpha of one chance to be published at one attempt: 6 alpha / (pi^2 j^2) / shares.

    Over all attempts j = 1, 2, … and all shares it sums to at most `alpha`.

    >>> round(effective_alpha(.05, 1, 1), 4), round(effective_alpha(.05, 1, 3), 4)
    (0.0304, 0.0101)
    """
    return 6 * alpha / (math.pi**2 * attempt**2) / shares
