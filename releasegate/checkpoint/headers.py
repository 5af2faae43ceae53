"""The header of a safetensors file, read more strictly than the stock loader reads it. Tensor data is never read.

A file is eight bytes (the length of the header, little-endian), the header (a JSON object, padded with spaces), and
the data. The entries must cover the data in full, without gap or overlap, each with exactly the bytes that its dtype
and shape need. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import open_regular
from releasegate.errors import CheckpointError, HeaderError

MAX_HEADER = 100_000_000
"""Bytes of a header; the limit of the format's own reader."""
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
        raise HeaderError(problem.where, problem.what, problem.fix) from None
    with opened as file:
        size = os.fstat(file.fileno()).st_size
        length = _length(file.read(8), size, where)
        return parse_header(file.read(length), size, where)


def _length(first: bytes, file_size: int, where: str) -> int:
    if len(first) < 8:
        raise HeaderError(where, f"is too short for a safetensors file: {file_size} bytes", AGAIN)
    length = int.from_bytes(first, "little")
    if length > MAX_HEADER:
        what = f"claims a header of {length:,} bytes; at most {MAX_HEADER:,} are allowed"
        raise HeaderError(where, what, "is it a safetensors file? " + AGAIN)
    if length > file_size - 8:
        what = f"is cut off inside its header: it claims {length:,} bytes and {file_size - 8:,} follow"
        raise HeaderError(where, what, AGAIN)
    if length % 8:
        raise HeaderError(where, f"has a header of {length} bytes, which is not a multiple of 8", REWRITE)
    return length


def parse_header(text: bytes, file_size: int, where: str) -> Header:
    """The header whose JSON (with padding) is `text`, of a file of `file_size` bytes.

    Raises:
        HeaderError: it is malformed.
    """
    data = _object(text, where)
    metadata = _metadata(data.pop("__metadata__"), where) if "__metadata__" in data else None
    entries = {name: _entry(name, value, where) for name, value in data.items()}
    header = Header(len(text), entries, metadata)
    _refuse_gaps(header, file_size, where)
    return header


class _Twice(Exception):
    pass


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in items:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(text: bytes, where: str) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise HeaderError(where, "has a header that does not begin with `{`", "is it a safetensors file? " + AGAIN)
    if not text.rstrip(b" ").endswith(b"}"):
        raise HeaderError(where, "has something other than spaces after its header's closing `}`", REWRITE)
    try:
        data: dict[str, Any] = json.loads(text.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise HeaderError(where, "has a header that is not UTF-8", AGAIN) from None
    except _Twice as twice:
        raise HeaderError(where, f"has the key {_shown(twice.args[0])} twice in its header", REWRITE) from None
    except RecursionError:
        raise HeaderError(where, "has a header that is nested too deeply", REWRITE) from None
    except ValueError:
        raise HeaderError(where, "has a header that is not JSON", AGAIN) from None
    return data


def _shown(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 80 else text[:77] + "..."


def _metadata(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise HeaderError(where, "has a `__metadata__` that is not an object", REWRITE)
    for key, text in value.items():
        if not isinstance(text, str):
            raise HeaderError(where, f"has a `__metadata__` value that is not text: {_shown(key)}", REWRITE)
    try:
        size = sum(len(key.encode()) + len(text.encode()) for key, text in value.items())
    except UnicodeEncodeError:
        raise HeaderError(where, "has a `__metadata__` that is not valid Unicode", REWRITE) from None
    if size > MAX_METADATA:
        what = f"carries {size:,} bytes of `__metadata__`; at most {MAX_METADATA:,} are allowed"
        raise HeaderError(where, what, "weights can hide in metadata: write the file again without it")
    return value


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_LENGTH


def _entry(name: str, value: Any, where: str) -> Entry:
    shown = f"tensor {_shown(name)}"
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise HeaderError(where, f"has a {shown} whose name is empty, too long or unprintable", REWRITE)
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise HeaderError(where, f"{shown} must have exactly dtype, shape and data_offsets", REWRITE)
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise HeaderError(where, f"{shown} has an unknown dtype {_shown(dtype)}", f"use one of {', '.join(BITS)}")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(map(_is_count, shape)):
        raise HeaderError(where, f"{shown} has a shape that is not a list of whole numbers from 0", REWRITE)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        raise HeaderError(where, f"{shown} has data_offsets that are not two whole numbers from 0", REWRITE)
    begin, end = offsets
    if end < begin:
        raise HeaderError(where, f"{shown} ends before it begins ({begin} to {end})", REWRITE)
    bits = math.prod(shape) * BITS[dtype]
    if bits % 8:
        raise HeaderError(where, f"{shown} does not fill whole bytes ({bits} bits)", REWRITE)
    if bits // 8 != end - begin:
        what = f"{shown} holds {end - begin:,} bytes where its dtype and shape need {bits // 8:,}"
        raise HeaderError(where, what, AGAIN)
    return Entry(name, dtype, tuple(shape), begin, end)


def _refuse_gaps(header: Header, file_size: int, where: str) -> None:
    reached = 0
    for entry in header.in_file_order():
        if entry.begin < reached:
            raise HeaderError(where, f"tensor {_shown(entry.name)} overlaps the one before it", REWRITE)
        if entry.begin > reached:
            what = f"has {entry.begin - reached:,} bytes that belong to no tensor, before {_shown(entry.name)}"
            raise HeaderError(where, what, "bytes outside tensors can hide weights: " + REWRITE)
        reached = entry.end
    held = file_size - header.data_start
    if held < reached:
        raise HeaderError(where, f"is cut off: its tensors need {reached:,} bytes and {held:,} are there", AGAIN)
    if held > reached:
        what = f"has {held - reached:,} bytes after its last tensor"
        raise HeaderError(where, what, "bytes outside tensors can hide weights: " + REWRITE)


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
