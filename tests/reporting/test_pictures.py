"""Output images: checked against their name, re-encoded, within a budget."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import sys
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


def test_without_pillow_the_report_says_so_in_place_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stored(tmp_path, png(8))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert picture(tmp_path, name, 10_000).missing == "Pillow is not installed: pip install 'releasegate[image]'"
