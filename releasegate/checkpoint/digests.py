"""The digests of a folder's files, and of the tensors in them, in one pass over the bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

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
        whole: the digest of all bytes of each file, if it was asked for; otherwise of those whose entry is that digest.
    """

    manifest: Manifest
    tensors: Mapping[str, Mapping[str, str]]
    whole: Mapping[str, str]


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


def read_digests(
    folder: Path, watch: Watch | None = None, like: Manifest | None = None, *, whole: bool = False
) -> Digests:
    """The manifest of `folder`, as `read_manifest` gives it, and the digests of the tensors.

    Args:
        whole: whether to take the digest of all bytes of every file, too.
    """
    unparted = {entry.path for entry in like.files if entry.parts is None} if like else set()
    names = list_files(folder)

    def work(name: str, tell: Watch) -> _Found:
        return _digests(folder, name, tell, by_parts=name not in unparted, whole=whole)

    found = in_parallel(work, names, watch)
    return Digests(
        Manifest(files=tuple(one.entry for one in found)),
        {one.entry.path: one.tensors for one in found if one.entry.parts is not None},
        {one.entry.path: one.whole for one in found if one.whole is not None},
    )


class _Found(NamedTuple):
    """What one file is."""

    entry: FileEntry
    tensors: Mapping[str, str]
    whole: str | None


def _digests(root: Path, name: str, tell: Watch, *, by_parts: bool, whole: bool) -> _Found:
    path = root / name
    header = _header(path) if by_parts and name.endswith(".safetensors") else None
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if header is None:
            digest = _sha256(file, size, path, tell)
            found = _Found(FileEntry(path=name, size=size, sha256=digest), {}, digest)
        else:
            found = _by_parts(file, name, header, size, path, tell, hashlib.sha256() if whole else None)
        if file.read(1):
            raise CheckpointError(str(path), "grew while it was read", "is something else writing to it? try again")
    return found


def _header(path: Path) -> Header | None:
    """`None` for what is no sound safetensors file: it has the digest of its bytes, and whoever opens it refuses it."""
    try:
        return read_header(path)
    except CheckpointError:
        return None


def _by_parts(
    file: BinaryIO, name: str, header: Header, size: int, path: Path, tell: Watch, whole: hashlib._Hash | None
) -> _Found:
    first = _sha256(file, header.data_start, path, tell, whole)
    tensors = {entry.name: _sha256(file, entry.size, path, tell, whole) for entry in header.in_file_order()}
    entry = FileEntry(path=name, size=size, parts=parts_digest(first, list(tensors.values())))
    return _Found(entry, tensors, None if whole is None else "sha256:" + whole.hexdigest())


def _sha256(file: BinaryIO, size: int, path: Path, tell: Watch, whole: hashlib._Hash | None = None) -> str:
    """The digest of the next `size` bytes, which `whole` is fed with, too."""
    hasher = hashlib.sha256()
    for block in blocks(file, size, str(path)):
        hasher.update(block)
        if whole is not None:
            whole.update(block)
        tell(len(block))
    return "sha256:" + hasher.hexdigest()
