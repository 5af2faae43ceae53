"""The worst samples of many, kept in constant memory."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from releasegate.evidence import Measured

KEPT = 6
"""Samples that are kept of a group."""


@dataclass
class Worst:
    """The samples that were offered with the highest badness; of equal ones, those that are planned first."""

    seen: int = 0
    _heap: list[tuple[float, int, Measured]] = field(default_factory=list)

    def offer(self, badness: float, sample: Measured) -> None:
        """Nothing; the sample is counted, and kept if it is one of the worst."""
        self.seen += 1
        entry = (badness, -sample.item, sample)
        if len(self._heap) < KEPT:
            heapq.heappush(self._heap, entry)
        elif entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    @property
    def badness(self) -> float:
        """Of the worst sample; there is one."""
        return max(entry[0] for entry in self._heap)

    def shown(self) -> list[Measured]:
        """The kept samples, worst first."""
        return [sample for _, _, sample in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
