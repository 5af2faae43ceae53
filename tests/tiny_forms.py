"""Tensors in other forms, made without torch: casts, quantisations, and safetensors files that hold them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint.headers import Header, read_header
from releasegate.receipt import Ranges
from releasegate.stripping.searching.nearcopies import NearSearch, search_near_copies
from releasegate.stripping.searching.removedparts import RemovedPart
from releasegate.stripping.searching.sketches import Sketches, sketch_removed
from tests.tiny_checkpoints import safetensors

Array = NDArray[Any]
Stored = tuple[str, Array]
"""A dtype as safetensors calls it, and numbers of that size."""

_DTYPES = {"f4": "F32", "f8": "F64", "f2": "F16", "i1": "I8", "u1": "U8", "i2": "I16", "i4": "I32", "i8": "I64"}


def stored(array: Array) -> Stored:
    """A numpy array under safetensors' name for its dtype."""
    return _DTYPES[array.dtype.str[1:]], array


def bf16(x: Array) -> Stored:
    """Rounded to the nearest."""
    bits = np.ascontiguousarray(x, dtype="f4").view("u4")
    return "BF16", ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("u2")


def fp8(x: Array, *, exponent: int, mantissa: int) -> Stored:
    """Rounded to the nearest of the finite values of an 8-bit float, after scaling to three quarters of the largest."""
    codes = np.arange(128)
    power, fraction = codes >> mantissa, codes & ((1 << mantissa) - 1)
    bias = (1 << (exponent - 1)) - 1
    values = np.where(
        power > 0,
        (1 + fraction / (1 << mantissa)) * 2.0 ** (power - bias),
        fraction / (1 << mantissa) * 2.0 ** (1 - bias),
    )[:120]
    scaled = np.abs(x) / np.abs(x).max() * values[-1] * 0.75
    code = np.searchsorted((values[1:] + values[:-1]) / 2, scaled).astype("u1")
    return ("F8_E4M3" if exponent == 4 else "F8_E5M2"), np.where(x < 0, code | 0x80, code).astype("u1")


def quantised(x: Array, levels: int, group: int | None = None) -> Stored:
    """Whole numbers from -levels to levels, with one scale, or one for each `group` elements of a row."""
    cells = x.reshape(*x.shape[:-1], -1, group) if group else x
    scale = np.abs(cells).max(axis=-1, keepdims=True) if group else np.abs(cells).max()
    return "I8", np.round(cells / scale * levels).astype("i1").reshape(x.shape)


def with_zero_points(x: Array) -> Stored:
    """Bytes from the least to the largest value of each row."""
    low, high = x.min(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)
    return "U8", np.round((x - low) / (high - low) * 255).astype("u1")


def noisy(x: Array, share: float) -> Stored:
    """With Gaussian noise of `share` of its standard deviation."""
    return stored((x + share * x.std() * np.random.default_rng(9).standard_normal(x.shape)).astype("f4"))


FORMS: Mapping[str, Callable[[Array], Stored]] = {
    "times .37": lambda x: stored((x * 0.37).astype("f4")),
    "times -2": lambda x: stored((x * -2).astype("f4")),
    "float64": lambda x: stored(x.astype("f8")),
    "bfloat16": bf16,
    "float16": lambda x: stored(x.astype("f2")),
    "fp8 e4m3": lambda x: fp8(x, exponent=4, mantissa=3),
    "fp8 e5m2": lambda x: fp8(x, exponent=5, mantissa=2),
    "int8 by tensor": lambda x: quantised(x, 127),
    "int8 by row": lambda x: quantised(x, 127, x.shape[-1]),
    "int8 by group": lambda x: quantised(x, 127, 32),
    "uint8 with zero points": with_zero_points,
    "noise 1 %": lambda x: noisy(x, 0.01),
    "noise 5 %": lambda x: noisy(x, 0.05),
    "int4 by group": lambda x: quantised(x, 7, 32),
    "int4 by row": lambda x: quantised(x, 7, x.shape[-1]),
}
"""What a copy may look like; the two in 4 bits are found as a whole, and row by row only in part."""


def drawn(rows: int, length: int, *, cosine: float = 0, seed: int = 0) -> Array:
    """Gaussian rows; any two have about this cosine, through a direction that depends on the length alone."""
    common = np.random.default_rng(length).standard_normal(length)
    own = np.random.default_rng((seed, rows, length)).standard_normal((rows, length))
    return (cosine**0.5 * common + (1 - cosine) ** 0.5 * own).astype("f4")


def write(path: Path, tensors: Mapping[str, Stored]) -> Header:
    """The header of a new safetensors file that holds `tensors`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries: dict[str, object] = {}
    data = b""
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        entries[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    path.write_bytes(safetensors(json.loads(json.dumps(entries)), data))
    return read_header(path)


def sketches_of(
    root: Path, tensor: Stored, ranges: Ranges | None = None, dimension: int = 0, name: str = "head"
) -> Sketches:
    """Sketches of one tensor, or of slices of it, which is the whole source in `root`."""
    header = write(root / "source.safetensors", {name: tensor})
    part = RemovedPart(name, "source.safetensors", header.entries[name], header.data_start, ranges, dimension)
    return sketch_removed(root, [part], {"source.safetensors": header})


def searched(root: Path, sketches: Sketches, kept: Mapping[str, Stored]) -> NearSearch:
    """What is found in an output that holds `kept`."""
    header = write(root / "out" / "model.safetensors", kept)
    return search_near_copies(sketches, root / "out", {"model.safetensors": header})
