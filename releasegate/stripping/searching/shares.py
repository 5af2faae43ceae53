"""How densely each part is searched for where all of them together are too much: the small ones in full, large ones less.

An optimizer state of millions of rows must not thin out the search for the few rows that are the capability.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def steps(counts: Mapping[K, int], most: int) -> dict[K, int]:
    """For each part, n where every n-th of its pieces is taken, from 1; 0 where none is, as there are too many parts.

    Args:
        counts: pieces of each part.
        most: pieces that are taken in all, at most.

    >>> steps({"head": 10, "optimizer": 1000}, 100), steps({"a": 5, "b": 5, "c": 5}, 2)
    ({'head': 1, 'optimizer': 12}, {'a': 5, 'b': 0, 'c': 5})
    """
    if len(counts) > most:
        apart = -(-len(counts) // most)
        return {part: 0 if number % apart else max(1, counts[part]) for number, part in enumerate(counts)}
    share = room = most
    for number, count in enumerate(sorted(counts.values())):
        share = room // (len(counts) - number)
        if count > share:
            break
        room -= count
    return {part: max(1, -(-count // share)) for part, count in counts.items()}
