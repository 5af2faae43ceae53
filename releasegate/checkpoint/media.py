"""Pictures and sounds that go out with a checkpoint: what they carry beside what is seen or heard."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MOST_BESIDE = 4096
"""Bytes of notes, unknown chunks and what follows the end of a file, at most; what is packed counts packed and unpacked."""
MOST_PIXELS = 64 << 20
"""Bytes of pixels that are unpacked."""

_PNG = b"\x89PNG\r\n\x1a\n"
_OF_PNG: Mapping[bytes, int] = {
    b"IHDR": 13,
    b"PLTE": 768,
    b"tRNS": 256,
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"pHYs": 9,
    b"tIME": 7,
    b"bKGD": 6,
    b"sBIT": 4,
    b"hIST": 512,
    b"IEND": 0,
}
"""Chunks that say how pixels are shown, each once, and the most bytes that one takes (PNG, third edition, section 11)."""
_HUFFMAN, _SCAN, _SCANS = 0xC4, 0xDA, 16
"""Segments that stand before each scan, and the most scans for which they do."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends a scan: in coded pixels 0xff is followed by 0 or by the number of a restart."""
_OF_JPEG: Mapping[int, int] = {_HUFFMAN: 2_184, _SCAN: 10, 0xDB: 516, 0xDD: 2, 0xE0: 32, 0xEE: 32} | dict.fromkeys(
    (kind for kind in range(0xC0, 0xD0) if kind not in (0xC4, 0xC8, 0xCC)), 774
)
"""Segments of tables and sizes, and the most bytes that those of one kind take together (ITU-T T.81, annex B.2)."""
_OF_RIFF: Mapping[bytes, Mapping[bytes, int | None]] = {
    b"WAVE": {b"fmt ": 40, b"data": None, b"fact": 4},
    b"WEBP": {b"VP8 ": None, b"VP8L": None, b"VP8X": 10, b"ALPH": None, b"ANIM": 6, b"ANMF": None},
}
"""Chunks that are seen or heard, and the most bytes that one takes; frames alone (`ANMF`) stand more than once."""


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
    end, seen = len(content), set[bytes]()
    for name, held, end in _chunks_of_png(content):  # noqa: B007 - the last end is used
        shown = name == b"IDAT" or (name not in seen and len(held) <= _OF_PNG.get(name, -1))
        seen.add(name)
        if shown:
            continue
        yield f"chunk {name.decode('ascii', 'replace')}", held
        if name in (b"zTXt", b"iTXt", b"iCCP"):
            yield f"chunk {name.decode()}, unpacked", _unpacked(_packed(name, held))
    if end < len(content):
        yield "bytes after its end", content[end:]


def _packed(name: bytes, held: bytes) -> bytes:
    """What is packed in a chunk: after its keyword and the method; in `iTXt` also after a flag, the language and its keyword."""
    rest = held.partition(b"\0")[2]
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2] if name == b"iTXt" else rest[1:]


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
    if not unpacker.eof and len(pixels) < MOST_PIXELS:
        raise ValueError("its pixels end too early")
    return pixels


def _jpeg(content: bytes) -> Iterator[tuple[str, bytes]]:
    at, scans, taken = 2, 0, Counter[int]()
    while content[at : at + 2] != b"\xff\xd9":
        if content[at] != 0xFF or at + 4 > len(content):
            raise ValueError("it has no end")
        kind, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        held = content[at + 4 : at + 2 + length]
        if length < 2 or at + 2 + length > len(content):
            raise ValueError("a segment ends after the file")
        taken[kind] += len(held)
        times = 1 + min(scans, _SCANS) if kind in (_HUFFMAN, _SCAN) else 1
        if taken[kind] > _OF_JPEG.get(kind, -1) * times:
            yield _name_of_segment(kind), held
        at += 2 + length
        if kind == _SCAN:
            scans += 1
            following = _MARKER.search(content, at)
            if following is None:
                raise ValueError("it has no end")
            at = following.start()
    if at + 2 < len(content):
        yield "bytes after its end", content[at + 2 :]


def _name_of_segment(kind: int) -> str:
    if kind == 0xFE:
        return "its comment"
    return f"segment APP{kind - 0xE0}" if 0xE0 <= kind <= 0xEF else f"segment {kind:#04x}"


def _riff(content: bytes) -> Iterator[tuple[str, bytes]]:
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise ValueError("it ends too early")
    at, known, seen = 12, _OF_RIFF[content[8:12]], set[bytes]()
    while at + 8 <= end:
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise ValueError("a chunk ends after the file")
        most = known.get(name, -1)
        if (most is not None and length > most) or (name in seen and name != b"ANMF"):
            yield f"chunk {name.decode('ascii', 'replace').strip()}", content[at + 8 : at + 8 + length]
        seen.add(name)
        at += 8 + length + length % 2
    if end < len(content):
        yield "bytes after its end", content[end:]
