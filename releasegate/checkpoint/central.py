"""The list of members at the end of a zip archive (its central directory), read within bounds."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from releasegate.errors import ArchiveError

MAX_MEMBERS = 200_000
MAX_DIRECTORY = 64 << 20
"""Bytes of the list of members."""

FETCH = "fetch or export the file again"
SAVE = "load the file where it can be trusted, and save its state dict again with `torch.save`"

_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list says of one member.

    Attributes:
        name: without the top folder.
        raw_name: as it stands in the file.
        offset: of its local header, in bytes from the start of the file.
        size: bytes of its data, which are stored as they are.
        crc: as claimed; it is not checked.
        flags: zip's general purpose bits.
    """

    name: str
    raw_name: bytes
    offset: int
    size: int
    crc: int
    flags: int


@dataclass(frozen=True, slots=True)
class _Directory:
    count: int
    begin: int
    end: int


def read_central(file: BinaryIO, size: int, where: str) -> tuple[list[Listed], int]:
    """The members that the archive lists, and where in the file the list begins.

    Args:
        file: open for reading.
        size: bytes of the file.
        where: named in errors.

    Raises:
        ArchiveError: the list is malformed, too long, or names a member that no plain archive has.
    """
    directory = _directory(file, size, where)
    text = os.pread(file.fileno(), directory.end - directory.begin, directory.begin)
    if len(text) != directory.end - directory.begin:
        raise ArchiveError(where, "is cut off inside its list of members", FETCH)
    if b"/code/" in text or b"/constants.pkl" in text:
        what = "is a TorchScript archive, which is a program"
        raise ArchiveError(where, what, "save the state dict of the model that it was made from")
    listed: list[Listed] = []
    at = 0
    while at < len(text):
        entry, at = _entry(text, at, where)
        listed.append(entry)
        if len(listed) > directory.count:
            break
    if len(listed) != directory.count:
        raise ArchiveError(where, f"lists another number of members than the {directory.count:,} it claims", FETCH)
    _refuse_sums(listed, size, where)
    return _below_top(listed, where), directory.begin


def _directory(file: BinaryIO, size: int, where: str) -> _Directory:
    raw = os.pread(file.fileno(), _END.size, max(0, size - _END.size))
    if len(raw) < _END.size or raw[:4] != b"PK\x05\x06":
        what = "does not end as a zip archive does: it is cut off, or something was added to it"
        raise ArchiveError(where, what, FETCH)
    _, disk, start_disk, here, count, length, begin, comment = _END.unpack(raw)
    end = size - _END.size
    if disk or start_disk or here != count or comment:
        raise ArchiveError(where, "has a zip comment or several parts, which torch does not write", SAVE)
    before = os.pread(file.fileno(), _LOCATOR.size, max(0, end - _LOCATOR.size))
    if before[:4] == b"PK\x06\x07":
        count, length, begin, end = _wide(file, before, end - _LOCATOR.size, where)
    if length > MAX_DIRECTORY or count > MAX_MEMBERS:
        what = f"claims {count:,} members in a list of {length:,} bytes; at most {MAX_MEMBERS:,} and {MAX_DIRECTORY:,}"
        raise ArchiveError(where, what + " are read", "is it a checkpoint? " + FETCH)
    if begin + length != end:
        raise ArchiveError(where, "has a list of members that is not at its end", FETCH)
    return _Directory(count, begin, end)


def _wide(file: BinaryIO, locator: bytes, end: int, where: str) -> tuple[int, int, int, int]:
    """The same for archives of more than 4 GiB: count, length, begin, and where the list must end."""
    _, disk, at, disks = _LOCATOR.unpack(locator)
    raw = os.pread(file.fileno(), _END64.size, max(0, end - _END64.size))
    if len(raw) < _END64.size or raw[:4] != b"PK\x06\x06" or at != end - _END64.size:
        raise ArchiveError(where, "has a zip64 end that is not where its locator says", FETCH)
    _, length_of_this, _, _, number, start, here, count, length, begin = _END64.unpack(raw)
    if disk or disks > 1 or number or start or here != count or length_of_this != _END64.size - 12:
        raise ArchiveError(where, "has a zip comment or several parts, which torch does not write", SAVE)
    return count, length, begin, at


def _entry(text: bytes, at: int, where: str) -> tuple[Listed, int]:
    if len(text) - at < _ENTRY.size or text[at : at + 4] != b"PK\x01\x02":
        raise ArchiveError(where, "has a malformed list of members", FETCH)
    fields = _ENTRY.unpack_from(text, at)
    flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
    name_length, extra_length, comment, disk, offset = *fields[10:14], fields[16]
    at += _ENTRY.size
    raw_name = text[at : at + name_length]
    extra = text[at + name_length : at + name_length + extra_length]
    at += name_length + extra_length
    if at > len(text):
        raise ArchiveError(where, "has a malformed list of members", FETCH)
    shown = ascii(raw_name.decode("utf-8", "replace"))[:80]
    if flags & 1:
        raise ArchiveError(where, f"has an encrypted member {shown}", SAVE)
    unused = (*fields[1:3], *fields[5:7], *fields[14:16])  # versions, time and date, attributes: torch leaves them 0
    if flags & ~0x0808 or comment or disk or any(unused):
        raise ArchiveError(where, f"has a member {shown} with zip features that torch does not use", SAVE)
    size, packed, offset = _widened(extra, size, packed, offset, shown, where)
    if method or packed != size:
        raise ArchiveError(where, f"has a compressed member {shown}, which torch does not write", SAVE)
    return Listed("", raw_name, offset, size, crc, flags), at


def _widened(extra: bytes, size: int, packed: int, offset: int, shown: str, where: str) -> tuple[int, int, int]:
    """Size, packed size and offset, each taken from the zip64 field where it says so."""
    fields = [size, packed, offset]
    wide = [index for index, value in enumerate(fields) if value == 0xFFFFFFFF]
    expected = 4 + 8 * len(wide) if wide else 0
    if len(extra) != expected or (wide and struct.unpack_from("<HH", extra) != (1, expected - 4)):
        what = f"has a member {shown} with extra fields in the list of members that torch does not write"
        raise ArchiveError(where, what, SAVE)
    for index, value in zip(wide, struct.unpack_from(f"<{len(wide)}Q", extra, 4) if wide else (), strict=True):
        fields[index] = value
    return fields[0], fields[1], fields[2]


def _refuse_sums(listed: list[Listed], size: int, where: str) -> None:
    total = sum(entry.size for entry in listed)
    if total > size:
        what = f"claims {total:,} bytes of members in a file of {size:,} bytes"
        raise ArchiveError(where, what, FETCH)


def _below_top(listed: list[Listed], where: str) -> list[Listed]:
    """The members with their names below the one top folder."""
    top: str | None = None
    seen: dict[str, str] = {}
    found: list[Listed] = []
    for entry in listed:
        name = _name(entry.raw_name, where)
        head, _, rest = name.partition("/")
        if not rest or (top is not None and head != top):
            raise ArchiveError(where, f"has a member {name!a} outside its one top folder", SAVE)
        top = head
        folded = name.casefold()
        if folded in seen:
            what = f"has two members of one name: {seen[folded]!a} and {name!a}"
            raise ArchiveError(where, what, SAVE)
        seen[folded] = name
        found.append(Listed(rest, entry.raw_name, entry.offset, entry.size, entry.crc, entry.flags))
    return found


def _name(raw: bytes, where: str) -> str:
    name = raw.decode("utf-8", "replace")
    plain = name.isprintable() and "\ufffd" not in name and "\\" not in name and len(name) <= 1024
    if not plain or any(part in ("", ".", "..") for part in name.split("/")):
        shown = ascii(name)[:80]
        raise ArchiveError(where, f"has a member with an unusable name: {shown}", SAVE)
    return name
