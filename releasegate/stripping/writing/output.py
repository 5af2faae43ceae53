"""A folder that comes to be at once or not at all, with its receipt."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from releasegate.errors import StripError
from releasegate.repository.receipts import receipt_path
from releasegate.stripping.writing.copying import write_all
from releasegate.stripping.writing.target import is_receipt_of, partials, refuse_existing

SLACK = 1 << 20
"""Bytes left free beyond what the files need: folders, the receipt."""


class Output:
    """A hidden folder beside the target, which takes the target's place when it is complete.

    Attributes:
        target: the folder that shall come to be.
        root: the hidden folder.
        durable: whether what is written is on disk, not in memory alone, before it is used.
    """

    def __init__(self, target: Path, *, durable: bool) -> None:
        self.target = target
        self.root = target.with_name(f".{target.name}.{secrets.token_hex(6)}.partial")
        self._receipt = _receipt_of(self.root)
        self.durable = durable

    @contextmanager
    def create(self, name: str, size: int, *, sparse: bool) -> Iterator[int]:
        """A new file `name` of `size` bytes in the folder, as a descriptor; on disk when the block ends.

        Args:
            sparse: whether it may stay a hole where nothing is written; otherwise its room is taken at once.
        """
        path = self._place(name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            _take_room(descriptor, size, sparse=sparse)
            yield descriptor
            self._to_disk(descriptor)
        finally:
            os.close(descriptor)

    def write(self, name: str, content: bytes) -> None:
        """Nothing; the new file `name` holds `content`."""
        with self.create(name, len(content), sparse=False) as descriptor:
            write_all(descriptor, content, 0)

    def link(self, name: str, source: Path) -> None:
        """Nothing; the new file `name` is the file `source` itself under a second name.

        Raises:
            StripError: it cannot be linked to.
        """
        try:
            os.link(source, self._place(name), follow_symlinks=False)
        except OSError as error:
            what = f"cannot be linked to: {error.strerror}"
            fix = "link to files of your own, within one file system that knows hard links, or copy them"
            raise StripError(str(source), what, fix) from error

    def _place(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def publish(self, receipt: str) -> None:
        """Puts receipt and folder in their places.

        The folder comes last: until it has its name there is nothing that passes for a strip. A receipt whose folder did
        not come to have its name is swept away with the folder by the next strip to the same place. Another strip that
        publishes beside it waits, so that the receipt of one never comes to stand beside the folder of another.
        """
        for folder in sorted({self.root, *(path for path in self.root.rglob("*") if path.is_dir())}):
            self._folder_to_disk(folder)
        with self._receipt.open("xb") as file:
            file.write(receipt.encode())
            file.flush()
            self._to_disk(file.fileno())
        with _alone(self.target):
            refuse_existing(self.target)
            place = receipt_path(self.target)
            os.replace(self._receipt, place)
            try:
                self._folder_to_disk(self.target.parent)
                os.rename(self.root, self.target)
            finally:
                if self.root.exists():
                    place.unlink(missing_ok=True)
        self._folder_to_disk(self.target.parent)

    def discard(self) -> None:
        """Removes what was written, if it was not published."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._receipt.unlink(missing_ok=True)

    def _to_disk(self, descriptor: int) -> None:
        if self.durable:
            os.fsync(descriptor)

    def _folder_to_disk(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._to_disk(descriptor)
        finally:
            os.close(descriptor)


def _receipt_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.receipt")


def _take_room(descriptor: int, size: int, *, sparse: bool) -> None:
    if size and not sparse:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        else:
            return
    os.ftruncate(descriptor, size)


@contextmanager
def new_folder(target: Path, size: int, *, durable: bool = True) -> Iterator[Output]:
    """An empty hidden folder for what will become `target`; removed if the block ends without `publish`.

    Args:
        target: the folder that shall come to be.
        size: bytes that will be written.
        durable: whether everything is on disk, not in memory alone, before it takes the target's place.

    Raises:
        StripError: `target` or its receipt is there already, or the disk is too full.
    """
    output = Output(target, durable=durable)
    with ExitStack() as held:
        held.callback(output.discard)  # after an interrupt too: nothing half-written may stay
        with _alone(target):  # nobody sweeps the folder away before it has its lock
            _sweep(target)
            refuse_existing(target)
            _require_room(target.parent, size + SLACK)
            output.root.mkdir()
            held.enter_context(_locked(output.root))
        yield output


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """No other strip to `target` is in such a block meanwhile. The lock falls when the process is killed.

    The file that is locked goes with the block; one that a killed process left is taken over.
    """
    place = target.with_name(f".{target.name}.lock")
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, place):  # and was not taken away while we waited
                try:
                    yield
                finally:
                    place.unlink()
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place, follow_symlinks=False))
    except FileNotFoundError:
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the lock of `folder` could be had. It falls when the block ends, and when the process is killed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
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
    for path in partials(target):
        with _locked(path) as free:
            if free:
                if is_receipt_of(target, path):
                    receipt_path(target).unlink()
                _receipt_of(path).unlink(missing_ok=True)
                shutil.rmtree(path)


def _require_room(parent: Path, size: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < size:
        what = f"has {free:,} bytes free, and the strip needs {size:,}"
        raise StripError(str(parent), what, "free some space, or choose another disk")
