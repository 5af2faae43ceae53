"""The zip archive that `torch.save` writes, accepted only where every byte of the file is accounted for.

Loaders of zip archives differ in what they believe: the central directory, the local headers, or whatever they find.
Here all three must say the same. Members lie one after another from the first byte, none is compressed, and between
them stands nothing but torch's own padding (an extra field `FB`, filled with `Z`). No member's data is read, but for
a few small texts. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (6.3.10).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from releasegate.checkpoint.central import FETCH, SAVE, Listed, read_central
from releasegate.checkpoint.files import open_regular
from releasegate.errors import ArchiveError, CheckpointError

PICKLE = "data.pkl"
MAX_PICKLE = 32 << 20
"""Bytes of `data.pkl`: some 70,000 tensors."""
MAX_TEXT = 256
"""Bytes of the other members that are no tensor's."""

HIDDEN = "bytes outside members can hide weights: " + SAVE

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_TEXTS: Mapping[str, re.Pattern[bytes]] = {
    "version": re.compile(rb"[0-9]{1,4}\n?"),
    "byteorder": re.compile(rb"little|big"),
    ".data/serialization_id": re.compile(rb"[0-9]{1,80}"),
    ".format_version": re.compile(rb"[0-9]{1,4}"),
    ".storage_alignment": re.compile(rb"[0-9]{1,8}"),
}
"""Members that torch writes beside pickle and storages, and what may stand in each."""
_STORAGE = re.compile(r"data/(0|[1-9][0-9]{0,19})")
_BEGINNINGS: Mapping[bytes, tuple[str, str]] = {
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.": (
        "is in the format that torch wrote before version 1.6, which is no zip archive",
        SAVE,
    ),
    b"\x80": ("is a bare pickle, not a file that `torch.save` wrote", SAVE),
    b"version https://git-lfs": ("is a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`"),
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its data are the bytes `begin` to `end` of the file."""

    name: str
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of data."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Archive:
    """A torch file whose structure was checked.

    Attributes:
        pickle: the bytes of `data.pkl`. They are not to be trusted.
        storages: where each `data/N` lies, by the text of N.
        size: bytes of the whole file.
    """

    pickle: bytes
    storages: Mapping[str, Member]
    size: int


def read_archive(path: Path) -> Archive:
    """The archive at `path`; no storage is read.

    Raises:
        ArchiveError: it is not a plain archive as `torch.save` writes it; one message for each way not to be.
    """
    where = str(path)
    try:
        opened = open_regular(path)
    except CheckpointError as error:
        problem = error.problems[0]
        raise ArchiveError(problem.where, problem.what, problem.fix) from None
    with opened as file:
        size = os.fstat(file.fileno()).st_size
        _refuse_other_formats(file, where)
        listed, directory = read_central(file, size, where)
        members = _members(file, listed, directory, where)
        _refuse_strangers(members, where)
        for name in _TEXTS:
            if name in members:
                _read_text(file, members[name], where)
        pickle = _read_pickle(file, members, where)
    storages = {name.removeprefix("data/"): member for name, member in members.items() if _STORAGE.fullmatch(name)}
    return Archive(pickle, storages, size)


def _refuse_other_formats(file: BinaryIO, where: str) -> None:
    first = os.pread(file.fileno(), 32, 0)
    if first.startswith(b"PK\x03\x04"):
        return
    for start, (what, fix) in _BEGINNINGS.items():
        if first.startswith(start):
            raise ArchiveError(where, what, fix)
    raise ArchiveError(where, "does not begin as the zip archive that `torch.save` writes", FETCH)


def _members(file: BinaryIO, listed: list[Listed], directory: int, where: str) -> dict[str, Member]:
    """The members by name, if each begins where the one before it ends and the directory follows the last."""
    members: dict[str, Member] = {}
    expected = 0
    ordered = sorted(listed, key=lambda entry: entry.offset)
    for entry in ordered:
        if entry.offset < expected:
            raise ArchiveError(where, f"has a member {entry.name!a} that overlaps the one before it", FETCH)
        if entry.offset > expected:
            what = f"has {entry.offset - expected:,} bytes that belong to no member, before {entry.name!a}"
            raise ArchiveError(where, what, HIDDEN)
        begin = entry.offset + _header_length(file, entry, where)
        members[entry.name] = Member(entry.name, begin, begin + entry.size)
        expected = begin + entry.size + _descriptor_length(file, entry, begin + entry.size)
    if expected > directory:
        raise ArchiveError(where, "has a last member that runs into the list of members", FETCH)
    if expected < directory:
        what = f"has {directory - expected:,} bytes that belong to no member, after the last"
        raise ArchiveError(where, what, HIDDEN)
    return members


def _header_length(file: BinaryIO, entry: Listed, where: str) -> int:
    """Bytes of the local header, after it was held against the central directory."""
    raw = os.pread(file.fileno(), _LOCAL.size, entry.offset)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\x03\x04":
        raise ArchiveError(where, f"has no header where the list of members places {entry.name!a}", FETCH)
    _, version, flags, method, clock, day, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    rest = os.pread(file.fileno(), name_length + extra_length, entry.offset + _LOCAL.size)
    same = (
        len(rest) == name_length + extra_length
        and rest[:name_length] == entry.raw_name
        and (flags, method, version, clock, day) == (entry.flags, 0, 0, 0, 0)
    )
    late = bool(flags & 8)
    same &= crc in ((0, entry.crc) if late else (entry.crc,))
    small = min(entry.size, 0xFFFFFFFF)
    same &= {packed, size} <= ({0, small, 0xFFFFFFFF} if late else {small, 0xFFFFFFFF})
    if not same:
        raise ArchiveError(where, f"has a member {entry.name!a} whose own header says something else", FETCH)
    _refuse_extra(rest[name_length:], entry, where)
    return _LOCAL.size + len(rest)


def _refuse_extra(extra: bytes, entry: Listed, where: str) -> None:
    """Nothing, if the extra fields are sizes that fit, and torch's padding."""
    allowed = {0, entry.size, entry.offset}
    at = 0
    while len(extra) - at >= 4:
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        plain = len(body) == length and (
            (kind == 0x4246 and not body.strip(b"Z"))
            or (kind == 1 and not length % 8 and set(struct.unpack(f"<{length // 8}Q", body)) <= allowed)
        )
        if not plain:
            break
        at += 4 + length
    if at != len(extra):
        what = f"has bytes before member {entry.name!a} that are not torch's padding"
        raise ArchiveError(where, what, HIDDEN)


def _descriptor_length(file: BinaryIO, entry: Listed, end: int) -> int:
    """Bytes of the data descriptor that follows the data: torch writes none after a member that is empty."""
    if not entry.flags & 8:
        return 0
    tail = os.pread(file.fileno(), 24, end)
    crc, size = struct.pack("<I", entry.crc), entry.size
    kinds = [struct.pack("<QQ", size, size)]
    if size <= 0xFFFFFFFF:
        kinds.append(struct.pack("<II", size, size))
    descriptors = [b"PK\x07\x08" + crc + sizes for sizes in kinds]
    return next((len(descriptor) for descriptor in descriptors if tail.startswith(descriptor)), 0)


def _refuse_strangers(members: Mapping[str, Member], where: str) -> None:
    for name in members:
        if name != PICKLE and name not in _TEXTS and not _STORAGE.fullmatch(name):
            raise ArchiveError(where, f"has a member {name!a}, which torch does not write", SAVE)
    for name in (PICKLE, "version"):
        if name not in members:
            raise ArchiveError(where, f"has no member {name!r}", FETCH)


def _read_text(file: BinaryIO, member: Member, where: str) -> None:
    text = os.pread(file.fileno(), min(member.size, MAX_TEXT), member.begin)
    if member.size > MAX_TEXT or not _TEXTS[member.name].fullmatch(text):
        raise ArchiveError(where, f"has a member {member.name!r} with something else in it than torch writes", SAVE)
    if text == b"big":
        what = "holds tensors in big-endian order, which safetensors does not know"
        raise ArchiveError(where, what, "load it with torch on any machine, and save it again there")


def _read_pickle(file: BinaryIO, members: Mapping[str, Member], where: str) -> bytes:
    member = members[PICKLE]
    if member.size > MAX_PICKLE:
        what = f"has a pickle of {member.size:,} bytes; at most {MAX_PICKLE:,} are read"
        raise ArchiveError(where, what, "save tensors and names alone, in several files if need be")
    data = os.pread(file.fileno(), member.size, member.begin)
    if len(data) != member.size:
        raise ArchiveError(where, "is cut off inside its pickle", FETCH)
    return data
