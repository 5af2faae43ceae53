"""Evals that stop early, shard by shard: how often a model at its limit is released, and how many items are saved."""

from __future__ import annotations

import numpy as np
import pytest

from releasegate.intervals import effective_alpha
from releasegate.sequential import Claim
from tests.simulations.runs import Ints, refuting, sequential_shares, shown
from tests.simulations.table import RUNS, Record, rate

pytestmark = pytest.mark.slow

PART = "stopping early, in shards of 64"
ALPHA = effective_alpha(0.05, 1, 1)
LIMIT, N, SHARD = 0.99, 1000, 64


def items_used(misses: np.ndarray) -> Ints:
    """Of each run, the items after which a fixed number of them is settled: the end of the shard with the fatal miss."""
    fatal = misses.cumsum(axis=1) >= refuting(N, LIMIT, "at_least", ALPHA)
    first = np.where(fatal.any(axis=1), fatal.argmax(axis=1) + 1, N)
    return np.asarray(np.minimum(-(-first // SHARD) * SHARD, N))


def test_stopping_releases_no_model_at_its_limit_more_often(record: Record) -> None:
    """The verdict on what was measured is that on everything: a refuted run was never released."""
    rng = np.random.default_rng(30)
    misses = rng.random((RUNS, N), dtype=np.float32) < 1 - LIMIT
    used = items_used(misses)
    seen = np.where(np.arange(N) < used[:, None], misses, 0).sum(axis=1)
    stopped = shown(seen, N, LIMIT, "at_least", ALPHA) & (used == N)
    whole = shown(misses.sum(axis=1), N, LIMIT, "at_least", ALPHA)
    assert (stopped == whole).all()
    ours = rate(stopped)
    record(PART, "a model at its limit is released", f"at least {LIMIT:g}, {N:,} items", ours)
    assert ours.share <= 0.05


def test_stopping_with_a_sequential_requirement_beside_it_releases_no_more(record: Record) -> None:
    """Both at their limit, on the same items; released if both are met. Either may have ended the eval."""
    claim = Claim("share", "at_least", LIMIT, ALPHA)
    stops, looks = sequential_shares(claim, 1 - LIMIT, N, RUNS, np.random.default_rng(31))
    both = rate(stops.met & shown(looks[:, -1].astype(np.int64), N, LIMIT, "at_least", ALPHA))
    alone = rate(stops.met)
    record(PART, "the same, sequential; both requirements", f"at least {LIMIT:g}, to {N:,} items", both)
    record(PART, "  (the sequential one alone)", "", alone)
    assert both.share <= alone.share <= 0.05 + 3 * alone.error


@pytest.mark.parametrize(("truth", "most"), [(0.90, 0.35), (0.95, 0.6), (0.98, 1.0)])
def test_a_violator_is_measured_on_a_part_of_the_items(truth: float, most: float, record: Record) -> None:
    misses = np.random.default_rng([32, int(100 * truth)]).random((RUNS, N), dtype=np.float32) < 1 - truth
    used = items_used(misses)
    mean = float(used.mean())
    record(
        PART,
        f"items measured, truth {truth:g}",
        f"at least {LIMIT:g}, {N:,} items",
        f"{mean:.0f}, {N - mean:.0f} saved",
    )
    assert mean <= most * N
