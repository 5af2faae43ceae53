"""The items of an eval that a reader should see first, each with its sample on every checkpoint, in constant memory."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from releasegate.evidence import Failed, Measured
from releasegate.reporting.gathered.concern import Concern

KEPT = 40
"""Items that are kept of a rank."""
LEAST = 4
"""Items of each further rank that have a place, so that all kinds are seen."""

RowRank = Literal[0, 1, 2, 3]
"""0: speaks against the release on some checkpoint and not on all; 1: on all; 2: could not be measured; 3: the rest."""
RANKS: tuple[RowRank, ...] = (0, 1, 2, 3)


@dataclass(frozen=True)
class Row:
    """One item with its sample on each checkpoint that has one; there is at least one."""

    item: int
    samples: Mapping[str, Measured | Failed]


@dataclass
class PickedRows:
    """Of each rank the items that speak most against the release, and how many there were.

    Attributes:
        count: by rank.
    """

    count: dict[RowRank, int] = field(default_factory=lambda: dict.fromkeys(RANKS, 0))
    _heaps: dict[RowRank, list[tuple[float, int, Row]]] = field(default_factory=lambda: {rank: [] for rank in RANKS})

    def offer(self, rank: RowRank, badness: float, row: Row) -> None:
        """Nothing; the item is counted, and kept if it is one of the worst. Of equal ones those planned first are."""
        self.count[rank] += 1
        heap, entry = self._heaps[rank], (badness, -row.item, row)
        if len(heap) < KEPT:
            heapq.heappush(heap, entry)
        elif entry[:2] > heap[0][:2]:
            heapq.heapreplace(heap, entry)

    @property
    def seen(self) -> int:
        """How many items were offered."""
        return sum(self.count.values())

    def shown(self, most: int = KEPT) -> dict[RowRank, list[Row]]:
        """At most `most` items by rank, each rank worst first: what matters first, with a few of every other kind."""
        found: dict[RowRank, list[Row]] = {}
        left = most
        for rank in RANKS:
            later = sum(min(len(self._heaps[r]), LEAST) for r in RANKS if r > rank)
            worst = sorted(self._heaps[rank], key=lambda entry: entry[:2], reverse=True)
            found[rank] = [row for _, _, row in worst[: max(left - later, min(left, LEAST))]]
            left -= len(found[rank])
        return found


def rank_of(concern: Concern, row: Row) -> RowRank:
    """How much an item matters."""
    ranks = {concern.rank(sample) for sample in row.samples.values()}
    if 0 in ranks:
        return 0 if len(ranks) > 1 else 1
    return 2 if 1 in ranks else 3


def badness_of(concern: Concern, row: Row) -> float:
    """How much the worst value of an item speaks against the release; of one without values, more than any."""
    values = [sample.values for sample in row.samples.values() if isinstance(sample, Measured)]
    shown = [(concern.primary(tuple(value)), value) for value in values]
    return max((concern.badness(metric, value[metric]) for metric, value in shown), default=float("inf"))
