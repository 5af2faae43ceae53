"""A recording as a small picture of its frequencies over time, for the axis of a timeline.

The picture has one colour, black, and says by how opaque it is how strong a frequency was: the stylesheet inverts it on a dark
page.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from releasegate.reporting.outputs.reading import Missing, read_output

COLUMNS, ROWS = 240, 48
"""Pixels of the picture."""
LEVELS = 16
"""Steps of opacity, as 4 bits a pixel hold them."""
WINDOW_S = 0.05
"""Length of the piece that is analysed for each column, in seconds."""
MOST_RATE = 768_000
"""Samples a second that a file may claim: the length of a piece follows from it."""
LOWEST = 60.0
"""Hertz at the lower edge."""
RANGE_DB = 60.0
"""From the strongest frequency to what is left out."""
MOST_FILE = 8_000_000
"""Bytes of a file that is still read."""
MOST_SAMPLES = 20_000_000
"""Samples that a file may claim: a small one can claim hours."""


@dataclass(frozen=True)
class Recording:
    """A sound.

    Attributes:
        samples: float32 [t], channels averaged.
        rate: samples a second.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Spectrogram:
    """A picture of frequencies over time: a `data:` URI of a PNG, and the hertz at its lower and upper edge.

    Frequencies rise logarithmically.
    """

    uri: str
    low: float
    high: float


def recording(outputs: Path, name: str) -> Recording | None:
    """The sound that an output holds; None where it is not there, cannot be read, or the package that reads it is not installed.

    Args:
        outputs: the folder that outputs lie in, each named by its sha256.
    """
    data = read_output(outputs, name, MOST_FILE)
    if isinstance(data, Missing):
        return None
    try:
        import soundfile
    except (ModuleNotFoundError, OSError):  # the package, or its library of C code
        return None
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.frames * file.channels > MOST_SAMPLES or not 2 * LOWEST <= file.samplerate <= MOST_RATE:
                return None
            found = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError):
        return None
    samples = found.mean(axis=1)
    return Recording(samples, rate) if len(samples) and np.isfinite(samples).all() else None


def spectrogram(sound: Recording) -> Spectrogram | None:
    """The picture of a sound; None for one without a frequency between the edges, or one of silence."""
    n = 1 << max(int(np.log2(sound.rate * WINDOW_S)), 5)
    top = sound.rate / 2
    if top <= 2 * LOWEST:
        return None
    centres = ((np.arange(COLUMNS) + 0.5) / COLUMNS * len(sound.samples)).astype(np.int64)
    padded = np.pad(sound.samples, (n // 2, n))
    pieces = padded[centres[:, None] + np.arange(n)] * np.hanning(n)
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2  # [columns, n / 2 + 1]
    bands = _banded(power, sound.rate / n, top)
    strongest = bands.max()
    if strongest <= 0:
        return None
    decibel = 10 * np.log10(np.maximum(bands / strongest, 1e-12))
    level = np.clip(np.rint((decibel / RANGE_DB + 1) * (LEVELS - 1)), 0, LEVELS - 1).astype(np.uint8)
    picture = _png(level.T[::-1])
    return Spectrogram("data:image/png;base64," + base64.b64encode(picture).decode("ascii"), LOWEST, top)


def _banded(power: NDArray[np.float64], width: float, top: float) -> NDArray[np.float64]:
    """float64 [columns, ROWS]: the strongest power in each of the bands, whose edges rise logarithmically.

    Args:
        width: hertz from one frequency to the next.
    """
    edges = np.geomspace(LOWEST, top, ROWS + 1) / width
    last = power.shape[1] - 1
    bands = []
    for low, high in pairwise(edges):
        first = min(int(low), last)
        bands.append(power[:, first : max(min(int(np.ceil(high)), last + 1), first + 1)].max(axis=1))
    return np.stack(bands, axis=1)


def _png(levels: NDArray[np.uint8]) -> bytes:
    """A PNG of black at 16 steps of opacity.

    Args:
        levels: uint8 [rows, columns], from 0 to 15, an even number of columns; the first row on top.
    """
    rows, columns = levels.shape
    packed = (levels[:, 0::2] << 4) | levels[:, 1::2]
    raw = np.concatenate([np.zeros((rows, 1), np.uint8), packed], axis=1).tobytes()
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 4, 3, 0, 0, 0)),
        (b"PLTE", bytes(3 * LEVELS)),
        (b"tRNS", bytes(range(0, 256, 17))),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
