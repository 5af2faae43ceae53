"""Tests that may be looked at after every item: claims on a share or a mean, decided in the planned order. Pure.

Two wealths run against each other. One bets that the claim holds: once it is 1 / alpha the claim is *met*, and a model
that does not keep it gets there with probability at most alpha, however often one looks. The mirror image bets that the
claim is broken: once it is 1 / alpha the claim is *violated*. The first of the two ends the test. Stopping for a violation
can only keep a release from happening, so it costs the release nothing of its alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from releasegate.betting import (
    EVEN,
    TOWARDS_RELEASE,
    TOWARDS_VIOLATION,
    Floats,
    Mixture,
    log_e,
    log_e_of_counts,
    log_wealths,
    lower_bound,
    share_mixture,
)
from releasegate.intervals import MOST_ITEMS, Bounds, Side

BLOCK = 16_384
"""Values that are looked at in one go; a test that is decided looks at no more."""
FINEST = 2**15
"""Of more values than this, bounds take each to so many parts of the range."""


@dataclass(frozen=True)
class Claim:
    """What a sequential test is to show, and how surely.

    Attributes:
        of: a `share` of items (values 0 and 1) or the `mean` of values in `span`.
        side: on which side of the limit the share or mean is to be.
        limit: strictly inside the span; itself on the right side.
        alpha: the probability, at most, that the claim is found met although it does not hold, in (0, 1).
        span: the lowest and the highest value.
        alpha_violated: the probability, at most, that it is found violated although it holds; absent: alpha.
    """

    of: Literal["share", "mean"]
    side: Side
    limit: float
    alpha: float
    span: tuple[float, float] = (0.0, 1.0)
    alpha_violated: float | None = None

    def __post_init__(self) -> None:
        low, high = self.span
        if not low < self.limit < high:
            raise ValueError(f"no test of a limit of {self.limit} on the range from {low} to {high}")
        if not (0 < self.alpha < 1 and 0 < self.against < 1):
            raise ValueError(f"no test at {self.alpha} and {self.against}")
        if self.of == "share" and self.span != (0.0, 1.0):
            raise ValueError("a share lies between 0 and 1")

    @property
    def against(self) -> float:
        """The alpha of a violation."""
        return self.alpha if self.alpha_violated is None else self.alpha_violated

    @property
    def hurts(self) -> float:
        """The value that hurts the claim most: what a failed item counts as."""
        return self.span[1] if self.side == "at_most" else self.span[0]

    @property
    def helps(self) -> float:
        """The value that helps the claim most."""
        return self.span[0] if self.side == "at_most" else self.span[1]

    @cached_property
    def mean(self) -> float:
        """The limit on the scale from 0 (hurts the claim most) to 1."""
        low, high = self.span
        return (self.limit - low) / (high - low) if self.side == "at_least" else (high - self.limit) / (high - low)

    @cached_property
    def bets(self) -> tuple[Mixture, Mixture]:
        """The bets that the claim holds, and the bets that it is broken."""
        if self.of == "mean":
            return EVEN, EVEN
        return share_mixture(self.mean, TOWARDS_RELEASE), share_mixture(1 - self.mean, TOWARDS_VIOLATION)

    def scale(self, values: ArrayLike) -> Floats:
        """The values on the scale from 0 (hurts the claim most) to 1.

        Raises:
            ValueError: a value is not a number in the span, or neither 0 nor 1 where a share is claimed.
        """
        low, high = self.span
        given = np.asarray(values, dtype=np.float64)
        if not np.all((given >= low) & (given <= high)):
            raise ValueError(f"a value is not a number from {low} to {high}")
        if self.of == "share" and not np.all((given == 0) | (given == 1)):
            raise ValueError("a value of a share is neither 0 nor 1")
        return (given - low) / (high - low) if self.side == "at_least" else (high - given) / (high - low)


class Outcome(NamedTuple):
    """Where a sequential test stands.

    Attributes:
        met_at: items after which the claim was met; None: it is not.
        violated_at: items after which it was violated; None: it is not. Never both.
        used: items consumed, up to the one that decided.
        log_e: natural logarithm of E for the claim, after these.
        log_e_violated: the same for its violation.
    """

    met_at: int | None
    violated_at: int | None
    used: int
    log_e: float
    log_e_violated: float

    @property
    def decided(self) -> bool:
        """Whether it is met or violated: items from here on change nothing."""
        return self.met_at is not None or self.violated_at is not None


class SequentialTest:
    """A sequential test that takes values as they come, in their planned order, and stops when it is decided."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._wealths = tuple(np.zeros((len(bets.stakes), 1)) for bets in claim.bets)
        self.outcome = Outcome(None, None, 0, 0.0, 0.0)

    def take(self, values: ArrayLike) -> Outcome:
        """The outcome once these values are consumed, after all that came before; what follows a decision is ignored.

        Raises:
            ValueError: a value that is consumed is not one of the claim's.
        """
        given = np.asarray(values, dtype=np.float64)
        for start in range(0, len(given), BLOCK):
            if self.outcome.decided:
                break
            self._consume(self._claim.scale(given[start : start + BLOCK]))
        return self.outcome

    def _consume(self, scaled: Floats) -> None:
        claim, before = self._claim, self.outcome
        towards, against = claim.bets
        ahead = self._wealths[0] + log_wealths(scaled, claim.mean, towards)
        behind = self._wealths[1] + log_wealths(1 - scaled, 1 - claim.mean, against)
        shown, refuted = log_e(ahead, towards), log_e(behind, against)
        met = _first(shown >= -np.log(claim.alpha))
        violated = _first(refuted >= -np.log(claim.against))
        last = min((i for i in (met, violated) if i is not None), default=len(scaled) - 1)
        self._wealths = ahead[:, last, None], behind[:, last, None]
        used = before.used + last + 1
        # At one item only one of the two can grow, so they never get there together.
        self.outcome = Outcome(
            met_at=used if met == last else None,
            violated_at=used if violated == last else None,
            used=used,
            log_e=float(shown[last]),
            log_e_violated=float(refuted[last]),
        )


def _first(found: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(found)) if found.any() else None


def settle(claim: Claim, values: ArrayLike) -> Outcome:
    """The outcome of a sequential test on values in their planned order.

    >>> settle(Claim("share", "at_least", .99, .05), np.ones(1000)).met_at
    404
    >>> settle(Claim("share", "at_most", .2, .05), np.ones(1000)).violated_at
    4
    """
    return SequentialTest(claim).take(values)


def items_at_rate(claim: Claim, rate: float) -> int | None:
    """About how many items would show a claim on a share if ones kept coming at `rate`; None: no number would.

    >>> items_at_rate(Claim("share", "at_least", .99, .05), 1.0), items_at_rate(Claim("share", "at_least", .99, .05), .9)
    (404, None)
    """
    right = rate if claim.side == "at_least" else 1 - rate
    if right <= claim.mean:
        return None

    def shown(n: int) -> bool:
        return bool(log_e_of_counts(right * n, (1 - right) * n, claim.mean, claim.bets[0]) >= -np.log(claim.alpha))

    high = 1
    while not shown(high):
        high *= 2
        if high > MOST_ITEMS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def log_e_path(claim: Claim, values: ArrayLike, *, violated: bool = False) -> Floats:
    """The natural logarithm of E for the claim after each value, as if nobody ever stopped. For a chart.

    It is summed up as `settle` does, so that the two agree to the last digit.

    Args:
        violated: for its violation instead.

    >>> log_e_path(Claim("mean", "at_least", .5, .05), [1.0, 0.0]).round(4).tolist()
    [0.4376, -0.4829]
    """
    given = np.asarray(values, dtype=np.float64)
    bets, mean = (claim.bets[1], 1 - claim.mean) if violated else (claim.bets[0], claim.mean)
    wealth = np.zeros((len(bets.stakes), 1))
    found = []
    for start in range(0, len(given), BLOCK):
        scaled = claim.scale(given[start : start + BLOCK])
        wealths = wealth + log_wealths(1 - scaled if violated else scaled, mean, bets)
        found.append(log_e(wealths, bets))
        wealth = wealths[:, -1, None]
    return np.concatenate(found) if found else np.zeros(0)


def in_order(claim: Claim, values: Floats, recorded: NDArray[np.bool_], failed: NDArray[np.bool_]) -> Floats:
    """What a sequential test may consume of planned items: all before the first without a record.

    Items may finish in any order; which of them are looked at must not depend on what they showed. A failed item enters
    at the end that hurts the claim.

    Args:
        values: one for each planned item, in planned order; whatever stands where an item failed or has no record.
        recorded: whether an item has a record, failed ones included.
        failed: whether its record is a failure.

    >>> claim = Claim("share", "at_least", .9, .05)
    >>> in_order(claim, np.ones(4), np.array([1, 1, 0, 1], bool), np.array([0, 1, 0, 0], bool)).tolist()
    [1.0, 0.0]
    """
    gap = _first(~recorded)
    end = len(values) if gap is None else gap
    return np.where(failed[:end], claim.hurts, values[:end])


def anytime_bounds(claim: Claim, values: ArrayLike) -> Bounds:
    """A lower and an upper bound of the share or mean, in the metric's unit, that hold whenever one chose to stop.

    Each is one-sided: the one that decides the claim errs with probability at most its alpha, the other with the alpha of
    a violation. They agree with `settle`: met if and only if the one is on the right side of the limit, violated if and
    only if the other is on the wrong side. They invert E as it stands after the last value: never tighter than what could
    be kept from every moment before.

    Raises:
        ValueError: a value is not one of the claim's.

    >>> seen = (np.random.default_rng(0).random(1000) < .97).astype(float)
    >>> [round(x, 4) for x in anytime_bounds(Claim("share", "at_least", .9, .05), seen)]
    [0.9467, 0.9868]
    """
    given = np.asarray(values, dtype=np.float64)
    scaled = claim.scale(given)
    towards, against = claim.bets
    low = _refuted(scaled, towards, claim.alpha)
    high = 1 - _refuted(1 - scaled, against, claim.against)
    start, end = claim.span
    if claim.side == "at_least":
        found = Bounds(start + low * (end - start), start + high * (end - start))
    else:
        found = Bounds(end - high * (end - start), end - low * (end - start))
    return _agreeing(found, claim, settle(claim, given))


def _refuted(values: Floats, mixture: Mixture, alpha: float) -> float:
    """The largest mean that E refutes. Very many values are rounded down a little, which can only lower it."""
    if len(values) > FINEST:
        values = np.floor(values * FINEST) / FINEST
    distinct, times = np.unique(values, return_counts=True)
    counts = times.astype(np.float64)

    def against(mean: float) -> float:
        wealths = np.array([[counts @ np.log1p(c / mean * (distinct - mean))] for c in mixture.stakes])
        return float(log_e(wealths, mixture)[0])

    return lower_bound(against, alpha)


def _agreeing(found: Bounds, claim: Claim, outcome: Outcome) -> Bounds:
    """The bounds on the side of the limit where the test saw them: sums in another order differ in the last digits."""
    below, above = np.nextafter(claim.limit, -np.inf), np.nextafter(claim.limit, np.inf)
    met, violated = outcome.met_at is not None, outcome.violated_at is not None
    if claim.side == "at_least":
        low = max(found.low, claim.limit) if met else min(found.low, below)
        high = min(found.high, below) if violated else max(found.high, claim.limit)
    else:
        low = max(found.low, above) if violated else min(found.low, claim.limit)
        high = min(found.high, claim.limit) if met else max(found.high, above)
    return Bounds(float(low), float(high))
