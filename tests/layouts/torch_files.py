"""Files that `torch.save` writes, and the same with holes for data.

torch leaves the checksums of a file without data at zero. They are put right here, so that a reader that checks them
finds a sound archive: the checksum of n zero bytes is worked out, not read.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import BinaryIO

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.layouts.layout import Spec, Tied, Tree, leaves
from tests.layouts.values import random_bytes

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "F32": torch.float32,
    "I64": torch.int64,
    "F64": torch.float64,
}


def write_torch(path: Path, tree: Tree, seed: int | None) -> None:
    """Writes `tree` to `path`: with random values, or with holes where they would stand if `seed` is None."""
    if seed is not None:
        drawn = {name: _random(spec, spec.like or f"{path.name}: {name}", seed) for name, spec in leaves(tree).items()}
        torch.save(_filled(tree, drawn), path)
        return
    with FakeTensorMode():
        empty = {name: _empty(spec) for name, spec in leaves(tree).items()}
    with torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save(_filled(tree, empty), path)
    _correct_checksums(path)


def _filled(tree: Tree, tensors: dict[str, torch.Tensor], name: str = "") -> Tree:
    """`tree` with the tensors in their places."""
    if isinstance(tree, Spec):
        return tensors[name]
    if isinstance(tree, Tied):
        return tensors[tree.to]
    prefix = f"{name}." if name else ""
    if isinstance(tree, dict):
        return {key: _filled(value, tensors, f"{prefix}{key}") for key, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, tensors, f"{prefix}{place}") for place, value in enumerate(tree)]
    return tree


def _empty(spec: Spec) -> torch.Tensor:
    return torch.empty(spec.shape, dtype=DTYPES[spec.dtype])


def _random(spec: Spec, key: str, seed: int) -> torch.Tensor:
    return torch.frombuffer(bytearray(random_bytes(spec, key, seed)), dtype=DTYPES[spec.dtype]).view(spec.shape)


def _correct_checksums(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        start = archive.start_dir
    with path.open("r+b") as file:
        for member in members:
            if "/data/" in member.filename:
                checksum = struct.pack("<I", crc32_of_zeros(member.file_size))
                _write_at(file, start + 16, checksum)
                _write_at(file, _descriptor(file, member) + 4, checksum)
            start += 46 + sum(struct.unpack("<3H", _read_at(file, start + 28, 6)))


def _descriptor(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where the descriptor stands that follows the data of `member`."""
    name, extra = struct.unpack("<2H", _read_at(file, member.header_offset + 26, 4))
    place = member.header_offset + 30 + name + extra + member.file_size
    assert _read_at(file, place, 4) == b"PK\x07\x08", "torch follows every member with a descriptor"
    return int(place)


def _read_at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _write_at(file: BinaryIO, place: int, data: bytes) -> None:
    file.seek(place)
    file.write(data)


@cache
def crc32_of_zeros(count: int) -> int:
    """The CRC-32 of `count` zero bytes, in time that grows with the logarithm of `count`.

    >>> crc32_of_zeros(1000) == zlib.crc32(bytes(1000))
    True
    """
    step = [zlib.crc32(bytes(1), (1 << bit) ^ 0xFFFFFFFF) ^ 0xFFFFFFFF for bit in range(32)]  # one byte, as a matrix
    state = 0xFFFFFFFF
    while count:
        if count & 1:
            state = _times(step, state)
        step = [_times(step, column) for column in step]
        count >>= 1
    return state ^ 0xFFFFFFFF


def _times(matrix: list[int], vector: int) -> int:
    product = 0
    for bit, column in enumerate(matrix):
        if vector >> bit & 1:
            product ^= column
    return product
