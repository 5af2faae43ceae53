"""A table of sketches in which those near a given one are found by equal bands: 16 runs of 18 bits, two shared.

A copy that differs in f of its bits has a given band in common with probability (1 - f)^18, and one of them nearly
always: f = .03 misses 2 copies in a million, .05 three in ten thousand, .08 two in a hundred, .15 four in ten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.stripping.bitsketch import Bits, Pairs, distances, is_plain

BANDS = 16
CROWD = 16
"""Vectors with the same band that are compared, at most."""

_SHARED = 2
"""Bits that a band shares with the next."""
_KEYS = 1 << (15 + _SHARED)
"""Keys of a band; a vector and its negative have the same."""


@dataclass(frozen=True, slots=True)
class Table:
    """Sketches of removed vectors of one length, so that those near a given one are found at once.

    Attributes:
        pairs: what is compared.
        bits: the sketches.
        limits: bits in which a copy of each may differ.
        keys: band and folded bits of the band, sorted, 16 a sketch.
        owners: the sketch of each key.
        occupied: whether some sketch has a given key, one bit each.
    """

    pairs: Pairs
    bits: Bits
    limits: NDArray[np.int64]
    keys: NDArray[np.int32]
    owners: NDArray[np.int32]
    occupied: NDArray[np.uint8]


def make_table(pairs: Pairs, bits: Bits, limits: NDArray[np.int64]) -> Table:
    """The table of the sketches `bits`. Memory: about 170 bytes a sketch and 0.25 MiB."""
    keys = _keys(bits).reshape(-1)
    order = np.argsort(keys, kind="stable")
    occupied = np.zeros(BANDS * _KEYS, dtype=np.bool_)
    occupied[keys] = True
    packed = np.packbits(occupied, bitorder="little")
    return Table(pairs, bits, limits, keys[order], (order // BANDS).astype(np.int32), packed)


def _keys(bits: Bits) -> NDArray[np.int32]:
    """[vectors, 16]; a vector and its negative have the same."""
    words = np.ascontiguousarray(bits).view("<u2").reshape(-1, BANDS).astype(np.int32)
    shared = np.roll(words, -1, axis=1) & (1 << _SHARED) - 1
    turned = -(words >> 15)  # all ones where the highest bit is set: such a band is taken negative
    keys = ((words ^ turned) & 0x7FFF) | (shared ^ turned & (1 << _SHARED) - 1) << 15
    keys += np.arange(BANDS, dtype=np.int32) * np.int32(_KEYS)
    return keys


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of a given vector and a sketch of the table that are near enough, each once."""

    vectors: NDArray[np.int64]
    owners: NDArray[np.int64]
    apart: NDArray[np.int64]


def near(table: Table, bits: Bits) -> Matches:
    """Which of the sketches `bits` are near which of the table. Plain ones are near none."""
    keys = _keys(bits)
    vectors, bands = np.nonzero(table.occupied[keys >> 3] >> (keys & 7).astype(np.uint8) & 1)
    wanted = keys[vectors, bands]
    at = np.searchsorted(table.keys, wanted)
    found: list[NDArray[np.int64]] = []
    for _ in range(CROWD):
        owners = table.owners[at]
        apart = distances(bits[vectors], table.bits[owners])
        close = apart <= table.limits[owners]
        if close.any():
            found.append(np.stack([vectors[close], owners[close].astype(np.int64), apart[close]]))
        at = at + 1
        more = at < len(table.keys)
        more[more] = table.keys[at[more]] == wanted[more]
        vectors, wanted, at = vectors[more], wanted[more], at[more]
        if not len(at):
            break
    return _each_once(np.concatenate(found, axis=1), bits) if found else Matches(*np.empty((3, 0), dtype=np.int64))


def _each_once(found: NDArray[np.int64], bits: Bits) -> Matches:
    found = np.unique(found, axis=1)
    found = found[:, ~is_plain(bits[found[0]])]
    return Matches(found[0], found[1], found[2])
