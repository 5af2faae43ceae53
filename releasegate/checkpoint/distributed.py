"""The metadata of a distributed checkpoint (`.metadata` and `*.distcp` files, as `torch.distributed.checkpoint` writes
them): which tensors there are, and which file holds which chunk of each. No tensor and no file of tensors is read.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from releasegate.checkpoint.coverage import Range, gaps, joined
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.files import list_files, open_regular
from releasegate.checkpoint.headers import MAX_NAME, MAX_RANK
from releasegate.checkpoint.inert import Made, Named, Pairs, read_inert
from releasegate.errors import CheckpointError, DistributedError, StripError

METADATA = ".metadata"
ENDING = ".distcp"
MAX_METADATA = 64 << 20
"""Bytes of `.metadata`."""

_HOME = "torch.distributed.checkpoint.metadata."
_OLD_HOME = "torch.distributed._shard.sharded_tensor.metadata."
_DTYPES: Mapping[str, str] = {f"torch.{name}": spelling for name, spelling in TORCH_DTYPES.items()}
_CLASSES = (
    *("Metadata", "TensorStorageMetadata", "BytesStorageMetadata", "ChunkStorageMetadata", "TensorProperties"),
    *("MetadataIndex", "StorageMeta", "_MEM_FORMAT_ENCODING"),
)
ALLOWED = frozenset(
    [
        *(_HOME + name for name in _CLASSES),
        *(_OLD_HOME + name for name in ("TensorProperties", "MEM_FORMAT_ENCODING")),
        *("torch.distributed.checkpoint.filesystem._StorageInfo", "torch.serialization._get_layout", "torch.Size"),
        *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
        *("collections.OrderedDict", *_DTYPES),
    ]
)
"""What the pickle of `.metadata` may name. Nothing of it is called."""

_AGAIN = "fetch or save the checkpoint again"


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes `begin` to `end` of one file, in which torch keeps one thing in a format of its own."""

    file: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One part of a tensor: where in the tensor it begins, its shape, and where it is kept."""

    offsets: tuple[int, ...]
    shape: tuple[int, ...]
    held: Held


@dataclass(frozen=True, slots=True)
class DistributedTensor:
    """A tensor: dtype in safetensors' spelling, the shape of the whole, and its parts, which make up the whole."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Distributed:
    """A distributed checkpoint, by its metadata.

    Attributes:
        folder: where it lies.
        tensors: by name.
        others: where things that are no tensors are kept (as pickles of their own), by name.
        files: bytes of each file of tensors.
        slack: bytes of those files that the metadata gives to nothing, by file.
    """

    folder: Path
    tensors: Mapping[str, DistributedTensor] = field(repr=False)
    others: Mapping[str, Held] = field(repr=False)
    files: Mapping[str, int]
    slack: Mapping[str, Sequence[Range]]


def read_distributed(folder: Path) -> Distributed:
    """The distributed checkpoint in `folder`.

    Raises:
        NotFound, CheckpointError: there is no such folder, or it cannot be trusted as one.
        PickledError: its `.metadata` holds code or is malformed.
        DistributedError: its `.metadata` does not describe tensors, or does not agree with the files.
    """
    names = list_files(folder)
    where = str(folder / METADATA)
    if METADATA not in names:
        raise DistributedError(where, "is not there, so that nobody can tell what the files hold", _AGAIN)
    root = _Part(read_inert(_metadata(folder / METADATA), ALLOWED, where), "the whole", where)
    sizes = {name: (folder / name).stat().st_size for name in names if name.endswith(ENDING)}
    places = _places(root, sizes, where)
    tensors: dict[str, DistributedTensor] = {}
    others: dict[str, Held] = {}
    for name, part in root.made(_HOME + "Metadata").pairs("state_dict_metadata"):
        _refuse_name(name, where)
        if name in tensors or name in others:
            raise DistributedError(where, f"names {name!a} twice", _AGAIN)
        if isinstance(part.item, Made) and part.item.name == _HOME + "BytesStorageMetadata":
            others[name] = _take(places, name, None, where)
        else:
            tensors[name] = _tensor(name, part.made(_HOME + "TensorStorageMetadata"), places, where)
    for name, offsets in places:
        at = f" at {offsets}" if offsets else ""
        raise DistributedError(where, f"places something that it does not describe: {name!a}{at}", _AGAIN)
    slack = _slack(tensors, others, sizes, where)
    return Distributed(folder, tensors, others, sizes, slack)


def refuse_distributed(checkpoint: Distributed) -> NoReturn:
    """Says why a distributed checkpoint is not stripped, and what to do.

    Raises:
        StripError: always.
    """
    what = "is a distributed checkpoint, whose files keep parts of tensors in pickles that cannot be edited by bytes"
    fix = (
        "join it with `torch.distributed.checkpoint.format_utils.dcp_to_torch_save(folder, 'model.pth')`, "
        "save the tensors as safetensors, and strip those"
    )
    raise StripError(str(checkpoint.folder), what, fix)


def _metadata(path: Path) -> bytes:
    try:
        opened = open_regular(path)
    except CheckpointError as error:
        problem = error.problems[0]
        raise DistributedError(problem.where, problem.what, problem.fix) from None
    with opened as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_METADATA:
            what = f"is {size:,} bytes long; at most {MAX_METADATA:,} are read"
            raise DistributedError(str(path), what, "convert it with `dcp_to_torch_save` where it can be trusted")
        return file.read(size)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the metadata, with what it is of; every reading of it checks its form."""

    item: Any
    what: str
    where: str

    def bad(self, expected: str) -> DistributedError:
        return DistributedError(self.where, f"is malformed: {self.what} is not {expected}", _AGAIN)

    def made(self, *names: str) -> _Part:
        if not isinstance(self.item, Made) or self.item.name not in names:
            raise self.bad(f"a {names[0]}")
        return self

    def __getitem__(self, key: str) -> _Part:
        state = self.item.state
        if isinstance(state, tuple) and len(state) == 2:
            state = state[1]
        if isinstance(state, Pairs):
            for name, value in state:
                if isinstance(name, str) and name == key:
                    return _Part(value, f"{key} of {self.what}"[:200], self.where)
        raise self.bad(f"complete: {key} is missing")

    def pairs(self, key: str) -> list[tuple[str, _Part]]:
        part = self[key]
        if not isinstance(part.item, Pairs):
            raise part.bad("a dictionary")
        found = []
        for name, value in part.item:
            if not isinstance(name, str):
                raise part.bad("named by texts")
            found.append((name, _Part(value, ascii(name)[:100], self.where)))
        return found

    def text(self) -> str:
        if not isinstance(self.item, str):
            raise self.bad("a text")
        return self.item

    def count(self) -> int:
        if type(self.item) is not int or not 0 <= self.item < 2**63:
            raise self.bad("a whole number from 0")
        return self.item

    def size(self) -> tuple[int, ...]:
        if isinstance(self.item, Made) and self.item.name == "torch.Size" and not self.item.state:
            given = self.item.arguments
            if isinstance(given, tuple) and len(given) == 1 and isinstance(given[0], tuple | list):
                numbers = tuple(given[0])
                if len(numbers) <= MAX_RANK and all(type(n) is int and 0 <= n < 2**63 for n in numbers):
                    return numbers
        raise self.bad("a torch.Size")


_Places = dict[tuple[str, tuple[int, ...] | None], Held]


def _places(root: _Part, sizes: Mapping[str, int], where: str) -> _Places:
    """Where each thing is kept, by name and (of a chunk) by where it begins in the tensor."""
    storage = root.made(_HOME + "Metadata")["storage_data"]
    if not isinstance(storage.item, Pairs):
        raise storage.bad("a dictionary")
    places: _Places = {}
    for key, value in storage.item:
        index = _Part(key, "a key of storage_data", where).made(_HOME + "MetadataIndex")
        name = index["fqn"].text()
        offsets = _offsets(index)
        info = _Part(value, f"the place of {name!a}"[:200], where)
        held = _held(info.made("torch.distributed.checkpoint.filesystem._StorageInfo"), sizes)
        if (name, offsets) in places:
            raise DistributedError(where, f"places {name!a} twice", _AGAIN)
        places[name, offsets] = held
    return places


def _offsets(index: _Part) -> tuple[int, ...] | None:
    state = index.item.state
    items = state if isinstance(state, Pairs) else ()
    given = [value for key, value in items if isinstance(key, str) and key == "offset" and value is not None]
    return index["offset"].size() if given else None


def _held(info: _Part, sizes: Mapping[str, int]) -> Held:
    file, begin, length = info["relative_path"].text(), info["offset"].count(), info["length"].count()
    if file not in sizes:
        what = (
            f"keeps {info.what.removeprefix('the place of ')} in {file!a}, which is not a {ENDING} file of the folder"
        )
        raise DistributedError(info.where, what, _AGAIN)
    if begin + length > sizes[file]:
        what = f"places bytes {begin:,} to {begin + length:,} in {file}, which has {sizes[file]:,}"
        raise DistributedError(info.where, what, _AGAIN)
    return Held(file, begin, begin + length)


def _take(places: _Places, name: str, offsets: tuple[int, ...] | None, where: str) -> Held:
    try:
        return places.pop((name, offsets))
    except KeyError:
        at = f" at {offsets}" if offsets is not None else ""
        raise DistributedError(where, f"does not say where {name!a}{at} is kept", _AGAIN) from None


def _tensor(name: str, part: _Part, places: _Places, where: str) -> DistributedTensor:
    dtype = _dtype(part["properties"])
    shape = part["size"].size()
    given = part["chunks"]
    if type(given.item) not in (list, tuple):
        raise given.bad("a list")
    chunks: list[Chunk] = []
    for item in given.item:
        chunk = _Part(item, f"a chunk of {name!a}"[:200], where).made(_HOME + "ChunkStorageMetadata")
        offsets, extent = chunk["offsets"].size(), chunk["sizes"].size()
        inside = len(offsets) == len(extent) == len(shape) and all(
            begin + length <= whole for begin, length, whole in zip(offsets, extent, shape, strict=True)
        )
        if not inside:
            raise DistributedError(where, f"has a chunk of {name!a} that lies outside the tensor", _AGAIN)
        chunks.append(Chunk(offsets, extent, _take(places, name, offsets, where)))
    if sum(math.prod(chunk.shape) for chunk in chunks) != math.prod(shape):
        raise DistributedError(where, f"has chunks of {name!a} that do not make up the tensor", _AGAIN)
    return DistributedTensor(name, dtype, shape, tuple(chunks))


def _dtype(properties: _Part) -> str:
    state = properties.made(_HOME + "TensorProperties", _OLD_HOME + "TensorProperties").item.state
    first = state[0] if isinstance(state, tuple) and state else None
    if not isinstance(first, Named) or first.name not in _DTYPES:
        raise properties.bad("the properties of a tensor of a known dtype")
    return _DTYPES[first.name]


def _refuse_name(name: str, where: str) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable():
        what = f"has an empty, too long or unprintable name: {ascii(name)[:80]}"
        raise DistributedError(where, what, _AGAIN)


def _slack(
    tensors: Mapping[str, DistributedTensor], others: Mapping[str, Held], sizes: Mapping[str, int], where: str
) -> dict[str, list[Range]]:
    held: dict[str, list[Range]] = defaultdict(list)
    for place in [*others.values(), *(chunk.held for tensor in tensors.values() for chunk in tensor.chunks)]:
        held[place.file].append((place.begin, place.end))
    for file, ranges in held.items():
        ranges.sort()
        for (_, end), (begin, _) in pairwise(ranges):
            if begin < end:
                raise DistributedError(where, f"gives the same bytes of {file} to two things", _AGAIN)
    left = {file: gaps(joined(held[file]), 0, size) for file, size in sizes.items()}
    return {file: ranges for file, ranges in left.items() if ranges}
