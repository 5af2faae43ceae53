"""The digests of a folder's files, and of the tensors in them, in one pass over the bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from releasegate.checkpoint.files import blocks, list_files, open_regular
from releasegate.checkpoint.headers import Header, read_header
from releasegate.checkpoint.parallel import Watch, in_parallel
from releasegate.errors import CheckpointError
from releasegate.manifest import FileEntry, Manifest, parts_digest


@dataclass(frozen=True, slots=True)
class Digests:
    """What the files of a folder are.

    Attributes:
        manifest: every file, sorted by path.
        tensors: the digest of each tensor's data, by file and name; of files that have a digest of their parts.
    """

    manifest: Manifest
    tensors: Mapping[str, Mapping[str, str]]


def read_manifest(folder: Path, watch: Watch | None = None, like: Manifest | None = None) -> Manifest:
    """Every file under `folder`, dot-files included, with size and digest, sorted by path.

    Args:
        folder: a checkpoint.
        watch: is told the number of bytes read.
        like: a manifest to compare with: a file that has the digest of its bytes there gets that here, too.

    Raises:
        NotFound: there is no such folder.
        CheckpointError: a symlink, something that is not a regular file, a name that cannot be carried to another
            machine, two names that differ only in case, or an empty folder.
    """
    return read_digests(folder, watch, like).manifest


def read_digests(folder: Path, watch: Watch | None = None, like: Manifest | None = None) -> Digests:
    """The manifest of `folder`, as `read_manifest` gives it, and the digests of the tensors."""
    whole = {entry.path for entry in like.files if entry.parts is None} if like else set()
    names = list_files(folder)
    found = in_parallel(lambda name, tell: _digests(folder, name, tell, whole=name in whole), names, watch)
    return Digests(
        Manifest(files=tuple(entry for entry, _ in found)),
        {entry.path: tensors for entry, tensors in found if entry.parts is not None},
    )


def _digests(root: Path, name: str, tell: Watch, *, whole: bool) -> tuple[FileEntry, Mapping[str, str]]:
    path = root / name
    header = None if whole or not name.lower().endswith(".safetensors") else _header(path)
    tensors: dict[str, str] = {}
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if header is None:
            entry = FileEntry(path=name, size=size, sha256=_sha256(file, size, path, tell))
        else:
            entry, tensors = _by_parts(file, name, header, size, path, tell)
        if file.read(1):
            raise CheckpointError(str(path), "grew while it was read", "is something else writing to it? try again")
    return entry, tensors


def _header(path: Path) -> Header | None:
    """`None` for what is no sound safetensors file: it has the digest of its bytes, and whoever opens it refuses it."""
    try:
        return read_header(path)
    except CheckpointError:
        return None


def _by_parts(
    file: BinaryIO, name: str, header: Header, size: int, path: Path, tell: Watch
) -> tuple[FileEntry, dict[str, str]]:
    first = _sha256(file, header.data_start, path, tell)
    tensors = {entry.name: _sha256(file, entry.size, path, tell) for entry in header.in_file_order()}
    return FileEntry(path=name, size=size, parts=parts_digest(first, list(tensors.values()))), tensors


def _sha256(file: BinaryIO, size: int, path: Path, tell: Watch) -> str:
    hasher = hashlib.sha256()
    for block in blocks(file, size, str(path)):
        hasher.update(block)
        tell(len(block))
    return "sha256:" + hasher.hexdigest()
