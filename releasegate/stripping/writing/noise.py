"""Random numbers for rows that are reinitialised: the same on every machine, each addressable by its place.

Element i of a tensor takes number i of the stream of numpy's Philox generator (stable by NEP 19) whose key is the first 16
bytes of the seed. The upper 53 bits k of the number give (2 k + 1 - 2^53) / 2^53 x sqrt(3) x std, which is uniform around
0 with the standard deviation std: one rounding in float64, then one for each step float64 -> float32 -> bfloat16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releasegate.records import digest_of

_PLAIN = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_BYTES = {"F8_E4M3": (4, 7), "F8_E5M2": (5, 15)}
"""Exponent bits and bias of the eight-bit formats."""
DTYPES = (*_PLAIN, "BF16", *_BYTES)
"""What can be reinitialised."""
_LANES = 4


def seed_for(recipes: Sequence[str], tensor: str, dtype: str, shape: tuple[int, ...]) -> str:
    """The seed of one tensor: `sha256:…`. It needs nothing of the weights, so that whoever has the receipt can check it.

    Args:
        recipes: digests of the recipes; their order does not matter.
        tensor: its name in the receipt.
        dtype: as in the header.
        shape: as in the header.
    """
    what = {"recipes": sorted(recipes), "tensor": tensor, "dtype": dtype, "shape": list(shape)}
    return digest_of({"reinitialise": what})


def numbers(seed: str, first: int, count: int, std: float, dtype: str) -> NDArray[np.uint8]:
    """The bytes of elements `first` to `first + count - 1` of a tensor.

    Args:
        seed: `sha256:` and 64 hexadecimal digits.
        std: standard deviation of the numbers.
        dtype: one of `DTYPES`.
    """
    key = int(seed.removeprefix("sha256:")[:32], 16)
    block, lane = divmod(first, _LANES)
    raw = np.random.Philox(counter=block, key=key).random_raw(lane + count)[lane:]
    odd = (raw >> np.uint64(11)).astype(np.int64) * 2 + (1 - 2**53)
    return _rounded(odd.astype(np.float64) * (math.sqrt(3) * std * 2.0**-53), dtype).view(np.uint8).reshape(-1)


def _rounded(values: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    if dtype in _PLAIN:
        return values.astype(_PLAIN[dtype])
    if dtype == "BF16":
        bits = values.astype("<f4").view("<u4")
        nearest = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        return (nearest >> np.uint32(16)).astype("<u2")
    magnitudes = _magnitudes(*_BYTES[dtype])
    codes = np.searchsorted((magnitudes[1:] + magnitudes[:-1]) / 2, np.abs(values)).astype(np.uint8)
    return codes | np.where(values < 0, np.uint8(0x80), np.uint8(0))


def _magnitudes(exponent_bits: int, bias: int) -> NDArray[np.float64]:
    """What the codes from 0 on stand for, up to the largest finite one."""
    fraction_bits = 7 - exponent_bits
    codes = np.arange(127 if exponent_bits == 4 else 124)  # then come NaN, or infinity and NaN
    exponents, fractions = codes >> fraction_bits, codes & ((1 << fraction_bits) - 1)
    normal = exponents > 0
    found: NDArray[np.float64] = np.ldexp(
        (fractions + (normal << fraction_bits)).astype(np.float64),
        np.maximum(exponents, 1) - bias - fraction_bits,
    )
    return found
