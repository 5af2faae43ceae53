"""The search of a strip for runs of removed rows: cut, joined, inside wider rows, every n-th number, part of wider numbers.

Kept numbers are looked at at places that lie `apart`, as words of order: numbers that follow one another, every second,
third and fourth, those below one another, the halves and quarters of wider numbers, their single bytes, and numbers whose
bytes stand in the other order. What has the word of a removed run is compared with what stands around it in the row.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint import Watch
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import Entry, Header
from releasegate.stripping.searching.orderwords import LAGS, POSITIONS, SPAN, WordTable, differing, look_up, words
from releasegate.stripping.searching.runs import FARTHEST, STRONG, Run, Runs
from releasegate.stripping.searching.vectors import Values, is_readable, item_size, numbers, read_bytes

PIECE = 1 << 22
"""Bytes that are held at once."""
GROUPS = 12
"""Places in turn that look at every number, every second, third and fourth, beginning at each of them."""
SLAB = 4 * SPAN + 4
"""Numbers that are held from each place on."""
FEWEST = 4
"""Runs of a part, at least, that are a finding together."""
AROUND = 256
"""Numbers on either side of a word that are compared, at most."""
COMMON = 8
"""Places of one kept tensor at which a run is met, at most. One that is met at more counts where a quarter of its part does.
Rows of which several are met at one place are alike, and count nowhere."""
MOST_TRIED = 512
"""Words of one piece that are compared with what stands around, at most; of more, so many are taken evenly."""
_EXPONENTS: Mapping[str, tuple[str, int]] = {
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F32": ("<u4", 0x7F800000),
    "C64": ("<u4", 0x7F800000),
    "F64": ("<u8", 0x7FF0000000000000),
}
"""How the bits of a dtype are read, and those of its exponent: all are set in infinities and in what is no number."""
WIDEST = 1 << 16
"""Numbers between those of a column, at most: of wider matrices columns are not looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look at kept bytes.

    Attributes:
        dtype: what the bytes are taken for.
        steps: every how many numbers are taken, and at which of them is begun, in turn.
        swapped: whether the bytes of each number stand in the other order.
        of_bytes: whether removed bytes are looked for, not numbers.
        how: in words.
    """

    dtype: str
    steps: tuple[tuple[int, tuple[int, ...]], ...]
    how: str
    swapped: bool = False
    of_bytes: bool = False


@dataclass(frozen=True, slots=True)
class RunsFound:
    """Runs of a removed part that stand in a kept tensor.

    Attributes:
        part: what was to go.
        file: the file of the output.
        tensor: the kept tensor in which the first of them begins.
        how: as what they stand there.
        matched: how many rows of the part are met.
        of: how many of them were searched for.
        equal: share of comparisons, .92 to 1, in which they agree.
    """

    part: str
    file: str
    tensor: str
    how: str
    matched: int
    of: int
    equal: float


def looks(dtype: str) -> list[Look]:
    """The ways to look at a tensor of `dtype`."""
    item = item_size(dtype)
    every = tuple((step, tuple(range(step))) for step in (1, 2, 3, 4))
    found = [Look(dtype, every, "cut, joined or mixed")]
    if item > 1:
        found.append(Look(dtype, ((1, (0,)),), "with the bytes of each number in the other order", swapped=True))
        single = ((1, (0,)), (item, tuple(range(item - 1))))
        found.append(Look("U8", single, "as single bytes", of_bytes=True))
    if item == 4:
        found.append(Look("F16", ((2, (0,)), (4, (0, 2))), "in halves of wider numbers"))
    if item == 8:
        found.append(Look("F32", ((2, (0,)),), "in halves of wider numbers"))
        found.append(Look("F16", ((4, (0, 1, 2)),), "in quarters of wider numbers"))
    return found


@dataclass(slots=True)
class _Met:
    """A word that was met: of which run, at which of its numbers, and where in the kept bytes (in numbers of a look)."""

    run: int
    shift: int
    place: int
    step: int


@dataclass(slots=True)
class _Stretch:
    """Tensors of one dtype that lie one after the other in a file, from byte `base` on."""

    file: BinaryIO
    name: str
    where: str
    entries: Sequence[Entry]
    base: int
    size: int

    def tensor_at(self, offset: int) -> Entry:
        """The tensor that holds byte `offset` of the stretch."""
        begins = [entry.begin - self.entries[0].begin for entry in self.entries]
        return self.entries[bisect_right(begins, offset) - 1]

    def read(self, begin: int, size: int) -> NDArray[np.uint8]:
        """`size` bytes from `begin` on, with zeros behind the end."""
        held = np.zeros(size, dtype=np.uint8)
        there = max(0, min(size, self.size - begin))
        read_bytes(self.file, held[:there], self.base + begin, self.where)
        return held


def search_runs(
    runs: Runs,
    root: Path,
    headers: Mapping[str, Header],
    watch: Watch | None = None,
    payloads: dict[str, set[int]] | None = None,
) -> list[RunsFound]:
    """Where runs of removed rows stand in the tensors under `root`, in the order of the files.

    Args:
        runs: what to search for.
        root: the finished output.
        headers: of its files.
        watch: is told the number of bytes of tensors searched.
        payloads: takes the bits of numbers that are none, by tensor (`FILE:NAME`), as far as some differ.

    Raises:
        CheckpointError: a file cannot be read, or ends too early.
    """
    found: list[RunsFound] = []
    for name, header in headers.items():
        with open_regular(root / name) as file:
            for entries in _stretches(header):
                size = entries[-1].end - entries[0].begin
                stretch = _Stretch(file, name, str(root / name), entries, header.data_start + entries[0].begin, size)
                if runs.of_numbers:
                    found += _Search(runs, stretch, {} if payloads is None else payloads).result()
                if watch:
                    watch(size)
    return found


def _stretches(header: Header) -> Iterator[list[Entry]]:
    readable = [entry for entry in header.in_file_order() if entry.size and is_readable(entry)]
    for _, some in groupby(readable, key=attrgetter("dtype")):
        held: list[Entry] = []
        for entry in some:
            if held and held[-1].end != entry.begin:
                yield held
                held = []
            held.append(entry)
        yield held


@dataclass(slots=True)
class _Search:
    """A search of one stretch: per tensor, part and look, at which bytes rows were met, and how much of them agrees."""

    runs: Runs
    stretch: _Stretch
    payloads: dict[str, set[int]]
    met: dict[tuple[str, int, str], dict[int, dict[int, tuple[int, float]]]] = field(default_factory=dict)

    def result(self) -> list[RunsFound]:
        """What was found."""
        dtype = self.stretch.entries[0].dtype
        for begin in range(0, self.stretch.size, PIECE):
            self._look_at(begin, dtype)
        for entry in self.stretch.entries:
            self._columns(entry)
        found = []
        for (tensor, part, how), places in self.met.items():
            rows = _telling(places, self.runs.rows[part])
            if any(compared >= STRONG for compared, _ in rows.values()) or len(rows) >= FEWEST:
                equal = 1 - sum(apart for _, apart in rows.values()) / len(rows)
                name, of = self.runs.parts[part], self.runs.rows[part]
                found.append(RunsFound(name, self.stretch.name, tensor, how, len(rows), of, equal))
        return found

    def _look_at(self, begin: int, dtype: str) -> None:
        item, apart = item_size(dtype), self.runs.apart
        places = -(-min(PIECE, self.stretch.size - begin) // (apart * item))
        places = -(-places // GROUPS) * GROUPS
        held = self.stretch.read(begin, (places * apart + SLAB) * item)
        self._note_payloads(held[: min(PIECE, self.stretch.size - begin)], begin, dtype)
        slabs = np.lib.stride_tricks.as_strided(held, (places, SLAB * item), (apart * item, 1))
        compact = np.ascontiguousarray(slabs)
        for look in looks(dtype):
            unit = item_size(look.dtype)
            width = max(step * SPAN + max(lanes) for step, lanes in look.steps)
            cells = numbers(np.ascontiguousarray(compact[:, : width * unit]), look.dtype, swapped=look.swapped)
            turned = np.ascontiguousarray(cells.reshape(-1, GROUPS, width).transpose(2, 1, 0))
            for step, lanes in look.steps:
                for number, lane in enumerate(lanes):
                    self._look_up(look, turned[lane:, number :: len(lanes)], begin, step, lane, number, len(lanes))

    def _note_payloads(self, held: NDArray[np.uint8], begin: int, dtype: str) -> None:
        if dtype not in _EXPONENTS:
            return
        kind, exponent = _EXPONENTS[dtype]
        found = held.view(kind)
        odd = np.flatnonzero((found & exponent) == exponent)
        at = np.unique(found[odd], return_index=True)
        for bits, first in zip(*(one.tolist() for one in at), strict=True):
            if bits % (exponent & -exponent):  # no infinity
                name = self.stretch.tensor_at(begin + int(odd[first]) * found.itemsize).name
                known = self.payloads.setdefault(f"{self.stretch.name}:{name}", set())
                if len(known) < 1024:
                    known.add(bits)

    def _look_up(
        self, look: Look, cells: Values, begin: int, step: int, lane: int, number: int, lanes: int
    ) -> None:  # cells: [numbers, groups, places / groups]
        table = self.runs.bytes if look.of_bytes else self.runs.numbers
        found = words([cells[at * step] for at in range(SPAN)])
        at, entries = look_up(table, found)
        if not len(at):
            return
        unit, item = item_size(look.dtype), item_size(self.stretch.entries[0].dtype)
        group, place = np.divmod(at, cells.shape[2])
        slab = place * GROUPS + group * lanes + number
        bytes_at = begin + slab * self.runs.apart * item + lane * unit
        self._try(table, look, entries, bytes_at, step * unit)

    def _columns(self, entry: Entry) -> None:
        """Numbers that stand below one another in a matrix."""
        width, height = entry.shape[-1] if len(entry.shape) > 1 else 0, math.prod(entry.shape[:-1])
        if not 1 < width <= WIDEST or height < SPAN + LAGS:
            return
        item = item_size(entry.dtype)
        start = entry.begin - self.stretch.entries[0].begin
        look = Look(entry.dtype, (), "turned")
        for row in range(0, height - SPAN + 1, self.runs.apart):
            begin = start + row * width * item
            cells = numbers(self.stretch.read(begin, SPAN * width * item), entry.dtype).reshape(SPAN, width)
            at, entries = look_up(self.runs.numbers, words(list(cells)))
            if len(at):
                self._try(self.runs.numbers, look, entries, begin + at * item, width * item)

    def _try(
        self, table: WordTable, look: Look, entries: NDArray[np.intp], bytes_at: NDArray[np.intp], step: int
    ) -> None:
        """Compares what stands around words that were met, and notes what agrees."""
        if len(entries) > MOST_TRIED:
            chosen = np.linspace(0, len(entries) - 1, MOST_TRIED).astype(np.intp)
            entries, bytes_at = entries[chosen], bytes_at[chosen]
        held = self.runs.of_bytes if look.of_bytes else self.runs.of_numbers
        for entry, at in zip(entries.tolist(), bytes_at.tolist(), strict=True):
            run = held[int(table.runs[entry])]
            compared, apart = self._compare(look, run, int(table.shifts[entry]), at, step)
            if compared >= self.runs.least[run.part] and apart <= self.runs.limits[run.part]:
                key = (self.stretch.tensor_at(at).name, run.part, look.how)
                rows = self.met.setdefault(key, {}).setdefault(at, {})
                rows[run.row] = max(rows.get(run.row, (0, 1.0)), (compared, apart))

    def _compare(self, look: Look, run: Run, shift: int, at: int, step: int) -> tuple[int, float]:
        """How many comparisons beyond the word there are around it, and in which share of them the two differ."""
        unit = item_size(look.dtype)
        before = min(shift, AROUND, at // step)
        after = min(len(run.values) - shift - SPAN, AROUND, (self.stretch.size - at - unit) // step - SPAN + 1)
        if after < 0:
            return 0, 1.0
        first, count = at - before * step, before + SPAN + after
        kept = self._gather(first, count, step, unit)
        one = numbers(kept, look.dtype, swapped=look.swapped)
        other = run.values[shift - before : shift + SPAN + after]
        counts = differing(one, other)
        turned = differing_words(counts[before : before + POSITIONS])
        counts = LAGS - counts if turned else counts
        return _best(counts[:before][::-1], counts[before + POSITIONS :])

    def _gather(self, first: int, count: int, step: int, unit: int) -> NDArray[np.uint8]:
        if step <= 4096:
            held = self.stretch.read(first, (count - 1) * step + unit)
            cells = np.lib.stride_tricks.as_strided(held, (count, unit), (step, 1))
            return np.ascontiguousarray(cells).reshape(-1)
        return np.concatenate([self.stretch.read(first + at * step, unit) for at in range(count)])


def _telling(places: Mapping[int, Mapping[int, tuple[int, float]]], of: int) -> dict[int, tuple[int, float]]:
    """The rows that count of those that were met, by place: none that are alike, none that are met everywhere."""
    alike = {row for rows in places.values() if len(rows) > 1 for row in rows}
    counts = Counter(row for rows in places.values() for row in rows)
    found: dict[int, tuple[int, float]] = {}
    for rows in places.values():
        for row, compared in rows.items():
            if row not in alike:
                found[row] = max(found.get(row, (0, 1.0)), compared)
    common = {row for row in found if counts[row] > COMMON}
    return (
        found if len(common) >= max(FEWEST, of / 4) else {row: one for row, one in found.items() if row not in common}
    )


def differing_words(counts: NDArray[np.int64]) -> bool:
    """Whether a word is that of the negatives, by in how many comparisons of each place it differs."""
    return bool(counts.sum() * 2 > LAGS * len(counts))


def _best(before: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[int, float]:
    """The most comparisons around a word in which two runs nearly agree, and the share in which they differ.

    Args:
        before: in how many of its comparisons each place differs, from the word towards the beginning.
        after: the same from the word towards the end.
    """
    best = (0, 1.0)
    ends = [0, 4, 8, 16, 32, 64, 128, 256]
    sides = [[(at, int(side[:at].sum())) for at in ends if at <= len(side)] for side in (before, after)]
    for side in (before, after):
        if len(side) not in ends:
            sides[0 if side is before else 1].append((len(side), int(side.sum())))
    for one, apart in sides[0]:
        for other, more in sides[1]:
            compared = LAGS * (one + other)
            if compared and (apart + more) / compared <= FARTHEST and compared > best[0]:
                best = (compared, (apart + more) / compared)
    return best
