"""A table of sketches in which those near a given one are found by equal bands: 16 runs of 16 bits.

A copy that differs in f of its bits has a given band in common with probability (1 - f)^16, and some band nearly
always: f = .03 misses 3 in 10 million, .08 eight in a thousand, .15 three in ten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.stripping.bitsketch import Bits, Pairs, distances, is_plain

BANDS = 16
CROWD = 16
"""Vectors with the same band that are compared, at most."""

_KEYS = 1 << 15
"""Keys of a band: 16 bits, with a vector and its negative counted as one."""


@dataclass(frozen=True, slots=True)
class Table:
    """Sketches of removed vectors of one length, so that those near a given one are found at once.

    Attributes:
        pairs: what is compared.
        bits: the sketches.
        limits: bits in which a copy of each may differ.
        keys: band and folded bits of the band, sorted, 16 a sketch.
        owners: the sketch of each key.
        occupied: whether some sketch has a given key.
    """

    pairs: Pairs
    bits: Bits
    limits: NDArray[np.int64]
    keys: NDArray[np.int32]
    owners: NDArray[np.int32]
    occupied: NDArray[np.bool_]


def make_table(pairs: Pairs, bits: Bits, limits: NDArray[np.int64]) -> Table:
    """The table of the sketches `bits`. Memory: about 170 bytes a sketch and 0.5 MiB."""
    keys = _keys(bits).reshape(-1)
    order = np.argsort(keys, kind="stable")
    occupied = np.zeros(BANDS * _KEYS, dtype=np.bool_)
    occupied[keys] = True
    return Table(pairs, bits, limits, keys[order], (order // BANDS).astype(np.int32), occupied)


def _keys(bits: Bits) -> NDArray[np.int32]:
    """[vectors, 16]; a vector and its negative have the same."""
    bands = np.ascontiguousarray(bits).view("<u2").reshape(-1, BANDS)
    folded = np.where(bands >= _KEYS, ~bands, bands).astype(np.int32)
    return folded + np.arange(BANDS, dtype=np.int32) * np.int32(_KEYS)


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of a given vector and a sketch of the table that are near enough, each once."""

    vectors: NDArray[np.int64]
    owners: NDArray[np.int64]
    apart: NDArray[np.int64]


def near(table: Table, bits: Bits) -> Matches:
    """Which of the sketches `bits` are near which of the table. Plain ones are near none."""
    keys = _keys(bits)
    vectors, bands = np.nonzero(table.occupied[keys])
    wanted = keys[vectors, bands]
    at = np.searchsorted(table.keys, wanted)
    found = [np.empty((3, 0), dtype=np.int64)]
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
    return _each_once(np.concatenate(found, axis=1), bits)


def _each_once(found: NDArray[np.int64], bits: Bits) -> Matches:
    found = np.unique(found, axis=1)
    found = found[:, ~is_plain(bits[found[0]])]
    return Matches(found[0], found[1], found[2])
