"""Many runs of the gate's tests at once: the tests themselves, their tables of outcomes looked up by counts."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from releasegate.betting import log_e, log_wealths
from releasegate.intervals import Side, clopper_pearson, most_hits
from releasegate.sequential import Claim
from releasegate.stopping import wrong_items_allowed

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
BATCH = 1000


@cache
def allowed(n: int, limit: float, side: Side, alpha: float) -> int:
    """The most wrong items of n with the requirement shown at a fixed n; -1: not even none."""
    most = most_hits(n, limit, side, alpha)
    return -1 if most is None else most


def shown(wrong: Ints, n: int, limit: float, side: Side, alpha: float) -> Bools:
    """Whether so many wrong items of n show the requirement at a fixed n."""
    return np.asarray(wrong <= allowed(n, limit, side, alpha))


@cache
def refuting(n: int, limit: float, side: Side, alpha: float) -> int:
    """The fewest wrong items that refute a limit whatever the others of n show."""

    def refutes(wrong: int) -> bool:
        bounds = clopper_pearson(wrong if side == "at_most" else n - wrong, n, alpha)
        return bounds.low > limit if side == "at_most" else bounds.high < limit

    return next(wrong for wrong in range(n + 1) if refutes(wrong))


class Stops(NamedTuple):
    """Of each run: whether it was met, whether it was violated, and the items consumed."""

    met: Bools
    violated: Bools
    used: Ints


def sequential_shares(
    claim: Claim, wrong_rate: float, n_max: int, runs: int, rng: np.random.Generator
) -> tuple[Stops, NDArray[np.int32]]:
    """Runs of a sequential test of a share, and the wrong items among the first 10, 20, … n_max of each."""
    most, fewest = (a[1:].astype(np.int32) for a in wrong_items_allowed(claim, n_max))
    stops, looks = [], []
    for _ in range(runs // BATCH):
        wrong = np.cumsum(rng.random((BATCH, n_max), dtype=np.float32) < wrong_rate, axis=1, dtype=np.int32)
        looks.append(wrong[:, 9::10])
        stops.append(_stops(wrong <= most, wrong >= fewest))
    return Stops(*(np.concatenate(part) for part in zip(*stops, strict=True))), np.concatenate(looks)


def sequential_means(claim: Claim, values: NDArray[np.float64]) -> Stops:
    """Runs of a sequential test of a mean, one a row."""
    towards, against = claim.bets
    stops = []
    for start in range(0, len(values), BATCH):
        scaled = claim.scale(values[start : start + BATCH])
        met = log_e(log_wealths(scaled, claim.mean, towards), towards) >= -np.log(claim.alpha)
        violated = log_e(log_wealths(1 - scaled, 1 - claim.mean, against), against) >= -np.log(claim.against)
        stops.append(_stops(met, violated))
    return Stops(*(np.concatenate(part) for part in zip(*stops, strict=True)))


def _stops(met: Bools, violated: Bools) -> Stops:
    n = met.shape[1]
    first_met = np.where(met.any(axis=1), met.argmax(axis=1), n)
    first_violated = np.where(violated.any(axis=1), violated.argmax(axis=1), n)
    used = np.minimum(np.minimum(first_met, first_violated) + 1, n)
    return Stops(first_met < first_violated, first_violated < first_met, used)


def clustered(truth: float, icc: float, clusters: int, each: int, runs: int, rng: np.random.Generator) -> Ints:
    """Hits of each cluster, [runs, clusters]: clusters differ, Beta-distributed, with this intraclass correlation."""
    spread = 1 / icc - 1
    rates = rng.beta(truth * spread, (1 - truth) * spread, (runs, clusters))
    return rng.binomial(each, rates)
