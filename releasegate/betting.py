"""Wealth of bets against a mean: the martingales under every test that may be looked at early. Pure arithmetic.

Values lie in [0, 1]. A gambler who starts with 1 bets, item by item, that their mean is above `mean`; the factor of an
item with value x is 1 + bet (x - mean). While the mean, given what was seen before, is at most `mean`, the wealth is a
non-negative supermartingale: whenever one looks, it reaches 1 / alpha with probability at most alpha (Ville's inequality).
Many bets at once, mixed in fixed shares, are one such wealth again: the *e-value* E.

I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86, 2024: the bets
c / mean with c in (0, 1), and confidence sequences by inverting them. At values 0 and 1 the bet c / mean is the likelihood
ratio of the share `mean + c (1 - mean)` to the share `mean`: A. Wald, "Sequential tests of statistical hypotheses", 1945.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

INFORMATION = (0.8, 0.2, 0.05, 0.0125, 0.003125)
"""What an item tells on average against a share if the truth is each of five others, relative to the most it can tell.
A quarter each time: whatever the truth, one of the five is bet at about the right size."""
TOWARDS_RELEASE = (0.3, 0.56, 0.1, 0.03, 0.01)
"""Shares of the five bets for a requirement: most where a few hundred or thousand items can show it."""
TOWARDS_VIOLATION = (0.05, 0.2, 0.4, 0.25, 0.1)
"""Shares of the five bets against a requirement: little on the largest, so that a single wrong item seldom ends a test."""


class Mixture(NamedTuple):
    """Bets that are placed at once: `stakes` c in (0, 1), each the bet c / mean, and the `shares` of the first wealth."""

    stakes: tuple[float, ...]
    shares: tuple[float, ...]


EVEN = Mixture((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99), (0.1,) * 10)
"""For values between the ends of the range, whose spread is not known: equal shares, up to nearly everything."""


def share_mixture(mean: float, shares: tuple[float, ...]) -> Mixture:
    """Bets for values 0 and 1, spaced by the information in an item: E is a likelihood ratio mixed over alternatives.

    Args:
        mean: the share that is bet against, in (0, 1).
        shares: of the first wealth, one for each of `INFORMATION`.

    >>> share_mixture(.99, TOWARDS_RELEASE).stakes
    (0.949757, 0.560794, 0.298522, 0.153554, 0.077825)
    >>> share_mixture(.01, TOWARDS_VIOLATION).stakes
    (0.878375, 0.330678, 0.124653, 0.049831, 0.021294)
    """
    wanted = -np.log(mean) * np.array(INFORMATION)
    low, high = np.zeros(len(wanted)), np.ones(len(wanted))
    for _ in range(60):
        middle = (low + high) / 2
        enough = _information(middle, mean) >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return Mixture(tuple(float(c) for c in np.round(high, 6)), shares)


def _information(stakes: Floats, mean: float) -> Floats:
    """Kullback-Leibler divergence of the share mean + c (1 - mean) from the share `mean`, in nats an item."""
    truths = mean + stakes * (1 - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(stakes < 1, (1 - truths) * np.log1p(-stakes), 0.0)
    return truths * np.log1p(stakes * (1 - mean) / mean) + rest


def log_wealth(values: ArrayLike, mean: float, bets: ArrayLike) -> Floats:
    """The natural logarithm of the wealth after each item, along the last axis.

    Args:
        values: in [0, 1].
        mean: what is bet against, in (0, 1).
        bets: in [0, 1 / mean), for each item (or one for all), chosen without looking at it.

    The rule for bets that the authors call predictable plug-in, on 967 ones of 1,000:

    >>> draws = (np.random.default_rng(0).random(1000) < .97).astype(float)
    >>> t = np.arange(1, 1001)
    >>> means = (1 / 2 + draws.cumsum()) / (t + 1)
    >>> spread = np.r_[1 / 4, (1 / 4 + ((draws - means) ** 2).cumsum()) / (t + 1)][:-1]
    >>> bets = np.minimum(np.sqrt(2 * np.log(1 / .05) / (spread * t * np.log1p(t))), 1 / (2 * .9))
    >>> round(float(log_wealth(draws, .9, bets)[-1]), 4)
    14.8596
    """
    gains = np.asarray(values, dtype=np.float64) - mean
    return np.cumsum(np.log1p(np.asarray(bets) * gains), axis=-1)


def log_wealths(values: Floats, mean: float, mixture: Mixture) -> Floats:
    """The logarithm of the wealth of each bet after each item: shape [bets, ..., items] for values [..., items]."""
    return np.stack([log_wealth(values, mean, c / mean) for c in mixture.stakes])


def log_e(log_wealths: Floats, mixture: Mixture) -> Floats:
    """The logarithm of E: of the wealths, shape [bets, ...], added up in their shares.

    >>> np.exp(log_e(np.log([[4.0], [1.0]]), Mixture((.5, .1), (.5, .5)))).round(6).tolist()
    [2.5]
    """
    most = log_wealths.max(axis=0)
    sums = np.zeros_like(most)
    for wealth, share in zip(log_wealths, mixture.shares, strict=True):
        sums += share * np.exp(wealth - most)
    total: Floats = most + np.log(sums)
    return total


def log_e_of_counts(ones: ArrayLike, zeros: ArrayLike, mean: float, mixture: Mixture) -> Floats:
    """The logarithm of E after so many ones and zeros, in whatever order they came.

    >>> round(float(np.exp(log_e_of_counts(1, 0, .5, Mixture((.5,), (1.0,))))), 6)
    1.5
    """
    up, down = np.asarray(ones, dtype=np.float64), np.asarray(zeros, dtype=np.float64)
    wealths = [up * np.log1p(c * (1 - mean) / mean) + down * np.log1p(-c) for c in mixture.stakes]
    return log_e(np.stack(wealths), mixture)


def lower_bound(log_e_against: Callable[[float], float], alpha: float) -> float:
    """The largest mean known to be refuted, in [0, 1): a lower confidence bound at whatever moment one stops.

    Every factor (1 - c) + c x / mean falls as the mean rises, and so does E. A mean is refuted once E against it is
    1 / alpha; all means below are refuted with it. The bound is the lower end of the last step of a bisection.

    Args:
        log_e_against: log E against a mean in (0, 1); it must not rise.
        alpha: the error probability.

    >>> ones = lambda mean: float(log_e_of_counts(299, 0, mean, Mixture((.99,), (1.0,))))
    >>> round(lower_bound(ones, .05), 4)
    0.9899
    """
    wanted = -np.log(alpha)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if log_e_against(middle) >= wanted else (low, middle)
    return low
