"""When a sequential test will stop: exact chances and expected items, for planning. Pure arithmetic.

Values are taken to be 0 or 1, for which the wealth depends on their counts alone. For a mean of values between the ends
of its range this plans carefully: of all values with one mean, those at the two ends make the wealth of each bet grow
slowest (its logarithm is concave).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.betting import Floats, log_e_of_counts
from releasegate.sequential import Claim

NEGLIGIBLE = 1e-15


@dataclass(frozen=True)
class Stopping:
    """The chances that a sequential test has stopped after each number of items.

    Attributes:
        met: float64 [n_max + 1], the chance that the claim is met after at most so many items.
        violated: float64 [n_max + 1], the same for its violation.
    """

    met: Floats
    violated: Floats

    @property
    def mean_items(self) -> float:
        """Expected items consumed, n_max for a test that stops by itself no sooner."""
        return float((1 - self.met - self.violated)[:-1].sum())

    @property
    def mean_items_when_met(self) -> float | None:
        """Expected items consumed of the tests that find the claim met by n_max; None: none does."""
        chances = np.diff(self.met, prepend=0.0)
        return float(chances @ np.arange(len(chances)) / self.met[-1]) if self.met[-1] > 0 else None

    def items_for_power(self, power: float) -> int | None:
        """The fewest items after which the claim is met with at least the given chance; None: more than n_max."""
        enough = self.met >= power
        return int(np.argmax(enough)) if enough.any() else None


def wrong_items_allowed(claim: Claim, n_max: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """After each number of items, 0 to n_max: the most wrong ones with the claim met, and the fewest with it violated.

    -1 where it cannot be met yet; n + 1 where it cannot be violated yet. A wrong item is one at the end that hurts.

    >>> met, violated = wrong_items_allowed(Claim("share", "at_least", .99, .05), 700)
    >>> met[[403, 404, 700]].tolist(), violated[[1, 2, 100]].tolist()
    ([-1, 0, 1], [2, 2, 6])
    """
    n = np.arange(n_max + 1)
    towards, against = claim.bets

    def is_met(wrong: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(log_e_of_counts(n - wrong, wrong, claim.mean, towards) >= -np.log(claim.alpha))

    def is_violated(wrong: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(log_e_of_counts(wrong, n - wrong, 1 - claim.mean, against) >= -np.log(claim.against))

    # Fewer wrong items never make less of the claim's wealth, nor more of its violation's: bisect for every n at once.
    met, most = np.full(n_max + 1, -1), n + 1
    violated, fewest = n + 1, np.full(n_max + 1, -1)
    for _ in range(int(n_max + 2).bit_length() + 1):
        middle = (met + most) // 2
        inside = (middle > met) & (middle < most)
        holds = is_met(np.where(inside, middle, 0))
        met, most = np.where(inside & holds, middle, met), np.where(inside & ~holds, middle, most)
        middle = (violated + fewest) // 2
        inside = (middle > fewest) & (middle < violated)
        broken = is_violated(np.where(inside, middle, 0))
        violated, fewest = np.where(inside & broken, middle, violated), np.where(inside & ~broken, middle, fewest)
    return met, violated


def stopping(claim: Claim, truth: float, n_max: int) -> Stopping:
    """The chances to have stopped after each number of items, 0 to n_max, if the share or mean is `truth`.

    Args:
        truth: in the metric's unit, in the span.

    >>> found = stopping(Claim("share", "at_least", .99, .05), .999, 2000)
    >>> found.items_for_power(.9), round(found.mean_items)
    (885, 531)
    """
    low, high = claim.span
    wrong = (high - truth) / (high - low) if claim.side == "at_least" else (truth - low) / (high - low)
    if not 0 <= wrong <= 1:
        raise ValueError(f"no share or mean of {truth} from {low} to {high}")
    allowed, forbidden = wrong_items_allowed(claim, n_max)
    met, violated = np.zeros(n_max + 1), np.zeros(n_max + 1)
    running = np.zeros(n_max + 2)  # chance of each number of wrong items in a test that has not stopped
    running[0] = 1.0
    first, last = 0, 0  # where it is not negligible
    for n in range(1, n_max + 1):
        step = running[first : last + 1] * wrong
        running[first : last + 1] *= 1 - wrong
        running[first + 1 : last + 2] += step
        last += 1
        stop = min(int(allowed[n]), last)
        if stop >= first:
            met[n] = running[first : stop + 1].sum()
            running[first : stop + 1] = 0
            first = stop + 1
        stop = max(int(forbidden[n]), first)
        if stop <= last:
            violated[n] = running[stop : last + 1].sum()
            running[stop : last + 1] = 0
            last = stop - 1
        while last > first and running[last] < NEGLIGIBLE:
            running[last] = 0
            last -= 1
        while first < last and running[first] < NEGLIGIBLE:
            running[first] = 0
            first += 1
        if first > last:
            break
    return Stopping(np.cumsum(met), np.cumsum(violated))
