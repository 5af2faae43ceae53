"""A stripped checkpoint against its receipt: what it says is there, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from releasegate.checkpoint import Checkpoint, Place, Watch, checkpoint_of, read_contents, read_digests
from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.headers import BITS, Entry
from releasegate.errors import CheckpointError, VerifyError
from releasegate.manifest import Manifest
from releasegate.receipt import (
    Receipt,
    Removed,
    RowsReinitialised,
    RowsRemoved,
    RowsZeroed,
    TensorOutcome,
    Untouched,
    ZeroFilled,
    unread_words,
)
from releasegate.stripping.edits import edit_of
from releasegate.stripping.rows import count_of, has_rows
from releasegate.stripping.verifying.against_source import check_source, check_told
from releasegate.stripping.verifying.claims import AGAIN
from releasegate.stripping.writing.names import values_name
from releasegate.stripping.writing.noise import DTYPES, seed_for
from releasegate.stripping.writing.settings import unread
from releasegate.stripping.writing.shards import after_of
from releasegate.stripping.writing.source import SourceFile, open_source
from releasegate.stripping.writing.stream import digests as stream_digests
from releasegate.stripping.writing.stream import is_edited
from releasegate.stripping.writing.texts import has_key


def verify_strip(
    folder: Path | Checkpoint, receipt: Receipt, source: Path | Checkpoint | None = None, watch: Watch | None = None
) -> list[str]:
    """What was checked, one sentence each; all of it holds when this returns.

    Args:
        folder: the stripped checkpoint; not hashed again if it was opened before.
        receipt: what the strip wrote.
        source: the checkpoint that was stripped, if it is at hand; not hashed again if it was opened before.
        watch: is told the number of bytes read.

    Raises:
        VerifyError: something differs from the receipt.
        NotFound: `folder` or `source` does not exist.
        CheckpointError: `source` cannot be read or trusted.
    """
    checkpoint = _open(folder, receipt, watch)
    done = [f"every file is there and unchanged, and no other: {len(receipt.output.files)} files"]
    where = _places(checkpoint, receipt)
    for outcome in receipt.tensors:
        if not isinstance(outcome, Removed):
            _tensor(checkpoint, where[outcome.name], outcome, receipt)
    done += _counted(receipt)
    done += _texts(checkpoint, receipt)
    _unread(checkpoint, receipt)
    _absent(checkpoint, receipt)
    if source is not None:
        done += check_source(checkpoint, receipt, source, watch)
    return done


def verify_receipt(folder: Path, receipt: Receipt, source: Checkpoint) -> None:
    """Nothing, if a receipt tells what became of the source. What the strip found as it searched is not searched for again.

    Args:
        folder: the stripped checkpoint, whose files are known to have the digests that the receipt lists.
        receipt: what lies beside it.
        source: the checkpoint that was stripped.

    Raises:
        VerifyError: it tells something else.
    """
    if source.digest != receipt.source:
        raise VerifyError(str(folder), "has a receipt of a strip of another checkpoint", AGAIN)
    list(check_told(folder, receipt, source, lambda count: None))


def _open(folder: Path | Checkpoint, receipt: Receipt, watch: Watch | None) -> Checkpoint:
    if isinstance(folder, Checkpoint):
        _same_files(folder.root, receipt.output, folder.manifest)
        return folder
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


def _places(checkpoint: Checkpoint, receipt: Receipt) -> dict[str, Place]:
    """Where in the folder each tensor lies that the receipt leaves there, by its name in the receipt."""
    names = {outcome.name for outcome in receipt.tensors}
    came_from = {one.to: one.file for one in receipt.converted or () if one.to is not None}
    found: dict[str, Place] = {}
    for file, header in checkpoint.shards.items():
        stem = PurePosixPath(file).stem
        for name, entry in header.entries.items():
            part = f"{name}@{stem}"
            key = part if part in names else name
            if key in found:
                what = f"has tensor {key} in {found[key].file} and in {file}, and the receipt tells of one"
                raise VerifyError(str(checkpoint.root), what, AGAIN)
            found[key] = Place(file, entry)
    for file, header in checkpoint.siblings.items():
        keys = {f"{came_from.get(file, file)}:{name}": entry for name, entry in header.entries.items()}
        if file in came_from or not names.isdisjoint(keys):
            found |= {key: Place(file, entry) for key, entry in keys.items()}
    listed = {outcome.name for outcome in receipt.tensors if not isinstance(outcome, Removed)}
    for name in sorted(listed ^ set(found)):
        has = f"has tensor {name}, which the receipt does not leave there"
        raise VerifyError(str(checkpoint.root), has if name not in listed else f"lacks tensor {name}", AGAIN)
    return found


def _tensor(checkpoint: Checkpoint, place: Place, outcome: TensorOutcome, receipt: Receipt) -> None:
    """The tensor has the digest that the receipt gives, and is as its edit makes it: a second edit changes nothing."""
    where = f"{checkpoint.root / place.file}: {outcome.name}"
    headers = {**checkpoint.shards, **checkpoint.siblings}
    start = headers[place.file].data_start + place.entry.begin
    _shape(where, place, outcome, receipt)
    known = checkpoint.digests.get(place.file, {}).get(place.entry.name)
    with open_source(checkpoint.root / place.file) as file:
        if isinstance(outcome, ZeroFilled | RowsZeroed | RowsReinitialised):
            _content(where, file, start, place.entry, outcome)
        if known is None:
            known, _ = stream_digests(file, start, place.entry, None, "", lambda count: None)
    if known != after_of(outcome):
        raise VerifyError(where, "has another digest than the receipt gives", AGAIN)


def _content(
    where: str, file: SourceFile, start: int, entry: Entry, outcome: ZeroFilled | RowsZeroed | RowsReinitialised
) -> None:
    edit = edit_of(outcome)
    assert edit is not None, "these outcomes are edits"
    drawn = isinstance(outcome, RowsReinitialised)
    if not is_edited(file, start, entry, edit, outcome.seed if isinstance(outcome, RowsReinitialised) else ""):
        not_so = "does not hold the random numbers of its seed" if drawn else "is not zero"
        raise VerifyError(where, f"{not_so} where the receipt says {outcome.outcome}", AGAIN)


def _shape(where: str, place: Place, outcome: TensorOutcome, receipt: Receipt) -> None:
    """The tensor has the rows that the receipt names, or as many less as it says were removed; and had the size it says."""
    before = place.entry
    match outcome:
        case RowsZeroed() | RowsReinitialised():
            holds = has_rows(before, outcome.rows, outcome.dimension or 0)
        case RowsRemoved():
            holds = (found := _before(before, outcome)) is not None
            before = found or before
        case _:
            holds = True
    if not holds:
        raise VerifyError(where, "does not have the rows that the receipt names", AGAIN)
    if outcome.size != before.size:
        what = f"had {before.size:,} bytes, and the receipt says {outcome.size:,}"
        raise VerifyError(where, what, AGAIN)
    if isinstance(outcome, RowsReinitialised):
        recipes = [recipe.sha256 for recipe in receipt.recipes]
        expected = seed_for(recipes, outcome.name, place.entry.dtype, place.entry.shape)
        if outcome.seed != expected or place.entry.dtype not in DTYPES:
            raise VerifyError(where, "has another seed in the receipt than its recipes, name and shape give", AGAIN)


def _before(entry: Entry, outcome: RowsRemoved) -> Entry | None:
    """The tensor as it was before rows of it were removed; `None` if it cannot have lost those."""
    dimension = outcome.dimension or 0
    if dimension >= len(entry.shape) or entry.shape[dimension] != outcome.length - count_of(outcome.rows):
        return None
    shape = (*entry.shape[:dimension], outcome.length, *entry.shape[dimension + 1 :])
    size = math.prod(shape) * BITS[entry.dtype] // 8
    before = Entry(entry.name, entry.dtype, shape, entry.begin, entry.begin + size)
    return before if has_rows(before, outcome.rows, dimension) else None


def _counted(receipt: Receipt) -> Iterator[str]:
    kinds = (Untouched, Removed, ZeroFilled, RowsZeroed, RowsReinitialised, RowsRemoved)
    counts = {kind: sum(isinstance(one, kind) for one in receipt.tensors) for kind in kinds}
    of = {kind: f"rows of {count} tensor{'s' if count > 1 else ''}" for kind, count in counts.items()}
    yield f"untouched tensors have the digests that they had in the source: {counts[Untouched]}"
    if counts[Removed]:
        yield f"removed tensors are absent: {counts[Removed]}"
    if counts[ZeroFilled]:
        yield f"tensors filled with zeros are all zero: {counts[ZeroFilled]}"
    if counts[RowsZeroed]:
        yield f"zeroed rows are all zero: {of[RowsZeroed]}"
    if counts[RowsReinitialised]:
        yield f"reinitialised rows hold the random numbers of their seeds: {of[RowsReinitialised]}"
    if counts[RowsRemoved]:
        yield f"removed rows are absent: {of[RowsRemoved]}"


def _absent(checkpoint: Checkpoint, receipt: Receipt) -> None:
    """What was left out is listed once and is not there, unless a pickle was converted to a file of that name.

    And what an attacker is lent at measuring is taken away.
    """
    became = {one.to for one in receipt.converted or () if one.to is not None}
    became |= {values_name(name) for name in became}
    seen: set[str] = set()
    for entry in receipt.dropped:
        if entry.path in seen or (entry.path in checkpoint.sizes and entry.path not in became):
            what = (
                "is dropped twice in the receipt"
                if entry.path in seen
                else "is there, and the receipt says it was dropped"
            )
            raise VerifyError(str(checkpoint.root / entry.path), what, AGAIN)
        seen.add(entry.path)
    taken = {outcome.name for outcome in receipt.tensors if not isinstance(outcome, Untouched)}
    for part in sorted({*receipt.lent.tensors} - taken | {*receipt.lent.files} - seen):
        raise VerifyError(str(checkpoint.root), f"has a receipt that lends {part}, which is not taken away", AGAIN)


def _unread(checkpoint: Checkpoint, receipt: Receipt) -> None:
    """The receipt lists what was not read. Of the settings of a model, those that its class does not declare are believed."""
    if receipt.unread is None:
        return
    name = checkpoint.config_file if receipt.exact is not None and receipt.exact.by == "class" else None
    names = [entry.path for entry in receipt.output.files if entry.path != name]
    told = [one for one in receipt.unread if one.file != name]
    for one in unread(checkpoint.root, names):
        if one not in told:
            what = f"was passed on unread ({unread_words([one])}), and the receipt is silent"
            raise VerifyError(str(checkpoint.root / one.file), what, AGAIN)


def _texts(checkpoint: Checkpoint, receipt: Receipt) -> Iterator[str]:
    for key in receipt.keys:
        path = checkpoint.root / key.file
        if not has_key(read_json_object(path), key):
            raise VerifyError(str(path), f"does not have {key.key} as the receipt says", AGAIN)
    unset = sum(bool(key.unset) for key in receipt.keys)
    if len(receipt.keys) > unset:
        yield f"every key that was set is set: {len(receipt.keys) - unset}"
    if unset:
        yield f"every key that was taken out is absent: {unset}"
    for one in receipt.converted or ():
        if one.to is not None and one.to not in checkpoint.sizes:
            raise VerifyError(str(checkpoint.root / one.to), f"is not there, and {one.file} became it", AGAIN)
        if one.file in checkpoint.sizes:
            raise VerifyError(str(checkpoint.root / one.file), "is there, and the receipt says it was converted", AGAIN)
    if receipt.converted:
        yield f"pickles are absent, and what stays of them is in safetensors files: {len(receipt.converted)}"
