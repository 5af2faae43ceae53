"""Sketches of vectors: 256 bits that stay nearly the same whatever form the vector is stored in.

A bit says which of two elements of one block of 16 is the larger. Scaling, shifting, casting, quantising with scales
and zero points by tensor, row or group: all keep the order of two elements unless they are nearly equal. A negative
scale turns every bit. Two unrelated vectors agree in half of their bits, give or take: 128 of 256 with a standard
deviation of 8 where all elements are independent, more for vectors shorter than 512.

Rows of one tensor often share a direction (embeddings do), and then agree in far more than half. So which pairs are
compared is chosen for each length of vectors: those whose order is most evenly divided over a sample of the tensor's
own rows, kept ones too. What is left is measured on the same sample, and sets the limit: a vector is taken for a copy
only where it is far nearer than its siblings are to one another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.stripping.searching.vectors import CELL, WIDE, Values, places

BITS = 256
FARTHEST = 56
"""Bits, of 256, in which a copy may differ at most."""
DEVIATIONS = 7.5
FEW = 16
"""Bits in which a copy may differ where nothing is known of its siblings, at least. With the fewest elements, 32, a
sketch has every pair of two blocks of 16; two random orders of those differ in at most 16 with probability 1e-14."""
CLOSEST = 4
"""A limit below this would miss copies in another form: such a vector is not searched for."""
SIBLINGS = 16
"""Vectors of a sample, at least, for it to say how near unrelated ones are."""

_INSIDE = np.array(
    [(i, i ^ mask) for mask in (8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15) for i in range(CELL) if i < i ^ mask]
)
"""The 120 pairs inside a block; each run of eight is disjoint."""

Bits = NDArray[np.uint64]
"""Sketches, [vectors, 4]."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which elements, of those looked at, are compared: [256] each; `first` stands before `second`."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]


def choose_pairs(length: int, samples: Iterable[Values]) -> Pairs:
    """The 256 pairs to compare in vectors of `length` elements.

    Args:
        length: elements, at least 64.
        samples: vectors of each tensor that the sketched ones come from; may be empty.
    """
    cells = len(places(length)) // CELL
    uneven = np.zeros((cells, len(_INSIDE)))
    seen = 0
    for sample in samples:
        elements = sample.reshape(len(sample), cells, CELL)
        first, second = elements[:, :, _INSIDE[:, 0]], elements[:, :, _INSIDE[:, 1]]
        lean = ((first > second).mean(axis=0) - (first < second).mean(axis=0)) / 2
        uneven += lean**2
        seen += 1
    counts = [BITS * (cell + 1) // cells - BITS * cell // cells for cell in range(cells)]
    chosen = [
        cell * CELL + _INSIDE[_most_even(scores, count)]
        for cell, (scores, count) in enumerate(zip(uneven / max(1, seen), counts, strict=True))
    ]
    pairs = np.concatenate(chosen)
    return Pairs(first=np.ascontiguousarray(pairs[:, 0]), second=np.ascontiguousarray(pairs[:, 1]))


def _most_even(scores: NDArray[np.float64], count: int) -> list[int]:
    """The `count` pairs of a block that are most evenly divided, with each element in about as many as any other."""
    order = np.argsort(scores.round(2), kind="stable").tolist() * -(-count // len(scores))
    most = -(-2 * count // CELL)
    used = [0] * CELL
    chosen: list[int] = []
    for pair in order:
        one, other = _INSIDE[pair]
        if len(chosen) < count and used[one] < most and used[other] < most:
            chosen.append(pair)
            used[one] += 1
            used[other] += 1
    return chosen + [pair for pair in order if pair not in chosen][: count - len(chosen)]


def sketch(values: Values, pairs: Pairs) -> Bits:
    """One sketch a vector, [vectors, 4]."""
    if values.flags.c_contiguous:
        packed = np.packbits(values.take(pairs.first, axis=1) > values.take(pairs.second, axis=1), axis=1)
    else:  # columns lie side by side
        elements = values.T
        packed = np.packbits(elements.take(pairs.first, axis=0) > elements.take(pairs.second, axis=0), axis=0).T
    bits: Bits = np.ascontiguousarray(packed).view("<u8")
    return bits


def ones(bits: Bits) -> NDArray[np.int64]:
    """How many bits are set in each sketch, 0 to 256."""
    twos = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (twos & np.uint64(0x3333333333333333)) + ((twos >> np.uint64(2)) & np.uint64(0x3333333333333333))
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts = (eights * np.uint64(0x0101010101010101)) >> np.uint64(56)
    total: NDArray[np.int64] = counts.sum(axis=1).astype(np.int64)
    return total


def distances(one: Bits, other: Bits) -> NDArray[np.int64]:
    """Bits in which sketches differ, or in which one differs from the other's negative, whichever is less: 0 to 128."""
    differing = ones(one ^ other)
    return np.minimum(differing, BITS - differing)


def is_plain(bits: Bits) -> NDArray[np.bool_]:
    """Which vectors say too little: many equal values (bits are 0), or values that rise or fall throughout."""
    set_bits = ones(bits)
    return (set_bits < BITS // 4) | (set_bits > BITS - BITS // 4)


def limits_for(length: int, bits: Bits, sample: Bits) -> NDArray[np.int64]:
    """How many bits a copy of each vector may differ in, 0 to `FARTHEST`.

    `DEVIATIONS` below what unrelated vectors differ in; or, where vectors lie in few dimensions and scatter widely, a
    third of what the nearest of its siblings but one differs from a vector in, if that is more. Vectors of fewer than
    `WIDE` elements: a quarter of that, at most `FEW`.

    Args:
        length: elements of the vectors.
        bits: their sketches, [vectors, 4].
        sample: sketches of vectors of the tensor that they come from. Fewer than `SIBLINGS` say nothing: then the limit
            is that of independent elements, of which each is in 512 / (elements looked at) pairs; two pairs that share
            one element agree 1/9 above chance.
    """
    if len(sample) < SIBLINGS:
        each = 2 * BITS / len(places(length))
        apart = BITS / 2 - DEVIATIONS * 8 * (1 + 2 * (each - 1) / 9) ** 0.5
        return np.full(len(bits), min(FARTHEST, max(FEW, int(apart))))
    one, other = np.triu_indices(len(sample), k=1)
    between = np.sort(ones(sample[one] ^ sample[other]))
    middle, low = min(between[len(between) // 2], BITS // 2), between[int(len(between) * 0.159)]
    apart = int(middle - DEVIATIONS * (between[len(between) // 2] - low))
    if apart >= FARTHEST:
        return np.full(len(bits), FARTHEST)
    nearest = [np.partition(distances(one, sample), 1)[1] for one in bits]  # but one: it may be in the sample itself
    if length < WIDE:
        return np.minimum(np.array(nearest, dtype=np.int64) // 4, FEW)
    return np.clip(np.array(nearest, dtype=np.int64) // 3, apart, FARTHEST)
