"""What a strip takes away, as sketches in tables: what the search for near copies looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import Header
from releasegate.receipt import Unsearched
from releasegate.stripping.searching.bitsketch import CLOSEST, Bits, Pairs, choose_pairs, is_plain, limits_for, sketch
from releasegate.stripping.searching.removedparts import Placed, RemovedPart, VectorSet, vector_sets
from releasegate.stripping.searching.shares import steps
from releasegate.stripping.searching.sketchtable import Table, make_table
from releasegate.stripping.searching.vectors import LONE, SHORTEST, Values, cut, is_readable, read_vectors

MAX_ROWS = 32768
"""Vectors of removed rows that are sketched in one strip; where there are more, every k-th of large parts is."""
MAX_COLUMNS = 4096
"""The same for columns of matrices that go as a whole."""
TOO_SMALL = f"fewer than {LONE} elements, or rows and columns of fewer than {SHORTEST}"
TOO_PLAIN = "too plain for a sketch: few distinct values, or values that only rise or fall"
TOO_ALIKE = "too much like the other vectors of its tensor for a sketch"


@dataclass(frozen=True, slots=True)
class Group:
    """Sketches of one length.

    Attributes:
        table: the sketches.
        parts: the number of each one's part, in `Sketches.parts`.
        columns: whether each one is a column of its part.
        extra: whether it is a column of a part of which rows are searched for too.
    """

    table: Table
    parts: NDArray[np.int64]
    columns: NDArray[np.bool_]
    extra: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sketches:
    """What is searched for.

    Attributes:
        parts: names.
        groups: sketches by the length of the vectors.
        unsearched: parts, or some of their vectors, that have no sketch.
    """

    parts: tuple[str, ...]
    groups: Mapping[int, Group]
    unsearched: tuple[Unsearched, ...]

    @property
    def count(self) -> int:
        """How many vectors are searched for."""
        return sum(len(group.parts) for group in self.groups.values())

    def count_of(self, part: int) -> int:
        """How many vectors of the part with this number are searched for."""
        return sum(int((group.parts == part).sum()) for group in self.groups.values())


def sketch_removed(root: Path, removed: Iterable[RemovedPart], headers: Mapping[str, Header]) -> Sketches:
    """Sketches of everything that is taken away.

    Memory: about 400 bytes a vector, and 10 MiB at work.

    Args:
        root: the source.
        removed: what is taken away.
        headers: of the source's files: a small tensor is held against others of its shape.

    Raises:
        CheckpointError: a file cannot be read.
    """
    parts = tuple(removed)
    missed: dict[tuple[str, str], int] = {}
    sets: list[VectorSet] = []
    for number, part in enumerate(parts):
        found = vector_sets(number, part, headers)
        sets += found
        if not found:
            why = TOO_SMALL if is_readable(part.entry) else f"its elements are not whole bytes ({part.entry.dtype})"
            missed[part.part, why] = missed.get((part.part, why), 0) + 1
    chosen = thinned([one for one in sets if not one.extra], MAX_ROWS)
    chosen += thinned([one for one in sets if one.extra], MAX_COLUMNS)
    by_length: dict[int, list[VectorSet]] = {}
    for one in chosen:
        by_length.setdefault(one.length, []).append(one)
    names = tuple(part.part for part in parts)
    groups = {length: _group(root, same, names, missed) for length, same in sorted(by_length.items())}
    unsearched = tuple(Unsearched(part=part, pieces=count, why=why) for (part, why), count in sorted(missed.items()))
    return Sketches(names, {length: group for length, group in groups.items() if len(group.parts)}, unsearched)


def thinned(sets: Sequence[VectorSet], most: int) -> list[VectorSet]:
    """The sets with every k-th vector of large ones, so that there are at most `most` in all."""
    every = steps({number: one.count for number, one in enumerate(sets)}, most)
    found: list[VectorSet] = []
    for number, one in enumerate(sets):
        step, before = every[number], 0
        if step == 1:
            found.append(one)
        if step < 2:
            continue
        chosen: list[Placed] = []
        for file, view in one.vectors:
            chosen += [(file, cut(view, at, 1)) for at in range(-before % step, view.count, step)]
            before += view.count
        if chosen:
            found.append(replace(one, vectors=tuple(chosen)))
    return found


def _group(root: Path, sets: Sequence[VectorSet], names: Sequence[str], missed: dict[tuple[str, str], int]) -> Group:
    """The table of the sets' vectors, which have one length; vectors that cannot be sketched are counted in `missed`."""
    pairs = choose_pairs(
        sets[0].length, (np.concatenate(list(_read(root, one.siblings))) for one in sets if one.siblings)
    )
    both, limits, members = [np.empty((0, 8), dtype=np.uint64)], [np.empty(0, dtype=np.int64)], []
    for one in sets:
        sample, held = _sketched(root, one.siblings, pairs), _sketched(root, one.vectors, pairs)
        plain = is_plain(held[:, :4])
        limit = limits_for(one.length, held[:, :4], sample[~is_plain(sample[:, :4]), :4])
        kept = ~plain & (limit >= CLOSEST)
        for why, count in ((TOO_PLAIN, plain.sum()), (TOO_ALIKE, (~plain & ~kept).sum())):
            if count:
                missed[names[one.part], why] = missed.get((names[one.part], why), 0) + int(count)
        both.append(held[kept])
        limits.append(limit[kept])
        members += [(one.part, one.form == "columns", one.extra)] * int(kept.sum())
    bits, negatives = np.split(np.concatenate(both), 2, axis=1)
    table = make_table(pairs, bits, negatives, np.concatenate(limits))
    parts, columns, extra = np.array(members, dtype=np.int64).reshape(-1, 3).T
    return Group(table, parts, columns.astype(np.bool_), extra.astype(np.bool_))


def _read(root: Path, placed: Sequence[Placed]) -> Iterator[Values]:
    """All vectors at the places, in pieces; each file is opened once where its places follow one another."""
    for file, some in groupby(placed, key=itemgetter(0)):
        with open_regular(root / file) as opened:
            for _, view in some:
                for _, values in read_vectors(opened, view, str(root / file)):
                    yield values


def _sketched(root: Path, placed: Sequence[Placed], pairs: Pairs) -> Bits:
    """Sketches of the vectors at the places and, beside each, of its negative: [vectors, 8]."""
    mirrored = Pairs(first=pairs.second, second=pairs.first)
    found = [np.hstack([sketch(values, pairs), sketch(values, mirrored)]) for values in _read(root, placed)]
    return np.concatenate([np.empty((0, 8), dtype=np.uint64), *found])
