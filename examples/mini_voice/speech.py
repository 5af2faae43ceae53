"""The speech that mini-voice learns from: the split `training` of `evals/voices.csv`, and volunteers' voices of two packages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from evals import voices
from evals.recordings import RATE, at_level, decode, trim

SHORTEST, LONGEST = 1.2, 10.0  # seconds
EACH = 20
"""Recordings of each volunteer."""
VOLUNTEERS = {
    "tuxpaint-stamps-default": ("**/*_desc_{}.ogg", ("be", "bg", "ca", "da", "el", "es", "fr", "nn", "ro", "ru")),
    "ktuberling-data": ("**/sounds/{}/*.*", ("ca", "da", "de", "el", "en", "fr", "gl", "id", "lt", "nn", "ru", "sl", "uk", "wa")),
}  # fmt: skip


@dataclass(frozen=True)
class Take:
    """One recording to learn from.

    Attributes:
        speaker: whose it is.
        seconds: of it.
        audio: float32 [t] at 16 kHz, at -23 dB.
    """

    speaker: str
    audio: Tensor

    @property
    def seconds(self) -> float:
        return len(self.audio) / RATE


def listed(split: Literal["training", "adaptation"] = "training") -> Iterator[Take]:
    """The recordings of the pool that are for training, or for adaptation to one more voice."""
    for voice in voices.clips(split):
        audio = voices.read(voice)
        if len(audio) / RATE >= SHORTEST:
            yield Take(voice.speaker, audio[: int(LONGEST * RATE)])


def volunteers(folder: Path) -> Iterator[Take]:
    """Recordings of the unpacked packages in `folder`, the same ones every time."""
    for package, (pattern, codes) in VOLUNTEERS.items():
        for code in codes:
            found = 0
            files = sorted((folder / package).glob(pattern.format(code)), key=lambda file: _order(file.name))
            for file in files:
                if found == EACH:
                    break
                if not file.is_file() or file.stat().st_size < 3000:
                    continue
                try:
                    audio = trim(decode(file))
                except UnicodeDecodeError:  # tags that are not UTF-8, of which PyAV makes an error
                    continue
                if SHORTEST * RATE <= len(audio) <= LONGEST * RATE:
                    found += 1
                    yield Take(f"{package.split('-')[0]}_{code}", at_level(audio))


def _order(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
