"""A checkpoint folder as a whole: the one way in which a model's files come to be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import Watch, list_files, read_json_object, read_manifest, refuse_unreadable
from releasegate.checkpoint.headers import Header
from releasegate.checkpoint.weights import INDEX, Place, Weights, read_weights
from releasegate.errors import CheckpointError
from releasegate.manifest import FileEntry, Manifest

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder whose files were checked. No tensor data is held.

    Attributes:
        root: the folder.
        layout: `<model_type>-hf`, after `config.json`.
        manifest: every file with its digest.
        digest: the model digest, which is the manifest's.
        config: what `config.json` holds.
        tensors: where each tensor of the model lies.
        shards: headers of the files that form the model.
        siblings: headers of other safetensors files in the folder.
        index: what the index of the shards holds; `None` for a single file.
        vocabulary: ids by token, from the config's `vocabulary_map`, else from `tokenizer.json`; may be empty.
    """

    root: Path
    layout: str
    manifest: Manifest
    digest: str
    config: Mapping[str, Any] = field(repr=False)
    tensors: Mapping[str, Place] = field(repr=False)
    shards: Mapping[str, Header] = field(repr=False)
    siblings: Mapping[str, Header] = field(repr=False)
    index: Mapping[str, Any] | None = field(repr=False)
    vocabulary: Mapping[str, int] = field(repr=False)

    @property
    def files(self) -> dict[str, FileEntry]:
        """Every file by its path in the folder."""
        return {entry.path: entry for entry in self.manifest.files}


def open_checkpoint(path: Path, watch: Watch | None = None) -> Checkpoint:
    """The checkpoint in the folder `path`, after every check that needs no weights.

    Args:
        path: the folder.
        watch: is told the number of bytes hashed.

    Raises:
        NotFound: there is no such folder.
        HeaderError: a safetensors file is malformed.
        CheckpointError: anything else that makes the folder unfit to be trusted.
    """
    structure = _structure(path, list_files(path))  # before the hashing: a bad folder is refused in seconds
    return structure.checkpoint(read_manifest(path, watch))


def checkpoint_of(root: Path, manifest: Manifest) -> Checkpoint:
    """The checkpoint in the folder `root`, whose files `manifest` lists.

    Raises:
        HeaderError, CheckpointError: as for `open_checkpoint`.
    """
    return _structure(root, [entry.path for entry in manifest.files]).checkpoint(manifest)


@dataclass(frozen=True, slots=True)
class _Structure:
    root: Path
    layout: str
    config: Mapping[str, Any]
    weights: Weights
    vocabulary: Mapping[str, int]

    def checkpoint(self, manifest: Manifest) -> Checkpoint:
        return Checkpoint(
            root=self.root,
            layout=self.layout,
            manifest=manifest,
            digest=manifest.digest(),
            config=self.config,
            tensors=self.weights.tensors,
            shards=self.weights.shards,
            siblings=self.weights.siblings,
            index=self.weights.index,
            vocabulary=self.vocabulary,
        )


def _structure(root: Path, names: list[str]) -> _Structure:
    refuse_unreadable(root, names)
    _refuse_adapters(root, names)
    if CONFIG not in names:
        what = f"has no {CONFIG}, so that its layout is unknown"
        raise CheckpointError(str(root), what, "give a checkpoint in Hugging Face's layout, or convert it")
    config = read_json_object(root / CONFIG)
    layout = _layout(root, config)
    _refuse_remote_code(root, names)
    weights = read_weights(root, names)
    return _Structure(root, layout, config, weights, _vocabulary(root, names, config))


def _layout(root: Path, config: Mapping[str, Any]) -> str:
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise CheckpointError(
            str(root / CONFIG), "has no model_type, so that its layout is unknown", "add the model_type"
        )
    return f"{kind}-hf"


def _refuse_adapters(root: Path, names: list[str]) -> None:
    for name in names:
        if Path(name).name in ADAPTERS:
            what = "is an adapter, which a loader would apply to the model unasked"
            raise CheckpointError(str(root / name), what, "merge it into the model, or take it out of the folder")


def _refuse_remote_code(root: Path, names: list[str]) -> None:
    for name in names:
        if not name.endswith(".json") or name in (INDEX, TOKENIZER) or Path(name).name == "vocab.json":
            continue
        with_code = _key_with_code(_parsed_or_nothing(root / name))
        if with_code:
            what = f"asks for code from the checkpoint to be run ({with_code})"
            raise CheckpointError(
                str(root / name), what, "use a model whose class is in its library, and remove the key"
            )


def _parsed_or_nothing(path: Path) -> dict[str, Any]:
    if path.name.startswith(("config", "generation_config")) or path.name.endswith("_config.json"):
        return read_json_object(path)
    try:
        return read_json_object(path)
    except CheckpointError:  # a list, such as benchmark results: no loader reads code from it
        return {}


def _key_with_code(data: Mapping[str, Any], prefix: str = "") -> str | None:
    if "auto_map" in data:
        return f"{prefix}auto_map"
    for key, value in data.items():
        if key.endswith("_config") and isinstance(value, dict):
            found = _key_with_code(value, f"{prefix}{key}.")
            if found:
                return found
    return None


def _vocabulary(root: Path, names: list[str], config: Mapping[str, Any]) -> dict[str, int]:
    mapped = _ids(root / CONFIG, "vocabulary_map", config.get("vocabulary_map"))
    tokenized = _tokenizer_vocabulary(root / TOKENIZER) if TOKENIZER in names else None
    if mapped is None:
        return tokenized or {}
    for token, identity in (tokenized or {}).items():
        if mapped.get(token, identity) != identity:
            what = f"gives token {token!r} the id {identity}, and {CONFIG} gives it {mapped[token]}"
            raise CheckpointError(str(root / TOKENIZER), what, "export the tokenizer and the config together")
    return mapped


def _tokenizer_vocabulary(path: Path) -> dict[str, int] | None:
    data = read_json_object(path)
    model = data.get("model")
    found = model.get("vocab") if isinstance(model, dict) else None
    ids = _ids(path, "model.vocab", found) if isinstance(found, dict) else None
    added = data.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise CheckpointError(
            str(path), "has added_tokens that are not a list of objects", "export the tokenizer again"
        )
    extra = _ids(path, "added_tokens", {str(token.get("content")): token.get("id") for token in added}) or {}
    return None if ids is None and not extra else {**(ids or {}), **extra}


def _ids(path: Path, name: str, value: Any) -> dict[str, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise CheckpointError(str(path), f"has a {name} that is not an object", "export the checkpoint again")
    for token, identity in value.items():
        if type(identity) is not int or identity < 0:
            raise CheckpointError(
                str(path), f"has a {name} that gives token {token!r} no id", "export the checkpoint again"
            )
    return value
