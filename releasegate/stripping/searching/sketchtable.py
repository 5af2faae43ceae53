"""A table of sketches in which those near a given one are found by equal bands: 16 runs of 18 bits, two shared.

A copy that differs in f of its bits has a given band in common with probability (1 - f)^18, and one of them nearly
always: f = .03 misses 2 copies in a million, .05 three in ten thousand, .08 two in a hundred, .15 four in ten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.stripping.searching.bitsketch import Bits, Pairs, is_plain, ones

BANDS = 16
CROWD = 16
"""Vectors with the same band that are compared, at most."""

_SHARED = 2
"""Bits that a band shares with the next."""
_KEYS = 1 << (16 + _SHARED)
"""Keys of a band."""
_BATCH = 1 << 16
"""Keys that are entered at once."""
_LOAD = 16
_MIX = np.uint32(0x9E3779B1)


@dataclass(frozen=True, slots=True)
class Table:
    """Sketches of removed vectors of one length, so that those near a given one are found at once.

    Attributes:
        pairs: what is compared.
        bits: the sketches, then those of the negatives of the same vectors.
        limits: bits in which a copy of each may differ, negatives too.
        keys: band and bits of the band, sorted, 16 a sketch.
        owners: the place in `bits` of each key's sketch.
        occupied: whether some key has a given place, one bit each.
    """

    pairs: Pairs
    bits: Bits
    limits: NDArray[np.int64]
    keys: NDArray[np.int32]
    owners: NDArray[np.int32]
    occupied: NDArray[np.uint8]


def make_table(pairs: Pairs, bits: Bits, negatives: Bits, limits: NDArray[np.int64]) -> Table:
    """The table of the sketches `bits`. Memory: about 400 bytes a sketch.

    Args:
        pairs: what was compared.
        bits: the sketches.
        negatives: sketches of the negatives: where elements are equal, their bits are not the opposite ones.
        limits: bits in which a copy of each may differ.
    """
    both = np.concatenate([bits, negatives])
    keys = _keys(both).reshape(-1)
    size = max(8, min(BANDS * _KEYS, 1 << (len(keys) * _LOAD).bit_length()))
    packed = np.zeros(size >> 3, dtype=np.uint8)
    for first in range(0, len(keys), _BATCH):
        places = _places(keys[first : first + _BATCH], size)
        np.bitwise_or.at(packed, places >> 3, np.uint8(1) << (places & 7).astype(np.uint8))
    order = np.argsort(keys, kind="stable").astype(np.int32)
    keys = keys[order]
    order //= BANDS
    return Table(pairs, both, np.tile(limits, 2), keys, order, packed)


def _places(keys: NDArray[np.int32], size: int) -> NDArray[np.uint32]:
    """A number below `size`, a power of two, for each key."""
    if size == BANDS * _KEYS:
        return keys.view(np.uint32)
    return keys.view(np.uint32) * _MIX >> np.uint32(33 - size.bit_length())


def _keys(bits: Bits) -> NDArray[np.int32]:
    """[vectors, 16]"""
    keys = np.ascontiguousarray(bits).view("<u2").reshape(-1, BANDS).astype(np.int32)
    shared = np.roll(keys, -1, axis=1) & (1 << _SHARED) - 1
    keys |= shared << 16
    keys += np.arange(BANDS, dtype=np.int32) * np.int32(_KEYS)
    return keys


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of a given vector and a removed one (or its negative) that are near enough, each once."""

    vectors: NDArray[np.int64]
    owners: NDArray[np.int64]
    apart: NDArray[np.int64]


def near(table: Table, bits: Bits) -> Matches:
    """Which of the sketches `bits` are near which of the table. Plain ones are near none."""
    keys = _keys(bits)
    at_places = _places(keys, len(table.occupied) * 8)
    vectors, bands = np.nonzero(table.occupied[at_places >> 3] >> (at_places & 7).astype(np.uint8) & 1)
    wanted = keys[vectors, bands]
    at = np.searchsorted(table.keys, wanted)
    found: list[NDArray[np.int64]] = []
    count = len(table.bits) // 2
    for _ in range(CROWD):
        same = at < len(table.keys)
        same[same] = table.keys[at[same]] == wanted[same]
        vectors, wanted, at = vectors[same], wanted[same], at[same]
        if not len(at):
            break
        owners = table.owners[at]
        apart = ones(bits[vectors] ^ table.bits[owners])
        close = apart <= table.limits[owners]
        if close.any():
            found.append(np.stack([vectors[close], owners[close] % count, apart[close]]))
        at = at + 1
    return _each_once(np.concatenate(found, axis=1), bits) if found else Matches(*np.empty((3, 0), dtype=np.int64))


def _each_once(found: NDArray[np.int64], bits: Bits) -> Matches:
    found = np.unique(found, axis=1)
    found = found[:, ~is_plain(bits[found[0]])]
    return Matches(found[0], found[1], found[2])
