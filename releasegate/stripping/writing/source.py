"""A file of the source, read at given places. It is never mapped into memory: one that shrinks must not kill the process."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from releasegate.checkpoint.files import open_regular
from releasegate.errors import CheckpointError, StripError

BLOCK = 512 << 10
"""Bytes that are read, hashed and written in one go: they stay in the processor's cache."""
ZEROS = memoryview(bytes(BLOCK))


class Run(NamedTuple):
    """Bytes from `begin` up to `end` that are all on disk, or all in a hole, where they read as zeros."""

    begin: int
    end: int
    hole: bool


class SourceFile:
    """An open file of the source.

    Attributes:
        path: where it is.
        descriptor: of the open file.
        size: bytes, when it was opened.
        sparse: whether it may have holes.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._opened = os.fstat(descriptor)
        self.size = self._opened.st_size
        self.sparse = self._opened.st_blocks * 512 < self.size

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Nothing; `buffer` holds the bytes from `offset` on.

        Raises:
            StripError: the file was written to since it was opened.
            CheckpointError: the file ends before, or cannot be read.
        """
        done = 0
        while done < len(buffer):
            try:
                count = os.preadv(self.descriptor, [buffer[done:]], offset + done)
            except OSError as error:
                fix = "check the disk that the source is on"
                raise CheckpointError(str(self.path), f"cannot be read: {error.strerror}", fix) from None
            if not count:
                self.require_unchanged()
                what = f"ends {len(buffer) - done:,} bytes too early"
                raise CheckpointError(str(self.path), what, "is something else writing to it? try again")
            done += count

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on; for small parts."""
        buffer = bytearray(size)
        self.read_into(memoryview(buffer), offset)
        return bytes(buffer)

    def runs(self, begin: int, end: int) -> Iterator[Run]:
        """What lies between `begin` and `end`: data and holes by turns."""
        while begin < end:
            run = self._run(begin, end) if self.sparse else Run(begin, end, hole=False)
            yield run
            begin = run.end

    def _run(self, begin: int, end: int) -> Run:
        data = _seek(self.descriptor, begin, os.SEEK_DATA)
        if data is None or data > begin:
            return Run(begin, end if data is None else min(data, end), hole=True)
        hole = _seek(self.descriptor, begin, os.SEEK_HOLE)
        return Run(begin, end if hole is None else min(max(hole, begin + 1), end), hole=False)

    def is_hole(self, begin: int, end: int) -> bool:
        """Whether all bytes from `begin` up to `end` lie in a hole."""
        return self.sparse and all(run.hole for run in self.runs(begin, end))

    def data_bytes(self, begin: int, end: int) -> int:
        """How many of the bytes from `begin` up to `end` lie in no hole."""
        return sum(run.end - run.begin for run in self.runs(begin, end) if not run.hole)

    def require_unchanged(self) -> None:
        """Raises StripError if the file was written to since it was opened."""
        now = os.fstat(self.descriptor)
        if (now.st_size, now.st_mtime_ns) != (self.size, self._opened.st_mtime_ns):
            raise changed(self.path)


def changed(path: Path) -> StripError:
    """The error that a file of the source is not what it was."""
    what = "changed since the checkpoint was opened"
    return StripError(str(path), what, "nothing may write to the source; open it again")


def _seek(descriptor: int, offset: int, whence: int) -> int | None:
    """Where the next data or hole begins; `None` if there is none up to the end of the file."""
    try:
        return os.lseek(descriptor, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


@contextmanager
def open_source(path: Path) -> Iterator[SourceFile]:
    """The file at `path`, open while the block lasts.

    Raises:
        CheckpointError: it cannot be opened or is not a regular file.
    """
    with open_regular(path) as file:
        yield SourceFile(path, file.fileno())
