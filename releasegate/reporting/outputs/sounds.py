"""Output sounds inside the page: recognised by their bytes, handed on as they are, and within a budget."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from releasegate.reporting.outputs.reading import Missing, read_output

SOUNDS = ("flac", "wav", "ogg", "mp3")
MOST_PLAYERS = 24
"""Players of a report."""
BUDGET = 6_000_000
"""Bytes of all the sounds of a report, as they stand in the page."""
MOST_FILE = 3_000_000
"""Bytes of a file that is still read."""


@dataclass(frozen=True)
class Sound:
    """A sound as a `data:` URI, or why there is none.

    Attributes:
        full: whether it is left out for want of room alone.
    """

    uri: str | None
    missing: str = ""
    full: bool = False


def is_sound(name: str) -> bool:
    """Whether the name of an output is that of a sound.

    >>> is_sound("0" * 64 + ".flac"), is_sound("0" * 64 + ".png")
    (True, False)
    """
    return name.rpartition(".")[2] in SOUNDS


def sound(outputs: Path, name: str, budget: int) -> Sound:
    """One output as a sound of at most `budget` bytes of base64.

    Args:
        outputs: the folder that outputs lie in, each named by its sha256.
    """
    data = read_output(outputs, name, MOST_FILE)
    if isinstance(data, Missing):
        return Sound(None, data.why)
    kind = _kind(data)
    if kind is None:
        return Sound(None, "the output cannot be read as a sound")
    uri = f"data:audio/{kind};base64," + base64.b64encode(data).decode("ascii")
    return Sound(uri) if len(uri) <= budget else Sound(None, "the report holds as much sound as it may", full=True)


def _kind(data: bytes) -> str | None:
    """The subtype of audio that the bytes begin like; names say nothing about content."""
    if data.startswith(b"fLaC"):
        return "flac"
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return "wav"
    if data.startswith(b"OggS"):
        return "ogg"
    if data.startswith(b"ID3") or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "mpeg"  # layer III with its frame sync
    return None
