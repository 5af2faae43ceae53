"""Vectors of a tensor, rows or columns, read at a few hundred elements each: what sketches look at.

A vector of n elements is looked at in up to 32 blocks of 16 neighbouring elements, spread over it evenly. Values come
as integers that have the order of the values, whatever the dtype: more is not needed to ask which of two is larger.
Files are read with `pread`, so that one which is cut off meanwhile ends in an error, and in pieces of about 2 MiB.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.headers import Entry
from releasegate.errors import CheckpointError

CELL = 16
"""Elements of a block. Formats of shared scales have groups of 16 elements or of multiples of 16."""
CELLS = 32
"""Blocks of a vector that are looked at, at most."""
SHORTEST = 32
"""Elements of a row or column that is looked at, at least."""
WIDE = 64
"""Elements of a row, at least, where dimensions are put together to make one."""
LONE = 256
"""Elements, at least, of a vector that is a whole tensor or a run of short rows."""
LONG = 1 << 19
"""Bytes of a row from which on its blocks are read one by one."""
PIECE = 1 << 21
"""Bytes of rows, or of a tile of columns, that are held at once."""
MOST = 4096
"""Vectors that are held at once, at most."""
SMALL = 1 << 16
"""Bytes of a matrix up to which matrices are read together."""

Kind = Literal["float", "signed", "unsigned"]
Values = NDArray[Any]
"""Values in order-keeping integers, [vectors, elements looked at]."""

_KINDS: Mapping[str, tuple[str, Kind]] = {
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), ("i1", "float")),
    **dict.fromkeys(("F16", "BF16"), ("<i2", "float")),
    "F32": ("<i4", "float"),
    "C64": ("<i4", "float"),
    "F64": ("<i8", "float"),
    **{f"I{bits}": (f"<i{bits // 8}", "signed") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": (f"<u{bits // 8}", "unsigned") for bits in (8, 16, 32, 64)},
    "F8_E8M0": ("u1", "unsigned"),
    "BOOL": ("u1", "unsigned"),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors that lie one after the other: `count` of `length` elements from byte `base` of a file on."""

    dtype: str
    base: int
    length: int
    count: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a matrix of `width` columns at byte `base`: `count` from `first` on, over the rows `rows`.

    Or all columns of small matrices that lie one after the other, each of all its rows: then `matrices` is above 1, and
    `count` is that of one.
    """

    dtype: str
    base: int
    rows: Sequence[int]
    width: int
    first: int
    count: int
    matrices: int = 1

    @property
    def length(self) -> int:
        """Elements of a vector."""
        return len(self.rows)


def is_readable(entry: Entry) -> bool:
    """Whether elements of the tensor are whole bytes."""
    return entry.dtype in _KINDS


def shape_of(entry: Entry) -> tuple[int, ...]:
    """The shape in the numbers that are compared: a complex number is two."""
    return (*entry.shape, 2) if entry.dtype == "C64" else entry.shape


def item_size(dtype: str) -> int:
    """Bytes of a number of a dtype that `is_readable`."""
    return np.dtype(_KINDS[dtype][0]).itemsize


def numbers(stored: NDArray[np.uint8], dtype: str, *, swapped: bool = False) -> Values:
    """The numbers whose bytes are `stored`, along its last dimension, as integers of the same order.

    Args:
        stored: bytes, contiguous along the last dimension.
        dtype: of the numbers; one that `is_readable`.
        swapped: whether the bytes of each number stand in the other order.
    """
    held = stored.view(_KINDS[dtype][0])
    return _ordered(held.byteswap() if swapped else held, dtype)


def row_length(slices: tuple[int, ...]) -> int | None:
    """Elements of the rows that slices of this shape are cut into: their last dimensions, as few as make up `WIDE`.

    Where all of them do not, a slice is a row; `None` if it has fewer than `SHORTEST` elements.

    >>> row_length((3, 64)), row_length((8, 3, 3)), row_length((40,)), row_length((8,)), row_length(())
    (64, 72, 40, None, None)
    """
    for first in range(len(slices) - 1, -1, -1):
        length = math.prod(slices[first:])
        if length >= WIDE or (first == 0 and length >= SHORTEST):
            return length
    return None


def places(length: int) -> NDArray[np.intp]:
    """Which elements of a vector of `length` elements are looked at, ascending; blocks of 16."""
    cells = min(CELLS, length // CELL)
    starts = np.arange(cells) * (length // CELL) // cells * CELL
    found: NDArray[np.intp] = (starts[:, None] + np.arange(CELL)).reshape(-1)
    return found


def cut(view: Rows | Columns, first: int, count: int) -> Rows | Columns:
    """The `count` vectors of the view from `first` on."""
    if isinstance(view, Rows):
        return replace(view, base=view.base + first * view.length * item_size(view.dtype), count=count)
    return replace(view, first=view.first + first, count=count)


def read_vectors(file: BinaryIO, view: Rows | Columns, where: str) -> Iterator[tuple[int, Values]]:
    """The vectors of the view in order: the number of the first, and what is looked at of it and the next ones.

    Args:
        file: an open file.
        view: which vectors.
        where: the file's name, for errors.

    Raises:
        CheckpointError: the file ends too early.
    """
    match view:
        case Rows():
            long = view.length * item_size(view.dtype) >= LONG
            return _read_long_rows(file, view, where) if long else _read_rows(file, view, where)
        case Columns():
            stacked = view.matrices > 1
            return _read_small_matrices(file, view, where) if stacked else _read_columns(file, view, where)


def _read_rows(file: BinaryIO, view: Rows, where: str) -> Iterator[tuple[int, Values]]:
    size = view.length * item_size(view.dtype)
    step = min(view.count, MOST, max(1, PIECE // size))
    buffer = np.empty(step * size, dtype=np.uint8)
    looked_at = places(view.length)
    for first in range(0, view.count, step):
        held = buffer[: min(step, view.count - first) * size]
        read_bytes(file, held, view.base + first * size, where)
        rows = held.view(_KINDS[view.dtype][0]).reshape(-1, view.length)
        yield first, _ordered(rows if len(looked_at) == view.length else rows.take(looked_at, axis=1), view.dtype)


def _read_long_rows(file: BinaryIO, view: Rows, where: str) -> Iterator[tuple[int, Values]]:
    item = item_size(view.dtype)
    starts = places(view.length)[::CELL]
    for number in range(view.count):
        held = np.empty(len(starts) * CELL * item, dtype=np.uint8)
        for cell, start in enumerate(starts.tolist()):
            part = held[cell * CELL * item : (cell + 1) * CELL * item]
            read_bytes(file, part, view.base + (number * view.length + start) * item, where)
        yield number, _ordered(held.view(_KINDS[view.dtype][0]).reshape(1, -1), view.dtype)


def _read_columns(file: BinaryIO, view: Columns, where: str) -> Iterator[tuple[int, Values]]:
    item = item_size(view.dtype)
    looked_at = places(view.length)
    step = min(view.count, MOST, max(1, PIECE // (len(looked_at) * item)))
    row = view.width * item
    whole = np.empty((CELL, row if row * CELL <= SMALL else 0), dtype=np.uint8)
    for first in range(0, view.count, step):
        width = min(step, view.count - first)
        held = np.empty((len(looked_at), width * item), dtype=np.uint8)
        start = (view.first + first) * item
        for cell in range(0, len(looked_at), CELL):
            rows = [view.rows[at] for at in looked_at[cell : cell + CELL]]
            together = rows[-1] - rows[0] == CELL - 1
            if together and width == view.width:
                read_bytes(file, held[cell : cell + CELL].reshape(-1), view.base + rows[0] * row, where)
            elif together and whole.size:
                read_bytes(file, whole.reshape(-1), view.base + rows[0] * row, where)
                held[cell : cell + CELL] = whole[:, start : start + width * item]
            else:
                for at, number in enumerate(rows, cell):
                    read_bytes(file, held[at], view.base + number * row + start, where)
        yield first, _ordered(held.view(_KINDS[view.dtype][0]), view.dtype).T


def _read_small_matrices(file: BinaryIO, view: Columns, where: str) -> Iterator[tuple[int, Values]]:
    size = view.length * view.width * item_size(view.dtype)
    step = min(view.matrices, max(1, min(MOST // view.width, PIECE // size)))
    buffer = np.empty(step * size, dtype=np.uint8)
    looked_at = places(view.length)
    for first in range(0, view.matrices, step):
        held = buffer[: min(step, view.matrices - first) * size]
        read_bytes(file, held, view.base + first * size, where)
        stack = held.view(_KINDS[view.dtype][0]).reshape(-1, view.length, view.width)
        columns = stack.take(looked_at, axis=1).transpose(0, 2, 1).reshape(-1, len(looked_at))
        yield first * view.width, _ordered(columns, view.dtype)


def read_bytes(file: BinaryIO, buffer: NDArray[np.uint8], offset: int, where: str) -> None:
    """Fill `buffer` from byte `offset` of the file on.

    Raises:
        CheckpointError: the file ends too early.
    """
    done = 0
    while done < len(buffer):
        count = os.preadv(file.fileno(), [buffer[done:].data], offset + done)
        if not count:
            what = f"ends {len(buffer) - done:,} bytes too early"
            raise CheckpointError(where, what, "is something else writing to it? try again")
        done += count


def _ordered(stored: Values, dtype: str) -> Values:
    """The stored numbers as integers of the same order; floats are sign and magnitude, so that negative ones turn."""
    if _KINDS[dtype][1] != "float":
        return stored
    bits = stored.dtype.itemsize * 8
    turned: Values = stored ^ ((stored >> (bits - 1)) & np.array((1 << (bits - 1)) - 1, dtype=stored.dtype))
    return turned
