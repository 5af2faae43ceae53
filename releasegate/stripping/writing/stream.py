"""One tensor as a stream of pieces, before and after its edit; memory is bounded whatever the size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint import Watch
from releasegate.checkpoint.headers import BITS, Entry
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.rows import Window, as_rows, rows_of
from releasegate.stripping.writing.noise import numbers
from releasegate.stripping.writing.source import BLOCK, ZEROS, SourceFile

_NOTHING = memoryview(b"")


class Piece(NamedTuple):
    """Some bytes of a tensor as they are and as they shall be; valid until the next piece is asked for.

    Attributes:
        old: what stands in the source.
        new: what shall stand in the output; the same object where nothing changes.
        hole: whether all of `new` is zero, and stands in a hole of the source: it need not be written.
    """

    old: memoryview
    new: memoryview
    hole: bool


def pieces(source: SourceFile, start: int, entry: Entry, edit: TensorEdit | None, seed: str = "") -> Iterator[Piece]:
    """The tensor from its first byte to its last.

    Args:
        source: the file.
        start: where in the file the tensor begins.
        entry: the tensor.
        edit: what happens to it; `None` if nothing does.
        seed: of random numbers, where rows are reinitialised.

    Raises:
        CheckpointError: the file ends too early, or cannot be read.
    """
    if edit is not None and edit.partial:
        yield from _with_rows(source, start, entry, edit, seed)
        return
    buffer = memoryview(bytearray(BLOCK))
    for run in source.runs(start, start + entry.size):
        for begin in range(run.begin, run.end, BLOCK):
            size = min(BLOCK, run.end - begin)
            old = ZEROS[:size] if run.hole else buffer[:size]
            if not run.hole:
                source.read_into(old, begin)
            new = old if edit is None else _NOTHING if edit.outcome == "removed" else ZEROS[:size]
            yield Piece(old, new, run.hole)


def _with_rows(source: SourceFile, start: int, entry: Entry, edit: TensorEdit, seed: str) -> Iterator[Piece]:
    rows = rows_of(entry, edit)
    buffer = memoryview(bytearray(BLOCK))
    for window in rows.windows(BLOCK) if entry.size else ():
        begin = start + window.offset
        hole = source.is_hole(begin, begin + window.size)
        old = ZEROS[: window.size] if hole else buffer[: window.size]
        if not hole:
            source.read_into(old, begin)
        named = rows.named(window)
        if named is None:
            yield Piece(old, old, hole)
        else:
            new = _edited(old, window, named, entry, edit, seed)
            yield Piece(old, new, hole and edit.outcome != "rows_reinitialised")


def _edited(
    old: memoryview, window: Window, named: NDArray[np.bool_], entry: Entry, edit: TensorEdit, seed: str
) -> memoryview:
    if edit.outcome == "rows_removed":
        return _bytes(as_rows(old, window)[:, ~named])
    after = bytearray(old)
    held = as_rows(after, window)
    if edit.outcome == "rows_zeroed":
        held[:, named] = 0
    else:
        assert edit.std is not None, "rows are reinitialised with a standard deviation"
        width = BITS[entry.dtype] // 8
        drawn = numbers(seed, window.offset // width, window.size // width, edit.std, entry.dtype)
        held[:, named] = as_rows(_bytes(drawn), window)[:, named]
    return memoryview(after)


def _bytes(array: NDArray[Any]) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def digests(
    source: SourceFile, start: int, entry: Entry, edit: TensorEdit | None, seed: str, tell: Watch
) -> tuple[str, str]:
    """The digests of the tensor before and after its edit; arguments as of `pieces`.

    Args:
        tell: is told the number of bytes read.
    """
    before, after = hashlib.sha256(), hashlib.sha256()
    for old, new, _ in pieces(source, start, entry, edit, seed):
        before.update(old)
        if edit is not None:
            after.update(new)
        tell(len(old))
    was = "sha256:" + before.hexdigest()
    return was, was if edit is None else "sha256:" + after.hexdigest()


def is_edited(source: SourceFile, start: int, entry: Entry, edit: TensorEdit, seed: str) -> bool:
    """Whether the tensor is as the edit makes it: to edit it again would change nothing. Arguments as of `pieces`."""
    return all(
        old is new or np.array_equal(np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8))
        for old, new, _ in pieces(source, start, entry, edit, seed)
    )
