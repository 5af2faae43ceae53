"""Elements of a stored tensor as numbers, a piece at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.files import open_regular
from releasegate.inspection.stored import Stored

Numbers = NDArray[np.float32]

_WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
"""Bytes of one element of each dtype that is read."""
PIECE = 4 << 20
"""Bytes that are held at once."""
SAMPLES, SAMPLE = 16, 1 << 14
"""Pieces of a tensor that stand for it, and bytes of each."""


def is_read(tensor: Stored) -> bool:
    """Whether the tensor's elements are numbers in one piece of its file."""
    width = _WIDTHS.get(tensor.dtype)
    return tensor.begin is not None and width is not None and 0 < tensor.size == tensor.elements * width


def row_pieces(root: Path, tensor: Stored) -> Iterator[Numbers]:
    """All rows in order, float32 [m, rest], some at a time."""
    width = _WIDTHS[tensor.dtype]
    row = math.prod(tensor.shape[1:])
    many = max(1, PIECE // (row * width))
    with open_regular(root / tensor.file) as file:
        file.seek(tensor.begin or 0)
        for first in range(0, tensor.shape[0], many):
            count = min(many, tensor.shape[0] - first)
            yield decoded(file.read(count * row * width), tensor.dtype).reshape(count, row)


def sample(root: Path, tensor: Stored) -> Numbers:
    """Float32 [m]: all elements of a small tensor, of a large one some from `SAMPLES` places."""
    width = _WIDTHS[tensor.dtype]
    begin = tensor.begin or 0
    with open_regular(root / tensor.file) as file:
        if tensor.size <= SAMPLES * SAMPLE:
            file.seek(begin)
            return decoded(file.read(tensor.size), tensor.dtype)
        last = (tensor.size - SAMPLE) // width
        found = []
        for number in range(SAMPLES):
            file.seek(begin + last * number // (SAMPLES - 1) * width)
            found.append(decoded(file.read(SAMPLE), tensor.dtype))
    return np.concatenate(found)


def decoded(data: bytes, dtype: str) -> Numbers:
    """What the bytes of a tensor stand for, as float32; what is no finite number stands as 0.

    >>> decoded(bytes([0x80, 0x3f]), "BF16").tolist(), decoded(bytes([0x38]), "F8_E4M3").tolist()
    ([1.0], [1.0])
    """
    raw: NDArray[Any]
    if dtype == "BF16":
        raw = (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    elif dtype == "F8_E5M2":
        raw = (np.frombuffer(data, np.uint8).astype(np.uint16) << np.uint16(8)).view(np.float16)
    elif dtype == "F8_E4M3":
        raw = _E4M3[np.frombuffer(data, np.uint8)]
    else:
        raw = np.frombuffer(data, {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype])
    with np.errstate(over="ignore"):
        return np.nan_to_num(raw.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _e4m3() -> Numbers:
    codes = np.arange(256)
    exponents, fractions = (codes >> 3) & 15, codes & 7
    whole = np.where(exponents > 0, 8 + fractions, fractions)
    values = np.ldexp(whole.astype(np.float32), np.maximum(exponents, 1) - 10)
    found: Numbers = np.where(codes & 128, -values, values).astype(np.float32)
    return found


_E4M3 = _e4m3()
