"""What memorisation is measured on, and what of it gates, thresholds and rehearsals use; none shares any with another."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from ..canaries import Canary, canaries
from ..standard_library import Passage, passages, trained_digests, unseen_digests

Use = Literal["gate", "calibration", "rehearsal"]
REHEARSED = 6
"""One of so many canaries of each number of copies is for rehearsals."""


def planted(use: Literal["gate", "rehearsal"]) -> list[Canary]:
    """The canaries of one use, in the order of the list.

    >>> len(planted("gate")), len(planted("rehearsal"))
    (500, 100)
    """
    seen: dict[int, int] = defaultdict(int)
    chosen = []
    for canary in canaries():
        rehearsed = seen[canary.copies] % REHEARSED == REHEARSED - 1
        seen[canary.copies] += 1
        if rehearsed == (use == "rehearsal"):
            chosen.append(canary)
    return chosen


def trained(use: Literal["gate", "rehearsal"]) -> list[Passage]:
    """Passages that were trained on, as far as the Python that runs has them: three quarters for gates."""
    known = trained_digests()
    found = [passage for passage in passages("train") if passage.digest in known]
    return [passage for passage in found if (_throw(passage) < 192) == (use == "gate")]


def unseen(use: Use) -> list[Passage]:
    """Passages of the same modules that were not, as far as it has them: seven tenths set thresholds."""
    throws = {"calibration": range(179), "gate": range(179, 220), "rehearsal": range(220, 256)}
    known = unseen_digests()
    found = [passage for passage in passages("unseen") if passage.digest in known]
    return [passage for passage in found if _throw(passage) in throws[use]]


def _throw(passage: Passage) -> int:
    """0 to 255, by the digest of the passage; its last digit says whether it was trained on, so those before it are taken."""
    return int(passage.digest[-3:-1], 16)
