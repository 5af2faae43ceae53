"""How much each item of an eval matters, from the columns of its checkpoints: in arrays, as `Concern` says it of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.evidence import FAILED, MEASURED, Columns
from releasegate.reporting.gathered.concern import Concern

NO_RECORD = -1
"""The rank of an item without a record."""


@dataclass(frozen=True)
class Ranked:
    """The items of one measurement.

    Attributes:
        rank: int8 [n], as of `Concern.rank`, or NO_RECORD.
        badness: float64 [n], how much the value that an item is shown by speaks against the release; -inf without one.
    """

    rank: NDArray[np.int8]
    badness: NDArray[np.float64]


def ranked(columns: Columns, concern: Concern) -> Ranked:
    """How much each item of a measurement matters."""
    rank = np.full(len(columns.state), NO_RECORD, dtype=np.int8)
    badness = np.full(len(columns.state), -np.inf)
    rank[columns.state == FAILED] = 1
    shown_by = [concern.primary(cell.metrics) for cell in columns.cells]
    for metric in dict.fromkeys(shown_by):
        of_metric = np.array([name == metric for name in shown_by])
        items = np.flatnonzero((columns.state == MEASURED) & of_metric[columns.cell])
        values = columns.values[metric][items]
        hits = concern.hit_each(metric, values)
        rank[items] = 2 if hits is None else np.where(hits == concern.hit_matters(metric), 0, 2)
        badness[items] = values if concern.hit_matters(metric) else -values
    return Ranked(rank, badness)


def side_by_side(measured: Sequence[Ranked]) -> Ranked:
    """The items across checkpoints.

    Returns:
        Ranks 0: speaks against the release on some checkpoint and not on all; 1: on all; 2: could not be measured; 3: the
        rest. The badness is that of the worst value; of an item without values, more than any.
    """
    n = max((len(one.rank) for one in measured), default=0)
    low, high = np.full(n, 9, dtype=np.int8), np.full(n, NO_RECORD, dtype=np.int8)
    lost, badness = np.zeros(n, dtype=bool), np.full(n, -np.inf)
    for one in measured:
        here = slice(0, len(one.rank))
        recorded = one.rank != NO_RECORD
        low[here] = np.where(recorded, np.minimum(low[here], one.rank), low[here])
        high[here] = np.maximum(high[here], one.rank)
        lost[here] |= one.rank == 1
        badness[here] = np.maximum(badness[here], one.badness)
    rank = np.where(low == 0, np.where(low != high, 0, 1), np.where(lost, 2, 3)).astype(np.int8)
    rank[high == NO_RECORD] = NO_RECORD
    badness[np.isneginf(badness)] = np.inf
    return Ranked(rank, badness)


def worst(items: NDArray[np.int64], badness: NDArray[np.float64], most: int) -> list[int]:
    """The items with the highest badness, worst first; of equal ones, those with the lowest numbers.

    Args:
        items: int64 [k], rising.
        badness: float64 [n], by number.
    """
    bad = badness[items]
    if len(items) > most:
        kept = bad >= np.partition(bad, len(bad) - most)[len(bad) - most]
        items, bad = items[kept], bad[kept]
    return [int(item) for item in items[np.argsort(-bad, kind="stable")[:most]]]
