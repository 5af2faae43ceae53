"""The search for removed bytes that stand in a kept tensor with others between them, and values that are no numbers.

A row in the low half of wider numbers, one byte of it in each number, or each second, third or fourth number of a
tensor, is a row again once the bytes are taken apart. Each such *plane* is searched as files are. The halves of numbers
of four and eight bytes are searched in full; other planes in at most `MOST_SPREAD` bytes of a strip, in blocks spread
over its tensors evenly: a copy of much is met there, a copy of a few rows in a large checkpoint may not be.

Infinities and NaNs are counted on the way: the 22 bits (of 64-bit numbers 51) below a NaN's first can be anything.

Cost, in CPU seconds for a GiB: see `docs/leftovers.md`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import BITS, Entry, Header
from releasegate.stripping.searching.leftovers import Needles, search_held

STRIDES = (2, 3, 4)
"""A removed number may be each second, third or fourth of a tensor."""
MOST_SPREAD = 256 << 20
"""Bytes of tensors in which planes other than halves are searched, in one strip."""
BLOCK = 96 * 8192
"""Bytes that are taken apart at once: a multiple of every width."""

_MARGIN = 96 * 128
_EXPONENTS: Mapping[str, tuple[str, int, int]] = {
    "F16": ("<u2", 0x7C00, 0x0200),
    "BF16": ("<u2", 0x7F80, 0x0040),
    "F32": ("<u4", 0x7F800000, 0x00400000),
    "F64": ("<u8", 0x7FF0000000000000, 0x0008000000000000),
}
"""For floats: how they are stored, the bits of the exponent, and the one bit that a plain NaN has set below them."""


@dataclass(frozen=True, slots=True)
class PlaneFinding:
    """A piece of `part` in `tensor` of `file`: `size` bytes of it at a time, in each `width` bytes, from byte `offset` on."""

    part: str
    file: str
    tensor: str
    size: int
    width: int
    offset: int


@dataclass(slots=True)
class NonFinite:
    """Infinities and NaNs of one tensor.

    Attributes:
        count: of all.
        mixed: of those that are not of the most frequent bits of a block.
        odd: NaNs with other bits than arithmetic leaves.
    """

    count: int = 0
    mixed: int = 0
    odd: int = 0


@dataclass(slots=True)
class Planes:
    """A search under way, over all files of tensors of an output.

    Attributes:
        non_finite: what was counted so far, by file and tensor; of tensors that have some.
    """

    needles: Needles
    root: Path
    headers: Mapping[str, Header]
    non_finite: dict[tuple[str, str], NonFinite] = field(default_factory=dict)

    def search(self) -> Iterator[PlaneFinding]:
        """What is found, in the order of the files.

        Raises:
            CheckpointError: a file cannot be read.
        """
        total = sum(entry.size for header in self.headers.values() for entry in header.entries.values())
        every = max(1, -(-total // MOST_SPREAD))
        number = 0
        for name, header in self.headers.items():
            with open_regular(self.root / name) as file:
                for entry in header.in_file_order():
                    for first in range(0, entry.size, BLOCK):
                        held = _read(file, header.data_start + entry.begin, entry.size, first)
                        self._count(name, entry, held[: min(BLOCK, entry.size - first)])
                        if self.needles.parts:
                            yield from self._taken_apart(name, entry, held, first, spread=number % every == 0)
                        number += 1

    def _taken_apart(
        self, name: str, entry: Entry, held: NDArray[np.uint8], first: int, *, spread: bool
    ) -> Iterator[PlaneFinding]:
        for width, size in splits(BITS[entry.dtype] // 8, spread=spread):
            whole = held[: len(held) // width * width].view(f"<u{size}")
            for plane in range(0, width, size):
                stream = np.ascontiguousarray(whole[plane // size :: width // size]).view(np.uint8)
                for piece, start in search_held(self.needles, stream):
                    offset = first + start // size * width + plane
                    if offset < first + BLOCK:
                        for part in self.needles.parts[piece]:
                            yield PlaneFinding(part, name, entry.name, size, width, offset)

    def _count(self, name: str, entry: Entry, held: NDArray[np.uint8]) -> None:
        if entry.dtype not in _EXPONENTS:
            return
        stored, exponent, quiet = _EXPONENTS[entry.dtype]
        values = held[: len(held) // np.dtype(stored).itemsize * np.dtype(stored).itemsize].view(stored)
        bits = values & np.array(exponent, dtype=stored)
        if not len(values) or bits.max() != exponent:
            return
        odd_ones = values[bits == exponent]
        tally = self.non_finite.setdefault((name, entry.name), NonFinite())
        tally.count += len(odd_ones)
        tally.mixed += len(odd_ones) - max(Counter(odd_ones.tolist()).values())
        below = odd_ones & np.array(2 * quiet - 1, dtype=stored)
        plain = (below == 0) | (below == quiet) | (below == 2 * quiet - 1)
        tally.odd += int(len(odd_ones) - np.count_nonzero(plain))


def splits(item: int, *, spread: bool) -> list[tuple[int, int]]:
    """How numbers of `item` bytes are taken apart: pairs of a width in bytes and of how many of them are a plane's.

    Args:
        item: bytes of a number; 0 where a number is less than a byte.
        spread: whether planes other than halves are asked for too.

    >>> splits(4, spread=False), splits(2, spread=True)
    ([(4, 2)], [(2, 1), (4, 2), (6, 2), (8, 2)])
    """
    if not item:
        return []
    found = [(item, item // 2)] if item > 2 else []
    if spread:
        found += [(item, size) for size in (4, 2, 1) if size < item and (item, size) not in found]
        found += [(item * stride, item) for stride in STRIDES]
    return found


def _read(file: BinaryIO, base: int, size: int, first: int) -> NDArray[np.uint8]:
    """A block of a tensor from its byte `first` on, and what a window that begins in it needs of the next."""
    held = np.empty(min(BLOCK + _MARGIN, size - first), dtype=np.uint8)
    return held[: os.preadv(file.fileno(), [held.data], base + first)]
