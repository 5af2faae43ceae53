"""Output images inside the page: checked, re-encoded, and within a budget."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from releasegate.reporting.outputs.reading import Missing, read_output

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = ("png", "jpg", "jpeg", "webp", "gif", "bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""What is decoded, whatever a file is named: no format that another program is called for."""
MOST_PIXELS = 16_000_000
"""An image with more is not decoded: a small file can claim a huge canvas."""
MOST_FILE = 32_000_000
"""Bytes of a file that is still read."""
MOST_EACH = 24_000
"""Bytes of one image as it stands in the page."""
SIDES = (256, 192, 128, 96, 64)
"""Longest side, in pixels, that is tried until an image fits into its budget."""
TOO_LARGE = "the output is too large to show"
FULL = "the page holds as many pictures as it may"


@dataclass(frozen=True)
class Picture:
    """An image as a `data:` URI, or why there is none.

    Attributes:
        exact: whether it is of few pixels, which stay as they are.
        pixels: that were decoded for it.
    """

    uri: str | None
    missing: str = ""
    exact: bool = False
    pixels: int = 0


def is_image(name: str) -> bool:
    """Whether the name of an output is that of an image.

    >>> is_image("0" * 64 + ".png"), is_image("0" * 64 + ".wav")
    (True, False)
    """
    return name.rpartition(".")[2] in IMAGES


def picture(outputs: Path, name: str, budget: int) -> Picture:
    """One output as a picture of at most `budget` bytes of base64.

    Args:
        outputs: the folder that outputs lie in, each named by its sha256.
    """
    data = read_output(outputs, name, MOST_FILE)
    return Picture(None, data.why) if isinstance(data, Missing) else _shrunk(data, budget)


def _shrunk(data: bytes, budget: int) -> Picture:
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError:
        return _as_it_is(data, budget)

    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            plain, pixels = _decoded(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Picture(None, TOO_LARGE)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, struct.error):
        return Picture(None, "the output cannot be read as an image")
    if plain is None:
        return Picture(None, TOO_LARGE)
    for side in SIDES:
        plain.thumbnail((side, side))
        uri = _encoded(plain)
        if len(uri) <= budget:
            return Picture(uri, exact=_is_small(plain), pixels=pixels)
    return Picture(None, TOO_LARGE, pixels=pixels)


def _decoded(data: bytes) -> tuple[Image | None, int]:
    """The image, or None for one of too many pixels; and how many it has."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        pixels = image.width * image.height
        if pixels > MOST_PIXELS:
            return None, pixels
        image.draft("RGB", (2 * SIDES[0], 2 * SIDES[0]))
        return image.convert("RGBA" if image.has_transparency_data else "RGB"), pixels


def _as_it_is(data: bytes, budget: int) -> Picture:
    """Without Pillow: a PNG whose head names few pixels, as its bytes are."""
    is_png = data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) > 24
    if is_png and max(struct.unpack(">II", data[16:24])) <= 2 * SIDES[0] and len(data) * 4 // 3 + 40 <= budget:
        return Picture(_uri("png", data))
    return Picture(None, "Pillow is not installed: pip install 'releasegate[image]'")


def _encoded(small: Image) -> str:
    """The image as a `data:` URI. Few pixels stay exact (PNG); many become a photograph (WebP)."""
    buffer = io.BytesIO()
    if _is_small(small):
        small.save(buffer, "PNG", optimize=True)
        return _uri("png", buffer.getvalue())
    small.save(buffer, "WEBP", quality=80)
    return _uri("webp", buffer.getvalue())


def _is_small(image: Image) -> bool:
    return image.width * image.height <= 64 * 64


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode("ascii")
