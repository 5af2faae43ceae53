"""A stripped checkpoint against its receipt: what it says is there, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from releasegate.checkpoint import Checkpoint, Watch, checkpoint_of, open_checkpoint, read_contents, read_digests
from releasegate.checkpoint.files import open_regular, read_json_object
from releasegate.checkpoint.layouts import INDEXED as INDEX
from releasegate.errors import CheckpointError, VerifyError
from releasegate.manifest import Manifest
from releasegate.receipt import (
    Receipt,
    Removed,
    RowsZeroed,
    TensorOutcome,
    Untouched,
    ZeroFilled,
    expand,
)
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.leftovers import read_needles, search, spans_to_search
from releasegate.stripping.plan import StripPlan
from releasegate.stripping.stream import edited

AGAIN = "do not trust this folder: strip the source again"


def verify_strip(folder: Path, receipt: Receipt, source: Path | None = None, watch: Watch | None = None) -> list[str]:
    """What was checked, one sentence each; all of it holds when this returns.

    Args:
        folder: the stripped checkpoint.
        receipt: what the strip wrote.
        source: the checkpoint that was stripped, if it is at hand.
        watch: is told the number of bytes read.

    Raises:
        VerifyError: something differs from the receipt.
        NotFound: `folder` or `source` does not exist.
        CheckpointError: `source` cannot be read or trusted.
    """
    checkpoint = _open(folder, receipt, watch)
    done = [f"every file is there and unchanged, and no other: {len(receipt.output.files)} files"]
    _same_names(checkpoint, receipt)
    for outcome in receipt.tensors:
        _tensor(checkpoint, outcome, watch)
    done += _counted(receipt)
    _keys(checkpoint, receipt)
    if receipt.keys:
        done.append(f"every key that was set is set: {len(receipt.keys)}")
    if source is not None:
        done += _with_source(checkpoint, receipt, open_checkpoint(source, watch), watch)
    return done


def _open(folder: Path, receipt: Receipt, watch: Watch | None) -> Checkpoint:
    try:
        digests = read_digests(folder, watch, receipt.output)
        _same_files(folder, receipt.output, digests.manifest)
        return checkpoint_of(read_contents(folder, strict=True), digests)
    except CheckpointError as error:
        problem = error.problems[0]
        raise VerifyError(problem.where, problem.what, AGAIN) from error


def _same_files(folder: Path, expected: Manifest, found: Manifest) -> None:
    before = {entry.path: entry for entry in expected.files}
    after = {entry.path: entry for entry in found.files}
    for path in sorted({*before, *after}):
        if path not in after:
            raise VerifyError(str(folder / path), "is in the receipt and not in the folder", AGAIN)
        if path not in before:
            raise VerifyError(str(folder / path), "is in the folder and not in the receipt", AGAIN)
        if before[path] != after[path]:
            raise VerifyError(str(folder / path), "is not the file that the strip wrote: its digest differs", AGAIN)


def _same_names(checkpoint: Checkpoint, receipt: Receipt) -> None:
    listed = {outcome.name for outcome in receipt.tensors if not isinstance(outcome, Removed)}
    for name in sorted(listed ^ set(checkpoint.tensors)):
        what = (
            f"has tensor {name}, which the receipt does not leave there"
            if name not in listed
            else f"lacks tensor {name}"
        )
        raise VerifyError(str(checkpoint.root), what, AGAIN)


def _edit(outcome: TensorOutcome) -> TensorEdit | None:
    match outcome:
        case Untouched():
            return None
        case RowsZeroed():
            return TensorEdit("rows_zeroed", outcome.rows)
        case Removed() | ZeroFilled():
            return TensorEdit(outcome.outcome)
        case _:
            raise NotImplementedError  # being built


def _tensor(checkpoint: Checkpoint, outcome: TensorOutcome, watch: Watch | None) -> None:
    """The tensor has the digest that the receipt gives, and is zero where it must be: a second edit changes nothing."""
    if isinstance(outcome, Removed):
        return
    where = f"{checkpoint.root / checkpoint.tensors[outcome.name].file}: {outcome.name}"
    is_now, edited_again = _digests(checkpoint, outcome, watch)
    if is_now != edited_again:
        raise VerifyError(where, f"is not zero where the receipt says {outcome.outcome}", AGAIN)
    expected = outcome.sha256 if isinstance(outcome, Untouched) else outcome.after
    if is_now != expected:
        raise VerifyError(where, "has another digest than the receipt gives", AGAIN)


def _digests(checkpoint: Checkpoint, outcome: TensorOutcome, watch: Watch | None) -> tuple[str, str]:
    """Digests of a tensor of `checkpoint` as it is, and as `outcome` would make it."""
    place = checkpoint.tensors[outcome.name]
    edit = _edit(outcome)
    if isinstance(outcome, RowsZeroed) and not _has_rows(outcome, place.entry.shape, place.entry.row_size):
        where = f"{checkpoint.root / place.file}: {outcome.name}"
        raise VerifyError(where, "does not have the rows that the receipt names", AGAIN)
    before, after = hashlib.sha256(), hashlib.sha256()
    path = checkpoint.root / place.file
    with open_regular(path) as file:
        file.seek(checkpoint.shards[place.file].data_start + place.entry.begin)
        for old, new in edited(file, place.entry, edit, str(path)):
            before.update(old)
            if edit is not None:
                after.update(new)
            if watch:
                watch(len(old))
    is_now = "sha256:" + before.hexdigest()
    return is_now, is_now if edit is None else "sha256:" + after.hexdigest()


def _has_rows(outcome: RowsZeroed, shape: tuple[int, ...], row_size: int | None) -> bool:
    return row_size is not None and all(first <= last < shape[0] for first, last in outcome.rows)


def _counted(receipt: Receipt) -> Iterator[str]:
    counts = {
        kind: sum(isinstance(one, kind) for one in receipt.tensors)
        for kind in (Untouched, Removed, ZeroFilled, RowsZeroed)
    }
    yield f"untouched tensors have the digests that they had in the source: {counts[Untouched]}"
    if counts[Removed]:
        yield f"removed tensors are absent: {counts[Removed]}"
    if counts[ZeroFilled]:
        yield f"tensors filled with zeros are all zero: {counts[ZeroFilled]}"
    if counts[RowsZeroed]:
        yield f"zeroed rows are all zero: rows of {counts[RowsZeroed]} tensor{'s' if counts[RowsZeroed] > 1 else ''}"


def _keys(checkpoint: Checkpoint, receipt: Receipt) -> None:
    for key in receipt.keys:
        path = checkpoint.root / key.file
        found = read_json_object(path).get(key.key)
        ids = None if key.tokens is None else set(expand(key.tokens))
        holds = found == key.value if ids is None else isinstance(found, list) and ids <= set(found)
        if not holds:
            raise VerifyError(str(path), f"does not have {key.key} as the receipt says", AGAIN)


def _with_source(checkpoint: Checkpoint, receipt: Receipt, source: Checkpoint, watch: Watch | None) -> Iterator[str]:
    if source.digest != receipt.source:
        what = f"is not the checkpoint that was stripped: its digest is {source.digest}, the receipt's {receipt.source}"
        raise VerifyError(str(source.root), what, "name the checkpoint that the strip was made from")
    yield "the source is the one that was stripped"
    _same_as_source(receipt, source, watch)
    yield f"every tensor is what the edits make of the source's: {len(receipt.tensors)}"
    copied = _files_as_in_source(receipt, source)
    yield f"every other file is the source's, or was dropped or set: {copied} the same"
    needles = read_needles(source.root, spans_to_search(source, _plan(receipt)))
    finding = search(needles, checkpoint.root, [entry.path for entry in receipt.output.files], watch)
    if finding is not None:
        what = f"holds a piece of {finding.part}, which was to go, at byte {finding.offset:,}"
        raise VerifyError(str(checkpoint.root / finding.file), what, AGAIN)
    yield f"no file holds a piece of what was removed: {len(needles.parts)} pieces searched for"


def _same_as_source(receipt: Receipt, source: Checkpoint, watch: Watch | None) -> None:
    listed = {outcome.name for outcome in receipt.tensors}
    for name in sorted(listed ^ set(source.tensors)):
        what = f"has tensor {name}, which is not in the receipt" if name not in listed else f"has no tensor {name}"
        raise VerifyError(str(source.root), what, AGAIN)
    for outcome in receipt.tensors:
        was, becomes = _digests(source, outcome, watch)
        if isinstance(outcome, Untouched):
            holds = was == outcome.sha256
        else:
            holds = was == outcome.before and (isinstance(outcome, Removed) or becomes == outcome.after)
        if not holds:
            where = f"{source.root / source.tensors[outcome.name].file}: {outcome.name}"
            raise VerifyError(where, f"is not what the receipt says was {outcome.outcome}", AGAIN)


def _files_as_in_source(receipt: Receipt, source: Checkpoint) -> int:
    """The number of files that are the same on both sides; every other file has a reason to differ."""
    output = {entry.path: entry for entry in receipt.output.files}
    may_differ = {*source.shards, INDEX, *(key.file for key in receipt.keys)}
    dropped = {entry.path for entry in receipt.dropped}
    for path, entry in source.files.items():
        if path in dropped:
            if path in output or source.files[path] not in receipt.dropped:
                raise VerifyError(str(source.root / path), "is not the file that the receipt says was dropped", AGAIN)
        elif path not in may_differ and output.get(path) != entry:
            raise VerifyError(str(source.root / path), "is not in the stripped checkpoint as it is here", AGAIN)
    for path in output:
        if path not in source.files:
            raise VerifyError(str(source.root / path), "is in the stripped checkpoint and not in the source", AGAIN)
    return sum(source.files.get(path) == entry for path, entry in output.items())


def _plan(receipt: Receipt) -> StripPlan:
    edits = {outcome.name: edit for outcome in receipt.tensors if (edit := _edit(outcome)) is not None}
    return StripPlan(
        recipes=receipt.recipes,
        tensors=edits,
        dropped=tuple(entry.path for entry in receipt.dropped),
        keys=receipt.keys,
        residual=receipt.residual,
        lent=receipt.lent,
    )
