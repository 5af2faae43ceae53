"""The search of a strip for near copies of what was to go: the same vectors in another form.

Every vector of every tensor that stays, rows and columns, is sketched and looked up among the sketches of the removed
vectors of its length. A removed vector that is near to many vectors of one tensor (untrained vocabulary rows are all
nearly the same) is what that tensor holds anyway: it is counted as unsearched, and raises no alarm.

Found, of removed rows that stand alone in a tensor, at cosines of 0, .5 and .8 between any two rows:

- scaled by any number, float64, bf16, fp16, fp8 (e4m3, e5m2), int8 by tensor, row or group, uint8 with zero points,
  noise of 1 and 5 %: all, in any order, among any others, turned or not; 94 % and more of rows of 32 elements;
- int4 by groups of 32: 94 to 100, 86 to 93 and 23 to 62 %; where all rows of a part stand in one tensor, 93 to 100,
  93 to 100 and 46 to 98 %. By row: 61 to 94, 20 to 91 and 0 to 46 %; in one tensor 99 to 100, 93 to 98 and 46 to 84 %.

False alarms: none in 8,192 unrelated Gaussian rows against 32 M elements (up to 1 M rows) of 64 to 4,096 at each of
these cosines; of 32 elements none, none and 6. None in SmolLM2-135M, with each of its 30 layers taken for removed in
turn (5,634 vectors each), then a tenth of its vocabulary's rows, the first 2,000, the last tenth and ten single ones:
there unrelated vectors came as near as 27 bits of 256 (13 of the first 2,000 rows are near to many, and are counted).
`benchmarks/bench_near_copies.py` measures all of this again.

Not covered: packed numbers of less than a byte; low-rank factors, sums and products of tensors; rotations;
rows that were cut, joined or permuted inside; scales for each element of a row; a vector of another length.

Cost, in CPU seconds for a GiB of bf16 and 8,192 removed rows: .25 where rows have 4,096 elements, .4 with 2,048, .8
with 1,024. Memory: about 400 bytes a removed vector, and 15 MiB.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint import Watch
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import Entry, Header
from releasegate.receipt import Unsearched
from releasegate.stripping.searching.bitsketch import BITS, sketch
from releasegate.stripping.searching.sketches import Sketches
from releasegate.stripping.searching.sketchtable import Matches, near
from releasegate.stripping.searching.vectors import (
    LONE,
    SMALL,
    Columns,
    Rows,
    is_readable,
    item_size,
    read_vectors,
    shape_of,
)

NEAR = 20
"""Bits, of 256, in which a single vector may differ and still be a finding. Cast or quantised to 8 bits, vectors differ
in 1 to 16 bits; among the vectors of a trained model, unrelated ones were never nearer than 27."""
SHARE = 0.25
"""Where so many of a part's vectors are met in one tensor, they count up to their limits: a copy in 4 bits, say."""
FEWEST = 4
"""Vectors, at least, that make such a share; and that count where they are a few columns of a part that has rows."""
COMMON = 8
"""Vectors of one kept tensor that a removed one may be near to. Above, only one twice as near as `NEAR` counts, and if
there are more of those, none; unless most of them are near to it alone of its part, and so with a share of the part:
then they are no crowd of vectors that are all alike, but many copies."""
TOO_COMMON = f"near to more than {COMMON} vectors of one tensor that stays, so that it says nothing"

Form = Literal["rows", "columns", "transposed"]


@dataclass(frozen=True, slots=True)
class NearCopy:
    """Vectors of a removed part that stand in a kept tensor in another form.

    Attributes:
        part: what was to go.
        file: the file of the output.
        tensor: the kept tensor.
        form: rows as rows, columns as columns, or one as the other.
        matched: how many of the part's vectors are there.
        of: how many of them were searched for.
        equal: mean share of bits, .78 to 1, in which the nearest vectors agree with them (with their negatives).
    """

    part: str
    file: str
    tensor: str
    form: Form
    matched: int
    of: int
    equal: float


@dataclass(frozen=True, slots=True)
class NearSearch:
    """What a search found, in the order of the files, and what it could not search or tell apart."""

    copies: tuple[NearCopy, ...]
    unsearched: tuple[Unsearched, ...]


@dataclass(slots=True)
class _Tally:
    """How often one kept tensor's rows (or columns) of one length have met each removed vector, and how near.

    Attributes:
        met: within its limit.
        close: within `NEAR` bits.
        alone: within `NEAR` bits of vectors that are near to no other vector of its part.
        apart: bits, at the nearest.
    """

    met: NDArray[np.int64]
    close: NDArray[np.int64]
    alone: NDArray[np.int64]
    apart: NDArray[np.int64]


def search_near_copies(
    sketches: Sketches,
    root: Path,
    headers: Mapping[str, Header],
    skip: Collection[tuple[str, str]] = (),
    watch: Watch | None = None,
) -> NearSearch:
    """Where vectors of removed parts stand in the tensors under `root` in another form.

    Args:
        sketches: what to search for.
        root: the finished output.
        headers: of its files.
        skip: tensors that are not looked at, as (file, tensor).
        watch: is told the number of bytes of tensors searched.

    Raises:
        CheckpointError: a file cannot be read, or ends too early.
    """
    search = _Search(sketches)
    for name, header in headers.items():
        with open_regular(root / name) as file:
            for entry in header.in_file_order():
                if (name, entry.name) not in skip and sketches.groups:
                    search.look_at(file, name, entry, header.data_start, str(root / name))
                if watch:
                    watch(entry.size)
    return search.result()


@dataclass(slots=True)
class _Search:
    """A search under way: what it found, and which vectors were common and which were part of a finding, by length."""

    sketches: Sketches
    copies: list[NearCopy] = field(default_factory=list)
    missed: list[Unsearched] = field(default_factory=list)
    common: dict[int, set[int]] = field(default_factory=dict)
    told: dict[int, set[int]] = field(default_factory=dict)

    def look_at(self, file: BinaryIO, name: str, entry: Entry, data_start: int, where: str) -> None:
        """Searches one tensor of the file called `name`."""
        if not is_readable(entry):
            why = f"its elements are not whole bytes ({entry.dtype}), so that a copy in it is not found"
            self.missed.append(Unsearched(part=entry.name, pieces=1, why=why))
            return
        tallies: dict[tuple[int, bool], _Tally] = {}
        for view in kept_views(entry, data_start, self.sketches.groups):
            group = self.sketches.groups[view.length]
            for _, values in read_vectors(file, view, where):
                found = near(group.table, sketch(values, group.table.pairs))
                if len(found.owners):
                    tally = tallies.setdefault((view.length, isinstance(view, Columns)), _tally(len(group.parts)))
                    np.add.at(tally.met, found.owners, 1)
                    is_close = found.apart <= NEAR
                    np.add.at(tally.close, found.owners[is_close], 1)
                    np.add.at(tally.alone, found.owners[is_close & _are_alone(found, group.parts)], 1)
                    np.minimum.at(tally.apart, found.owners, found.apart)
        found_here: dict[tuple[int, Form], list[int]] = {}
        for (length, columns), tally in tallies.items():
            self._judge(length, tally, found_here, columns=columns)
        for (part, form), apart in sorted(found_here.items()):
            mean = 1 - sum(apart) / len(apart) / BITS
            of = self.sketches.count_of(part)
            self.copies.append(NearCopy(self.sketches.parts[part], name, entry.name, form, len(apart), of, mean))

    def _judge(self, length: int, tally: _Tally, found: dict[tuple[int, Form], list[int]], *, columns: bool) -> None:
        """Adds to `found`, by part and form, how far apart the vectors are that make a finding."""
        group = self.sketches.groups[length]
        counted = (tally.met > 0) & (tally.met <= COMMON)
        close = (tally.close > 0) & (tally.close <= COMMON) & ((tally.met <= COMMON) | (tally.apart <= NEAR // 2))
        copied = (tally.close > COMMON) & (2 * tally.alone > tally.close)
        self.common.setdefault(length, set()).update(np.flatnonzero((tally.close > 0) & ~close).tolist())
        for part in np.unique(group.parts[counted | close | copied]).tolist():
            for extra in (False, True):
                mine = (group.parts == part) & (group.extra == extra)
                share = max(FEWEST, SHARE * np.count_nonzero(mine))
                chosen = mine & close
                for some in (counted, copied):
                    if np.count_nonzero(some & mine) >= share:
                        chosen |= some & mine
                members = np.flatnonzero(chosen)
                if len(members) >= (FEWEST if extra else 1):
                    turned = bool(group.columns[members[0]]) != columns
                    form: Form = "transposed" if turned else "columns" if columns else "rows"
                    found.setdefault((part, form), []).extend(tally.apart[members].tolist())
                    self.told.setdefault(length, set()).update(members.tolist())

    def result(self) -> NearSearch:
        """What was found, and what could not be searched or told apart."""
        counts = Counter(
            self.sketches.parts[int(self.sketches.groups[length].parts[at])]
            for length, members in self.common.items()
            for at in members - self.told.get(length, set())
        )
        common = [Unsearched(part=part, pieces=count, why=TOO_COMMON) for part, count in sorted(counts.items())]
        return NearSearch(tuple(self.copies), (*self.missed, *common))


def _tally(count: int) -> _Tally:
    zeros = np.zeros(count, dtype=np.int64)
    return _Tally(zeros, zeros.copy(), zeros.copy(), np.full(count, BITS))


def _are_alone(found: Matches, parts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the matches are the only one of their kept vector with the part that they belong to."""
    pairs = np.stack([found.vectors, parts[found.owners]])
    _, which, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = counts[which.reshape(-1)] == 1
    return alone


def kept_views(entry: Entry, data_start: int, lengths: Collection[int]) -> Iterator[Rows | Columns]:
    """Every way to cut a tensor into vectors of one of `lengths`: at each of its dimensions, rows and columns.

    One without dimensions of its own (a flat parameter) is cut into rows of each length that divides it.
    """
    shape, base = shape_of(entry), data_start + entry.begin
    elements = math.prod(shape)
    if not elements or (len(shape) < 2 and elements < LONE):
        return
    flat = len(shape) < 2
    own = {n for n in lengths if elements % n == 0} if flat else {math.prod(shape[at:]) for at in range(len(shape))}
    for length in sorted(own.intersection(lengths)):
        yield Rows(entry.dtype, base, length, elements // length)
    cuts = {(math.prod(shape[:at]), math.prod(shape[at:])) for at in range(1, len(shape))}
    for height, width in sorted(cuts | {shape[-2:]} if len(shape) > 1 else cuts):
        if height in lengths and width > 1:
            size = height * width * item_size(entry.dtype)
            count = elements // (height * width)
            step = count if size <= SMALL else 1
            for number in range(0, count, step):
                yield Columns(entry.dtype, base + number * size, range(height), width, 0, width, step)
