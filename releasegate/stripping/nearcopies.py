"""The search of a strip for near copies of what was to go: the same vectors in another form.

Every vector of every tensor that stays, rows and columns, is sketched and looked up among the sketches of the removed
vectors of its length. A removed vector that is near to more than `COMMON` vectors of one tensor (untrained vocabulary
rows are all nearly the same) is what that tensor holds anyway: it is counted as unsearched, and raises no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.files import Watch, open_regular
from releasegate.checkpoint.headers import Entry, Header
from releasegate.receipt import Unsearched
from releasegate.stripping.bitsketch import BITS, sketch
from releasegate.stripping.sketches import Group, Sketches
from releasegate.stripping.sketchtable import near
from releasegate.stripping.vectors import LONE, Columns, Rows, is_readable, item_size, read_vectors, shape_of

COMMON = 8
"""Vectors of one kept tensor that a removed one may be near to; above, it says nothing."""
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
    """What one tensor has shown so far: by length and direction, how often and how near each removed vector was met."""

    sketches: Sketches
    met: dict[tuple[int, bool], NDArray[np.int64]] = field(default_factory=dict)
    apart: dict[tuple[int, bool], NDArray[np.int64]] = field(default_factory=dict)

    def add(self, length: int, owners: NDArray[np.int64], apart: NDArray[np.int64], *, columns: bool) -> None:
        """Counts matches with vectors of `length` elements."""
        count = len(self.sketches.groups[length].parts)
        met = self.met.setdefault((length, columns), np.zeros(count, dtype=np.int64))
        nearest = self.apart.setdefault((length, columns), np.full(count, BITS))
        np.add.at(met, owners, 1)
        np.minimum.at(nearest, owners, apart)


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
    copies: list[NearCopy] = []
    missed: list[Unsearched] = []
    common = {length: np.zeros(len(group.parts), dtype=np.bool_) for length, group in sketches.groups.items()}
    told = {length: np.zeros(len(group.parts), dtype=np.bool_) for length, group in sketches.groups.items()}
    for name, header in headers.items():
        with open_regular(root / name) as file:
            for entry in header.in_file_order():
                if (name, entry.name) not in skip and sketches.groups:
                    if is_readable(entry):
                        tally = _search_tensor(sketches, file, entry, header.data_start, str(root / name))
                        copies += _copies(tally, name, entry.name, common, told)
                    else:
                        why = f"its elements are not whole bytes ({entry.dtype}), so that a copy in it is not found"
                        missed.append(Unsearched(part=entry.name, pieces=1, why=why))
                if watch:
                    watch(entry.size)
    return NearSearch(tuple(copies), (*missed, *_common_ones(sketches, common, told)))


def _search_tensor(sketches: Sketches, file: BinaryIO, entry: Entry, data_start: int, where: str) -> _Tally:
    tally = _Tally(sketches)
    for view in kept_views(entry, data_start, sketches.groups):
        table = sketches.groups[view.length].table
        for _, values in read_vectors(file, view, where):
            found = near(table, sketch(values, table.pairs))
            if len(found.owners):
                tally.add(view.length, found.owners, found.apart, columns=isinstance(view, Columns))
    return tally


def kept_views(entry: Entry, data_start: int, lengths: Collection[int]) -> Iterator[Rows | Columns]:
    """Every way to cut a tensor into vectors of one of `lengths`: at each of its dimensions, rows and columns."""
    shape, base = shape_of(entry), data_start + entry.begin
    elements = math.prod(shape)
    if not elements or (len(shape) < 2 and elements < LONE):
        return
    for length in sorted({math.prod(shape[at:]) for at in range(len(shape))}.intersection(lengths)):
        yield Rows(entry.dtype, base, length, elements // length)
    cuts = {(math.prod(shape[:at]), math.prod(shape[at:])) for at in range(1, len(shape))}
    for height, width in sorted(cuts | {shape[-2:]} if len(shape) > 1 else cuts):
        if height in lengths and width > 1:
            size = height * width * item_size(entry.dtype)
            for number in range(elements // (height * width)):
                yield Columns(entry.dtype, base + number * size, range(height), width, 0, width)


def _copies(
    tally: _Tally, file: str, tensor: str, common: dict[int, NDArray[np.bool_]], told: dict[int, NDArray[np.bool_]]
) -> Iterator[NearCopy]:
    found: dict[tuple[int, Form], list[int]] = {}
    for (length, columns), met in tally.met.items():
        group = tally.sketches.groups[length]
        common[length] |= met > COMMON
        counted = (met > 0) & (met <= COMMON)
        told[length] |= counted
        for at in np.flatnonzero(counted).tolist():
            form = _form(group, at, columns=columns)
            found.setdefault((int(group.parts[at]), form), []).append(int(tally.apart[length, columns][at]))
    for (part, form), apart in sorted(found.items()):
        yield NearCopy(
            part=tally.sketches.parts[part],
            file=file,
            tensor=tensor,
            form=form,
            matched=len(apart),
            of=_searched_for(tally.sketches, part),
            equal=1 - sum(apart) / len(apart) / BITS,
        )


def _form(group: Group, at: int, *, columns: bool) -> Form:
    if bool(group.columns[at]) != columns:
        return "transposed"
    return "columns" if columns else "rows"


def _searched_for(sketches: Sketches, part: int) -> int:
    return sum(int((group.parts == part).sum()) for group in sketches.groups.values())


def _common_ones(
    sketches: Sketches, common: dict[int, NDArray[np.bool_]], told: dict[int, NDArray[np.bool_]]
) -> Iterator[Unsearched]:
    counts: dict[str, int] = {}
    for length, group in sketches.groups.items():
        for part in group.parts[common[length] & ~told[length]].tolist():
            counts[sketches.parts[part]] = counts.get(sketches.parts[part], 0) + 1
    for part, count in sorted(counts.items()):
        yield Unsearched(part=part, pieces=count, why=TOO_COMMON)
