"""One tensor as a stream of pieces, before and after its edit; memory is bounded whatever the size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from releasegate.checkpoint.files import BLOCK, blocks
from releasegate.checkpoint.headers import Entry
from releasegate.stripping.edits import TensorEdit

_ZEROS = memoryview(bytes(BLOCK))
_NOTHING = memoryview(b"")


def edited(
    file: BinaryIO, entry: Entry, edit: TensorEdit | None, where: str
) -> Iterator[tuple[memoryview, memoryview]]:
    """Pieces of a tensor as they are and as they shall be; the same object twice where nothing changes.

    Each pair is valid until the next is asked for.

    Args:
        file: stands at the first byte of the tensor.
        entry: the tensor.
        edit: what happens to it; `None` if nothing does.
        where: the file's name, for errors.

    Raises:
        CheckpointError: the file ends too early.
    """
    spans = row_spans(entry, edit) if edit is not None and edit.outcome == "rows_zeroed" else []
    offset = 0
    for before in blocks(file, entry.size, where):
        match edit:
            case None:
                yield before, before
            case TensorEdit(outcome="removed"):
                yield before, _NOTHING
            case TensorEdit(outcome="zero_filled"):
                yield before, _ZEROS[: len(before)]
            case _:
                yield before, _with_zeros(before, offset, spans)
        offset += len(before)


def row_spans(entry: Entry, edit: TensorEdit) -> list[tuple[int, int]]:
    """Where the zeroed rows lie, in bytes from the tensor's beginning: first, and one past the last."""
    size = entry.row_size
    assert size is not None, "the plan refuses rows that are not whole bytes"
    return [(first * size, (last + 1) * size) for first, last in edit.rows]


def _with_zeros(before: memoryview, offset: int, spans: list[tuple[int, int]]) -> memoryview:
    touching = [(first, last) for first, last in spans if first < offset + len(before) and last > offset]
    if not touching:
        return before
    after = bytearray(before)
    for first, last in touching:
        begin, end = max(first - offset, 0), min(last - offset, len(before))
        after[begin:end] = _ZEROS[: end - begin]
    return memoryview(after)
