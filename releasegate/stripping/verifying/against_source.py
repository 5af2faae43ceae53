"""A stripped checkpoint against the one that it came from: every byte is what the edits of the receipt make of it."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from releasegate.checkpoint import Checkpoint, Place, Watch, checkpoint_of, read_contents, read_digests, with_siblings
from releasegate.checkpoint.files import list_files, parse_json_object, read_json_text
from releasegate.errors import CheckpointError, StripError, VerifyError
from releasegate.manifest import FileEntry, Manifest
from releasegate.receipt import Receipt, Removed, RowsReinitialised, TensorOutcome
from releasegate.stripping.edits import edit_of
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.searching.leaks import search_output
from releasegate.stripping.verifying.claims import AGAIN, require_claims, require_parts, require_told
from releasegate.stripping.writing.files import values_of, values_text
from releasegate.stripping.writing.names import values_name
from releasegate.stripping.writing.shards import after_of, before_of, new_file
from releasegate.stripping.writing.source import open_source
from releasegate.stripping.writing.steps import Step, places, steps_of
from releasegate.stripping.writing.stream import digests
from releasegate.stripping.writing.texts import edited_texts


def check_source(
    checkpoint: Checkpoint, receipt: Receipt, source: Path | Checkpoint, watch: Watch | None
) -> Iterator[str]:
    """What was checked, one sentence each.

    Args:
        checkpoint: the stripped one, which is what the receipt says.
        receipt: what the strip wrote.
        source: the checkpoint that was stripped.
        watch: is told the number of bytes read.

    Raises:
        VerifyError: something is not what the edits make of the source.
        NotFound: there is no such folder.
        CheckpointError: the source cannot be read or trusted.
    """
    original = _open(receipt, source, watch)
    yield "the source is the one that was stripped"
    plan = plan_of(receipt)
    yield from check_told(checkpoint.root, receipt, original, watch or _ignore)
    files = [entry.path for entry in receipt.output.files]
    searched = search_output(original, plan, checkpoint.root, files, watch)
    if searched.leak is not None:
        raise VerifyError(searched.leak.where, searched.leak.what, AGAIN)
    require_told(receipt.leftovers, searched.leftovers, checkpoint.root)
    yield (
        f"no file holds what was removed: {searched.leftovers.pieces:,} pieces searched for, and near copies of "
        f"{searched.leftovers.sketched:,} vectors"
    )


def check_told(folder: Path, receipt: Receipt, source: Checkpoint, tell: Watch) -> Iterator[str]:
    """What a receipt tells of tensors and files that was checked, one sentence each. Of weights, only what was edited is read.

    Args:
        folder: of the stripped checkpoint, whose files have the digests that the receipt lists.
        source: the checkpoint that was stripped, as the receipt names it.
        tell: is told the number of bytes read.

    Raises:
        VerifyError: something is not what the edits make of the source.
    """
    plan = plan_of(receipt)
    require_parts(source, plan, receipt)
    try:
        steps = steps_of(source, plan)
    except StripError as error:
        raise VerifyError(error.problems[0].where, error.problems[0].what, AGAIN) from error
    _same_tensors(source, plan, receipt, tell)
    yield f"every tensor is what the edits make of the source's: {len(receipt.tensors)}"
    copied = _same_files(folder, source, plan, receipt, steps)
    require_claims(source, plan, receipt, steps)
    yield f"every other file is the source's, or was dropped or set: {copied} the same"


def _ignore(_: int) -> None:
    """Nothing."""


def _open(receipt: Receipt, source: Path | Checkpoint, watch: Watch | None) -> Checkpoint:
    if isinstance(source, Checkpoint):
        if source.digest != receipt.source:
            raise _another(source.root, source.digest, receipt)
        return source
    names = list_files(source)
    contents = read_contents(source, names)
    beside = [one.file for one in receipt.converted or () if one.file in contents.foreign]
    contents = with_siblings(contents, beside)
    known = [*receipt.output.files, *receipt.dropped]
    by_bytes = any(entry.path.lower().endswith(".safetensors") and entry.parts is None for entry in known)
    whole = Manifest(files=tuple(FileEntry(path=name, size=0, sha256=receipt.source) for name in names))
    digest = ""
    for like in (whole, None) if by_bytes else (None, whole):  # the second, where the source had its digest before
        original = checkpoint_of(contents, read_digests(source, watch, like))
        if original.digest == receipt.source:
            return original
        digest = digest or original.digest
    raise _another(source, digest, receipt)


def _another(source: Path, digest: str, receipt: Receipt) -> VerifyError:
    what = f"is not the checkpoint that was stripped: its digest is {digest}, the receipt's {receipt.source}"
    return VerifyError(str(source), what, "name the checkpoint that the strip was made from")


def plan_of(receipt: Receipt) -> StripPlan:
    """What the receipt says was done, as a plan."""
    converted = [one for one in receipt.converted or () if one.to is not None]
    return StripPlan(
        recipes=receipt.recipes,
        tensors={one.name: edit for one in receipt.tensors if (edit := edit_of(one)) is not None},
        dropped=tuple(entry.path for entry in receipt.dropped),
        keys=receipt.keys,
        residual=receipt.residual,
        lent=receipt.lent,
        restored=receipt.restored or (),
        remaining=receipt.remaining or (),
        vocabulary=receipt.vocabulary.tokens if receipt.vocabulary is not None else (),
        converted=tuple(one.file for one in converted),
    )


def _same_tensors(source: Checkpoint, plan: StripPlan, receipt: Receipt, tell: Watch) -> None:
    where = places(source, plan)
    listed = {outcome.name for outcome in receipt.tensors}
    for name in sorted(set(where) - listed):
        raise VerifyError(str(source.root), f"has tensor {name}, which is not in the receipt", AGAIN)
    for outcome in receipt.tensors:
        place = where[outcome.name]
        was, becomes = _digests(source, place, outcome, tell)
        if was != before_of(outcome) or (not isinstance(outcome, Removed) and becomes != after_of(outcome)):
            shown = f"{source.root / place.file}: {outcome.name}"
            raise VerifyError(shown, f"is not what the receipt says was {outcome.outcome}", AGAIN)


def _digests(source: Checkpoint, place: Place, outcome: TensorOutcome, tell: Watch) -> tuple[str, str]:
    """The digests of a tensor of the source as it is, and as the receipt says it became."""
    edit = edit_of(outcome)
    known = source.digests.get(place.file, {}).get(place.entry.name)
    if known is not None and (edit is None or edit.outcome == "removed"):
        return known, known
    headers = {**source.shards, **source.siblings}
    seed = outcome.seed if isinstance(outcome, RowsReinitialised) else ""
    with open_source(source.root / place.file) as file:
        return digests(file, headers[place.file].data_start + place.entry.begin, place.entry, edit, seed, tell)


def _same_files(folder: Path, source: Checkpoint, plan: StripPlan, receipt: Receipt, steps: Sequence[Step]) -> int:
    """The number of files that are the same on both sides; every other file has a reason to differ."""
    output, originals = {entry.path: entry for entry in receipt.output.files}, source.files
    expected: set[str] = set()
    same = 0
    texts = {step.name: read_json_text(source.root / step.name) for step in steps if step.text}
    edited = edited_texts(source, plan, texts)
    for step in steps:
        path = source.root / step.name
        if step.name in plan.dropped and originals[step.name] not in receipt.dropped:
            raise VerifyError(str(path), "is not the file that the receipt says was dropped", AGAIN)
        if step.to is None:
            continue
        expected.add(step.to)
        entry = output.get(step.to)
        if step.text:
            holds = _same_text(folder / step.to, edited[step.name])
        elif step.same:
            holds = entry is not None and _same_file(entry, originals[step.name], folder / step.to, path)
            same += 1
        else:
            holds = _same_header(step, path, folder / step.to)
            expected |= _same_values(step, receipt, folder)
        if not holds:
            raise VerifyError(str(path), "is not in the stripped checkpoint as it is here", AGAIN)
    for name in output:
        if name not in expected:
            raise VerifyError(str(source.root / name), "is in the stripped checkpoint and not in the source", AGAIN)
    return same


def _same_file(entry: FileEntry, original: FileEntry, output: Path, source: Path) -> bool:
    """Whether the file is the source's, by the digests of both, or by their bytes where those are of two forms."""
    if (entry.parts is None) == (original.parts is None):
        return entry == original
    return filecmp.cmp(output, source, shallow=False)


def _same_text(path: Path, text: bytes) -> bool:
    """Whether the file says what the edits make of the source's, in whatever way it is laid out."""
    try:
        found = read_json_text(path)
        return found == text or parse_json_object(found, str(path)) == parse_json_object(text, str(path))
    except CheckpointError:
        return False


def _same_header(step: Step, source: Path, output: Path) -> bool:
    """Whether the bytes before the data are those that the strip writes."""
    if not os.path.lexists(output):
        return False
    with open_source(source) as before, open_source(output) as after:
        new = new_file(step, before)
        return after.size == new.size and after.read(0, len(new.first)) == new.first


def _same_values(step: Step, receipt: Receipt, output: Path) -> set[str]:
    """The file that holds what stays of a pickle beside tensors, if there is one."""
    record = next((one for one in receipt.converted or () if one.file == step.name), None)
    if record is None or step.to is None:
        return set()
    found = values_of(step)
    if sorted(found) != sorted((*record.kept, *record.left)):
        raise VerifyError(str(output / step.to), f"has other values than {step.name} in the receipt", AGAIN)
    if not record.kept:
        return set()
    name = values_name(step.to)
    if not os.path.lexists(output / name) or read_json_text(output / name) != values_text(found, record.kept):
        raise VerifyError(str(output / name), f"does not hold the values of {step.name} that were kept", AGAIN)
    return {name}
