"""Pictures and sounds carry nothing beside what is seen or heard, or it is counted: each form is made with a usual library."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, PngImagePlugin

from releasegate.checkpoint.media import carried

SECRET = bytes(range(256)) * 4


def picture(form: str, **more: object) -> bytes:
    to = io.BytesIO()
    image = Image.radial_gradient("L").resize((48, 40)).convert("RGB")
    image.save(to, form, **more)
    return to.getvalue()


def sound() -> bytes:
    to = io.BytesIO()
    with wave.open(to, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(range(200)) * 10)
    return to.getvalue()


def png_chunk(name: bytes, held: bytes) -> bytes:
    return struct.pack(">I", len(held)) + name + held + struct.pack(">I", zlib.crc32(name + held))


def in_png(name: bytes, held: bytes, times: int = 1) -> bytes:
    """The picture with chunks before its pixels."""
    plain = picture("PNG")
    at = plain.index(b"IDAT") - 4
    return plain[:at] + png_chunk(name, held) * times + plain[at:]


def in_jpeg(kind: int, held: bytes, times: int = 1) -> bytes:
    plain = picture("JPEG")
    return plain[:2] + (bytes((0xFF, kind)) + struct.pack(">H", len(held) + 2) + held) * times + plain[2:]


def _after_the_pixels(held: bytes) -> bytes:
    plain = picture("JPEG")
    return plain[:-2] + b"\xff\xe5" + struct.pack(">H", len(held) + 2) + held + plain[-2:]


def in_riff(plain: bytes, name: bytes, held: bytes, times: int = 1) -> bytes:
    chunks = plain[12:] + (name + struct.pack("<I", len(held)) + held) * times
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + plain[8:12] + chunks


CLEAN: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: picture("PNG"),
    "PNG of few colours": lambda: _few_colours(),
    "JPEG": lambda: picture("JPEG"),
    "JPEG of several scans": lambda: picture("JPEG", progressive=True, optimize=True),
    "JPEG with resolution": lambda: picture("JPEG", dpi=(300, 300), quality=100, subsampling=0),
    "WEBP": lambda: picture("WEBP"),
    "WEBP without loss": lambda: picture("WEBP", lossless=True),
    "WAVE": sound,
}


def _few_colours() -> bytes:
    to = io.BytesIO()
    Image.radial_gradient("L").resize((48, 40)).convert("P").save(to, "PNG", transparency=3, gamma=0.45, dpi=(72, 72))
    return to.getvalue()


@pytest.mark.parametrize("form", CLEAN)
def test_what_a_library_writes_carries_nothing(form: str) -> None:
    found = carried(CLEAN[form]())
    assert found is not None
    assert (found.kind, found.beside, found.broken) == (form.split()[0], (), None)


@pytest.mark.parametrize("form", CLEAN)
def test_bytes_after_the_end_are_counted(form: str) -> None:
    found = carried(CLEAN[form]() + SECRET)
    assert found is not None
    assert found.beside == (("bytes after its end", SECRET),)


def _note() -> bytes:
    note = PngImagePlugin.PngInfo()
    note.add_text("k", "v" * 300)
    return picture("PNG", pnginfo=note)


HIDING: dict[str, tuple[Callable[[], bytes], int]] = {
    "PNG: a note": (_note, 300),
    "PNG: a chunk of no known kind": (lambda: in_png(b"raWs", SECRET), 1024),
    "PNG: a chunk that is longer than its kind": (lambda: in_png(b"gAMA", SECRET), 1024),
    "PNG: a thousand chunks of one known kind": (lambda: in_png(b"tIME", b"1234567", 1000), 999 * 7),
    "PNG: a palette that is too long": (lambda: in_png(b"PLTE", SECRET), 1024),
    "JPEG: a comment": (lambda: in_jpeg(0xFE, SECRET), 1024),
    "JPEG: a segment for programs": (lambda: in_jpeg(0xE1, SECRET), 1024),
    "JPEG: many small segments": (lambda: in_jpeg(0xE5, SECRET[:30], 1000), 30_000),
    "JPEG: many tables": (lambda: in_jpeg(0xDB, SECRET[:65], 1000), 900 * 65),
    "JPEG: a segment after the pixels": (lambda: _after_the_pixels(SECRET), 1024),
    "JPEG: a segment of no known kind": (lambda: in_jpeg(0xF3, SECRET), 1024),
    "WEBP: a chunk of no known kind": (lambda: in_riff(picture("WEBP"), b"raws", SECRET), 1024),
    "WAVE: a list": (lambda: in_riff(sound(), b"LIST", SECRET), 1024),
    "WAVE: many formats": (lambda: in_riff(sound(), b"fmt ", SECRET[:40], 100), 4000),
    "WAVE: data again": (lambda: in_riff(sound(), b"data", SECRET), 1024),
}


@pytest.mark.parametrize("how", HIDING)
def test_what_is_neither_seen_nor_heard_is_counted(how: str) -> None:
    make, least = HIDING[how]
    found = carried(make())
    assert found is not None
    assert found.kind == how.partition(":")[0]
    assert found.size >= least


@pytest.mark.parametrize(
    ("name", "head"),
    [
        (b"zTXt", b"note\0\0"),
        (b"iCCP", b"profile\0\0"),
        (b"iTXt", b"note\0\1\0\0\0"),
        (b"iTXt", b"note\0\1\0en\0\0"),
        (b"iTXt", b"note\0\1\0de-AT\0Notiz\0"),
    ],
)
def test_a_packed_note_is_unpacked_too(name: bytes, head: bytes) -> None:
    found = carried(in_png(name, head + zlib.compress(SECRET)))
    assert found is not None
    assert (f"chunk {name.decode()}, unpacked", SECRET) in found.beside


@pytest.mark.parametrize("share", [0, 0.7])
def test_pixels_that_are_missing_or_cut_off_are_broken(share: float) -> None:
    plain = picture("PNG")
    at = plain.index(b"IDAT") - 4
    length = int.from_bytes(plain[at : at + 4], "big")
    cut = png_chunk(b"IDAT", plain[at + 8 : at + 8 + int(length * share)]) if share else b""
    found = carried(plain[:at] + cut + plain[at + 12 + length :])
    assert found is not None
    assert found.broken == "is called a picture or sound and is a broken PNG file: its pixels end too early"


def test_pixels_are_unpacked_and_more_than_pixels_is_broken() -> None:
    plain = carried(picture("PNG"))
    assert plain is not None
    assert len(plain.content) == 40 * (1 + 48 * 3)
    more = in_png(b"IDAT", zlib.compress(bytes(48 * 40 * 4) + SECRET))
    found = carried(more)
    assert found is not None
    assert found.broken == "is called a picture or sound and is a broken PNG file: it holds more than its pixels"


@pytest.mark.parametrize("form", [*CLEAN])
def test_a_file_that_ends_too_early_is_broken(form: str) -> None:
    content = CLEAN[form]()
    found = carried(content[: len(content) // 2])
    assert found is not None
    assert found.broken is not None


@pytest.mark.parametrize("content", [b"", b"RIFF", b"GIF89a" + SECRET, b"RIFF\0\0\0\0AVI " + SECRET])
def test_other_files_are_not_taken_apart(content: bytes) -> None:
    assert carried(content) is None


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\xff\xff\xff\xffWAVE"])
@pytest.mark.parametrize("rest", [b"", b"\0" * 5, b"\xff" * 40, SECRET])
def test_broken_files_are_told_and_raise_nothing(head: bytes, rest: bytes) -> None:
    found = carried(head + rest)
    assert found is not None
    assert found.broken is not None
