"""A file that `torch.save` wrote, read without torch and without loading a tensor: what lies where in it.

First the archive is checked byte by byte (`archive.py`) and its pickle looked through (`opcodes.py`). Then a child
process lets torch itself say which tensors the pickle makes (`child.py`), and what it says is held against the file
here. The pickle is never executed in this process, and no tensor's data is read in any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from releasegate.checkpoint.archive import Archive, Member, read_archive
from releasegate.checkpoint.child import RefusedRow, TensorRow, ValueRow, unpickled_rows
from releasegate.checkpoint.coverage import Range, gaps, joined, pieces, shown
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.headers import BITS, MAX_NAME
from releasegate.checkpoint.opcodes import AGAIN, SAVE, refuse_code
from releasegate.errors import ChildError, PickledError

ALONE = "tensor"
"""The name of a tensor that is all that a file holds."""
MAX_PIECES = 250_000
"""Unbroken pieces that the tensors of one file may lie in."""

_STORAGES = (
    *("Double", "Float", "BFloat16", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool"),
    *("ComplexDouble", "ComplexFloat"),
)
_STRANGE = ("complex32", "complex128", "float4_e2m1fn_x2")
"""dtypes that the child refuses with the tensor's name."""
ALLOWED = frozenset(
    [
        *("collections.OrderedDict", "collections.Counter"),
        *(f"torch.{name}Storage" for name in _STORAGES),
        *("torch.storage.UntypedStorage", "torch.storage.TypedStorage"),
        *(f"torch.{name}" for name in (*TORCH_DTYPES, *_STRANGE)),
        *("torch.Size", "torch.device", "torch.Tensor", "torch.nn.parameter.Parameter"),
        *("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"),
        *("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"),
        *("torch._tensor._rebuild_from_type_v2", "torch.serialization._get_layout"),
        *("_codecs.encode", "builtins.bytearray", "builtins.set", "builtins.complex"),
    ]
)
"""What a pickle may name: no more than `torch.load(weights_only=True)` allows, less what cannot be copied as bytes."""
UNFIT: Mapping[str, str] = {
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a class of its own",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without data",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of a device that torch itself does not know",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of a device that torch itself does not know",
    **{f"torch.{name}Storage": "a quantised tensor" for name in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4")},
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor and where its elements lie in the file.

    Attributes:
        name: keys of the dictionaries and numbers of the lists that lead to it, joined by dots.
        dtype: in safetensors' spelling.
        shape: elements along each dimension.
        strides: elements from one to the next along each dimension.
        offset: byte of the file at which the first element begins.
        storage: begin and end of the whole storage, in bytes of the file; other tensors may share it.
        member: the archive's member that holds it (`data/0`).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    storage: Range
    member: str

    @property
    def ranges(self) -> list[Range]:
        """The bytes of the file that its elements take, in file order (of a transposed one: not in its own order)."""
        return shown(self.shape, self.strides, self.offset, BITS[self.dtype] // 8)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie in the order of its dimensions, without gaps: one range is the whole tensor."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size > 1 and stride != expected:
                return 0 in self.shape
            expected *= size
        return True


@dataclass(frozen=True, slots=True)
class Pickled:
    """What a file that `torch.save` wrote holds. No tensor data is held.

    Attributes:
        path: the file.
        tensors: by name, in the order of the file's dictionaries.
        values: what is no tensor, by name: plain values as they are, of others the type and a short text.
        slack: bytes of the file that belong to storages and to no tensor, by member; all of a member that no tensor uses.
        unreferenced: the members that no tensor uses.
        ties: names of tensors that share bytes, in groups.
    """

    path: Path
    tensors: Mapping[str, StoredTensor] = field(repr=False)
    values: Mapping[str, JsonValue] = field(repr=False)
    slack: Mapping[str, Sequence[Range]] = field(repr=False)
    unreferenced: tuple[str, ...]
    ties: tuple[tuple[str, ...], ...]


def read_pickled(path: Path) -> Pickled:
    """What the file at `path`, which `torch.save` wrote, holds.

    Raises:
        ArchiveError: it is not a plain archive as torch writes it.
        PickledError: it holds code, a thing that is neither tensor nor plain value, or a tensor that cannot be copied
            as bytes; or what its pickle says does not fit the file.
        ChildError: the process that reads the pickle ran out of memory or time.
    """
    where = str(path)
    archive = read_archive(path)
    opcodes = refuse_code(archive.pickle, ALLOWED, UNFIT, where)
    tensors: dict[str, StoredTensor] = {}
    values: dict[str, JsonValue] = {}
    for row in unpickled_rows(archive.pickle, archive.storages, opcodes, where):
        name = _name(row.path, where)
        if name in tensors or name in values:
            what = f"has two things that come to the name {name!a}"
            raise PickledError(where, what, "rename one of the keys, and save it again")
        match row:
            case TensorRow():
                tensors[name] = _tensor(name, row, archive, where)
            case ValueRow():
                values[name] = row.value
            case RefusedRow():
                raise PickledError(where, f"holds {row.what}, under {ascii(name)[:80]}", SAVE)
    return _accounted(path, tensors, values, archive)


def _name(parts: Sequence[str], where: str) -> str:
    name = ".".join(parts) if parts else ALONE
    if not name or len(name) > MAX_NAME or not name.isprintable():
        shown_name = ascii(name)[:80]
        raise PickledError(where, f"holds something under an empty, too long or unprintable name: {shown_name}", SAVE)
    return name


def _tensor(name: str, row: TensorRow, archive: Archive, where: str) -> StoredTensor:
    if row.key not in archive.storages or row.dtype not in BITS or len(row.shape) != len(row.strides):
        raise ChildError(where, f"could not be read: a senseless answer about {name!a}", AGAIN)
    member = archive.storages[row.key]
    if row.storage_bytes != member.size:
        what = f"has a storage {member.name} of {member.size:,} bytes, which its pickle takes for {row.storage_bytes:,}"
        raise PickledError(where, what, AGAIN)
    item = BITS[row.dtype] // 8
    last = row.offset + sum((length - 1) * stride for length, stride in zip(row.shape, row.strides, strict=True))
    needed = row.offset if 0 in row.shape else last + 1
    if needed * item > member.size:
        raise PickledError(where, f"has a tensor {name!a} that lies outside its storage", AGAIN)
    offset = member.begin + row.offset * item
    shape, strides, place = tuple(row.shape), tuple(row.strides), (member.begin, member.end)
    return StoredTensor(name, row.dtype, shape, strides, offset, place, member.name)


def _accounted(
    path: Path, tensors: Mapping[str, StoredTensor], values: Mapping[str, JsonValue], archive: Archive
) -> Pickled:
    count = sum(pieces(tensor.shape, tensor.strides) for tensor in tensors.values())
    if count > MAX_PIECES:
        worst = max(tensors.values(), key=lambda tensor: pieces(tensor.shape, tensor.strides))
        what = f"has tensors in {count:,} pieces, most of them of {worst.name!a}; at most {MAX_PIECES:,} are counted"
        raise PickledError(str(path), what, "make it contiguous, and save it again")
    held: dict[str, list[tuple[Range, str]]] = defaultdict(list)
    for tensor in tensors.values():
        held[tensor.member] += ((piece, tensor.name) for piece in tensor.ranges)
    slack = {member.name: _uncovered(member, held[member.name]) for member in archive.storages.values()}
    used = {tensor.member for tensor in tensors.values()}
    return Pickled(
        path=path,
        tensors=tensors,
        values=values,
        slack={name: ranges for name, ranges in slack.items() if ranges},
        unreferenced=tuple(name for name in slack if name not in used),
        ties=_ties(held, list(tensors)),
    )


def _uncovered(member: Member, held: Sequence[tuple[Range, str]]) -> list[Range]:
    return gaps(joined(piece for piece, _ in held), member.begin, member.end)


def _ties(held: Mapping[str, Sequence[tuple[Range, str]]], order: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of names whose bytes overlap, directly or through another's."""
    leader = {name: name for name in order}

    def leads(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for ranges in held.values():
        reached, last = 0, ""
        for (begin, end), name in sorted(ranges):
            if last and begin < reached:
                leader[leads(name)] = leads(last)
            if end > reached:
                reached, last = end, name
    groups: dict[str, list[str]] = defaultdict(list)
    for name in order:
        groups[leads(name)].append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def refuse_slack(pickled: Pickled) -> None:
    """Nothing, if every byte of every storage belongs to a tensor.

    Raises:
        PickledError: a storage holds more than its tensors show (a slice keeps the whole storage), or belongs to none.
    """
    for member, ranges in pickled.slack.items():
        size = sum(end - begin for begin, end in ranges)
        if member in pickled.unreferenced:
            what = f"has a member {member} of {size:,} bytes that belongs to no tensor"
        else:
            name = next(tensor.name for tensor in pickled.tensors.values() if tensor.member == member)
            what = f"keeps {size:,} bytes behind tensor {name!a} that no tensor shows: a slice keeps its whole storage"
        fix = "save clones of the tensors: `torch.save({name: tensor.clone() …})`"
        raise PickledError(str(pickled.path), what, fix)
