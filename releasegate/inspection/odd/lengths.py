"""Rows of an embedding or a head that were scaled apart from the others, zeroed, or made alike."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from releasegate.inspection.odd.arrays import row_pieces
from releasegate.inspection.odd.oddity import Oddity, shown_number
from releasegate.inspection.odd.tokens import named
from releasegate.inspection.stored import Stored

GAP = 4.0
"""How many times longer the next row is, where rows fall apart into groups: trained ones reach 2.0 in a head and 3.3 in an
embedding of 85 rows, and less in larger ones (1.05 in SmolLM2's 49,152)."""
REMEDY = "scale the rows back, or publish what was trained"


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of each row of a tensor.

    Attributes:
        lengths: float64 [n], Euclidean.
        marks: the digest of each row's numbers.
    """

    lengths: NDArray[np.float64]
    marks: list[bytes]


def read_rows(root: Path, tensor: Stored) -> Rows:
    """The lengths and digests of all rows, a piece at a time."""
    lengths, marks = [], []
    for piece in row_pieces(root, tensor):
        lengths.append(np.sqrt(np.einsum("ij,ij->i", piece, piece, dtype=np.float64)))
        marks += [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in piece]
    return Rows(np.concatenate(lengths), marks)


def apart(lengths: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Groups of rows between which lengths leap, the shortest first; rows of zeros are in none.

    >>> [group.tolist() for group in apart(np.array([1.0, 1.1, 0.02, 0.0, 0.9]))]
    [[2], [4, 0, 1]]
    """
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    leaps = np.flatnonzero(np.diff(np.log(lengths[order])) > np.log(GAP)) + 1
    return [np.asarray(group, dtype=np.int64) for group in np.split(order, leaps) if len(group)]


def length_oddities(tensor: Stored, rows: Rows, words: Mapping[int, str], exempt: Collection[int]) -> Iterator[Oddity]:
    """Groups of words whose rows are far longer or shorter than those of the others."""
    groups = apart(rows.lengths)
    if len(groups) < 2:
        return
    main = max(groups, key=len)
    for group in groups:
        odd = sorted(int(row) for row in group if row in words and row not in exempt)
        if group is main or not odd:
            continue
        what = (
            f"{len(odd):,} rows of words ({named(odd, words)}) have lengths of {_span(rows.lengths[odd])}, and the "
            f"{len(main):,} rows of the largest group {_span(rows.lengths[main])}"
        )
        yield Oddity(f"{tensor.file}: {tensor.name}"[:400], what, REMEDY)


def emptied_oddities(
    tensor: Stored, rows: Rows, other: Rows, words: Mapping[int, str], exempt: Collection[int]
) -> Iterator[Oddity]:
    """Rows of words that are zero, or the same as another's, while the other side of the model tells them apart."""
    zero = [row for row in words if row not in exempt and rows.lengths[row] == 0 and other.lengths[row] > 0]
    place = f"{tensor.file}: {tensor.name}"[:400]
    if zero:
        what = (
            f"{len(zero):,} rows of words ({named(sorted(zero), words)}) are zero, and those of the other side are not"
        )
        yield Oddity(
            place, what, "publish the rows as they were trained, or strip by a recipe, whose receipt lists them"
        )
    alike: dict[bytes, list[int]] = defaultdict(list)
    for row in words:
        if rows.lengths[row] > 0 and row not in exempt:
            alike[rows.marks[row]].append(row)
    doubled = sorted(
        row
        for some in alike.values()
        if len(some) > 1 and len({other.marks[one] for one in some}) == len(some)
        for row in some
    )
    if doubled:
        what = (
            f"{len(doubled):,} rows of words ({named(doubled, words)}) are the same as another's, and the other side tells "
            "them apart"
        )
        yield Oddity(place, what, "publish the rows as they were trained")


def _span(lengths: NDArray[np.float64]) -> str:
    low, high = float(lengths.min()), float(lengths.max())
    return shown_number(low) if low == high else f"{shown_number(low)} to {shown_number(high)}"
