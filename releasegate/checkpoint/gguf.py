"""The header of a GGUF file, read within bounds; tensor data is never read. For looking at, not for stripping.

A file is the magic `GGUF`, a version, the counts of tensors and of keys, the keys with their values, the tensors'
names, shapes, types and offsets, and, from the next multiple of the alignment, the data.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from releasegate.checkpoint.coverage import Range, gaps
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import MAX_NAME
from releasegate.errors import CheckpointError, GgufError, StripError

MAX_TENSORS = 200_000
MAX_KEYS = 100_000
MAX_KEY = 65_535
"""Bytes of a key."""
MAX_HEADER = 128 << 20
"""Bytes before the data; a tokenizer takes some tens of millions."""
MAX_ELEMENTS = 2_000_000
"""Elements of all arrays of a header."""
MAX_DEPTH = 4
"""Arrays in arrays."""
MAX_RANK = 4
MAX_ALIGNMENT = 65_536

AGAIN = "fetch or convert the file again"

BLOCKS: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""ggml's types by number: name, elements of a block, bytes of a block. Q8_1 and Q8_K are never stored."""

Value = bool | int | float | str | list["Value"]
"""The value of a key."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor: `shape` with the fastest dimension last, as torch has it; its data are bytes of the file."""

    name: str
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Gguf:
    """The header of a GGUF file.

    Attributes:
        path: the file.
        version: 2 or 3.
        alignment: bytes that data begin at a multiple of.
        values: what each key holds.
        tensors: by name, in the order of the header.
        data_start: byte of the file at which the data begin.
        slack: bytes of the data that belong to no tensor, other than zeros up to the alignment.
    """

    path: Path
    version: int
    alignment: int
    values: Mapping[str, Value] = field(repr=False)
    tensors: Mapping[str, GgufTensor] = field(repr=False)
    data_start: int
    slack: tuple[Range, ...]


def read_gguf(path: Path) -> Gguf:
    """The header of the GGUF file at `path`.

    Raises:
        GgufError: it is malformed; one message for each way to be so.
    """
    try:
        opened = open_regular(path)
    except CheckpointError as error:
        problem = error.problems[0]
        raise GgufError(problem.where, problem.what, problem.fix) from None
    with opened as raw:
        size = os.fstat(raw.fileno()).st_size
        reader = _Reader(io.BufferedReader(cast("io.RawIOBase", raw)), size, str(path))
        version, tensor_count, key_count = _start(reader)
        values = _values(reader, key_count)
        alignment = _alignment(values, reader.where)
        found = [_tensor(reader) for _ in range(tensor_count)]
        start = -(-reader.at // alignment) * alignment
        tensors = _placed(found, start, alignment, reader)
        slack = _slack(tensors, start, alignment, reader)
    return Gguf(path, version, alignment, values, tensors, start, slack)


def refuse_gguf(gguf: Gguf) -> NoReturn:
    """Says why a GGUF file is not stripped, and what to do.

    Raises:
        StripError: always.
    """
    kinds = sorted({tensor.kind for tensor in gguf.tensors.values()})
    what = f"is a GGUF file ({', '.join(kinds)[:100]}), whose blocks of rows cannot be edited without being quantised again"
    raise StripError(str(gguf.path), what, "strip the checkpoint that it was made from, and convert that again")


class _Reader:
    """Reads forward; never more than is there, and never more than a header may have."""

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self.file = file
        self.size = size
        self.where = where
        self.at = 0
        self.elements = 0

    def bad(self, what: str, fix: str = AGAIN) -> GgufError:
        return GgufError(self.where, what, fix)

    def take(self, count: int) -> bytes:
        self.refuse_claim(count)
        found = self.file.read(count)
        self.at += count
        if len(found) != count:
            raise self.bad("is cut off inside its header")
        return found

    def refuse_claim(self, count: int) -> None:
        """Nothing, if `count` more bytes are there and may belong to a header."""
        if count > self.size - self.at:
            raise self.bad(
                f"is cut off inside its header: it claims {count:,} bytes and {self.size - self.at:,} follow"
            )
        if self.at + count > MAX_HEADER:
            raise self.bad(f"has a header of more than {MAX_HEADER:,} bytes", "is it a model? " + AGAIN)

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def text(self, what: str, limit: int) -> str:
        length = self.number("<Q")
        if length > limit:
            raise self.bad(f"claims {what} of {length:,} bytes; at most {limit:,} are read")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.bad(f"has {what} that is not UTF-8") from None


def _start(reader: _Reader) -> tuple[int, int, int]:
    if reader.size < 24 or reader.take(4) != b"GGUF":
        raise reader.bad("is not a GGUF file: it does not begin with `GGUF` and a header")
    version = reader.number("<I")
    if version not in (2, 3):
        if version and not version & 0xFFFF:
            raise reader.bad("is in big-endian order", "convert it again on a little-endian machine")
        raise reader.bad(f"is of version {version}; versions 2 and 3 are read")
    tensors, keys = reader.number("<Q"), reader.number("<Q")
    for count, most, what in ((tensors, MAX_TENSORS, "tensors"), (keys, MAX_KEYS, "keys")):
        if count > most:
            raise reader.bad(f"claims {count:,} {what}; at most {most:,} are read")
    return version, tensors, keys


_SCALARS: Mapping[int, str] = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
"""struct's form of each plain type of value, by its number."""
_TEXT, _ARRAY = 8, 9


def _values(reader: _Reader, count: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for _ in range(count):
        key = reader.text("a key", MAX_KEY)
        shown = ascii(key)[:80]
        if not key or not key.isprintable():
            raise reader.bad(f"has a key that is empty or unprintable: {shown}")
        if key in values:
            raise reader.bad(f"has the key {shown} twice")
        values[key] = _value(reader, reader.number("<I"), shown, MAX_DEPTH)
    return values


def _value(reader: _Reader, kind: int, shown: str, depth: int) -> Value:
    if kind == _TEXT:
        return reader.text(f"a value of {shown}", MAX_HEADER)
    if kind == _ARRAY:
        return _array(reader, shown, depth)
    if kind not in _SCALARS:
        raise reader.bad(f"has a value of the unknown type {kind}, under {shown}")
    return _plain(reader, kind, 1, shown)[0]


def _plain(reader: _Reader, kind: int, count: int, shown: str) -> list[Value]:
    """`count` values of a type of fixed size."""
    form = _SCALARS[kind]
    raw = reader.take(count * struct.calcsize(form))
    if kind == 7 and raw.strip(b"\0\1"):
        raise reader.bad(f"has a truth value that is neither 0 nor 1, under {shown}")
    return list(struct.unpack(f"<{count}{form[1]}", raw))


def _array(reader: _Reader, shown: str, depth: int) -> list[Value]:
    if not depth:
        raise reader.bad(f"has arrays nested deeper than {MAX_DEPTH}, under {shown}")
    kind, count = reader.number("<I"), reader.number("<Q")
    if kind != _ARRAY and kind != _TEXT and kind not in _SCALARS:
        raise reader.bad(f"has an array of the unknown type {kind}, under {shown}")
    reader.elements += count
    if reader.elements > MAX_ELEMENTS:
        raise reader.bad(f"has arrays of more than {MAX_ELEMENTS:,} elements, with {shown}")
    if kind in _SCALARS:
        return _plain(reader, kind, count, shown)
    reader.refuse_claim(count * (8 if kind == _TEXT else 12))
    return [_value(reader, kind, shown, depth - 1) for _ in range(count)]


def _alignment(values: Mapping[str, Value], where: str) -> int:
    given = values.get("general.alignment", 32)
    if type(given) is not int or not 8 <= given <= MAX_ALIGNMENT or given & (given - 1):
        what = f"has an alignment that is not a power of two from 8 to {MAX_ALIGNMENT:,}: {given!a}"
        raise GgufError(where, what[:200], AGAIN)
    return given


def _tensor(reader: _Reader) -> tuple[str, str, tuple[int, ...], int, int]:
    """The next tensor of the header: name, kind, shape, offset in the data, bytes."""
    name = reader.text("a tensor's name", MAX_NAME)
    shown = ascii(name)[:80]
    if not name or not name.isprintable():
        raise reader.bad(f"has a tensor whose name is empty or unprintable: {shown}")
    rank = reader.number("<I")
    if rank > MAX_RANK:
        raise reader.bad(f"has a tensor {shown} of {rank:,} dimensions; GGUF knows at most {MAX_RANK}")
    shape = tuple(reader.number("<Q") for _ in range(rank))
    kind, offset = reader.number("<I"), reader.number("<Q")
    if kind not in BLOCKS:
        raise reader.bad(f"has a tensor {shown} of the unknown type {kind}")
    spelled, block, size = BLOCKS[kind]
    if (shape[0] if shape else 1) % block:
        raise reader.bad(f"has a tensor {shown} whose rows are not whole blocks of {block} elements")
    return name, spelled, shape[::-1], offset, math.prod(shape) // block * size


def _placed(
    found: Sequence[tuple[str, str, tuple[int, ...], int, int]], start: int, alignment: int, reader: _Reader
) -> dict[str, GgufTensor]:
    tensors: dict[str, GgufTensor] = {}
    for name, kind, shape, offset, size in found:
        shown = ascii(name)[:80]
        if name in tensors:
            raise reader.bad(f"has the tensor {shown} twice")
        if offset % alignment:
            raise reader.bad(f"has a tensor {shown} that does not begin at a multiple of {alignment} bytes")
        if start + offset + size > reader.size:
            what = f"is cut off: tensor {shown} ends at byte {start + offset + size:,} of {reader.size:,}"
            raise reader.bad(what)
        tensors[name] = GgufTensor(name, kind, shape, start + offset, start + offset + size)
    ordered = sorted(tensors.values(), key=lambda tensor: (tensor.begin, tensor.end))
    for before, after in pairwise(ordered):
        if after.begin < before.end:
            raise reader.bad(f"has a tensor {ascii(after.name)[:80]} that overlaps the one before it")
    return tensors


def _slack(tensors: Mapping[str, GgufTensor], start: int, alignment: int, reader: _Reader) -> tuple[Range, ...]:
    held = sorted((tensor.begin, tensor.end) for tensor in tensors.values() if tensor.begin < tensor.end)
    left = gaps(held, reader.at, reader.size)
    return tuple(gap for gap in left if gap[1] - gap[0] >= alignment or not _is_zero(gap, reader))


def _is_zero(gap: Range, reader: _Reader) -> bool:
    return not any(os.pread(reader.file.fileno(), gap[1] - gap[0], gap[0]))
