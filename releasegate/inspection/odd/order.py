"""Whether the rows of embedding and head stand in one order: what is read as a word is answered as that word.

A linear map from the rows of one to the rows of the other is fitted by ridge regression; each row is then predicted by the
map without it (leave-one-out by the leverage, Allen 1974). Where the map finds most rows again, a row that it finds at
another's place was moved. Where it does not find them, as in models of which each side serves other ends, and where one
tensor is both sides, nothing can be told in this way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from releasegate.inspection.odd.arrays import row_pieces
from releasegate.inspection.odd.oddity import Oddity
from releasegate.inspection.odd.tokens import named
from releasegate.inspection.stored import Stored

WIDTH = 256
"""Dimensions that longer rows are projected to, at random, with a fixed seed."""
AGREE, COMPARED = 0.4, 2048
"""Share of rows that the map must find again for anything to be said, among `COMPARED` rows at most."""
MARGIN, LEAST, SURE = 0.25, 2, 0.8
"""By how much of a cosine the other place must fit better; how many such rows are odd; and the share of the usual fit that they
must reach there: rows that the map knows nothing of fit nowhere well."""
RIDGE = 1.0

Matrix = NDArray[np.float64]


def order_oddities(
    root: Path, embedding: Stored, head: Stored, words: Mapping[int, str], exempt: Collection[int]
) -> Iterator[Oddity]:
    """Rows of words that stand at another's place on one side."""
    rows = np.array(sorted(row for row in words if row not in exempt), dtype=np.int64)
    if len(rows) < 16:
        return
    read, answered = _directions(root, embedding, rows), _directions(root, head, rows)
    moved = moved_rows(read, answered)
    if len(moved) >= LEAST:
        found = sorted(int(rows[row]) for row in moved)
        what = (
            f"{len(found):,} rows of words ({named(found, words)}) fit the rows of other words in {embedding.name}, and "
            "theirs fit these: their order differs between what is read and what is answered"
        )
        yield Oddity(
            f"{head.file}: {head.name}"[:400], what, "put the rows of both tensors into the order of the tokenizer"
        )


def moved_rows(read: Matrix, answered: Matrix) -> list[int]:
    """Numbers of the rows that fit another's place, where the two sides agree for the most part.

    Args:
        read: [n, d], directions of the embedding's rows.
        answered: [n, d], of the head's.
    """
    predicted = _without_itself(read, answered)
    fits = np.einsum("ij,ij->i", predicted, answered)
    if _agreement(predicted, answered) < AGREE:
        return []
    poor = np.argsort(fits, kind="stable")[:COMPARED]  # what was moved fits badly where it stands
    likeness = predicted[poor] @ answered[poor].T
    best, back = likeness.argmax(1), likeness.argmax(0)
    place = np.arange(len(poor))
    there = likeness[place, best]
    moved = (back[best] == place) & (best != place) & (there - fits[poor] > MARGIN) & (there > SURE * np.median(fits))
    return [int(row) for row in poor[moved]]


def _agreement(predicted: Matrix, answered: Matrix) -> float:
    """The share of rows that are nearest to their own, among some that stand for all."""
    some = np.linspace(0, len(predicted) - 1, min(len(predicted), COMPARED)).astype(np.int64)
    return float(((predicted[some] @ answered[some].T).argmax(1) == np.arange(len(some))).mean())


def _without_itself(read: Matrix, answered: Matrix) -> Matrix:
    """[n, d]: what the map that was fitted to all other rows makes of each row, as directions."""
    gram = np.linalg.inv(read.T @ read + RIDGE * np.eye(read.shape[1]))
    spread = read @ gram
    leverage = np.einsum("ij,ij->i", spread, read)[:, None]
    return _unit((spread @ (read.T @ answered) - leverage * answered) / np.maximum(1 - leverage, 1e-9))


def _directions(root: Path, tensor: Stored, rows: NDArray[np.int64]) -> Matrix:
    """[n, d]: the rows as directions from their mean, d at most `WIDTH`."""
    wide = tensor.shape[1]
    turned = None
    if wide > WIDTH:
        turned = np.random.default_rng(0).standard_normal((wide, WIDTH)).astype(np.float32) / np.float32(np.sqrt(WIDTH))
    pieces, first = [], 0
    for piece in row_pieces(root, tensor):
        inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(piece))] - first
        kept = piece[inside]
        pieces.append(kept if turned is None else kept @ turned)
        first += len(piece)
    found = np.concatenate(pieces).astype(np.float64)
    return _unit(found - found.mean(0))


def _unit(rows: Matrix) -> Matrix:
    found: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found
