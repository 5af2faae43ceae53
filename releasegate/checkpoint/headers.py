"""The header of a safetensors file, read more strictly than the stock loader reads it. Tensor data is never read.

A file is eight bytes (the length of the header, little-endian), the header (a JSON object, padded with spaces), and
the data. The entries must cover the data in full, without gap or overlap, each with exactly the bytes that its dtype
and shape need. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.jsontext import KeyTwice, TooDeep, TooMany, parse_json, shown
from releasegate.errors import (
    BytesUncovered,
    CheckpointError,
    DtypeUnknown,
    HeaderCutOff,
    HeaderKeyTwice,
    HeaderOffGrid,
    HeaderSyntax,
    HeaderTooLarge,
    HeaderUnreadable,
    MetadataRefused,
    OffsetsMalformed,
    ShapeMalformed,
    SizeMismatch,
    TensorMalformed,
    TensorNameRefused,
    TensorsOverlap,
)

MAX_HEADER = 100_000_000
"""Bytes of a header, its padding included; the limit of the format's own reader."""
MAX_TEXT = 32 << 20
"""Bytes of a header without its padding: some 200,000 tensors. Parsed, it takes several times as much memory."""
MAX_TENSORS = 250_000
"""Tensors of one file."""
MAX_METADATA = 65_536
"""Bytes of all keys and values of `__metadata__`: room for notes, not for weights."""
MAX_NAME = 1024
"""Characters of a tensor's name."""
MAX_RANK = 64
"""Dimensions of a tensor; torch has the same limit."""
MAX_LENGTH = 2**63 - 1

BITS: Mapping[str, int] = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits of one element of each dtype."""

AGAIN = "fetch or export the file again"
REWRITE = "write the file again with the safetensors library"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file: `begin` and `end` count bytes from the start of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of data."""
        return self.end - self.begin

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def row_size(self) -> int | None:
        """Bytes of one row along the first dimension; `None` for a scalar, or where rows are not whole bytes."""
        if not self.shape:
            return None
        bits = math.prod(self.shape[1:]) * BITS[self.dtype]
        return None if bits % 8 else bits // 8


@dataclass(frozen=True, slots=True)
class Header:
    """What tensors one file holds, and where.

    Attributes:
        length: bytes of the JSON text with its padding.
        entries: tensors by name, in the order of the text.
        metadata: what stands under `__metadata__`; `None` where it is absent.
        values: of a pickle: what it holds beside tensors, by its path in it. `None` for a safetensors file.
    """

    length: int
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str] | None
    values: Mapping[str, Any] | None = None

    @property
    def pickled(self) -> bool:
        """Whether the file is a pickle, in which `begin` and `end` count from the start of the file."""
        return self.values is not None

    @property
    def data_start(self) -> int:
        """Where in the file `begin` and `end` count from, in bytes."""
        return 0 if self.pickled else 8 + self.length

    def in_file_order(self) -> list[Entry]:
        """The entries in the order of their data."""
        return sorted(self.entries.values(), key=lambda entry: (entry.begin, entry.end))


def read_header(path: Path) -> Header:
    """The header of the safetensors file at `path`.

    Raises:
        HeaderError: the file or its header is malformed; one clear message for each way to be so.
    """
    where = str(path)
    try:
        opened = open_regular(path)
    except CheckpointError as error:
        problem = error.problems[0]
        raise HeaderUnreadable(problem.where, problem.what, problem.fix) from None
    with opened as file:
        size = os.fstat(file.fileno()).st_size
        length = _length(file.read(8), size, where)
        return parse_header(file.read(length), size, where)


def read_claims(path: Path) -> Header | None:
    """What a malformed file claims to hold, not held against its data; `None` where its header cannot be understood.

    Good for saying what a file is about, and for nothing else.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            text = file.read(min(length, size)) if length <= MAX_HEADER else b""
        return _parsed(text, str(path))
    except CheckpointError:
        return None


def _length(first: bytes, file_size: int, where: str) -> int:
    if len(first) < 8:
        raise HeaderCutOff(where, f"is too short for a safetensors file: {file_size} bytes", AGAIN)
    length = int.from_bytes(first, "little")
    if length > MAX_HEADER:
        what = f"claims a header of {length:,} bytes; at most {MAX_HEADER:,} are allowed"
        raise HeaderTooLarge(where, what, "is it a safetensors file? " + AGAIN)
    if length > file_size - 8:
        what = f"is cut off inside its header: it claims {length:,} bytes and {file_size - 8:,} follow"
        raise HeaderCutOff(where, what, AGAIN)
    if length % 8:
        raise HeaderOffGrid(where, f"has a header of {length} bytes, which is not a multiple of 8", REWRITE)
    return length


def parse_header(text: bytes, file_size: int, where: str) -> Header:
    """The header whose JSON (with padding) is `text`, of a file of `file_size` bytes.

    Raises:
        HeaderError: it is malformed.
    """
    header = _parsed(text, where)
    _refuse_large_metadata(header.metadata or {}, where)
    _refuse_gaps(header, file_size, where)
    return header


def _parsed(text: bytes, where: str) -> Header:
    """The header, not held against its file. Raises HeaderError."""
    data = _object(text, where)
    metadata = _metadata(data.pop("__metadata__"), where) if "__metadata__" in data else None
    entries = {name: _entry(name, value, where) for name, value in data.items()}
    _refuse_lookalikes(entries, where)
    return Header(len(text), entries, metadata)


_STRUCTURE: Mapping[str, int] = {
    "{": MAX_TENSORS + MAX_METADATA,
    "[": 2 * MAX_TENSORS + MAX_METADATA,
    ":": 4 * MAX_TENSORS + MAX_METADATA,
    ",": 16 * MAX_TENSORS + MAX_METADATA,
}


def _object(text: bytes, where: str) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise HeaderSyntax(where, "has a header that does not begin with `{`", "is it a safetensors file? " + AGAIN)
    plain = text.rstrip(b" ")
    if not plain.endswith(b"}"):
        raise HeaderSyntax(where, "has something other than spaces after its header's closing `}`", REWRITE)
    if len(plain) > MAX_TEXT:
        what = f"has a header of {len(plain):,} bytes without its padding; at most {MAX_TEXT:,} are read"
        raise HeaderTooLarge(where, what, "save the model in several shards")
    try:
        data: dict[str, Any] = parse_json(plain, _STRUCTURE)
    except UnicodeDecodeError:
        raise HeaderSyntax(where, "has a header that is not UTF-8", AGAIN) from None
    except KeyTwice as twice:
        raise HeaderKeyTwice(where, f"has the key {shown(twice.key)} twice in its header", REWRITE) from None
    except TooDeep:
        raise HeaderSyntax(where, "has a header that is nested too deeply", REWRITE) from None
    except TooMany as error:
        what = f"has a header with more in it than {MAX_TENSORS:,} tensors need: {error}"
        raise HeaderTooLarge(where, what, "save the model in several shards") from None
    except ValueError:
        raise HeaderSyntax(where, "has a header that is not JSON", AGAIN) from None
    return data


def _metadata(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise MetadataRefused(where, "has a `__metadata__` that is not an object", REWRITE)
    for key, text in value.items():
        if not isinstance(text, str):
            raise MetadataRefused(where, f"has a `__metadata__` value that is not text: {shown(key)}", REWRITE)
    return value


def _refuse_large_metadata(metadata: Mapping[str, str], where: str) -> None:
    try:
        size = sum(len(key.encode()) + len(text.encode()) for key, text in metadata.items())
    except UnicodeEncodeError:
        raise MetadataRefused(where, "has a `__metadata__` that is not valid Unicode", REWRITE) from None
    if size > MAX_METADATA:
        what = f"carries {size:,} bytes of `__metadata__`; at most {MAX_METADATA:,} are allowed"
        raise MetadataRefused(where, what, "weights can hide in metadata: write the file again without it")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_LENGTH


def _entry(name: str, value: Any, where: str) -> Entry:
    tensor = f"tensor {shown(name)}"
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise TensorNameRefused(where, f"has a {tensor} whose name is empty, too long or unprintable", REWRITE)
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise TensorMalformed(where, f"{tensor} must have exactly dtype, shape and data_offsets", REWRITE)
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise DtypeUnknown(where, f"{tensor} has an unknown dtype {shown(dtype)}", f"use one of {', '.join(BITS)}")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(map(_is_count, shape)):
        raise ShapeMalformed(where, f"{tensor} has a shape that is not a list of whole numbers from 0", REWRITE)
    if 0 in shape and math.prod(max(count, 1) for count in shape) * BITS[dtype] > MAX_LENGTH:
        raise ShapeMalformed(where, f"{tensor} is empty, and has a shape whose strides are beyond 64 bits", REWRITE)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        raise OffsetsMalformed(where, f"{tensor} has data_offsets that are not two whole numbers from 0", REWRITE)
    begin, end = offsets
    if end < begin:
        raise OffsetsMalformed(where, f"{tensor} ends before it begins ({begin} to {end})", REWRITE)
    bits = math.prod(shape) * BITS[dtype]
    if bits % 8:
        raise SizeMismatch(where, f"{tensor} does not fill whole bytes ({bits} bits)", REWRITE)
    if bits // 8 != end - begin:
        what = f"{tensor} holds {end - begin:,} bytes where its dtype and shape need {bits // 8:,}"
        raise SizeMismatch(where, what, AGAIN)
    return Entry(name, dtype, tuple(shape), begin, end)


def _refuse_lookalikes(names: Iterable[str], where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        plain = name if name.isascii() else unicodedata.normalize("NFKC", name)
        if plain in seen:
            what = f"has two tensors whose names look the same: {shown(seen[plain])} and {shown(name)}"
            raise TensorNameRefused(where, what, "a recipe would name one of them: rename it")
        seen[plain] = name


def _refuse_gaps(header: Header, file_size: int, where: str) -> None:
    reached = 0
    for entry in header.in_file_order():
        if entry.begin < reached:
            raise TensorsOverlap(where, f"tensor {shown(entry.name)} overlaps the one before it", REWRITE)
        if entry.begin > reached:
            what = f"has {entry.begin - reached:,} bytes that belong to no tensor, before {shown(entry.name)}"
            raise BytesUncovered(where, what, "bytes outside tensors can hide weights: " + REWRITE)
        reached = entry.end
    held = file_size - header.data_start
    if held < reached:
        raise HeaderCutOff(where, f"is cut off: its tensors need {reached:,} bytes and {held:,} are there", AGAIN)
    if held > reached:
        what = f"has {held - reached:,} bytes after its last tensor"
        raise BytesUncovered(where, what, "bytes outside tensors can hide weights: " + REWRITE)


def render_header(header: Header, kept: Mapping[str, Entry]) -> bytes:
    """The header with the entries `kept` in place of all, padded with spaces to its old length.

    Args:
        header: the header that stands in the source.
        kept: new entries, in the order in which they shall stand; never longer text than the source's.
    """
    data: dict[str, Any] = {} if header.metadata is None else {"__metadata__": dict(header.metadata)}
    for name, entry in kept.items():
        data[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [entry.begin, entry.end]}
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return text.ljust(header.length, b" ")
