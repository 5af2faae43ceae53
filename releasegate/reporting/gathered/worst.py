"""The worst samples of a group."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.evidence import Measured

KEPT = 6
"""Samples that are kept of a group."""


@dataclass(frozen=True)
class Worst:
    """The samples with the highest badness; of equal ones, those that are planned first.

    Attributes:
        seen: how many samples the group has.
        badness: of the worst sample.
        samples: at most KEPT, worst first; there is one.
    """

    seen: int
    badness: float
    samples: tuple[Measured, ...]
