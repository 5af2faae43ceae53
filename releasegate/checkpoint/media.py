"""Pictures and sounds that go out with a checkpoint: what they carry beside what is seen or heard."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MOST_BESIDE = 4096
"""Bytes of notes, unknown chunks and what follows the end of a file, at most; a colour profile is not counted up to this."""
MOST_PIXELS = 64 << 20
"""Bytes of pixels that are unpacked."""

_PNG = b"\x89PNG\r\n\x1a\n"
_OF_PNG = frozenset(
    (
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"pHYs",
        b"tIME",
        b"bKGD",
        b"sBIT",
        b"hIST",
    )
)
"""Chunks of a fixed small size, and those of pixels."""
_OF_RIFF: Mapping[bytes, frozenset[bytes]] = {
    b"WAVE": frozenset((b"fmt ", b"data", b"fact")),
    b"WEBP": frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")),
}


@dataclass(frozen=True, slots=True)
class Carried:
    """What a picture or a sound carries beside itself, and its own content unpacked where that is simple.

    Attributes:
        kind: of the file.
        beside: by what it is called, bytes that are not seen or heard.
        content: pixels or samples, unpacked; empty where they are coded.
        broken: why it is not a file of its kind.
    """

    kind: str
    beside: tuple[tuple[str, bytes], ...] = ()
    content: bytes = b""
    broken: str | None = None

    @property
    def size(self) -> int:
        """Bytes beside the picture or sound."""
        return sum(len(content) for _, content in self.beside)


def carried(content: bytes) -> Carried | None:
    """What a picture or sound carries; `None` if it is neither, or of a form that is not taken apart here."""
    if content.startswith(_PNG):
        return _taken("PNG", _png(content), content)
    if content.startswith(b"\xff\xd8\xff"):
        return _taken("JPEG", _jpeg(content), content)
    if content[:4] == b"RIFF" and content[8:12] in _OF_RIFF:
        return _taken(content[8:12].decode(), _riff(content), content)
    return None


def _taken(kind: str, parts: Iterator[tuple[str, bytes]], content: bytes) -> Carried:
    found: list[tuple[str, bytes]] = []
    try:
        found.extend(parts)
        pixels = _pixels(content) if kind == "PNG" else b""
    except (ValueError, IndexError, zlib.error) as error:
        return Carried(kind, tuple(found), broken=f"is called a picture or sound and is a broken {kind} file: {error}")
    return Carried(kind, tuple(found), pixels)


def _chunks_of_png(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    at = len(_PNG)
    while at < len(content):
        length, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content):
            raise ValueError("a chunk ends after the file")
        yield name, content[at + 8 : end - 4], end
        if name == b"IEND":
            return
        at = end
    raise ValueError("it has no end")


def _png(content: bytes) -> Iterator[tuple[str, bytes]]:
    end = len(content)
    for name, held, end in _chunks_of_png(content):  # noqa: B007 - the last end is used
        if name in _OF_PNG and (name in (b"IDAT", b"PLTE") or len(held) <= 1024):
            continue
        yield f"chunk {name.decode('ascii', 'replace')}", held
        if name in (b"zTXt", b"iTXt", b"iCCP"):
            yield f"chunk {name.decode()}, unpacked", _unpacked(held.partition(b"\0")[2].lstrip(b"\0\1"))
    if end < len(content):
        yield "bytes after its end", content[end:]


def _unpacked(held: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(held, 1 << 20)
    except zlib.error:
        return b""


def _pixels(content: bytes) -> bytes:
    """The rows of pixels, each after a byte that says how it is coded; as they are before that is undone.

    Raises:
        ValueError: there are more of them than the size of the picture takes.
    """
    head, packed = b"", []
    for name, held, _ in _chunks_of_png(content):
        head = held if name == b"IHDR" else head
        if name == b"IDAT":
            packed.append(held)
    unpacker = zlib.decompressobj()
    pixels = unpacker.decompress(b"".join(packed), MOST_PIXELS)
    width, height, depth, colour = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big"), head[8], head[9]
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 4)
    needed = height * (1 + (width * depth * samples + 7) // 8)
    if len(pixels) > needed * (2 if head[12:13] == b"\1" else 1) or unpacker.unused_data:
        raise ValueError("it holds more than its pixels")
    return pixels


def _jpeg(content: bytes) -> Iterator[tuple[str, bytes]]:
    at = 2
    while content[at] == 0xFF and content[at + 1] != 0xDA:
        kind, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        held = content[at + 4 : at + 2 + length]
        if length < 2 or at + 2 + length > len(content):
            raise ValueError("a segment ends after the file")
        if kind == 0xFE or (0xE0 <= kind <= 0xEF and len(held) > 32):
            yield "its comment" if kind == 0xFE else f"segment APP{kind - 0xE0}", held
        at += 2 + length
    end = content.rfind(b"\xff\xd9")
    if end < 0:
        raise ValueError("it has no end")
    first = content.find(b"\xff\xd9", at)  # in coded pixels, 0xff is followed by 0 or a restart
    if first + 2 < len(content):
        yield "bytes after its end", content[first + 2 :]


def _riff(content: bytes) -> Iterator[tuple[str, bytes]]:
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise ValueError("it ends too early")
    at, known = 12, _OF_RIFF[content[8:12]]
    while at + 8 <= end:
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise ValueError("a chunk ends after the file")
        if name not in known or (name in (b"fmt ", b"fact") and length > 64):
            yield f"chunk {name.decode('ascii', 'replace').strip()}", content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    if end < len(content):
        yield "bytes after its end", content[end:]
