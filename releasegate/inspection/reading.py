"""The tensors of every file, of whatever form it is. A file that cannot be read is a finding, and the others go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from releasegate.checkpoint.distributed import METADATA, Distributed, read_distributed
from releasegate.checkpoint.gguf import read_gguf
from releasegate.checkpoint.headers import BITS, Header, read_claims, read_header
from releasegate.checkpoint.parallel import Watch, in_parallel
from releasegate.checkpoint.pickled import Pickled, read_pickled
from releasegate.errors import (
    ArchiveError,
    CheckpointError,
    ChildError,
    HeaderUnreadable,
    NotPlainFile,
    PickledError,
    ReleaseGateError,
)
from releasegate.inspection.record import FileKind, Finding, Kind
from releasegate.inspection.stored import Held, Stored

SHOWN = 10
"""Names that a finding lists."""

Read = tuple[Held | None, list[Finding]]


def problem(where: str, error: ReleaseGateError) -> Finding:
    """The finding that `where` (a file of the folder) cannot be read for the reason that `error` gives."""
    first = error.problems[0]
    return Finding(
        kind=_kind(error),
        level="problem",
        where=where,
        what=first.what,
        fix=first.fix,
        error=type(error).__name__,
    )


def _kind(error: ReleaseGateError) -> Kind:
    match error:
        case ArchiveError() | PickledError() | ChildError():
            return "pickle_refused"
        case NotPlainFile() | HeaderUnreadable():
            return "unreadable"
        case _:
            return "malformed"


def unreadable(where: str, error: OSError) -> Finding:
    """The finding that the system does not let `where` be read."""
    what = f"cannot be read: {error.strerror or error}"
    return Finding(kind="unreadable", level="problem", where=where, what=what, fix="check its permissions and the disk")


def read_weights(
    root: Path, kinds: Mapping[str, FileKind], sizes: Mapping[str, int], watch: Watch | None = None
) -> tuple[dict[str, Held], list[Finding]]:
    """What each file of tensors under `root` holds, by path, and what is wrong with the files.

    Args:
        root: the folder.
        kinds: every file and what it is.
        sizes: bytes of every file.
        watch: is told the bytes of every file that is done.
    """
    names = [name for name in kinds if kinds[name] in _READERS]
    read = in_parallel(lambda name, tell: _read(root, name, _READERS[kinds[name]], tell, sizes[name]), names, watch)
    held = {name: found for name, (found, _) in zip(names, read, strict=True) if found is not None}
    return held, [finding for _, findings in read for finding in findings]


def lone_parts(kinds: Mapping[str, FileKind]) -> Iterator[Finding]:
    """A finding for each folder with parts of a distributed checkpoint and without the metadata that describes them."""
    parts = [PurePosixPath(name) for name, kind in kinds.items() if kind == "distributed"]
    described = {path.parent for path in parts if path.name == METADATA}
    for folder in sorted({path.parent for path in parts} - described):
        names = [str(path) for path in parts if path.parent == folder]
        what = f"holds parts of a distributed checkpoint, and no {METADATA} that says what is in them"
        fix = "fetch the checkpoint again, or take the files out"
        yield Finding(
            kind="unreadable", level="problem", where=str(folder), what=what, fix=fix, count=len(names),
            names=tuple(names[:SHOWN]),
        )  # fmt: skip


def _read(root: Path, name: str, reader: Callable[[Path, str], Read], tell: Watch, size: int) -> Read:
    try:
        return reader(root, name)
    except CheckpointError as error:
        return None, [problem(name, error)]
    except OSError as error:
        return None, [unreadable(name, error)]
    finally:
        tell(size)


def _safetensors(root: Path, name: str) -> Read:
    findings: list[Finding] = []
    header: Header | None
    try:
        header = read_header(root / name)
    except CheckpointError as error:
        findings.append(problem(name, error))
        header = read_claims(root / name)
    if header is None:
        return None, findings
    tensors = [
        Stored(entry.name, name, entry.dtype, entry.shape, entry.size, header.data_start + entry.begin)
        for entry in header.in_file_order()
    ]
    return Held(tensors, metadata=header.metadata or {}), findings


def _pickle(root: Path, name: str) -> Read:
    pickled = read_pickled(root / name)
    tensors = [
        Stored(
            tensor.name,
            name,
            tensor.dtype,
            tensor.shape,
            math.prod(tensor.shape) * BITS[tensor.dtype] // 8,
            tensor.offset if tensor.is_contiguous else None,
        )
        for tensor in pickled.tensors.values()
    ]
    return Held(tensors, values=pickled.values, ties=pickled.ties), list(_slack(pickled, name))


def _slack(pickled: Pickled, name: str) -> Iterator[Finding]:
    unreferenced = list(pickled.unreferenced)
    lost = {member: sum(end - begin for begin, end in ranges) for member, ranges in pickled.slack.items()}
    fix = "load it where it can be trusted, and save clones of the tensors"
    if unreferenced:
        size = sum(lost.get(member, 0) for member in unreferenced)
        yield Finding(
            kind="unreferenced",
            level="concern",
            where=name,
            what=f"holds {size:,} bytes in members that belong to no tensor",
            fix=fix,
            count=len(unreferenced),
            names=tuple(unreferenced[:SHOWN]),
        )
    behind = [member for member in lost if member not in pickled.unreferenced]
    if behind:
        owners = {tensor.member: tensor.name for tensor in reversed(list(pickled.tensors.values()))}
        size = sum(lost[member] for member in behind)
        yield Finding(
            kind="slack",
            level="concern",
            where=name,
            what=f"keeps {size:,} bytes behind its tensors that none of them shows: a slice keeps its whole storage",
            fix=fix,
            count=len(behind),
            names=tuple(owners[member] for member in behind[:SHOWN]),
        )


def _gguf(root: Path, name: str) -> Read:
    gguf = read_gguf(root / name)
    tensors = [
        Stored(tensor.name, name, tensor.kind, tensor.shape, tensor.end - tensor.begin, tensor.begin)
        for tensor in gguf.tensors.values()
    ]
    findings = list(_behind(name, gguf.slack, "convert the model again"))
    return Held(tensors, metadata=gguf.values), findings


def _distributed(root: Path, name: str) -> Read:
    """Of the `.metadata` alone, which stands for all files of the folder; a file without it is missed there."""
    if PurePosixPath(name).name != METADATA:
        return None, []
    folder = PurePosixPath(name).parent
    found: Distributed = read_distributed(root / folder)
    tensors = []
    for tensor in found.tensors.values():
        file = str(folder / tensor.chunks[0].held.file) if tensor.chunks else name
        bits = 128 if tensor.dtype == "C128" else BITS[tensor.dtype]
        size = math.prod(tensor.shape) * bits // 8
        tensors.append(Stored(tensor.name, file, tensor.dtype, tensor.shape, size, None))
    values: dict[str, Any] = dict.fromkeys(found.others)
    slack = [_behind(str(folder / file), ranges, "save the checkpoint again") for file, ranges in found.slack.items()]
    return Held(tensors, values=values), [finding for some in slack for finding in some]


def _behind(file: str, ranges: Sequence[tuple[int, int]], fix: str) -> Iterator[Finding]:
    if ranges:
        what = f"has {sum(end - begin for begin, end in ranges):,} bytes that belong to no tensor"
        yield Finding(kind="slack", level="concern", where=file, what=what, fix=fix, count=len(ranges))


_READERS: Mapping[FileKind, Callable[[Path, str], Read]] = {
    "beside": _safetensors,
    "model": _safetensors,
    "pickle": _pickle,
    "gguf": _gguf,
    "distributed": _distributed,
}
