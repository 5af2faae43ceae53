"""What a simulation found, as one line of a table: the rate, and its Monte-Carlo error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

RUNS = 20_000


@dataclass(frozen=True)
class Rate:
    """The share of runs in which something happened."""

    share: float
    runs: int

    @property
    def error(self) -> float:
        """Standard error; of a share of 0 or 1, that of one run more or less."""
        spread = max(self.share * (1 - self.share), 1 / self.runs)
        return math.sqrt(spread / self.runs)

    def __str__(self) -> str:
        return f"{self.share:.4f} ± {self.error:.4f}"


def rate(happened: ArrayLike) -> Rate:
    """The share of runs in which it happened."""
    given = np.asarray(happened, dtype=bool)
    assert given.size >= RUNS
    return Rate(float(given.mean()), given.size)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    part: str
    what: str
    setup: str
    naive: str
    ours: str
    exact: str
    runs: str


Record = Callable[..., None]
