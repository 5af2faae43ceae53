"""A folder that comes to be at once or not at all, with its receipt."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from releasegate.errors import StripError
from releasegate.manifest import FileEntry
from releasegate.repository.receipts import receipt_path

SLACK = 1 << 20
"""Bytes left free beyond what the files need: folders, the receipt."""


class Created:
    """A file that is being written, with its digest."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name = name
        self._file = file
        self._hasher = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Appends `data`."""
        self._file.write(data)
        self._hasher.update(data)
        self._size += len(data)

    def entry(self) -> FileEntry:
        """Name, size and digest of what was written."""
        return FileEntry(path=self._name, size=self._size, sha256="sha256:" + self._hasher.hexdigest())


class Output:
    """A hidden folder beside the target, which takes the target's place when it is complete."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.root = target.with_name(f".{target.name}.{secrets.token_hex(6)}.partial")
        self._receipt = _receipt_of(self.root)

    @contextmanager
    def create(self, name: str) -> Iterator[Created]:
        """A new file `name` in the folder; on disk when the block ends."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            yield Created(name, file)
            _to_disk(file)

    def publish(self, receipt: str) -> None:
        """Puts receipt and folder in their places.

        The folder comes last: until it has its name there is nothing that passes for a strip, and a receipt without a
        folder is overwritten by the next strip.
        """
        for folder in sorted({self.root, *(path for path in self.root.rglob("*") if path.is_dir())}):
            _folder_to_disk(folder)
        with self._receipt.open("xb") as file:
            file.write(receipt.encode())
            _to_disk(file)
        refuse_existing(self.target)
        place = receipt_path(self.target)
        os.replace(self._receipt, place)
        try:
            _folder_to_disk(self.target.parent)
            os.rename(self.root, self.target)
        finally:
            if self.root.exists():
                place.unlink(missing_ok=True)
        _folder_to_disk(self.target.parent)

    def discard(self) -> None:
        """Removes what was written, if it was not published."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._receipt.unlink(missing_ok=True)


def _receipt_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.receipt")


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_folder(target: Path, size: int) -> Iterator[Output]:
    """An empty hidden folder for what will become `target`; removed if the block ends without `publish`.

    Args:
        target: the folder that shall come to be.
        size: bytes that will be written.

    Raises:
        StripError: `target` is there already, its parent is not, or the disk is too full.
    """
    refuse_existing(target)
    _sweep(target)
    _require_room(target.parent, size + SLACK)
    output = Output(target)
    try:
        output.root.mkdir()
        with _locked(output.root):
            yield output
    finally:  # after an interrupt too: nothing half-written may stay
        output.discard()


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the lock of `folder` could be had. It falls when the block ends, and when the process is killed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _sweep(target: Path) -> None:
    """Removes what killed strips to the same target left behind; one that is still running holds its lock."""
    left = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.partial")
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        if left.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with _locked(path) as free:
                if free:
                    _receipt_of(path).unlink(missing_ok=True)
                    shutil.rmtree(path)


def refuse_existing(target: Path) -> None:
    """Raises StripError if there is something at `target`."""
    if os.path.lexists(target):
        raise StripError(
            str(target), "exists already", "choose another place, or remove it: a strip overwrites nothing"
        )


def _require_room(parent: Path, size: int) -> None:
    if not parent.is_dir():
        raise StripError(str(parent), "is not a folder", "create the folder that shall hold the stripped checkpoint")
    free = shutil.disk_usage(parent).free
    if free < size:
        what = f"has {free:,} bytes free, and the strip needs {size:,}"
        raise StripError(str(parent), what, "free some space, or choose another disk")
