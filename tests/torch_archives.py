"""Zip archives in torch's manner, written byte by byte so that each can be wrong in one way; and small pickles."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Entry:
    """One member. What is `None` follows from the data; `before` stands in the file ahead of its header."""

    name: str | bytes
    data: bytes = b""
    flags: int = 0x0808
    method: int = 0
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    local_name: bytes | None = None
    local_flags: int | None = None
    local_size: int = 0
    extra: bytes = b""
    central_extra: bytes = b""
    clock: int = 0
    local_clock: int = 0
    attributes: int = 0
    comment: bytes = b""
    before: bytes = b""
    offset: int | None = None
    descriptor: bytes | None = None

    @property
    def raw(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name


def padding(length: int) -> bytes:
    """torch's extra field of `length` bytes in all."""
    return struct.pack("<HH", 0x4246, length - 4) + b"Z" * (length - 4)


def zipped(
    entries: Sequence[Entry],
    *,
    comment: bytes = b"",
    count: int | None = None,
    length: int | None = None,
    begin: int | None = None,
    between: bytes = b"",
) -> bytes:
    """The archive."""
    text, central = b"", b""
    for entry in entries:
        raw, size = entry.raw, len(entry.data) if entry.size is None else entry.size
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        packed = size if entry.packed is None else entry.packed
        text += entry.before
        offset = len(text) if entry.offset is None else entry.offset
        local = raw if entry.local_name is None else entry.local_name
        flags = entry.flags if entry.local_flags is None else entry.local_flags
        sizes = (0, entry.local_size, entry.local_size) if entry.flags & 8 else (crc, packed, size)
        text += struct.pack(
            "<4sHHHHHIIIHH",
            b"PK\3\4",
            0,
            flags,
            entry.method,
            entry.local_clock,
            0,
            *sizes,
            len(local),
            len(entry.extra),
        )
        text += local + entry.extra + entry.data
        if entry.flags & 8 and entry.data:
            made = b"PK\7\x08" + struct.pack("<III", crc, packed, size)
            text += made if entry.descriptor is None else entry.descriptor
        tail = (len(raw), len(entry.central_extra), len(entry.comment), 0, 0, entry.attributes, offset)
        central += struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0, 0, entry.flags, entry.method, entry.clock, 0, crc, packed, size, *tail
        )
        central += raw + entry.central_extra + entry.comment
    at = len(text) + len(between)
    shown = len(entries) if count is None else count
    end = (shown, shown, len(central) if length is None else length, at if begin is None else begin, len(comment))
    return text + between + central + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *end) + comment


def members(pickle: bytes, storages: Mapping[str, bytes], top: str = "archive") -> list[Entry]:
    """What torch would write for a pickle and its storages."""
    return [
        Entry(f"{top}/data.pkl", pickle, extra=padding(20)),
        Entry(f"{top}/byteorder", b"little"),
        *(Entry(f"{top}/data/{key}", data, extra=padding(8)) for key, data in storages.items()),
        Entry(f"{top}/version", b"3\n"),
    ]


def text(value: str) -> bytes:
    """The opcode that pushes a text."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """The opcode that pushes a number, of any size up to 254 bytes."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def named(name: str) -> bytes:
    """The opcode that pushes a class or function."""
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def numbers(values: Sequence[int]) -> bytes:
    """A tuple of numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key: str = "0", elements: int = 6, kind: str = "FloatStorage") -> bytes:
    """A storage, by its persistent id."""
    return b"(" + text("storage") + named(f"torch.{kind}") + text(key) + text("cpu") + number(elements) + b"tQ"


def tensor(
    key: str = "0", shape: Sequence[int] = (2, 3), strides: Sequence[int] = (3, 1), offset: int = 0, **of: Any
) -> bytes:
    """A tensor over a storage."""
    arguments = storage(key, **of) + number(offset) + numbers(shape) + numbers(strides) + b"\x89"
    hooks = named("collections.OrderedDict") + b")R"
    return named("torch._utils._rebuild_tensor_v2") + b"(" + arguments + hooks + b"tR"


def pickled(items: Mapping[str, bytes]) -> bytes:
    """A pickle of a dictionary whose values are given as opcodes."""
    inner = b"".join(text(name) + value for name, value in items.items())
    return b"\x80\x02}(" + inner + b"u."


def torch_file(items: Mapping[str, bytes] | None = None, storages: Mapping[str, bytes] | None = None) -> bytes:
    """A whole file; by default one of a tensor `w` of 2 x 3 numbers."""
    held = {"0": bytes(24)} if storages is None else storages
    return zipped(members(pickled({"w": tensor()} if items is None else items), held))
