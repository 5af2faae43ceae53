"""What a strip takes away, cut into vectors: its rows, some of its columns, and small tensors as a whole.

Rows are what a capability is made of most often (tokens, units, experts). Columns find a matrix that was cut along its
other dimension, or turned: up to 64 of them a matrix, in runs spread over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from releasegate.checkpoint.headers import Entry, Header
from releasegate.receipt import Ranges, expand
from releasegate.stripping.searching.vectors import (
    LONE,
    SHORTEST,
    Columns,
    Rows,
    cut,
    is_readable,
    item_size,
    row_length,
    shape_of,
)

SAMPLE = 64
"""Vectors of a tensor that tell how much alike its vectors are."""
RUN = 8
"""Neighbouring columns that are read together."""
MOST = 4096
"""Runs of vectors of a tensor that is cut along an inner dimension; of more, so many are taken evenly."""

Form = Literal["rows", "columns"]
Placed = tuple[str, Rows | Columns]
"""A file and vectors in it."""


@dataclass(frozen=True, slots=True)
class RemovedPart:
    """A tensor, or slices of it, that a strip takes away.

    Attributes:
        part: what it is called in findings.
        file: the source's file that holds the tensor.
        entry: the tensor.
        data_start: where in the file the data begins, in bytes.
        ranges: which slices along `dimension`, inclusive; `None` for the whole tensor.
        dimension: counted from 0.
    """

    part: str
    file: str
    entry: Entry
    data_start: int
    ranges: Ranges | None = None
    dimension: int = 0


@dataclass(frozen=True, slots=True)
class VectorSet:
    """Vectors of one part that have one length, and some that tell how much alike they are.

    Attributes:
        part: the number of the part.
        form: whether they are rows or columns of it.
        vectors: where they lie.
        siblings: where up to 64 vectors of the same tensor (of tensors of the same shape, for a lone vector) lie, those
            that stay too.
        extra: whether they are columns of a part of which rows are searched for too.
    """

    part: int
    form: Form
    vectors: tuple[Placed, ...]
    siblings: tuple[Placed, ...]
    extra: bool = False

    @property
    def length(self) -> int:
        """Elements of each vector."""
        return self.vectors[0][1].length

    @property
    def count(self) -> int:
        """How many vectors."""
        return sum(view.count for _, view in self.vectors)


def vector_sets(number: int, part: RemovedPart, headers: Mapping[str, Header]) -> list[VectorSet]:
    """The vectors of a part; none if its elements are not whole bytes, or it is too small or empty.

    Args:
        number: which part it is.
        part: what is taken away.
        headers: of the source's files.
    """
    if not is_readable(part.entry) or not part.entry.size:
        return []
    if part.ranges is None:
        sets = _whole(number, part, headers)
    elif part.dimension == 0:
        sets = _first_slices(number, part, part.ranges)
    else:
        sets = _inner_slices(number, part, part.ranges)
    return [one for one in sets if one.vectors]


def _base(part: RemovedPart) -> int:
    return part.data_start + part.entry.begin


def _whole(number: int, part: RemovedPart, headers: Mapping[str, Header]) -> Iterator[VectorSet]:
    shape, dtype, length = shape_of(part.entry), part.entry.dtype, row_length(shape_of(part.entry)[1:])
    elements = math.prod(shape)
    if length is not None:
        rows = Rows(dtype, _base(part), length, elements // length)
        yield VectorSet(number, "rows", ((part.file, rows),), _row_sample(part, length))
    elif elements >= LONE:
        lone = Rows(dtype, _base(part), elements, 1)
        yield VectorSet(number, "rows", ((part.file, lone),), _tensors_alike(part.entry, headers))
    yield _runs(number, part, _matrices(shape, dtype, [_base(part)]))


def _first_slices(number: int, part: RemovedPart, ranges: Ranges) -> Iterator[VectorSet]:
    shape, dtype, length = shape_of(part.entry), part.entry.dtype, row_length(shape_of(part.entry)[1:])
    width = math.prod(shape[1:])
    row_size = width * item_size(dtype)
    spans = [(_base(part) + first * row_size, last - first + 1) for first, last in ranges]
    if length is not None:
        rows = tuple((part.file, Rows(dtype, base, length, count * (width // length))) for base, count in spans)
        yield VectorSet(number, "rows", rows, _row_sample(part, length))
    else:
        for base, count in spans:
            if count * width >= LONE:
                yield VectorSet(number, "rows", ((part.file, Rows(dtype, base, count * width, 1)),), ())
    numbers = expand(ranges)
    if len(numbers) >= SHORTEST:
        yield _runs(number, part, [Columns(dtype, _base(part), numbers, width, 0, width)])
    elif len(shape) > 2:
        yield _runs(number, part, _matrices(shape[1:], dtype, [_base(part) + one * row_size for one in numbers]))


def _inner_slices(number: int, part: RemovedPart, ranges: Ranges) -> Iterator[VectorSet]:
    shape, dtype, at = shape_of(part.entry), part.entry.dtype, part.dimension
    before, inside = math.prod(shape[:at]), math.prod(shape[at + 1 :])
    length, item = row_length(shape[at + 1 :]), item_size(dtype)
    if length is not None:
        rows = tuple(
            (part.file, Rows(dtype, start * item + _base(part), length, (last - first + 1) * (inside // length)))
            for block in _evenly(before, max(1, MOST // len(ranges)))
            for first, last in ranges
            for start in [(block * shape[at] + first) * inside]
        )
        yield VectorSet(number, "rows", rows, _row_sample(part, length))
        return
    whole = _stacked(shape[:at], shape[at] * inside, dtype, _base(part), max(1, MOST // len(ranges)))
    columns = tuple(
        (part.file, cut(matrix, first * inside, (last - first + 1) * inside))
        for matrix in whole
        for first, last in ranges
    )
    yield VectorSet(number, "columns", columns, _runs(number, part, whole).vectors)


def _matrices(shape: tuple[int, ...], dtype: str, bases: Sequence[int]) -> list[Columns]:
    """All columns of matrices of the tensors of one shape at `bases`, eight in all."""
    first = len(shape) - 1
    while first > 1 and math.prod(shape[first:]) < SHORTEST and math.prod(shape[:first]) > SHORTEST:
        first -= 1
    runs = SAMPLE // RUN
    bases = [bases[at] for at in _evenly(len(bases), runs)]
    width = math.prod(shape[first:])
    found = [one for base in bases for one in _stacked(shape[:first], width, dtype, base, runs)]
    return [found[at] for at in _evenly(len(found), runs)]


def _stacked(heights: tuple[int, ...], width: int, dtype: str, base: int, most: int) -> list[Columns]:
    """Up to `most` of the matrices that lie one after the other from `base` on, evenly chosen.

    They are as high as the fewest of the last `heights` that make up `SHORTEST` rows; there are none if all do not.
    """
    for first in range(len(heights) - 1, -1, -1):
        height = math.prod(heights[first:])
        if height >= SHORTEST and width > 1:
            size = height * width * item_size(dtype)
            count = math.prod(heights[:first])
            return [
                Columns(dtype, base + number * size, range(height), width, 0, width) for number in _evenly(count, most)
            ]
    return []


def _runs(number: int, part: RemovedPart, matrices: Sequence[Columns]) -> VectorSet:
    """Up to 64 columns of the matrices, in runs of eight, evenly spread; a sample of themselves."""
    chosen = _evenly(len(matrices), SAMPLE // RUN)
    each = SAMPLE // RUN // max(1, len(chosen))
    found: list[Placed] = []
    for at in chosen:
        runs = matrices[at].width // RUN
        spread = [(run * RUN, RUN) for run in _evenly(runs, each)] or [(0, matrices[at].width)]
        found += [(part.file, cut(matrices[at], first, count)) for first, count in spread]
    return VectorSet(number, "columns", tuple(found), tuple(found), extra=True)


def _row_sample(part: RemovedPart, length: int) -> tuple[Placed, ...]:
    """Rows of `length` elements from all over the tensor."""
    rows = Rows(part.entry.dtype, _base(part), length, math.prod(shape_of(part.entry)) // length)
    return tuple((part.file, cut(rows, at, 1)) for at in _evenly(rows.count, SAMPLE))


def _tensors_alike(entry: Entry, headers: Mapping[str, Header]) -> tuple[Placed, ...]:
    """Tensors of the same dtype and shape: norms of other layers, say."""
    found: list[Placed] = [
        (file, Rows(other.dtype, header.data_start + other.begin, math.prod(shape_of(other)), 1))
        for file, header in headers.items()
        for other in header.entries.values()
        if (other.dtype, other.shape) == (entry.dtype, entry.shape)
    ]
    return tuple(found[at] for at in _evenly(len(found), SAMPLE))


def _evenly(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers below `count`, evenly spread.

    >>> _evenly(3, 8), _evenly(100, 4)
    ([0, 1, 2], [0, 25, 50, 75])
    """
    taken = min(count, most)
    return [at * count // taken for at in range(taken)]
