"""Whether a file that may differ is what its name says: a page that people read, or a picture. Nothing else may hide there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from releasegate.checkpoint.files import open_regular

MOST_TEXT = 4 << 20
"""Bytes of a text."""
MOST_PICTURE = 32 << 20
"""Bytes of a picture or a PDF."""

STARTS: Mapping[str, tuple[bytes, ...]] = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".webp": (b"RIFF",),
    ".pdf": (b"%PDF-",),
}
"""First bytes of what is no text, by the ending of its name."""

_CONTROLS = frozenset(range(0x20)) - frozenset(b"\t\n\f\r") | {0x7F}


def not_what_it_says(path: Path) -> str | None:
    """What keeps a file from being a page or a picture, to go on after `may differ, and `; None where nothing does.

    Raises:
        NotPlainFile: it is no plain file, or is not there any more.
    """
    starts = STARTS.get(path.suffix)
    most = MOST_TEXT if starts is None else MOST_PICTURE
    with open_regular(path) as file:
        data = b""
        while piece := file.read(most + 1 - len(data)):
            data += piece
    if len(data) > most:
        return f"is larger than {most >> 20} MiB: weights could hide in it"
    if starts is None:
        return None if _is_text(data) else "is no text, as its name says"
    return None if data.startswith(starts) else f"is no {path.suffix[1:].upper()}, as its name says"


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _CONTROLS.isdisjoint(data)
