"""One file of tensors of the source to one of the output, in a single pass over its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, assert_never

from releasegate.checkpoint import Watch
from releasegate.checkpoint.headers import BITS, Entry, Header, parse_header, render_header
from releasegate.errors import CheckpointError, StripError
from releasegate.manifest import FileEntry, parts_digest
from releasegate.receipt import (
    Ranges,
    Removed,
    RowsReinitialised,
    RowsRemoved,
    RowsZeroed,
    TensorOutcome,
    Untouched,
    ZeroFilled,
)
from releasegate.records import digest_of_bytes
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.rows import after_edit
from releasegate.stripping.writing.copying import copy_range, write_all
from releasegate.stripping.writing.noise import seed_for
from releasegate.stripping.writing.source import SourceFile, changed
from releasegate.stripping.writing.steps import Step
from releasegate.stripping.writing.stream import pieces


@dataclass(frozen=True, slots=True)
class NewFile:
    """The file of tensors that a file of the source becomes.

    Attributes:
        header: its header.
        first: its bytes before the data: the length and the header's text.
    """

    header: Header
    first: bytes

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.first) + sum(entry.size for entry in self.header.entries.values())


def new_header(header: Header, edits: Mapping[str, TensorEdit]) -> dict[str, Entry]:
    """The entries that stay, in the order of the text, moved up to where removed ones were."""
    kept: dict[str, Entry] = {}
    reached = 0
    for entry in header.in_file_order():
        after = after_edit(entry, edits.get(entry.name), reached)
        if after is not None:
            kept[entry.name], reached = after, after.end
    return {name: kept[name] for name in header.entries if name in kept}


def converted_header(header: Header, edits: Mapping[str, TensorEdit]) -> dict[str, Entry]:
    """The entries of a pickle that stay, as the safetensors library lays them out: wide dtypes first, then by name."""
    kept: dict[str, Entry] = {}
    reached = 0
    for entry in sorted(header.entries.values(), key=lambda entry: (-BITS[entry.dtype], entry.name)):
        after = after_edit(entry, edits.get(entry.name), reached)
        if after is not None:
            kept[entry.name], reached = after, after.end
    return kept


def new_file(step: Step, source: SourceFile) -> NewFile:
    """What the file of tensors becomes.

    Raises:
        StripError: its header is not the one that the plan was made for, or the new one does not fit in its place.
        CheckpointError: it cannot be read.
    """
    header = step.header
    assert header is not None, "only called for files of tensors"
    if header.pickled:
        kept = converted_header(header, step.edits)
        text = render_header(Header(0, {}, {"format": "pt"}), kept)
        text = text.ljust(-(-len(text) // 8) * 8)
        return NewFile(Header(len(text), kept, {"format": "pt"}), len(text).to_bytes(8, "little") + text)
    first = _first_bytes(source, header)
    kept = new_header(header, step.edits)
    if kept == header.entries:
        return NewFile(header, first)
    text = render_header(header, kept)
    if len(text) != header.length:
        what = f"has a header of {header.length:,} bytes, and what stays of it needs {len(text):,}"
        raise StripError(str(source.path), what, "write the file again with the safetensors library")
    return NewFile(Header(header.length, kept, header.metadata), first[:8] + text)


def _first_bytes(source: SourceFile, header: Header) -> bytes:
    """The bytes before the data, which say what they said when the plan was made."""
    first = source.read(0, header.data_start)
    try:
        same = parse_header(first[8:], source.size, str(source.path)) == header
    except CheckpointError:
        same = False
    if not same or int.from_bytes(first[:8], "little") != header.length:
        raise changed(source.path)
    return first


@dataclass(frozen=True, slots=True)
class Mode:
    """How files are written.

    Attributes:
        recipes: digests of the recipes, for the seeds of random numbers.
        hashed: whether everything that is read and written is hashed.
        clones: whether source and output can share blocks.
    """

    recipes: tuple[str, ...]
    hashed: bool = True
    clones: bool = False


def write_tensors(
    step: Step, source: SourceFile, new: NewFile, target: int | None, mode: Mode, tell: Watch
) -> tuple[FileEntry, FileEntry, list[TensorOutcome]] | None:
    """The file as it was, as it is in the output, and what became of its tensors; `None` where nothing is hashed.

    Args:
        step: what becomes of the file.
        source: the file.
        new: what it becomes.
        target: descriptor of the output's file; `None` where nothing is written.
        mode: how.
        tell: is told the number of bytes of the source that are done.

    Raises:
        CheckpointError: the source ends too early, or cannot be read.
        OSError: the output cannot be written.
    """
    assert step.header is not None, "only called for files of tensors"
    if target is not None:
        write_all(target, new.first, 0)
    outcomes: dict[str, TensorOutcome] = {}
    for entry in step.header.in_file_order():
        edit, key = step.edits.get(entry.name), step.keys.get(entry.name, entry.name)
        seed = seed_of(step, entry, mode.recipes)
        one = _Tensor(source, step.header.data_start + entry.begin, entry, edit, seed)
        after = new.header.entries.get(entry.name)
        place = 0 if after is None else new.header.data_start + after.begin
        found = one.write(None if after is None else target, place, mode, tell)
        if found is not None:
            outcomes[entry.name] = outcome_of(key, entry, edit, seed, *found)
    if not mode.hashed:
        return None
    was = [before_of(outcomes[entry.name]) for entry in step.header.in_file_order()]
    now = [after_of(outcomes[entry.name]) for entry in new.header.in_file_order()]
    first = b"" if step.pickled else new.first if new.header is step.header else source.read(0, step.header.data_start)
    return (
        FileEntry(path=step.name, size=source.size, parts=parts_digest(digest_of_bytes(first), was)),
        FileEntry(path=step.to or step.name, size=new.size, parts=parts_digest(digest_of_bytes(new.first), now)),
        list(outcomes.values()) if step.keys else [],
    )


def seed_of(step: Step, entry: Entry, recipes: Sequence[str]) -> str:
    """The seed of random numbers in a tensor of the file, if some of its rows are reinitialised; else nothing."""
    edit = step.edits.get(entry.name)
    if edit is None or edit.outcome != "rows_reinitialised":
        return ""
    return seed_for(recipes, step.keys[entry.name], entry.dtype, entry.shape)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the source that is being written."""

    source: SourceFile
    start: int
    entry: Entry
    edit: TensorEdit | None
    seed: str

    def write(self, target: int | None, place: int, mode: Mode, tell: Watch) -> tuple[str, str] | None:
        """The digests before and after; `None` where nothing is hashed."""
        unchanged = self.edit is None
        if unchanged and target is not None and (mode.clones or not mode.hashed):
            copy_range(self.source, self.start, target, place, self.entry.size, _ignore if mode.hashed else tell)
            if not mode.hashed:
                return None
            copied = SourceFile(self.source.path, target)
            return _Tensor(copied, place, self.entry, None, "").write(None, 0, mode, tell)
        if not mode.hashed and (target is None or unchanged):
            tell(self.entry.size)
            return None
        return self._stream(target, place, mode, tell)

    def _stream(self, target: int | None, place: int, mode: Mode, tell: Watch) -> tuple[str, str] | None:
        before, after = hashlib.sha256(), hashlib.sha256()
        for old, new, hole in pieces(self.source, self.start, self.entry, self.edit, self.seed):
            if mode.hashed:
                before.update(old)
                if self.edit is not None:
                    after.update(new)
            if target is not None and not hole:
                write_all(target, new, place)
            place += len(new)
            tell(len(old))
        if not mode.hashed:
            return None
        was = "sha256:" + before.hexdigest()
        return was, was if self.edit is None else "sha256:" + after.hexdigest()


def _ignore(_: int) -> None:
    """Nothing: these bytes are counted when they are hashed."""


def outcome_of(key: str, entry: Entry, edit: TensorEdit | None, seed: str, before: str, after: str) -> TensorOutcome:
    """What the receipt says of one tensor.

    Args:
        key: its name there.
        entry: the tensor in the source.
        edit: what happened to it.
        seed: of random numbers.
        before: digest of its data in the source.
        after: digest of its data in the output.
    """
    if edit is None:
        return Untouched(name=key, size=entry.size, sha256=before)
    if edit.outcome == "removed":
        return Removed(name=key, size=entry.size, before=before)
    if edit.outcome == "zero_filled":
        return ZeroFilled(name=key, size=entry.size, before=before, after=after)
    common = _Common(
        name=key, size=entry.size, rows=edit.rows, dimension=edit.dimension or None, before=before, after=after
    )
    match edit.outcome:
        case "rows_zeroed":
            return RowsZeroed(**common)
        case "rows_reinitialised":
            assert edit.std is not None, "rows are reinitialised with a standard deviation"
            return RowsReinitialised(std=edit.std, seed=seed, **common)
        case "rows_removed":
            return RowsRemoved(length=entry.shape[edit.dimension], **common)
        case _:
            assert_never(edit.outcome)


class _Common(TypedDict):
    """What the receipt says of every tensor of which some rows change."""

    name: str
    size: int
    rows: Ranges
    dimension: int | None
    before: str
    after: str


def before_of(outcome: TensorOutcome) -> str:
    """The digest of the tensor in the source."""
    return outcome.sha256 if isinstance(outcome, Untouched) else outcome.before


def after_of(outcome: TensorOutcome) -> str:
    """The digest of the tensor in the output, where it is not removed."""
    assert not isinstance(outcome, Removed), "a removed tensor is not in the output"
    return outcome.sha256 if isinstance(outcome, Untouched) else outcome.after
