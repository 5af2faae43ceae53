"""Messages and seeds of an attack's own, so that nothing it draws was drawn for the clip before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor

from releasegate.attacks.seeding import uniform


def separate(seeds: Sequence[int], purpose: str) -> list[int]:
    """One seed of 63 bits for each of `seeds`, which nothing but `purpose` draws from: the head of a sha256.

    >>> separate([1, 2], "overwrite") == separate([1, 2], "residual"), separate([2], "a") == separate([1, 2], "a")[1:]
    (False, True)
    """
    return [int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:8]) >> 1 for seed in seeds]


def messages(seeds: Sequence[int], bits: int, purpose: str, like: Tensor) -> Tensor:
    """int64 [n, bits], each 0 or 1, on the device of `like`.

    Whoever marked the clip may have drawn its message from the same seed; `purpose` keeps the two apart.
    """
    return (uniform(separate(seeds, purpose), bits, like) < 0.5).long()
