"""Tensors with the same bytes, and tensors that hold nothing: the only part of an inspection that reads tensors' data.

Tensors of one size are compared by samples of their bytes, and in full only where those agree.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from releasegate.checkpoint.files import blocks, open_regular
from releasegate.checkpoint.parallel import Watch
from releasegate.errors import CheckpointError
from releasegate.inspection.reading import SHOWN, problem
from releasegate.inspection.record import Finding
from releasegate.inspection.stored import Stored

SAMPLES = 16
SAMPLE = 4096
"""Bytes of one sample."""
EDGE = 65_536
"""Bytes at either end of a tensor that may have been written although the tensor is a hole."""


def hole_findings(root: Path, tensors: Iterable[Stored]) -> tuple[list[Finding], set[tuple[str, str]]]:
    """Tensors that lie in a hole of a sparse file, so that every element is zero; as findings, and as (file, name).

    Args:
        root: the folder.
        tensors: that lie in one piece inside of their file.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for file, some in _by_file(tensors).items():
        try:
            with open_regular(root / file) as opened:
                found[file] = [tensor.name for tensor in some if tensor.size and _is_hole(opened, tensor)]
        except CheckpointError:
            continue  # whoever read the header said so
    findings = [
        Finding(
            kind="hole",
            level="note",
            where=file,
            what="has tensors that are a hole of the file: every element is zero",
            fix="nothing was written there; is it the checkpoint, or its shape alone?",
            count=len(names),
            names=tuple(names[:SHOWN]),
        )
        for file, names in found.items()
        if names
    ]
    return findings, {(file, name) for file, names in found.items() for name in names}


def _by_file(tensors: Iterable[Stored]) -> dict[str, list[Stored]]:
    files: dict[str, list[Stored]] = defaultdict(list)
    for tensor in tensors:
        files[tensor.file].append(tensor)
    return files


def _is_hole(file: BinaryIO, tensor: Stored) -> bool:
    """Whether nothing of the tensor was written, but for zeros in the blocks that it shares with its neighbours."""
    begin, descriptor = tensor.begin or 0, file.fileno()
    end = begin + tensor.size
    try:
        hole = min(end, os.lseek(descriptor, begin, os.SEEK_HOLE))
        if hole - begin > EDGE or hole == end:
            return False
        data = os.lseek(descriptor, hole, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            return False  # a file system that knows no holes
        data = end  # no data from there to the end
    rest = max(0, end - data)
    edges = os.pread(descriptor, hole - begin, begin) + (os.pread(descriptor, rest, data) if rest <= EDGE else b"x")
    return not edges.strip(b"\0")


def duplicate_findings(root: Path, tensors: Iterable[Stored], watch: Watch | None = None) -> Iterator[Finding]:
    """Groups of tensors with the same bytes, whatever their dtypes and shapes; and tensors of one value over and over.

    Args:
        root: the folder.
        tensors: those of all files that lie in one piece inside of their file, and are no hole.
        watch: is told the bytes that were read.
    """
    alike: dict[int, list[Stored]] = defaultdict(list)
    for tensor in tensors:
        if tensor.size:
            alike[tensor.size].append(tensor)
    constant: list[Stored] = []
    for some in alike.values():
        if len(some) < 2:
            continue
        try:
            groups = _grouped(root, some, constant, watch)
        except (CheckpointError, OSError) as error:
            yield _stopped(some[0], error)
            continue
        for group in groups:
            yield _same(group)
    if constant:
        names = tuple(f"{tensor.file}: {tensor.name}" for tensor in constant[:SHOWN])
        what = "hold one value over and over, and were not compared"
        fix = "nothing to do, unless they should hold something"
        yield Finding(kind="constant", level="note", where=".", what=what, fix=fix, count=len(constant), names=names)


def _stopped(tensor: Stored, error: CheckpointError | OSError) -> Finding:
    if isinstance(error, CheckpointError):
        return problem(tensor.file, error)
    what = f"could not be compared: {error.strerror or error}"
    return Finding(kind="unreadable", level="problem", where=tensor.file, what=what, fix="check the disk")


def _same(group: Sequence[Stored]) -> Finding:
    first = group[0]
    names = tuple(f"{tensor.file}: {tensor.name}" for tensor in group[:SHOWN])
    what = f"hold the same {first.size:,} bytes ({first.dtype} {list(first.shape)})"
    fix = "name each in a recipe: taking one away leaves the other"
    return Finding(
        kind="duplicate", level="concern", where=first.file, what=what, fix=fix, count=len(group), names=names
    )


def _grouped(root: Path, some: Sequence[Stored], constant: list[Stored], watch: Watch | None) -> list[list[Stored]]:
    """The groups of equal ones. What holds one value over and over goes to `constant`."""
    short = some[0].size <= SAMPLES * SAMPLE
    groups = [list(some)]
    for whole in (True,) if short else (False, True):
        finer: list[list[Stored]] = []
        for group in groups:
            by_digest: dict[str | None, list[Stored]] = defaultdict(list)
            for tensor in group:
                by_digest[_digest(root, tensor, watch, whole=whole)].append(tensor)
            if whole:
                constant += by_digest.pop(None, [])
            finer += [candidates for digest, candidates in by_digest.items() if len(candidates) > 1 or digest is None]
        groups = finer
    return groups


def _digest(root: Path, tensor: Stored, watch: Watch | None, *, whole: bool) -> str | None:
    """Of all bytes, or of samples spread evenly; `None` where all that was read is one element over and over."""
    hasher = hashlib.blake2b(digest_size=20)
    begin, plain, first = tensor.begin or 0, True, b""
    step = max(1, tensor.size // max(1, tensor.elements))
    with open_regular(root / tensor.file) as file:
        for start, length in [(begin, tensor.size)] if whole else _samples(begin, tensor.size):
            file.seek(start)
            for block in blocks(file, length, str(root / tensor.file)):
                hasher.update(block)
                first = first or bytes(block[:step])
                plain = plain and bytes(block) == (first * (-(-len(block) // step)))[: len(block)]
                if watch:
                    watch(len(block))
    return None if plain else hasher.hexdigest()


def _samples(begin: int, size: int) -> list[tuple[int, int]]:
    gap = (size - SAMPLE) // (SAMPLES - 1) // 8 * 8
    return [(begin + number * gap, SAMPLE) for number in range(SAMPLES - 1)] + [(begin + size - SAMPLE, SAMPLE)]
