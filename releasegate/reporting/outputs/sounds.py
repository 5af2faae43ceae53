"""Output sounds inside the page: decoded, re-encoded for listening, and within a budget."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from releasegate.reporting.outputs.reading import Missing, read_output

SOUNDS = ("flac", "wav", "ogg", "mp3")
MOST_FILE = 32_000_000
"""Bytes of a file that is still read."""
MOST_AS_IT_IS = 90_000
"""Bytes of a file that stands in the page as it is where nothing can decode it."""
SECONDS = 15
"""Of a longer sound, its beginning is played."""
MOST_VALUES = 8_000_000
"""Samples times channels that are decoded at once."""
RATE = 16_000
"""Samples a second in the page; of sounds with fewer, their own."""
RATES = (8_000, 11_025, 12_000, 16_000)
"""Rates that stay as they are: those of MPEG-2 layer III and its extension to low rates."""
EXACT = 16_000
"""Bytes of a sound that stays exact, at 16 bits a sample."""
COLUMNS = 150
"""Stretches of an outline."""

Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """A sound as a `data:` URI, or why there is none.

    Attributes:
        full: whether it is left out for want of room alone.
        seconds: length of the whole sound; 0 where nothing could decode it.
        played: seconds of it that are played.
        peaks: lowest and highest sample of stretches of one length of what is played, in [-1, 1].
    """

    uri: str | None
    missing: str = ""
    full: bool = False
    seconds: float = 0.0
    played: float = 0.0
    peaks: tuple[tuple[float, float], ...] = ()


def is_sound(name: str) -> bool:
    """Whether the name of an output is that of a sound.

    >>> is_sound("0" * 64 + ".flac"), is_sound("0" * 64 + ".png")
    (True, False)
    """
    return name.rpartition(".")[2] in SOUNDS


def sound(outputs: Path, name: str, budget: int) -> Sound:
    """One output as a sound of at most `budget` bytes of base64: one channel of at most 16,000 samples a second.

    Args:
        outputs: the folder that outputs lie in, each named by its sha256.
    """
    data = read_output(outputs, name, MOST_FILE)
    if isinstance(data, Missing):
        return Sound(None, data.why)
    kind = _kind(data)
    if kind is None:
        return Sound(None, "the output cannot be read as a sound")
    if kind == "wav" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return Sound(None, "the output is cut off")
    try:
        import soundfile
    except (ModuleNotFoundError, OSError):  # the package, or its library of C code, is not there
        if len(data) > MOST_AS_IT_IS:
            return Sound(None, "the output is too large to play without soundfile: pip install 'releasegate[audio]'")
        return _within(Sound(_uri(kind, data)), budget)
    return _listened(soundfile, data, budget)


def _listened(soundfile: ModuleType, data: bytes, budget: int) -> Sound:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels, length = int(file.samplerate), int(file.channels), int(file.frames)
            frames = min(length, SECONDS * rate, MOST_VALUES // channels)
            read = file.read(frames, dtype="float32", always_2d=True)  # [t, channels]
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        return Sound(None, "the output cannot be read as a sound")
    if not len(read) or not np.isfinite(read).all():
        return Sound(
            None, "the output holds no sound" if not len(read) else "the output holds samples that are no numbers"
        )
    mono: Signal = read.mean(axis=1).clip(-1, 1)
    at = rate if rate in RATES else RATE
    uri = _encoded(soundfile, _resampled(mono, rate, at), at)
    if uri is None:
        return Sound(None, "the output is too large to play: this libsndfile writes no MP3")
    return _within(Sound(uri, seconds=length / rate, played=len(read) / rate, peaks=_peaks(mono)), budget)


def _within(made: Sound, budget: int) -> Sound:
    if made.uri is not None and len(made.uri) > budget:
        return Sound(None, "the page holds as much sound as it may", full=True)
    return made


def _resampled(mono: Signal, rate: int, at: int) -> Signal:
    """The sound at another rate, by its spectrum: what lies above the lower of the two Nyquist frequencies is left out.

    The clip is padded to a length whose transform is quick; sample 0 stays in its place.
    """
    if rate == at:
        return mono
    padded = 1 << (len(mono) - 1).bit_length()
    spectrum = np.fft.rfft(mono, padded)
    wanted = max(round(padded * at / rate), 2)
    moved = np.fft.irfft(spectrum[: wanted // 2 + 1], wanted) * (wanted / padded)
    found: Signal = moved[: max(round(len(mono) * at / rate), 1)].clip(-1, 1).astype(np.float32)
    return found


def _encoded(soundfile: ModuleType, mono: Signal, rate: int) -> str | None:
    """As a `data:` URI: what is short exactly, as WAV; the rest as MP3. None if it is neither short nor can be that."""
    buffer = io.BytesIO()
    if 44 + 2 * len(mono) <= EXACT:
        soundfile.write(buffer, mono, rate, format="WAV", subtype="PCM_16")
        return _uri("wav", buffer.getvalue())
    if "MP3" not in soundfile.available_formats():
        return None
    soundfile.write(
        buffer, mono, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.85
    )
    return _uri("mpeg", buffer.getvalue())


def _peaks(mono: Signal) -> tuple[tuple[float, float], ...]:
    parts = np.array_split(mono, min(COLUMNS, len(mono)))
    return tuple((float(part.min()), float(part.max())) for part in parts)


def _uri(kind: str, data: bytes) -> str:
    return f"data:audio/{kind};base64," + base64.b64encode(data).decode("ascii")


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
