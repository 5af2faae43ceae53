"""One shard of the source to one shard of the output, in a single pass over its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from releasegate.checkpoint import Watch
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import Entry, Header, render_header
from releasegate.manifest import FileEntry, parts_digest
from releasegate.receipt import Removed, RowsZeroed, TensorOutcome, Untouched, ZeroFilled
from releasegate.records import digest_of_bytes
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.output import Output
from releasegate.stripping.stream import edited


@dataclass(frozen=True, slots=True)
class ShardWritten:
    """What became of a shard: `source` is what was read; `output` is `None` where none of its tensors stays."""

    source: FileEntry
    outcomes: tuple[TensorOutcome, ...]
    output: FileEntry | None


def new_header(header: Header, edits: Mapping[str, TensorEdit]) -> dict[str, Entry]:
    """The entries that stay, in the order of the text, moved up to where the removed ones were."""
    kept: dict[str, Entry] = {}
    reached = 0
    for entry in header.in_file_order():
        edit = edits.get(entry.name)
        if edit is None or edit.outcome != "removed":
            kept[entry.name] = Entry(entry.name, entry.dtype, entry.shape, reached, reached + entry.size)
            reached += entry.size
    return {name: kept[name] for name in header.entries if name in kept}


def write_shard(
    source: Path, header: Header, edits: Mapping[str, TensorEdit], output: Output, name: str, watch: Watch | None
) -> ShardWritten:
    """The shard `name` of `output`, from the shard `source` with its header `header`.

    Raises:
        CheckpointError: the source ends too early.
        OSError: the output cannot be written.
    """
    kept = new_header(header, edits)
    with open_regular(source) as file, output.create(name) if kept else nullcontext() as written:
        prefix = first = _read(file, header.data_start)
        if written:
            text = prefix[8:] if len(kept) == len(header.entries) else render_header(header, kept)
            first = prefix[:8] + text
            written.write(first)
        outcomes: list[TensorOutcome] = []
        for entry in header.in_file_order():
            edit = edits.get(entry.name)
            before, after = hashlib.sha256(), hashlib.sha256()
            for old, new in edited(file, entry, edit, str(source)):
                before.update(old)
                if edit is not None:
                    after.update(new)
                if written:
                    written.write(new)
                if watch:
                    watch(len(old))
            outcomes.append(_outcome(entry, edit, before.hexdigest(), after.hexdigest()))
    was = [one.sha256 if isinstance(one, Untouched) else one.before for one in outcomes]
    now = [one.sha256 if isinstance(one, Untouched) else one.after for one in outcomes if not isinstance(one, Removed)]
    return ShardWritten(
        _entry(name, source.stat().st_size, prefix, was),
        tuple(outcomes),
        _entry(name, written.entry().size, first, now) if written else None,
    )


def _entry(name: str, size: int, first: bytes, tensors: list[str]) -> FileEntry:
    return FileEntry(path=name, size=size, parts=parts_digest(digest_of_bytes(first), tensors))


def _read(file: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            break
        data += more
    return data


def _outcome(entry: Entry, edit: TensorEdit | None, before: str, after: str) -> TensorOutcome:
    before, after = "sha256:" + before, "sha256:" + after
    if edit is None:
        return Untouched(name=entry.name, size=entry.size, sha256=before)
    match edit.outcome:
        case "removed":
            return Removed(name=entry.name, size=entry.size, before=before)
        case "zero_filled":
            return ZeroFilled(name=entry.name, size=entry.size, before=before, after=after)
        case "rows_zeroed":
            return RowsZeroed(name=entry.name, size=entry.size, rows=edit.rows, before=before, after=after)
        case _:
            raise NotImplementedError  # being built
