"""Which bytes of a storage a strided tensor shows, and which no tensor shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product

Range = tuple[int, int]
"""A begin and an end, in bytes."""


def pieces(shape: Sequence[int], strides: Sequence[int]) -> int:
    """The number of unbroken pieces that a tensor's elements lie in, at most; 0 for a tensor without elements."""
    if 0 in shape:
        return 0
    return math.prod(size for size, _ in _outer(shape, strides)[0])


def shown(shape: Sequence[int], strides: Sequence[int], begin: int, item: int) -> list[Range]:
    """The bytes that a tensor shows, as sorted ranges that do not touch.

    Args:
        shape: elements along each dimension.
        strides: elements from one to the next along each dimension, from 0.
        begin: byte of the first element.
        item: bytes of an element.

    >>> shown((2, 3), (3, 1), 100, 4), shown((2, 2), (3, 1), 0, 4), shown((3, 2), (1, 3), 0, 1), shown((0,), (1,), 0, 4)
    ([(100, 124)], [(0, 8), (12, 20)], [(0, 6)], [])
    """
    if 0 in shape:
        return []
    outer, run = _outer(shape, strides)
    steps = product(*(range(0, size * stride, stride) for size, stride in outer))
    return joined((begin + sum(step) * item, begin + (sum(step) + run) * item) for step in steps)


def _outer(shape: Sequence[int], strides: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """The dimensions that break a tensor into pieces (size, stride), and the elements of one piece."""
    dimensions = sorted((stride, size) for size, stride in zip(shape, strides, strict=True) if size > 1 and stride)
    run = 1
    while dimensions and dimensions[0][0] <= run:
        stride, size = dimensions.pop(0)
        run += (size - 1) * stride
    return [(size, stride) for stride, size in dimensions], run


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes as sorted ranges that neither overlap nor touch.

    >>> joined([(4, 6), (0, 2), (5, 9), (9, 9), (2, 3)])
    [(0, 3), (4, 9)]
    """
    found: list[Range] = []
    for begin, end in sorted(ranges):
        if begin == end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def gaps(ranges: Sequence[Range], begin: int, end: int) -> list[Range]:
    """What of `begin` to `end` lies in none of the sorted `ranges`.

    >>> gaps([(2, 4), (6, 8)], 0, 10)
    [(0, 2), (4, 6), (8, 10)]
    """
    edges = [begin, *(edge for pair in ranges for edge in pair), end]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
