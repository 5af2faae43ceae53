"""A plan to a stripped checkpoint on disk, and its receipt. The source is only read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from releasegate.checkpoint import Checkpoint, Watch, read_contents
from releasegate.checkpoint.files import blocks, open_regular, parse_json_object, read_json_text
from releasegate.checkpoint.layouts import CONFIG
from releasegate.checkpoint.layouts import INDEXED as INDEX
from releasegate.errors import CheckpointError, StripError
from releasegate.manifest import FileEntry, Manifest
from releasegate.receipt import TIER_MEANS, KeySet, Leftovers, Receipt, Removed, TensorOutcome, expand
from releasegate.records import digest_of_bytes
from releasegate.stripping.leftovers import Needles, read_needles, search, spans_to_search
from releasegate.stripping.output import Output, new_folder
from releasegate.stripping.plan import StripPlan
from releasegate.stripping.shards import write_shard


@dataclass(slots=True)
class _Strip:
    """A strip under way."""

    checkpoint: Checkpoint
    plan: StripPlan
    output: Output
    needles: Needles
    watch: Watch | None
    rehearsal: bool
    files: list[FileEntry] = field(default_factory=list)
    outcomes: list[TensorOutcome] = field(default_factory=list)


def write_strip(
    checkpoint: Checkpoint, plan: StripPlan, target: Path, watch: Watch | None = None, *, rehearsal: bool = False
) -> Receipt:
    """The receipt of the stripped checkpoint, which stands at `target` when this returns; the receipt stands beside it.

    Untouched tensors are copied as bytes and never loaded. If anything fails, or the process is interrupted, nothing is
    left at `target`.

    Args:
        checkpoint: the source.
        plan: made for this checkpoint.
        target: the folder that shall come to be; must not exist.
        watch: is told the number of bytes read from the source, then of bytes searched in the output: about twice the
            size of the checkpoint in all.
        rehearsal: whether its receipt says that nothing of it may go out.

    Raises:
        StripError: the target exists, the disk is too full or fails, the source changed since it was opened, or a
            removed part is still in the output.
        CheckpointError: the source cannot be read.
    """
    target = Path(target).absolute()
    _refuse_inside(checkpoint.root.resolve(), target)
    try:
        with new_folder(target, _room(checkpoint, plan)) as output:
            needles = read_needles(checkpoint.root, spans_to_search(checkpoint, plan))
            strip = _Strip(checkpoint, plan, output, needles, watch, rehearsal)
            _write_shards(strip)
            _write_files(strip)
            receipt = _receipt(strip)
            _require_sound(strip, receipt)
            output.publish(receipt.text())
    except OSError as error:
        what = f"could not be written: {error.strerror or error}"
        raise StripError(str(target), what, "nothing was left behind; check the disk and try again") from error
    return receipt


def _refuse_inside(source: Path, target: Path) -> None:
    place = target.parent.resolve() / target.name
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise StripError(str(target), "and the source lie in one another", "choose a place outside the source")


def _room(checkpoint: Checkpoint, plan: StripPlan) -> int:
    kept = sum(entry.size for name, entry in checkpoint.files.items() if name not in plan.dropped)
    removed = [checkpoint.tensors[name] for name, edit in plan.tensors.items() if edit.outcome == "removed"]
    return kept - sum(place.entry.size for place in removed)


def _write_shards(strip: _Strip) -> None:
    for name, header in strip.checkpoint.shards.items():
        written = write_shard(strip.checkpoint.root / name, header, strip.plan.tensors, strip.output, name, strip.watch)
        if strip.checkpoint.files[name] != written.source:
            raise _changed(strip, name)
        strip.outcomes += written.outcomes
        if written.output is not None:
            strip.files.append(written.output)
    _refuse_leftovers(strip, [entry.path for entry in strip.files])


def _changed(strip: _Strip, name: str) -> StripError:
    what = "changed since the checkpoint was opened"
    return StripError(str(strip.checkpoint.root / name), what, "nothing may write to the source; open it again")


def _write_files(strip: _Strip) -> None:
    """Everything that is not a shard; `config.json` last, so that a killed strip does not look like a checkpoint."""
    names = [
        name
        for name in strip.checkpoint.files
        if name not in strip.checkpoint.shards and name not in strip.plan.dropped
    ]
    for name in sorted(names, key=lambda name: (name == CONFIG, name)):
        keys = [key for key in strip.plan.keys if key.file == name]
        if keys:
            entry = _write_json(strip, name, _with_keys(strip, name, keys))
        elif name == INDEX and any(edit.outcome == "removed" for edit in strip.plan.tensors.values()):
            entry = _write_json(strip, name, _new_index(strip))
        else:
            entry = _copy(strip, name)
        strip.files.append(entry)
        _refuse_leftovers(strip, [name])


def _copy(strip: _Strip, name: str) -> FileEntry:
    source = strip.checkpoint.root / name
    with open_regular(source) as file, strip.output.create(name) as written:
        for block in blocks(file, strip.checkpoint.files[name].size, str(source)):
            written.write(block)
            if strip.watch:
                strip.watch(len(block))
    entry = written.entry()
    sibling = strip.checkpoint.files[name]
    if sibling.parts is not None:
        entry = sibling  # compared as bytes below, when the folder is read again
    elif entry != sibling:
        raise _changed(strip, name)
    return entry


def _write_json(strip: _Strip, name: str, data: Mapping[str, Any]) -> FileEntry:
    with strip.output.create(name) as written:
        written.write((json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())
    if strip.watch:
        strip.watch(strip.checkpoint.files[name].size)
    return written.entry()


def _with_keys(strip: _Strip, name: str, keys: list[KeySet]) -> dict[str, Any]:
    path = strip.checkpoint.root / name
    text = read_json_text(path)
    if strip.checkpoint.files[name].sha256 != digest_of_bytes(text):
        raise _changed(strip, name)
    data = parse_json_object(text, str(path))
    for key in keys:
        data[key.key] = key.value if key.tokens is None else _with_ids(path, key, data.get(key.key))
    return data


def _with_ids(path: Path, key: KeySet, before: Any) -> list[int]:
    if before is not None and not (isinstance(before, list) and all(type(item) is int for item in before)):
        raise CheckpointError(
            str(path), f"has a {key.key} that is not a list of token ids", "correct or remove the key"
        )
    return sorted({*(before or ()), *expand(key.tokens or ())})


def _new_index(strip: _Strip) -> dict[str, Any]:
    """The index without the removed tensors, its totals brought up to date."""
    index = strip.checkpoint.index
    assert index is not None, "only called where the folder has an index"
    gone = {name for name, edit in strip.plan.tensors.items() if edit.outcome == "removed"}
    metadata = dict(index.get("metadata") or {})
    lost = [strip.checkpoint.tensors[name].entry for name in gone]
    for total, less in (
        ("total_size", sum(entry.size for entry in lost)),
        ("total_parameters", sum(entry.elements for entry in lost)),
    ):
        if isinstance(metadata.get(total), int):
            metadata[total] -= less
    weight_map = {name: file for name, file in index["weight_map"].items() if name not in gone}
    return {**index, "metadata": metadata, "weight_map": weight_map}


def _refuse_leftovers(strip: _Strip, names: list[str]) -> None:
    finding = search(strip.needles, strip.output.root, names, strip.watch)
    if finding is not None:
        what = f"would hold a piece of {finding.part}, which was to go, at byte {finding.offset:,} of {finding.file}"
        raise StripError(
            str(strip.output.target), what, "the source has a second copy of it: name that in the recipe too"
        )


def _require_sound(strip: _Strip, receipt: Receipt) -> None:
    """What is published can be opened as a checkpoint, and has the tensors that it is to have."""
    try:
        written = read_contents(strip.output.root, strict=True)
    except CheckpointError as error:
        what = f"would not be a sound checkpoint: {error.problems[0].what}"
        raise StripError(str(strip.output.target), what, "correct the keys that the recipe sets") from error
    staying = {outcome.name for outcome in receipt.tensors if not isinstance(outcome, Removed)}
    assert set(written.tensors) == staying, "the new headers and the receipt disagree"


def _receipt(strip: _Strip) -> Receipt:
    output = Manifest(files=tuple(sorted(strip.files, key=lambda entry: entry.path)))
    return Receipt(
        source=strip.checkpoint.digest,
        recipes=strip.plan.recipes,
        planned=strip.plan.identity(strip.checkpoint.digest),
        output_digest=output.digest(),
        tier="weights_absent",
        tier_means=TIER_MEANS["weights_absent"],
        rehearsal=strip.rehearsal,
        tensors=tuple(sorted(strip.outcomes, key=lambda outcome: outcome.name)),
        dropped=tuple(strip.checkpoint.files[name] for name in strip.plan.dropped),
        keys=strip.plan.keys,
        residual=strip.plan.residual,
        lent=strip.plan.lent,
        leftovers=Leftovers(pieces=len(strip.needles.parts), unsearched=strip.needles.unsearched),
        output=output,
    )
