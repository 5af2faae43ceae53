"""Random bytes for a tensor: a function of a seed, a key and the shape alone."""

from __future__ import annotations

import zlib
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.layouts.layout import Spec

_STORED = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
_POSITIVE = ("running_var", "cluster_size", "mel_stats")


def random_bytes(spec: Spec, key: str, seed: int) -> bytes:
    """The data of a tensor: finite, small, and the same numbers for one key, up to rounding to the dtype.

    Running variances and the like, which a key that ends with their name stands for, are positive.
    """
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    count = prod(spec.shape)
    if spec.dtype in ("F8_E4M3", "U8", "I8"):
        drawn = rng.integers(0, 256, count, dtype=np.uint8)
        return (drawn & np.uint8(0xF7) if spec.dtype == "F8_E4M3" else drawn).tobytes()  # never the pattern of NaN
    if spec.dtype == "BOOL":
        return rng.integers(0, 2, count, dtype=np.uint8).tobytes()
    if spec.dtype in ("I32", "I64"):
        return rng.integers(0, 1000, count).astype(_STORED[spec.dtype]).tobytes()
    values: NDArray[Any] = rng.standard_normal(count).astype(np.float32) * np.float32(0.1)
    if key.endswith(_POSITIVE):
        values = np.abs(values) + np.float32(0.5)
    if spec.dtype == "BF16":
        return (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    return values.astype(_STORED[spec.dtype]).tobytes()
