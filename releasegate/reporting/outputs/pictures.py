"""Output images inside the page: checked, re-encoded, and within a budget."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from releasegate.reporting.outputs.reading import Missing, read_output

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = ("png", "jpg", "jpeg", "webp", "gif", "bmp")
BUDGET = 1_500_000
"""Bytes of all the images of a report, as they stand in the page."""
MOST_PIXELS = 64_000_000
"""An image with more is not decoded: a small file can claim a huge canvas."""
MOST_FILE = 64_000_000
"""Bytes of a file that is still read."""
SIDES = (256, 192, 128, 96, 64)
"""Longest side, in pixels, that is tried until an image fits its share of the budget."""


@dataclass(frozen=True)
class Picture:
    """An image as a `data:` URI, or why there is none."""

    uri: str | None
    missing: str = ""


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
        return Picture(None, "Pillow is not installed: pip install 'releasegate[image]'")

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return Picture(None, "the output is too large to show")
            plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(None, "the output cannot be read as an image")
    for side in SIDES:
        uri = _encoded(plain, side)
        if len(uri) <= budget:
            return Picture(uri)
    return Picture(None, "the output is too large to show")


def _encoded(image: Image, side: int) -> str:
    """The image as a `data:` URI. Few pixels stay exact (PNG); many become a photograph (WebP)."""
    small = image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    exact = small.width * small.height <= 64 * 64
    if exact:
        small.save(buffer, "PNG", optimize=True)
    else:
        small.save(buffer, "WEBP", quality=80)
    kind = "png" if exact else "webp"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
