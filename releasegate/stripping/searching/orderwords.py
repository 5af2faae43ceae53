"""Words of order: 64 bits that say, of 20 numbers in a row, which of two that stand at most four apart is the larger.

They stay the same when the numbers are scaled, shifted or cast, and need nothing around them. So a run of a removed row is
found by them wherever it stands: cut, joined to others, in the middle of a wider row, every third number of something.
As the search for bytes does, removed runs are entered at every shift, and kept numbers are looked at at some places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.stripping.searching.vectors import Values

LAGS = 4
"""How far apart two numbers may stand that are compared."""
POSITIONS = 16
"""Places of a word at which numbers are compared with those that follow."""
SPAN = POSITIONS + LAGS
"""Numbers that a word says something about."""
MOST_WORDS = 1 << 20
"""Words of a table, at most: 16 bytes each."""
CROWD = 8
"""Entries with the same word, at most; a word that more of them share tells nothing."""

_LOAD = 16
"""Places of the table for each word."""
_MIXERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93))
_SET = (12, 52)
"""Bits that are set in a word that tells something: others rise or fall, or hold one value."""
_TURNS = (4, 14)
"""How often such numbers turn from rising to falling in 16 places; fewer is a smooth curve, more goes up and down."""

Words = NDArray[np.uint64]


def words(numbers: Sequence[Values]) -> Words:
    """One word for each place of the arrays: of the 20 numbers that stand at this place in them.

    The words of numbers and of their negatives are the same.

    Args:
        numbers: 20 arrays of one shape, of integers that have the order of the numbers.
    """
    shape = numbers[0].shape
    held = np.empty((8, *shape), dtype=np.uint8)
    larger, shifted = np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.uint8)
    bits = larger.view(np.uint8)
    for number in range(64):
        byte, bit = divmod(number, 8)
        lag, at = number // POSITIONS + 1, number % POSITIONS
        np.greater(numbers[at + lag], numbers[at], out=larger)
        if bit:
            np.left_shift(bits, bit, out=shifted)
            np.bitwise_or(held[byte], shifted, out=held[byte])
        else:
            held[byte] = bits
    joined: Words = np.ascontiguousarray(held.reshape(8, -1).T).view("<u8").reshape(-1)
    turned: Words = joined ^ (np.uint64(0) - (joined >> np.uint64(63)))
    return turned


def says_something(found: Words) -> NDArray[np.bool_]:
    """Which words are of numbers without a plain form: not smooth, not up and down, not the same value."""
    set_bits = np.bitwise_count(found)
    first = (found & np.uint64(0xFFFF)).astype(np.uint16)
    turns = np.bitwise_count((first ^ (first >> np.uint16(1))) & np.uint16(0x7FFF))
    said: NDArray[np.bool_] = (
        (set_bits >= _SET[0]) & (set_bits <= _SET[1]) & (turns >= _TURNS[0]) & (turns <= _TURNS[1])
    )
    return said


@dataclass(frozen=True, slots=True)
class WordTable:
    """Words of removed runs, so that equal ones are found at once.

    Attributes:
        words: sorted.
        runs: the number of the run that each word is of.
        shifts: where in its run each word begins.
        occupied: whether some word has a given hash, one bit each; every word sets two.
    """

    words: Words
    runs: NDArray[np.int32]
    shifts: NDArray[np.int32]
    occupied: NDArray[np.uint8]


def make_table(found: Words, runs: NDArray[np.int32], shifts: NDArray[np.int32]) -> WordTable:
    """The table of words that say something, without those that very many entries share."""
    telling = says_something(found)
    found, runs, shifts = found[telling], runs[telling], shifts[telling]
    order = np.argsort(found, kind="stable")
    found, runs, shifts = found[order], runs[order], shifts[order]
    _, which, counts = np.unique(found, return_inverse=True, return_counts=True)
    rare = counts[which] <= CROWD if len(found) else np.zeros(0, dtype=np.bool_)
    found, runs, shifts = found[rare], runs[rare], shifts[rare]
    occupied = np.zeros(1 << max(10, (len(found) * _LOAD - 1).bit_length()) - 3, dtype=np.uint8)
    for first in range(0, len(found), 1 << 16):
        for mixer in _MIXERS:
            hashes = _hash(found[first : first + (1 << 16)], mixer, len(occupied) * 8)
            np.bitwise_or.at(occupied, hashes >> 3, np.uint8(1) << (hashes & 7).astype(np.uint8))
    return WordTable(found, runs, shifts, occupied)


def look_up(table: WordTable, found: Words) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of `found` equal which words of the table: their places in both, one pair for each entry."""
    asked = np.arange(len(found))
    for mixer in _MIXERS:
        hashes = _hash(found[asked], mixer, len(table.occupied) * 8)
        asked = asked[(table.occupied[hashes >> 3] >> (hashes & 7).astype(np.uint8) & 1).view(np.bool_)]
    at = np.searchsorted(table.words, found[asked])
    places, entries = [asked[:0]], [at[:0]]
    while len(at):
        same = at < len(table.words)
        same[same] = table.words[at[same]] == found[asked[same]]
        asked, at = asked[same], at[same]
        places.append(asked)
        entries.append(at)
        at = at + 1
    return np.concatenate(places), np.concatenate(entries)


def _hash(found: Words, mixer: np.uint64, size: int) -> NDArray[np.int64]:
    """A number below `size`, a power of two, for each word."""
    with np.errstate(over="ignore"):
        return ((found * mixer) >> np.uint64(65 - size.bit_length())).astype(np.int64)


def differing(one: Values, other: Values) -> NDArray[np.int64]:
    """At each place of two runs of numbers, of one length, in how many of its four comparisons they differ."""
    length = len(one) - LAGS
    counts = np.zeros(max(0, length), dtype=np.int64)
    for lag in range(1, LAGS + 1) if length > 0 else ():
        counts += (one[lag : lag + length] > one[:length]) != (other[lag : lag + length] > other[:length])
    return counts
