"""Which files hold the model's tensors, and where in them: the index and the shards, held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.headers import AGAIN, Entry, Header, read_header
from releasegate.errors import CheckpointError
from releasegate.manifest import RelativePath

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_PATH: TypeAdapter[str] = TypeAdapter(RelativePath)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: the shard's name and its entry in that shard's header."""

    file: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a checkpoint.

    Attributes:
        tensors: the model's tensors by name.
        shards: headers of the files that form the model.
        siblings: headers of other safetensors files in the folder, which the model's loader does not read.
        index: what `model.safetensors.index.json` holds; `None` where there is no index.
    """

    tensors: Mapping[str, Place]
    shards: Mapping[str, Header]
    siblings: Mapping[str, Header]
    index: Mapping[str, Any] | None


def read_weights(root: Path, names: list[str]) -> Weights:
    """The weights of the folder `root`, which holds the files `names`.

    Raises:
        HeaderError: a safetensors file is malformed.
        CheckpointError: there are no weights, or index and shards do not agree.
    """
    stored = [name for name in names if name.lower().endswith(".safetensors")]
    _refuse_other_indexes(root, names)
    if INDEX in names:
        index = read_json_object(root / INDEX)
        weight_map = _weight_map(root, index)
        shard_names = sorted(set(weight_map.values()))
    else:
        index, weight_map, shard_names = None, None, [SINGLE]
    _refuse_strays(root, stored, shard_names, indexed=index is not None)
    headers = {name: read_header(root / name) for name in stored}
    shards = {name: headers[name] for name in shard_names}
    siblings = {name: header for name, header in headers.items() if name not in shards}
    tensors = _tensors(root, shards)
    if weight_map is not None:
        _refuse_disagreement(root, weight_map, tensors)
    if not tensors:
        raise CheckpointError(str(root), "has no tensors", AGAIN)
    return Weights(tensors, shards, siblings, index)


def _refuse_other_indexes(root: Path, names: list[str]) -> None:
    for name in names:
        if name.endswith(".index.json") and name != INDEX:
            what = f"is an index beside {INDEX}; a loader may follow either"
            raise CheckpointError(str(root / name), what, f"keep one index, called {INDEX}")


def _weight_map(root: Path, index: Mapping[str, Any]) -> dict[str, str]:
    where = str(root / INDEX)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(where, "has no weight_map", "it must map each tensor's name to its shard")
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain_name(shard):
            what = f"places tensor {tensor!r} in {shard!r}, which is not the name of a file in this folder"
            raise CheckpointError(where, what, "name the shard alone, without a path")
    return weight_map


def _is_plain_name(name: str) -> bool:
    try:
        return "/" not in _PATH.validate_python(name) and name.endswith(".safetensors")
    except ValidationError:
        return False


def _refuse_strays(root: Path, stored: list[str], shards: list[str], *, indexed: bool) -> None:
    for name in shards:
        if name not in stored:
            if indexed:
                raise CheckpointError(str(root / name), f"is named by {INDEX} and is not there", AGAIN)
            what = f"has neither {SINGLE} nor {INDEX}"
            raise CheckpointError(str(root), what, "export the model with `save_pretrained(…)` (safetensors)")
    for name in stored:
        if name.lower().startswith("model") and name not in shards:
            what = (
                f"looks like a part of the model and is not in {INDEX}"
                if indexed
                else f"lies beside {SINGLE} without an index"
            )
            fix = "take it out of the folder: a loader may read it, and it may hold a second copy of a tensor"
            raise CheckpointError(str(root / name), what, fix)


def _tensors(root: Path, shards: Mapping[str, Header]) -> dict[str, Place]:
    tensors: dict[str, Place] = {}
    for file, header in shards.items():
        for name, entry in header.entries.items():
            if name in tensors:
                what = f"has tensor {name!r} in two shards: {tensors[name].file} and {file}"
                raise CheckpointError(str(root), what, "export the model again")
            tensors[name] = Place(file, entry)
    return tensors


def _refuse_disagreement(root: Path, weight_map: Mapping[str, str], tensors: Mapping[str, Place]) -> None:
    where = str(root / INDEX)
    for name, file in weight_map.items():
        if name not in tensors:
            raise CheckpointError(where, f"names tensor {name!r}, which is in no shard", AGAIN)
        if tensors[name].file != file:
            what = f"places tensor {name!r} in {file}, and it is in {tensors[name].file}"
            raise CheckpointError(where, what, "export the model again")
    for name, place in tensors.items():
        if name not in weight_map:
            what = f"does not name tensor {name!r}, which is in {place.file}"
            raise CheckpointError(
                where, what, "a tensor left out of the index is still published: export the model again"
            )
