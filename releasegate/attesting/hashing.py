"""Every file of a folder with the sha256 of its bytes: at the speed of `sha256sum`, in constant memory, in one pass.

What is not a plain file is never opened. The folder is listed before and after, so that a file that changes while it is
read, or comes or goes meanwhile, is seen.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.parallel import Watch, in_parallel
from releasegate.errors import NotFound, VerifyError
from releasegate.manifest import RelativePath
from releasegate.released import BUNDLE, ReleasedFile

BLOCK = 2 << 20
"""Bytes that are hashed while as many are read."""

_PATH: TypeAdapter[str] = TypeAdapter(RelativePath)
_AGAIN = "is something else writing to it? let it finish, and verify again"


@dataclass(frozen=True)
class Odd:
    """Something in a folder that is no plain file with a name that every file system carries.

    Attributes:
        path: where it lies, fit to be printed.
        what: what is wrong with it, such as `is a symlink`.
    """

    path: str
    what: str


@dataclass(frozen=True)
class Listing:
    """What lies in a folder, not read yet.

    Attributes:
        files: the plain files by path, each with what tells it from another one, and from itself after a change.
        odd: everything else, in the order of its paths.
    """

    files: dict[str, tuple[int, ...]]
    odd: tuple[Odd, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(identity[_SIZE] for identity in self.files.values())


@dataclass(frozen=True)
class Hashed:
    """What lies in a folder, read.

    Attributes:
        files: the plain files, sorted by path.
        odd: everything else, in the order of its paths.
    """

    files: tuple[ReleasedFile, ...]
    odd: tuple[Odd, ...]

    @property
    def bundle(self) -> str | None:
        """The digest, `sha256:…`, of the attestations that lie in the folder; None: there are none."""
        return next((file.sha256 for file in self.files if file.path == BUNDLE), None)


def hash_folder(folder: Path, watch: Watch | None = None) -> Hashed:
    """Every file of the folder, dot-files included, with its size and digest.

    Args:
        watch: is told the bytes that were read.

    Raises:
        NotFound: there is no such folder.
        VerifyError: it cannot be read, or changed while it was.
    """
    before = list_folder(folder)
    digests = in_parallel(
        lambda path, tell: _hash_file(folder / path, before.files[path], tell), list(before.files), watch
    )
    after = list_folder(folder)
    if after != before:
        changed = sorted(set(before.files.items()) ^ set(after.files.items()))
        name = changed[0][0] if changed else min({one.path for one in {*before.odd} ^ {*after.odd}})
        raise VerifyError(str(folder / name), "changed, came or went while the folder was read", _AGAIN)
    files = (
        ReleasedFile(path=path, size=before.files[path][_SIZE], sha256=digest)
        for path, digest in zip(before.files, digests, strict=True)
    )
    return Hashed(tuple(files), before.odd)


def list_folder(folder: Path) -> Listing:
    """What lies in the folder, sorted by path; nothing is opened, and no symlink below the folder is followed.

    Raises:
        NotFound: there is no such folder.
        VerifyError: it, or a folder in it, cannot be read.
    """
    if not folder.is_dir():
        what = "is a file, where a folder is wanted" if folder.exists() else "there is no such folder"
        raise NotFound(str(folder), what, "name the folder that was released")
    files: dict[str, tuple[int, ...]] = {}
    odd: list[Odd] = []
    below = [""]
    while below:
        inside = below.pop()
        entries = _entries(folder, inside)
        if inside and not entries:
            odd.append(Odd(shown(inside), "is an empty folder"))
        for name, status in entries:
            path = f"{inside}{name}"
            wrong = _odd(path, status.st_mode)
            if wrong is not None:
                odd.append(Odd(shown(path), wrong))
            elif stat.S_ISDIR(status.st_mode):
                below.append(f"{path}/")
            else:
                files[path] = _identity(status)
    return Listing(dict(sorted(files.items())), tuple(sorted(odd, key=lambda one: one.path)))


def shown(text: str) -> str:
    """A path, or another text, fit to be printed: as it is, or with escapes where it holds what hides, moves or is no text.

    >>> shown("a/b.json"), shown("a\\u202etxt")
    ('a/b.json', 'a\\\\u202etxt')
    """
    return text if text.isprintable() else ascii(text)[1:-1]


def _entries(folder: Path, inside: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder / inside) as found:
            return [(entry.name, entry.stat(follow_symlinks=False)) for entry in found]
    except OSError as error:
        place = str(folder / shown(inside))
        raise VerifyError(place, f"cannot be read: {error.strerror}", "check its permissions") from None


def _odd(path: str, mode: int) -> str | None:
    """What is wrong with something that lies at a path; None of a plain file, and of a folder, with a usable name."""
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISLNK, "is a symlink"),
        (stat.S_ISFIFO, "is a pipe"),
        (stat.S_ISSOCK, "is a socket"),
    )
    for is_kind, what in kinds:
        if is_kind(mode):
            return what
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return "is a device"
    try:
        _PATH.validate_python(path)
    except ValidationError:
        return "has a name that is too long, is no text, or holds a backslash or an unprintable character"
    return None


_SIZE = 2


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another one, and from itself once it was written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _hash_file(path: Path, expected: tuple[int, ...], tell: Watch) -> str:
    """`sha256:…` of the file's bytes.

    Args:
        expected: what the listing says of it.

    Raises:
        VerifyError: it cannot be read, or is not the file that was listed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise VerifyError(str(path), f"cannot be opened: {error.strerror}", "check its permissions") from None
    try:
        if _identity(os.fstat(descriptor)) != expected:
            raise VerifyError(str(path), "changed while the folder was read", _AGAIN)
        digest = hashlib.sha256()
        read = 0
        for block in _blocks(descriptor, expected[_SIZE]):
            digest.update(block)
            read += len(block)
            tell(len(block))
        if read != expected[_SIZE] or _identity(os.fstat(descriptor)) != expected:
            raise VerifyError(str(path), "changed while it was read", _AGAIN)
    except OSError as error:
        raise VerifyError(str(path), f"cannot be read: {error.strerror}", "is the disk sound?") from None
    finally:
        os.close(descriptor)
    return f"sha256:{digest.hexdigest()}"


def _blocks(descriptor: int, size: int) -> Iterator[memoryview]:
    """At most `size` bytes of a file, in pieces; each is valid until the next is asked for.

    While a piece is with the caller, the next one is read: copying bytes from the page cache takes a fifth of the time
    that hashing takes.
    """
    if size <= BLOCK:
        buffer = memoryview(bytearray(size))
        while count := os.readv(descriptor, [buffer]):
            yield buffer[:count]
            buffer = buffer[count:]
        return
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    now, then = (memoryview(bytearray(BLOCK)) for _ in range(2))
    left = size
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(os.readv, descriptor, [now[: min(BLOCK, left)]])
        while count := ahead.result():
            left -= count
            if left:
                ahead = reader.submit(os.readv, descriptor, [then[: min(BLOCK, left)]])
            yield now[:count]
            if not left:
                return
            now, then = then, now
