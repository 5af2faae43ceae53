"""Doubts about a checkpoint, from its files alone: what makes it look weak and costs nothing to undo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.files import MAX_JSON, read_json_object
from releasegate.checkpoint.headers import Header
from releasegate.checkpoint.weights import Place
from releasegate.inspection.odd.looking import GENERATION, PREPARED, oddities
from releasegate.inspection.odd.oddity import Files
from releasegate.inspection.stored import Stored
from releasegate.inspection.templated import template_oddities
from releasegate.plan import Doubt
from releasegate.policy import Policy
from releasegate.subjects.unread import unread_parts


def doubts_of(checkpoint: Checkpoint, policy: Policy) -> tuple[Doubt, ...]:
    """Return what is odd about a checkpoint, in the order of its files, then the parts that its subject leaves unused.

    Of a program and of a server nothing is said: what stands in their configuration is theirs to read.
    """
    return (*_odd(checkpoint), *_templates(checkpoint), *_unread(checkpoint, policy))


def _odd(checkpoint: Checkpoint) -> Iterator[Doubt]:
    if not checkpoint.tensors:
        return
    for place, what, remedy in oddities(files_of(checkpoint), checkpoint.digest):
        yield Doubt(kind="odd_number", place=place, what=what, remedy=remedy)


def _templates(checkpoint: Checkpoint) -> Iterator[Doubt]:
    for place, what, remedy in template_oddities(checkpoint):
        yield Doubt(kind="chat_template", place=place, what=what, remedy=remedy)


def _unread(checkpoint: Checkpoint, policy: Policy) -> Iterator[Doubt]:
    for part in unread_parts(policy.model.subject, checkpoint):
        yield Doubt(
            kind="unmeasured_part",
            place=part.place,
            what=f"{part.tensors:,} tensors, {part.share:.0%} of the parameters, take no part in what is measured",
            remedy=f"take them out, or list {part.name} under `accepts` of the policy's model, with a reason",
            part=part.name,
            share=part.share,
        )


def files_of(checkpoint: Checkpoint) -> Files:
    """What of a checkpoint is looked at for odd numbers."""
    return Files(
        root=checkpoint.root,
        layout=checkpoint.layout,
        config=checkpoint.config,
        config_file=checkpoint.config_file or next(iter(checkpoint.shards), "config.json"),
        texts=dict(_texts(checkpoint)),
        tensors=[*_stored(checkpoint.tensors, checkpoint.shards)],
        beside=[one for file, header in checkpoint.siblings.items() for one in _beside(file, header)],
        vocabulary=checkpoint.vocabulary,
    )


def _texts(checkpoint: Checkpoint) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in (GENERATION, *PREPARED):
        if checkpoint.sizes.get(name, MAX_JSON) < MAX_JSON:
            yield name, read_json_object(checkpoint.root / name)


def _stored(tensors: Mapping[str, Place], shards: Mapping[str, Header]) -> Iterator[Stored]:
    for place in tensors.values():
        entry, header = place.entry, shards[place.file]
        yield Stored(entry.name, place.file, entry.dtype, entry.shape, entry.size, header.data_start + entry.begin)


def _beside(file: str, header: Header) -> Iterator[Stored]:
    for entry in header.in_file_order():
        yield Stored(entry.name, file, entry.dtype, entry.shape, entry.size, header.data_start + entry.begin)
