"""Safetensors files as the library itself would write them, and the same with holes for data."""

from __future__ import annotations

import json
from pathlib import Path

from tests.layouts.layout import Tensors
from tests.layouts.values import random_bytes

ORDER = ("BOOL", "U8", "I8", "F8_E4M3", "F16", "BF16", "I32", "F32", "F64", "I64")
"""The library stores dtypes that stand later here first, and tensors of one dtype by name."""


def write_safetensors(path: Path, tensors: Tensors, seed: int | None) -> None:
    """Writes `tensors` to `path`: with random values, or with a hole where they would stand if `seed` is None."""
    names = sorted(tensors, key=lambda name: (-ORDER.index(tensors[name].dtype), name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        spec = tensors[name]
        header[name] = {
            "dtype": spec.dtype,
            "shape": list(spec.shape),
            "data_offsets": [end, end + spec.nbytes],
        }
        end += spec.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        if seed is None:
            file.truncate(8 + len(text) + end)
        else:
            file.writelines(random_bytes(tensors[name], tensors[name].like or name, seed) for name in names)
