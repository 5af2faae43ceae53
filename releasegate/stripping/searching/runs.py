"""What a strip takes away, as runs of numbers in tables of words of order: what the search for cut and mixed rows looks for.

Of every removed row that is taken, one run stands in the table: as many places as lie between two that are looked up in
what stays. Where the run begins differs from row to row, so that a copy of some columns is met too. A second table holds
bytes of the same rows: as they lie, and the lower bytes of all numbers put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import Header
from releasegate.receipt import Unsearched
from releasegate.stripping.searching.orderwords import (
    LAGS,
    MOST_WORDS,
    SPAN,
    Words,
    WordTable,
    differing,
    make_table,
    words,
)
from releasegate.stripping.searching.removedparts import RemovedPart, VectorSet, vector_sets
from releasegate.stripping.searching.sketches import thinned
from releasegate.stripping.searching.vectors import Columns, Rows, Values, item_size, numbers, read_bytes

APART = (4, 512)
"""Numbers between two places that are looked up, at least and at most: an eighth of a row."""
LONGEST = 1 << 16
"""Numbers of a row that are looked at, at most."""
MOST_ROWS = 16384
"""Rows that are searched for in runs, at most; where there are more, every k-th of large parts is."""
FARTHEST = 0.08
"""Share of comparisons in which a copy may differ, at most: unrelated numbers differ in half of them."""
DEVIATIONS = 6
LEAST = 0.015
"""A part whose rows are so much alike that a copy could not differ in this share is not searched for in runs."""
SAMPLE = 16
"""Rows that say how much alike the rows of a tensor are, at most or little more."""
FEW = 8
"""Rows of a sample, at least, that say how much alike the rows of a part are."""
PLACES = 12
"""Places of a row at which it is compared with the other rows that go."""
STRONG = 256
"""Comparisons beyond the word, at least, for a single run to be a finding, or any where rows are alike."""
WEAK = 16
"""Comparisons, at least, where several runs of a part are met whose rows are not alike."""
UNLIKE = 0.44
"""Share of comparisons in which rows that are not alike differ, at least, half of the time."""
ALIKE = "too much like the other rows of its tensor to be found where it is cut or mixed with others"


@dataclass(frozen=True, slots=True)
class Run:
    """One removed row, or its bytes in one order.

    Attributes:
        part: the number of the part.
        row: the number of the row among those of its part that are searched for.
        values: its numbers as integers that have their order.
        begin: where in them the run begins.
    """

    part: int
    row: int
    values: Values
    begin: int


@dataclass(frozen=True, slots=True)
class Runs:
    """What is searched for.

    Attributes:
        parts: names.
        numbers, bytes: tables; `shifts` of a word count from the beginning of the row.
        of_numbers, of_bytes: what stands in them.
        apart: numbers between two places that are looked up.
        limits: in which share of comparisons a copy of a row of each part may differ.
        least: how many comparisons around a word count, at least: more where the rows of a part are alike.
        rows: how many rows of each part are searched for.
        unsearched: parts that are not.
    """

    parts: tuple[str, ...]
    numbers: WordTable
    of_numbers: Sequence[Run]
    bytes: WordTable
    of_bytes: Sequence[Run]
    apart: int
    limits: Mapping[int, float]
    least: Mapping[int, int]
    rows: Mapping[int, int]
    unsearched: tuple[Unsearched, ...]


def removed_runs(root: Path, removed: Sequence[RemovedPart], headers: Mapping[str, Header]) -> Runs:
    """Runs of everything that is taken away. Memory: about 40 MiB, and the rows that are searched for.

    Args:
        root: the source.
        removed: what is taken away.
        headers: of the source's files.

    Raises:
        CheckpointError: a file cannot be read.
    """
    sets = [one for number, part in enumerate(removed) for one in vector_sets(number, part, headers) if not one.extra]
    sets = [one for one in sets if one.length >= SPAN + LAGS]
    apart = _apart(sets)
    limits: dict[int, float] = {}
    least: dict[int, int] = {}
    for one in sets:
        limit, compared = _limit(root, one)
        limits[one.part] = min(limit, limits.get(one.part, FARTHEST))
        least[one.part] = max(compared, least.get(one.part, WEAK))
    alike = [one for one in sets if limits[one.part] < LEAST or LAGS * (one.length - SPAN - LAGS) < least[one.part]]
    unsearched = [Unsearched(part=removed[one.part].part, pieces=one.count, why=ALIKE) for one in alike]
    sets = [one for one in sets if one not in alike]
    held = list(_rows(root, thinned(sets, min(MOST_ROWS, MOST_WORDS // apart)), apart))
    held, repeated = _apart_from_one_another(held)
    unsearched += [Unsearched(part=removed[part].part, pieces=count, why=ALIKE) for part, count in repeated.items()]
    some = held[:: max(1, -(-3 * len(held) * apart // MOST_WORDS))]
    of_bytes = [run for part, row, raw, item in some for run in _byte_runs(part, row, raw, item, apart)]
    of_numbers = [
        Run(part, row, values, _begin(row, len(values), apart))
        for part, row, raw, dtype in held
        for values in [numbers(raw, dtype)]
    ]
    rows: dict[int, int] = {}
    for run in of_numbers:
        rows[run.part] = rows.get(run.part, 0) + 1
    names = tuple(part.part for part in removed)
    return Runs(
        names,
        _table(of_numbers, apart),
        of_numbers,
        _table(of_bytes, apart),
        of_bytes,
        apart,
        limits,
        least,
        rows,
        tuple(unsearched),
    )


def _apart_from_one_another(
    held: list[tuple[int, int, NDArray[np.uint8], str]],
) -> tuple[list[tuple[int, int, NDArray[np.uint8], str]], dict[int, int]]:
    """The rows that are not nearly the same as others that go, and how many of each part are.

    Rows of tokens that were never trained are nearly the same, and stay elsewhere in the tensor: they are no copies.
    """
    groups: dict[tuple[int, str], list[int]] = {}
    for number, (_, _, raw, dtype) in enumerate(held):
        groups.setdefault((len(raw), dtype), []).append(number)
    left_out: set[int] = set()
    for (size, dtype), members in groups.items():
        length = size // item_size(dtype)
        places = sorted({(length - SPAN) * number // (PLACES - 1) for number in range(PLACES)})
        found = np.empty((len(members), len(places)), dtype=np.uint64)
        for first in range(0, len(members), 1024):
            rows = np.stack([numbers(held[one][2], dtype) for one in members[first : first + 1024]])
            for at, place in enumerate(places):
                found[first : first + 1024, at] = words([rows[:, place + number] for number in range(SPAN)])
        for column in found.T:
            _, back, counts = np.unique(column, return_inverse=True, return_counts=True)
            left_out |= {members[one] for one in np.flatnonzero(counts[back] > 1)}
    missed: dict[int, int] = {}
    for number in left_out:
        missed[held[number][0]] = missed.get(held[number][0], 0) + 1
    return [one for number, one in enumerate(held) if number not in left_out], missed


def _apart(sets: Sequence[VectorSet]) -> int:
    """An eighth of a row, as a power of two; of the length of row of which most numbers are."""
    sizes: dict[int, int] = {}
    for one in sets:
        sizes[one.length] = sizes.get(one.length, 0) + one.count * one.length
    length = max(sizes, key=sizes.__getitem__, default=APART[1] * 8)
    return max(APART[0], min(APART[1], 1 << max(0, (length // 8).bit_length() - 1)))


def _begin(row: int, length: int, apart: int) -> int:
    """Where the run of a row begins: eight places in turn, of which the last run ends with the row."""
    room = max(0, length - SPAN - apart)
    return room * (row * 3 % 8) // 7


def _rows(root: Path, sets: Sequence[VectorSet], apart: int) -> Iterator[tuple[int, int, NDArray[np.uint8], str]]:
    """Part, number among its rows, bytes and dtype of every row of the sets."""
    seen: dict[int, int] = {}
    for one in sets:
        for raw, dtype in _raw(root, one.vectors):
            for row in raw:
                seen[one.part] = number = seen.get(one.part, -1) + 1
                yield one.part, number, row, dtype


def _raw(root: Path, placed: Sequence[tuple[str, Rows | Columns]]) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """The bytes of the vectors at the places, [vectors, bytes], and their dtype."""
    for file, some in groupby(placed, key=itemgetter(0)):
        with open_regular(root / file) as opened:
            for _, view in some:
                yield _read(opened, view, str(root / file)), view.dtype


def _read(file: BinaryIO, view: Rows | Columns, where: str) -> NDArray[np.uint8]:
    item = item_size(view.dtype)
    length = min(view.length, LONGEST)
    held = np.empty((view.count, length * item), dtype=np.uint8)
    match view:
        case Rows():
            for number in range(view.count) if length < view.length else ():
                read_bytes(file, held[number], view.base + number * view.length * item, where)
            if length == view.length:
                read_bytes(file, held.reshape(-1), view.base, where)
            return held
        case Columns():
            line = np.empty(view.count * item, dtype=np.uint8)
            cells = held.reshape(view.count, length, item)
            for at, row in enumerate(view.rows[:length]):
                read_bytes(file, line, view.base + (row * view.width + view.first) * item, where)
                cells[:, at] = line.reshape(view.count, item)
            return held


def _byte_runs(part: int, row: int, raw: NDArray[np.uint8], dtype: str, apart: int) -> Iterator[Run]:
    item = item_size(dtype)
    if item > 1:
        forms = [raw, *(np.ascontiguousarray(raw[at::item]) for at in range(min(2, item - 1)))]
        for values in forms:
            if len(values) >= SPAN + LAGS:
                yield Run(part, row, values, _begin(row, len(values), apart))


def _table(runs: Sequence[Run], apart: int) -> WordTable:
    """The words of every run at all of its shifts; runs of one length and place are taken together."""
    found: list[Words] = [np.empty(0, dtype=np.uint64)]
    owners, shifts = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int32)]
    alike: dict[tuple[int, int, str], list[int]] = {}
    for number, run in enumerate(runs):
        alike.setdefault((len(run.values), run.begin, run.values.dtype.str), []).append(number)
    for (length, begin, _), members in alike.items():
        count = min(apart, length - SPAN + 1 - begin)
        step = max(1, (1 << 16) // count)
        for first in range(0, len(members), step):
            some = members[first : first + step]
            held = np.stack([runs[one].values[begin : begin + count + SPAN - 1] for one in some])
            found.append(words([held[:, at : at + count] for at in range(SPAN)]))
            owners.append(np.repeat(np.array(some, dtype=np.int32), count))
            shifts.append(np.tile(np.arange(begin, begin + count, dtype=np.int32), len(some)))
    return make_table(np.concatenate(found), np.concatenate(owners), np.concatenate(shifts))


def _limit(root: Path, one: VectorSet) -> tuple[float, int]:
    """In which share of comparisons a copy may differ, by how much rows of the tensor do; and how many count, at least."""
    few = one.siblings[:: max(1, len(one.siblings) // SAMPLE)]
    sample = [numbers(row, dtype) for raw, dtype in _raw(root, few) for row in raw[:SAMPLE]]
    sample = [row[: 64 + LAGS] for row in sample if len(row) >= SPAN + LAGS and row.min() != row.max()]
    if len(sample) < FEW or len({len(row) for row in sample}) > 1:
        return FARTHEST, WEAK
    shares = np.array(
        [
            differing(sample[at], sample[after]).mean() / LAGS
            for at in range(len(sample))
            for after in range(at + 1, len(sample))
        ]
    )
    shares = np.sort(np.minimum(shares, 1 - shares))
    middle, low = float(shares[len(shares) // 2]), float(shares[int(len(shares) * 0.159)])
    nearest = float(shares[min(len(shares) - 1, len(sample) // 8)])
    limit = min(FARTHEST, max(middle - DEVIATIONS * (middle - low), nearest / 3))
    return limit, WEAK if middle >= UNLIKE else STRONG
