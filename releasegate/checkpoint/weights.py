"""Which files hold the model's tensors, and where in them: the index and the shards, held against each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.gguf import Gguf, read_gguf
from releasegate.checkpoint.headers import AGAIN, BITS, Entry, Header, read_header
from releasegate.checkpoint.jsontext import shown
from releasegate.checkpoint.layouts import ENDPOINT, Form
from releasegate.checkpoint.layouts import INDEXED as INDEX
from releasegate.checkpoint.pickled import Pickled, read_pickled, refuse_slack
from releasegate.errors import ForeignFile, IndexMalformed, IndexMismatch, NoWeights, PathEscapes, PickledError
from releasegate.manifest import RelativePath

SINGLE = "model.safetensors"

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
        index: what the index of the shards holds; `None` where there is no index.
        index_file: the index's name.
    """

    tensors: Mapping[str, Place]
    shards: Mapping[str, Header]
    siblings: Mapping[str, Header]
    index: Mapping[str, Any] | None
    index_file: str | None


def read_weights(root: Path, names: list[str], form: Form) -> Weights:
    """The weights of the folder `root`, which holds the files `names` in the layout `form`.

    Raises:
        HeaderError: a safetensors file is malformed.
        CheckpointError: there are no weights, or index and shards do not agree.
    """
    stored = [name for name in names if name.lower().endswith(".safetensors")]
    if not form.weights:
        if form.config == ENDPOINT:
            _refuse_any(root, stored)
        return Weights({}, {}, {name: read_header(root / name) for name in stored}, None, None)
    index_file = next((name for name in form.indexes if name in names), None)
    _refuse_other_indexes(root, names, index_file or INDEX)
    index = read_json_object(root / index_file) if index_file else None
    if index_file and index is not None:
        weight_map = _weight_map(root / index_file, index)
        shard_names = sorted(set(weight_map.values()))
    else:
        weight_map, shard_names = None, _without_index(root, names, form)
    _refuse_strays(root, names, stored, shard_names, index_file)
    headers = {name: read_stored(root / name) for name in sorted({*stored, *shard_names})}
    shards = {name: headers[name] for name in shard_names}
    siblings = {name: header for name, header in headers.items() if name not in shards}
    tensors = _tensors(root, shards, may_repeat=not form.indexes)
    if index_file and weight_map is not None:
        _refuse_disagreement(root / index_file, weight_map, tensors)
    if not tensors:
        raise NoWeights(str(root), "has no tensors", AGAIN)
    return Weights(tensors, shards, siblings, index, index_file)


def _refuse_any(root: Path, stored: list[str]) -> None:
    """Nothing, if a model that is elsewhere has no weights here.

    Raises:
        ForeignFile: it has.
    """
    for name in stored:
        what = "holds weights, and nothing says that they are those of the model that answers elsewhere"
        raise ForeignFile(str(root / name), what, "take it out of the folder, or measure it as a checkpoint of its own")


def read_stored(path: Path) -> Header:
    """What tensors the file at `path` holds: a safetensors file, a GGUF file, or a pickle that torch wrote.

    Raises:
        CheckpointError: it is malformed, or holds something else.
    """
    match path.suffix.lower():
        case ".safetensors":
            return read_header(path)
        case ".gguf":
            return header_of_gguf(read_gguf(path))
    return header_of(read_pickled(path))


def header_of_gguf(gguf: Gguf) -> Header:
    """The tensors of a GGUF file, their bytes counted from its beginning; dtypes are ggml's, and nothing edits them."""
    found = gguf.tensors.values()
    return Header(0, {one.name: Entry(one.name, one.kind, one.shape, one.begin, one.end) for one in found}, None, {})


def header_of(pickled: Pickled) -> Header:
    """The tensors of a file that `torch.save` wrote, each one range of the file's bytes.

    Raises:
        PickledError: bytes belong to no tensor, or a tensor's do not stand in the order of its elements.
    """
    refuse_slack(pickled)
    entries: dict[str, Entry] = {}
    for name, tensor in pickled.tensors.items():
        if not tensor.is_contiguous:
            what = f"holds tensor {name!r} in another order than that of its elements (strides {list(tensor.strides)})"
            raise PickledError(str(pickled.path), what, "save it again with `.contiguous()`")
        size = math.prod(tensor.shape) * BITS[tensor.dtype] // 8
        entries[name] = Entry(name, tensor.dtype, tensor.shape, tensor.offset, tensor.offset + size)
    return Header(0, entries, None, pickled.values)


def _without_index(root: Path, names: list[str], form: Form) -> list[str]:
    for pattern in form.weights:
        found = sorted(name for name in names if fnmatchcase(name, pattern))
        if found:
            return found
    what = f"has neither {SINGLE} nor {INDEX}"
    raise NoWeights(str(root), what, "export the model with `save_pretrained(…)` (safetensors)")


def _refuse_other_indexes(root: Path, names: list[str], index: str) -> None:
    for name in names:
        if name.endswith(".index.json") and name != index:
            what = f"is an index beside {index}; a loader may follow either"
            raise IndexMalformed(str(root / name), what, f"keep one index, called {index}")


def _weight_map(path: Path, index: Mapping[str, Any]) -> dict[str, str]:
    where = str(path)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise IndexMalformed(where, "has no weight_map", "it must map each tensor's name to its shard")
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain_name(shard, Path(path.name.removesuffix(".index.json")).suffix):
            what = f"places tensor {shown(tensor)} in {shown(shard)}, which is not the name of a file in this folder"
            raise PathEscapes(where, what, "name the shard alone, without a path")
    return weight_map


def _is_plain_name(name: str, ending: str) -> bool:
    try:
        return "/" not in _PATH.validate_python(name) and name.endswith(ending)
    except ValidationError:
        return False


def _refuse_strays(root: Path, names: list[str], stored: list[str], shards: list[str], index: str | None) -> None:
    for name in shards:
        if name not in names:
            raise IndexMismatch(str(root / name), f"is named by {index} and is not there", AGAIN)
    for name in stored:
        if name.lower().startswith("model") and name not in shards:
            what = (
                f"looks like a part of the model and is not in {index}"
                if index
                else f"lies beside {shards[0]} without an index"
            )
            fix = "take it out of the folder: a loader may read it, and it may hold a second copy of a tensor"
            raise IndexMismatch(str(root / name), what, fix)


def _tensors(root: Path, shards: Mapping[str, Header], *, may_repeat: bool) -> dict[str, Place]:
    """The tensors by name; by `NAME@FILE` where the shards hold parts of the same tensors."""
    times = Counter(name for header in shards.values() for name in header.entries)
    parallel = may_repeat and any(count > 1 for count in times.values())
    tensors: dict[str, Place] = {}
    for file, header in shards.items():
        for name, entry in header.entries.items():
            key = f"{name}@{Path(file).stem}" if parallel else name
            if key in tensors:
                what = f"has tensor {shown(name)} in two shards: {tensors[key].file} and {file}"
                raise IndexMismatch(str(root), what, "export the model again")
            tensors[key] = Place(file, entry)
    return tensors


def _refuse_disagreement(path: Path, weight_map: Mapping[str, str], tensors: Mapping[str, Place]) -> None:
    where = str(path)
    for name, file in weight_map.items():
        if name not in tensors:
            raise IndexMismatch(where, f"names tensor {shown(name)}, which is in no shard", AGAIN)
        if tensors[name].file != file:
            what = f"places tensor {shown(name)} in {file}, and it is in {tensors[name].file}"
            raise IndexMismatch(where, what, "export the model again")
    for name, place in tensors.items():
        if name not in weight_map:
            what = f"does not name tensor {shown(name)}, which is in {place.file}"
            raise IndexMismatch(
                where, what, "a tensor left out of the index is still published: export the model again"
            )
