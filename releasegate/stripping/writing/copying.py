"""Bytes of the source into the output without looking at them: shared with it, else copied by the kernel, else copied."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Literal

from releasegate.checkpoint import Watch
from releasegate.stripping.writing.source import BLOCK, SourceFile

Method = Literal["clone", "kernel", "blocks"]
"""How a range was copied: `FICLONERANGE`, `copy_file_range`, or read and write."""

GRID = 4096
"""Bytes of a block of the file system; ranges are shared in whole blocks."""
_FICLONERANGE = 0x4020940D
_CANNOT = {
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ENOTTY,
    errno.EPERM,
    errno.EBADF,
    errno.ETXTBSY,
}
"""What a file system or kernel answers that cannot do it, or not with these two files."""
_AT_ONCE = 64 << 20


def copy_range(source: SourceFile, begin: int, target: int, place: int, size: int, tell: Watch) -> set[Method]:
    """How the bytes came to the output; holes of the source were left out.

    Args:
        source: the file.
        begin: the first byte there.
        target: descriptor of the output's file.
        place: where the first byte goes.
        size: how many.
        tell: is told the number of bytes done.

    Raises:
        CheckpointError: the source ends too early, or cannot be read.
        OSError: the output cannot be written.
    """
    used: set[Method] = set()
    for run in source.runs(begin, begin + size):
        if run.hole:
            tell(run.end - run.begin)
        else:
            used |= _copy_data(source, run.begin, target, place + run.begin - begin, run.end - run.begin, tell)
    return used


def _copy_data(source: SourceFile, begin: int, target: int, place: int, size: int, tell: Watch) -> set[Method]:
    used: set[Method] = set()
    end, shift = begin + size, place - begin
    first, last = -(-begin // GRID) * GRID, end // GRID * GRID
    if shift % GRID == 0 and last > first and clone(source.descriptor, first, target, first + shift, last - first):
        tell(last - first)
        used.add("clone")
        parts = [(begin, first), (last, end)]
    else:
        parts = [(begin, end)]
    for at, stop in parts:
        at = _by_kernel(source, at, stop, target, shift, tell, used)
        if at < stop:
            used.add("blocks")
            _by_blocks(source, at, stop, target, shift, tell)
    return used


def clone(source: int, begin: int, target: int, place: int, size: int) -> bool:
    """Whether the two files now share these bytes; all numbers are multiples of `GRID`."""
    try:
        fcntl.ioctl(target, _FICLONERANGE, struct.pack("=qQQQ", source, begin, size, place))
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _by_kernel(source: SourceFile, at: int, stop: int, target: int, shift: int, tell: Watch, used: set[Method]) -> int:
    """Where the kernel stopped to copy."""
    while at < stop:
        try:
            count = os.copy_file_range(source.descriptor, target, min(_AT_ONCE, stop - at), at, at + shift)
        except OSError as error:
            if error.errno in _CANNOT:
                return at
            raise
        if not count:
            return at
        used.add("kernel")
        at += count
        tell(count)
    return at


def _by_blocks(source: SourceFile, at: int, stop: int, target: int, shift: int, tell: Watch) -> None:
    buffer = memoryview(bytearray(min(BLOCK, stop - at)))
    while at < stop:
        block = buffer[: min(BLOCK, stop - at)]
        source.read_into(block, at)
        write_all(target, block, at + shift)
        at += len(block)
        tell(len(block))


def write_all(target: int, data: memoryview | bytes, place: int) -> None:
    """Nothing; `data` stands in the file `target` at `place`."""
    left = memoryview(data)
    while left:
        count = os.pwrite(target, left, place)
        left, place = left[count:], place + count
