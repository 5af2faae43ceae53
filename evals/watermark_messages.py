"""The messages that are registered, and whose a message that was read is."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=16)
def registered(seed: int, count: int, bits: int) -> tuple[tuple[int, ...], ...]:
    """Messages of so many bits, no two the same, drawn by `seed`: `count`, or all that there are if those are fewer.

    Where no bits are carried, they are `count` empty ones.

    >>> len(registered(0, 16, 8)), len(registered(0, 16, 3)), registered(0, 2, 0)
    (16, 8, ((), ()))
    """
    if not bits:
        return ((),) * count
    there_are = 2 ** min(bits, 62)  # more than anybody registers
    rng = np.random.default_rng(seed)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < min(count, there_are):
        found.setdefault(tuple(rng.integers(2, size=bits).tolist()))
    return tuple(found)


def attribute(wrong: np.ndarray, most: int) -> int | None:
    """The message that differs in the fewest bits; None, an abstention, if two are as near, or none near enough.

    >>> attribute(np.array([3, 1, 4]), 1), attribute(np.array([1, 1, 4]), 1), attribute(np.array([3, 2, 4]), 1)
    (1, None, None)
    """
    best = int(np.argmin(wrong))
    if int(wrong[best]) > most or int((wrong == wrong[best]).sum()) > 1:
        return None
    return best
