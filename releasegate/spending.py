"""How a family's alpha is spent over its attempts: the open-ended series, or evenly over a declared number. Pure.

Every attempt has a part of alpha that is known before its items are drawn, and the parts of all attempts sum to 1 at most. So
the probability of a false release at any attempt is at most alpha, by the union bound (C. E. Bonferroni, 1936), whatever the
part depends on in what came before: alpha spending as of K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries for
clinical trials", Biometrika 70, 1983.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from releasegate.intervals import effective_alpha
from releasegate.records import Record

MOST_ATTEMPTS = 10_000
SPENT = 1e-12
"""A part of alpha that is none: what rounding leaves."""
Attempts = Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)]
"""A declared number of attempts."""


class Spending(Record):
    """What one schedule gives to each attempt from `first` on."""

    first: Annotated[int, Field(ge=1)] = 1
    """The first attempt that it rules."""
    attempts: Attempts | None = None
    """The number of the last attempt, over which alpha is split evenly; None: there is no last one."""
    left: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The part of alpha that no attempt before `first` has spent."""

    def part(self, attempt: int) -> float:
        """The part of alpha that an attempt spends, from `first` on; 0 after the last.

        >>> Spending(attempts=20).part(20), Spending(attempts=20).part(21)
        (0.05, 0.0)
        >>> round(Spending(first=3, left=.5).part(3), 4)
        0.304
        """
        return self.effective_alpha(1.0, attempt, 1)

    def effective_alpha(self, alpha: float, attempt: int, chances: int) -> float:
        """The alpha of one chance to be published at one attempt.

        Args:
            alpha: the policy's, for all attempts together.
            chances: into how many the attempt's alpha is split.
        """
        if self.attempts is not None:
            span = self.attempts - self.first + 1
            return alpha * self.left / span / chances if attempt <= self.attempts else 0.0
        if self == SERIES:
            return effective_alpha(alpha, attempt, chances)
        return effective_alpha(alpha * self.left, attempt - self.first + 1, chances)

    def left_after(self, attempt: int) -> float:
        """The part of alpha that is left once an attempt, `first` - 1 or a later one, was opened; 0 where rounding is all.

        >>> Spending(attempts=20).left_after(5), Spending(attempts=20).left_after(20)
        (0.75, 0.0)
        >>> round(Spending().left_after(1), 4)
        0.3921
        """
        if self.attempts is not None:
            return self.left * max(self.attempts - attempt, 0) / (self.attempts - self.first + 1)
        left = self.left - math.fsum(self.part(j) for j in range(self.first, attempt + 1))
        return left if left > SPENT else 0.0

    @property
    def words(self) -> str:
        """What it is, for people.

        >>> Spending(attempts=20).words, Spending().words
        ('alpha evenly over 20 attempts', 'alpha over any number of attempts')
        """
        over = "any number of attempts" if self.attempts is None else f"{self.attempts} attempts"
        return f"alpha {'evenly ' if self.attempts is not None else ''}over {over}"


SERIES = Spending()
"""The open-ended series: 6 alpha / (pi^2 j^2) at attempt j."""


def divided(spendings: Sequence[Spending], opened: int, attempts: int | None) -> Spending | None:
    """The schedule that divides what so many opened attempts have left of alpha; None: nothing is left, or no attempt is.

    Args:
        spendings: those so far, in order.
        attempts: the number of the last attempt; None: the series, begun anew on what is left.

    >>> later = divided([Spending(attempts=20)], 5, 10)
    >>> later.first, later.left, later.part(6)
    (6, 0.75, 0.15)
    """
    left = spendings[-1].left_after(opened)
    if left <= 0 or (attempts is not None and attempts <= opened):
        return None
    return Spending(first=opened + 1, attempts=attempts, left=left)


def ruling(spendings: Sequence[Spending], attempt: int) -> Spending:
    """The schedule that gives an attempt its part."""
    return next(s for s in reversed(spendings) if s.first <= attempt)
