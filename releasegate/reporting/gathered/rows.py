"""The items of an eval that a reader should see first, each with its sample on every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from releasegate.evidence import Failed, Measured

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


@dataclass(frozen=True)
class PickedRows:
    """Of each rank the items that speak most against the release, and how many there were.

    Attributes:
        count: by rank.
        worst: by rank, at most KEPT, worst first; of equal ones those planned first.
    """

    count: Mapping[RowRank, int]
    worst: Mapping[RowRank, Sequence[Row]]

    @property
    def seen(self) -> int:
        """How many items were offered."""
        return sum(self.count.values())

    def shown(self, most: int = KEPT) -> dict[RowRank, list[Row]]:
        """At most `most` items by rank, each rank worst first: what matters first, with a few of every other kind."""
        found: dict[RowRank, list[Row]] = {}
        left = most
        for rank in RANKS:
            later = sum(min(len(self.worst[r]), LEAST) for r in RANKS if r > rank)
            found[rank] = list(self.worst[rank][: max(left - later, min(left, LEAST))])
            left -= len(found[rank])
        return found
