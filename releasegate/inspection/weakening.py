"""Odd numbers and chat templates of a folder that is looked at, as findings: a gate would doubt the checkpoint for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releasegate.checkpoint.layouts import CONFIG, Form
from releasegate.checkpoint.vocabulary import read_vocabulary
from releasegate.errors import CheckpointError
from releasegate.inspection.odd.looking import oddities
from releasegate.inspection.odd.oddity import Files
from releasegate.inspection.reading import problem
from releasegate.inspection.record import Finding, Kind
from releasegate.inspection.stored import Held, Stored
from releasegate.inspection.templated import template_oddities
from releasegate.inspection.unreadable import unreadable


@dataclass(frozen=True, slots=True)
class Weakened:
    """A folder whose files were listed and whose headers were read.

    Attributes:
        root: the folder.
        form: its layout on disk.
        sizes: every file with its size in bytes.
        texts: what its JSON files hold, by name.
        held: the tensors of each file.
        model: files that form the model.
        skipped: tensors that were never written, or do not lie inside of their file, by file and name.
    """

    root: Path
    form: Form
    sizes: Mapping[str, int]
    texts: Mapping[str, Any]
    held: Mapping[str, Held]
    model: Collection[str]
    skipped: Collection[tuple[str, str]]

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration, or the keys of its GGUF file."""
        stated = self.texts.get(self.form.config) if self.form.config else None
        if isinstance(stated, Mapping):
            return stated
        keys = [self.held[name].metadata for name in self.model if name in self.held and name.endswith(".gguf")]
        return {key: value for key, value in keys[0].items() if not isinstance(value, list)} if keys else {}

    def tensors(self, *, model: bool) -> list[Stored]:
        """Those of the model, or those of the other files."""
        return [
            one
            for file, held in self.held.items()
            if (file in self.model) == model
            for one in held.tensors
            if (one.file, one.name) not in self.skipped
        ]


def weakening_findings(folder: Weakened) -> Iterator[Finding]:
    """What makes a model look weak and costs nothing to undo, or keeps it from being asked; an unreadable file is a problem."""
    try:
        for place, what, remedy in oddities(_files(folder), None):
            yield _finding("odd_number", place, what, remedy)
        for place, what, remedy in template_oddities(folder):
            yield _finding("chat_template", place, what, remedy)
        ids = set(_vocabulary(folder).values())
        layout = folder.form.layout
        for place, what, remedy in unreadable(folder.root, layout, folder.config, folder.texts, folder.sizes, ids):
            yield _finding("tokenizer", place, what, remedy)
    except CheckpointError as error:
        yield problem(".", error)


def _finding(kind: Kind, place: str, what: str, remedy: str) -> Finding:
    return Finding(kind=kind, level="concern", where=place, what=what, fix=remedy)


def _files(folder: Weakened) -> Files:
    return Files(
        root=folder.root,
        layout=folder.form.layout,
        config=folder.config,
        config_file=folder.form.config or next(iter(folder.model), CONFIG),
        texts={name: data for name, data in folder.texts.items() if isinstance(data, Mapping)},
        tensors=folder.tensors(model=True),
        beside=folder.tensors(model=False),
        vocabulary=_vocabulary(folder),
    )


def _vocabulary(folder: Weakened) -> dict[str, int]:
    try:
        return read_vocabulary(folder.root, list(folder.sizes), folder.form.config, folder.config)
    except CheckpointError:
        return {}  # whoever read the file said so
