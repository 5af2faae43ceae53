"""One clip through a codec of libsndfile, in memory: Ogg Vorbis and GSM 06.10."""

from __future__ import annotations

import struct
from functools import lru_cache
from io import BytesIO
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from releasegate.audio.libav import Coded

_BLOCK = 8192  # libvorbis takes the block that it is given onto the stack
_GSM_BYTES, _GSM_SAMPLES = 33, 160  # a frame: 260 bits (GSM 06.10, 1.7) behind four that mark it


def gsm(soundfile: ModuleType, samples: NDArray[np.float32], rate: int) -> Coded:
    """A clip through GSM 06.10 full rate, 13 kbit/s: float32 [t], `rate` should be 8,000."""
    file = BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, format="RAW", subtype="GSM610") as writer:
        writer.write(samples)
    bits = 8 * len(file.getvalue())
    frames = bits // (8 * _GSM_BYTES) * _GSM_SAMPLES
    file.seek(0)
    with soundfile.SoundFile(file, "r", rate, 1, format="RAW", subtype="GSM610") as reader:
        return Coded(reader.read(frames, dtype="float32"), rate, bits)


def vorbis(soundfile: ModuleType, samples: NDArray[np.float32], rate: int, bit_rate: int) -> Coded:
    """A clip through Ogg Vorbis, at the quality that the encoder reckons to be `bit_rate` bits a second.

    The length is kept, and sample 0 stays in its place: Ogg says where the clip starts and ends.
    """
    file = _vorbis(soundfile, samples, rate, quality_of(soundfile, rate, bit_rate))
    bits = 8 * len(file.getvalue())
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return Coded(decoded, rate, bits)


@lru_cache(maxsize=64)
def quality_of(soundfile: ModuleType, rate: int, bit_rate: int) -> float:
    """The quality in [0, 1] at which the encoder states `bit_rate` as its nominal rate, for mono at `rate` samples a second.

    Found by halving: what the encoder states rises with quality and depends on nothing else.
    """
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        if nominal(soundfile, rate, middle) < bit_rate:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=256)
def nominal(soundfile: ModuleType, rate: int, quality: float) -> int:
    """The bit rate, in bits a second, that the encoder states in the head of a mono file.

    It stands 20 bytes after the start of the identification header (Vorbis I specification, 4.2.2).
    """
    head = _vorbis(soundfile, np.zeros(1, np.float32), rate, quality).getvalue()
    return int(struct.unpack_from("<i", head, head.index(b"\x01vorbis") + 20)[0])


def _vorbis(soundfile: ModuleType, samples: NDArray[np.float32], rate: int, quality: float) -> BytesIO:
    file = BytesIO()
    with soundfile.SoundFile(
        file, "w", rate, 1, format="OGG", subtype="VORBIS", compression_level=1 - quality
    ) as writer:
        for start in range(0, len(samples), _BLOCK):
            writer.write(samples[start : start + _BLOCK])
    return file
