"""What a checkpoint folder holds, without a digest: layout, tensors, files, vocabulary. No tensor data is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from releasegate.checkpoint.files import ADAPTERS, foreign_files, list_files, read_json_object
from releasegate.checkpoint.gguf import read_gguf
from releasegate.checkpoint.headers import Header
from releasegate.checkpoint.layouts import ADAPTER, Form, find_form, is_program
from releasegate.checkpoint.remote_code import keys_with_code
from releasegate.checkpoint.vocabulary import read_vocabulary
from releasegate.checkpoint.weights import Place, read_stored, read_weights
from releasegate.errors import CheckpointError, CodeRequested, ForeignFile, LayoutUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A checkpoint folder whose structure was checked. No tensor data is held.

    Attributes:
        root: the folder.
        layout: `<model_type>-hf`, after `config.json`, or `-lora` with an adapter over it; `<architecture>-gguf`; or one of
            `layouts.FORMS`.
        config: what its configuration holds.
        config_file: the file that the configuration stands in; `None` where there is none.
        tensors: where each tensor of the model lies. A tensor-parallel shard is named `NAME@FILE`.
        shards: headers of the files that form the model.
        siblings: headers of other files of tensors in the folder.
        index: what the index of the shards holds; `None` where there is none.
        index_file: the file that the index stands in.
        vocabulary: ids by token; may be empty.
        sizes: every file with its size in bytes.
        foreign: files that no published checkpoint may hold, with what each is.
        code: files that ask for code from the checkpoint to be run, with the key that does.
    """

    root: Path
    layout: str
    config: Mapping[str, Any] = field(repr=False)
    config_file: str | None
    tensors: Mapping[str, Place] = field(repr=False)
    shards: Mapping[str, Header] = field(repr=False)
    siblings: Mapping[str, Header] = field(repr=False)
    index: Mapping[str, Any] | None = field(repr=False)
    index_file: str | None
    vocabulary: Mapping[str, int] = field(repr=False)
    sizes: Mapping[str, int] = field(repr=False)
    foreign: Mapping[str, str] = field(repr=False)
    code: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def parallel(self) -> bool:
        """Whether the model's files are tensor-parallel shards: parts of the same tensors."""
        return any(name != place.entry.name for name, place in self.tensors.items())


C = TypeVar("C", bound=Contents)


def read_contents(
    root: Path, names: list[str] | None = None, *, strict: bool = False, program: bool = False
) -> Contents:
    """What the folder `root` holds.

    Args:
        names: its files, if they were listed before.
        strict: whether to refuse what no published checkpoint may hold, weights in pickles and keys that ask for code
            included.
        program: whether a folder that is a program may hold such files all the same: whoever says so asks for consent to
            each of them.

    Raises:
        NotFound: there is no such folder.
        HeaderError: a safetensors file is malformed.
        CheckpointError: anything else that makes the folder unfit to be trusted.
    """
    names = list_files(root) if names is None else names
    foreign = foreign_files(root, names)
    if strict and not (program and is_program(root, names)):
        own = _own(root, names, foreign)
        for name, what in foreign.items():
            if name in own:
                continue
            raise ForeignFile(str(root / name), f"is {what}", _fix(root, names, name))
    form = find_form(root, names)
    config = read_json_object(root / form.config) if form.config else {}
    config = config or _stated_in_gguf(root, form)
    code = keys_with_code(root, names)
    for name, key in code.items() if strict else ():
        what = f"asks for code from the checkpoint to be run ({key})"
        raise CodeRequested(str(root / name), what, "use a model whose class is in its library, and remove the key")
    weights = read_weights(root, names, form)
    return Contents(
        root=root,
        layout=form.layout,
        config=config,
        config_file=form.config,
        tensors=weights.tensors,
        shards=weights.shards,
        siblings=weights.siblings,
        index=weights.index,
        index_file=weights.index_file,
        vocabulary=read_vocabulary(root, names, form.config, config) if form.weights else {},
        sizes={name: os.stat(root / name, follow_symlinks=False).st_size for name in names},
        foreign={name: what for name, what in foreign.items() if name not in {*weights.shards, *form.own}},
        code=code,
    )


def with_siblings(contents: C, names: Iterable[str]) -> C:
    """`contents` with the files `names`, which lie beside the model, among its `siblings`.

    Raises:
        CheckpointError: one of them does not hold tensors, or in a form that is not read.
    """
    found = {name: read_stored(contents.root / name) for name in names if name not in contents.siblings}
    return replace(contents, siblings={**contents.siblings, **found}) if found else contents


def _stated_in_gguf(root: Path, form: Form) -> dict[str, Any]:
    """What a GGUF file states beside its tensors, but for lists such as those of its tokens."""
    if form.config or not form.own:
        return {}
    (name,) = form.own
    return {key: value for key, value in read_gguf(root / name).values.items() if not isinstance(value, list)}


def _own(root: Path, names: list[str], foreign: Mapping[str, str]) -> frozenset[str]:
    """Files of the layout that in another would be foreign."""
    if not foreign:
        return frozenset()
    try:
        return find_form(root, names).own
    except LayoutUnknown:
        return frozenset()


def _fix(root: Path, names: list[str], name: str) -> str:
    """What is to be done about a foreign file."""
    if Path(name).name in ADAPTERS:
        put = f"put it into the folder of its base, as {' and '.join(ADAPTER)}"
        return f"take it out of the folder; if it is to be measured, {put}"
    if name.lower().endswith(".gguf"):
        alone = "give a folder that holds it and neither config.json nor other weights"
        return f"take it out of the folder; if it is the model, {alone}"
    return f"take it out of the folder; weights belong in safetensors files{_converter(root, names)}"


def _converter(root: Path, names: list[str]) -> str:
    """What makes safetensors files of a published checkpoint of that layout, if releasegate comes with it."""
    try:
        layout = find_form(root, names).layout
    except CheckpointError:
        return ""
    return "; examples/xtts/convert.py writes them" if layout == "xtts" else ""
