"""Rows of a tensor along any of its dimensions, as bytes of its data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.headers import BITS, Entry
from releasegate.receipt import Ranges
from releasegate.stripping.edits import TensorEdit


class Window(NamedTuple):
    """A stretch of a tensor's data in which rows lie regularly, seen as [slabs, rows, bytes of each row].

    Attributes:
        offset: where it begins, in bytes from the tensor's beginning.
        first: the number of its first row.
        shape: slabs, rows, bytes.
    """

    offset: int
    first: int
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one tensor that an edit names, in the tensor seen as [slabs, length, bytes of a row].

    Attributes:
        slabs: how many times the rows repeat: the product of the dimensions before theirs.
        length: rows in one slab.
        width: bytes of one row in one slab.
        first: the first row of each range, ascending.
        last: the last row of each range.
    """

    slabs: int
    length: int
    width: int
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def windows(self, most: int) -> Iterator[Window]:
        """The whole tensor in windows of at most `most` bytes each."""
        slab = self.length * self.width
        if slab <= most:
            step = max(1, most // max(1, slab))
            for begin in range(0, self.slabs, step):
                yield Window(begin * slab, 0, (min(step, self.slabs - begin), self.length, self.width))
        elif self.width <= most:
            step = most // self.width
            for number in range(self.slabs):
                for row in range(0, self.length, step):
                    shape = (1, min(step, self.length - row), self.width)
                    yield Window(number * slab + row * self.width, row, shape)
        else:
            for number in range(self.slabs * self.length):
                for begin in range(0, self.width, most):
                    shape = (1, 1, min(most, self.width - begin))
                    yield Window(number * self.width + begin, number % self.length, shape)

    def named(self, window: Window) -> NDArray[np.bool_] | None:
        """Which rows of `window` the edit names; `None` if it names none of them."""
        count = window.shape[1]
        some = slice(
            int(np.searchsorted(self.last, window.first)), int(np.searchsorted(self.first, window.first + count))
        )
        if some.start >= some.stop:
            return None
        edges = np.zeros(count + 1, dtype=np.int8)
        edges[np.maximum(self.first[some] - window.first, 0)] += 1
        edges[np.minimum(self.last[some] + 1 - window.first, count)] -= 1
        return np.cumsum(edges[:-1], dtype=np.int8).astype(np.bool_)

    def spans(self, step: int = 1) -> Iterator[tuple[int, int]]:
        """Where the named rows lie, in bytes from the tensor's beginning: first, and one past the last.

        Args:
            step: of the spans, every so many-th.
        """
        slab = self.length * self.width
        ranges = list(zip(self.first.tolist(), self.last.tolist(), strict=True))
        for at in range(0, self.slabs * len(ranges), step):
            number, (first, last) = at // len(ranges), ranges[at % len(ranges)]
            yield number * slab + first * self.width, number * slab + (last + 1) * self.width


def rows_of(entry: Entry, edit: TensorEdit) -> Rows:
    """The rows that `edit` names in the tensor `entry`, which `has_rows`."""
    assert has_rows(entry, edit.rows, edit.dimension), "the plan refuses rows that the tensor does not have"
    shape, at = entry.shape, edit.dimension
    width = math.prod(shape[at + 1 :]) * BITS[entry.dtype] // 8
    ranges = np.array(edit.rows, dtype=np.int64).reshape(-1, 2)
    return Rows(math.prod(shape[:at]), shape[at], width, ranges[:, 0].copy(), ranges[:, 1].copy())


def has_rows(entry: Entry, rows: Ranges, dimension: int) -> bool:
    """Whether the tensor `entry` has these rows along `dimension`, and they are whole bytes."""
    if dimension >= len(entry.shape) or math.prod(entry.shape[dimension + 1 :]) * BITS[entry.dtype] % 8:
        return False
    reached = -2
    for first, last in rows:
        if not reached + 1 < first <= last < entry.shape[dimension]:
            return False
        reached = last
    return True


def count_of(rows: Ranges) -> int:
    """How many rows the inclusive ranges name."""
    return sum(last - first + 1 for first, last in rows)


def after_edit(entry: Entry, edit: TensorEdit | None, begin: int = 0) -> Entry | None:
    """The tensor as it is after `edit`, its data beginning at `begin`; `None` if it is removed."""
    if edit is not None and edit.outcome == "removed":
        return None
    shape = list(entry.shape)
    if edit is not None and edit.outcome == "rows_removed":
        shape[edit.dimension] -= count_of(edit.rows)
    size = math.prod(shape) * BITS[entry.dtype] // 8
    return Entry(entry.name, entry.dtype, tuple(shape), begin, begin + size)


def as_rows(data: memoryview | bytearray, window: Window) -> NDArray[Any]:
    """The bytes of `window` as an array of its shape; where a row is one small number, as [slabs, rows]."""
    slabs, rows, width = window.shape
    if width in (1, 2, 4, 8):
        return np.frombuffer(data, dtype=f"<u{width}").reshape(slabs, rows)
    return np.frombuffer(data, dtype=np.uint8).reshape(window.shape)
