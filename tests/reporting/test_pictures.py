"""Output images: checked against their name, re-encoded, within a budget."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from PIL import Image

from releasegate.reporting.outputs.pictures import picture


def stored(folder: Path, data: bytes, extension: str = "png") -> str:
    name = f"{hashlib.sha256(data).hexdigest()}.{extension}"
    (folder / name).write_bytes(data)
    return name


def png(side: int, *, noise: bool = False) -> bytes:
    image = (
        Image.effect_noise((side, side), 90).convert("RGB") if noise else Image.new("RGB", (side, side), (9, 99, 200))
    )
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def test_few_pixels_stay_exact(tmp_path: Path) -> None:
    found = picture(tmp_path, stored(tmp_path, png(16)), 10_000)
    assert found.uri is not None
    assert found.uri.startswith("data:image/png;base64,")
    assert decoded(found.uri).getpixel((3, 3)) == (9, 99, 200)


def test_a_large_image_shrinks_into_its_share_of_the_budget(tmp_path: Path) -> None:
    found = picture(tmp_path, stored(tmp_path, png(900, noise=True)), 9_000)
    assert found.uri is not None
    assert len(found.uri) <= 9_000
    assert max(decoded(found.uri).size) <= 256


def test_what_does_not_fit_is_said_to_be_too_large(tmp_path: Path) -> None:
    found = picture(tmp_path, stored(tmp_path, png(900, noise=True)), 50)
    assert (found.uri, found.missing) == (None, "the output is too large to show")


def test_a_huge_canvas_in_a_small_file_is_not_decoded(tmp_path: Path) -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert picture(tmp_path, stored(tmp_path, bomb), 10_000).uri is None


def test_what_is_no_image_is_not_shown(tmp_path: Path) -> None:
    for data in (b"", b"<svg onload='alert(1)'/>", b"<script>alert(1)</script>"):
        found = picture(tmp_path, stored(tmp_path, data), 10_000)
        assert (found.uri, found.missing) == (None, "the output cannot be read as an image")


def test_a_link_out_of_the_run_is_not_followed(tmp_path: Path) -> None:
    data = png(8)
    outside = tmp_path / "outside.png"
    outside.write_bytes(data)
    name = f"{hashlib.sha256(data).hexdigest()}.png"
    (tmp_path / name).symlink_to(outside)
    assert picture(tmp_path, name, 10_000).missing == "the output is not on disk"


def test_without_pillow_a_small_png_stands_as_it_is_and_the_page_says_so_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = png(8), png(900)
    names = [stored(tmp_path, data) for data in (small, large, b"\xff\xd8\xff" + small)]
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert picture(tmp_path, names[0], 10_000).uri == "data:image/png;base64," + base64.b64encode(small).decode()
    why = "Pillow is not installed: pip install 'releasegate[image]'"
    assert [picture(tmp_path, name, 10_000).missing for name in names[1:]] == [why, why]
    assert picture(tmp_path, names[0], 50).missing == why


@pytest.mark.parametrize("side", [5_000, 10_000, 13_000, 30_000])
def test_a_canvas_that_a_small_file_claims_is_not_decoded_at_any_size(tmp_path: Path, side: int) -> None:
    """Some sizes make Pillow warn, larger ones make it raise; none may reach the reader, or much memory."""
    body = zlib.compress(bytes(side // 8 + 1) * 50)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    tracemalloc.start()
    found = picture(tmp_path, stored(tmp_path, bomb), 10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.uri, found.missing) == (None, "the output is too large to show")
    assert peak < 2_000_000


def test_formats_that_call_other_programs_are_not_tried(tmp_path: Path) -> None:
    for data in (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        b"P6 8 8 255\n" + bytes(192),
        b"II*\x00" + bytes(64),
    ):
        found = picture(tmp_path, stored(tmp_path, data), 10_000)
        assert (found.uri, found.missing) == (None, "the output cannot be read as an image")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_an_image_that_is_cut_off_is_not_shown(tmp_path: Path, form: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 90).convert("RGB").save(buffer, form)
    whole = buffer.getvalue()
    assert picture(tmp_path, stored(tmp_path, whole), 24_000).uri is not None
    for length in (12, 40, len(whole) // 2):
        found = picture(tmp_path, stored(tmp_path, whole[:length]), 24_000)
        assert (found.uri, found.missing) == (None, "the output cannot be read as an image")


def test_nothing_but_the_picture_itself_reaches_the_page(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), (1, 2, 3)).save(buffer, "PNG", pnginfo=None)
    found = picture(tmp_path, stored(tmp_path, buffer.getvalue() + b"<script>alert(1)</script>"), 24_000)
    assert found.uri is not None
    assert b"alert" not in base64.b64decode(found.uri.partition("base64,")[2])
