"""Speech as the frames of a vocoder: pitch, cepstrum of the spectral envelope, and aperiodicity (Morise et al., 2016, "WORLD").

What a clip is converted by: the frames are changed, and a wave is made of them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from releasegate.audio.packages import package
from releasegate.errors import NotScorable

from .recordings import RATE
from .voices import Voice, read

Array = NDArray[np.float64]

PERIOD = 0.005
"""Seconds from frame to frame."""
FLOOR, CEILING = 65.0, 450.0
"""Hz, the pitches that are looked for."""
CEPSTRA = 40
"""Numbers that a spectral envelope is coded by, on a mel scale; the first is its loudness."""
BINS = 1024
"""Points of the transform that an envelope has half of: what WORLD takes at 16 kHz with this floor of pitch."""
SHORTEST = round(0.2 * RATE)
"""Samples that WORLD is given at least: with less it finds no pitch, and with next to nothing it reads past the end."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of one clip, `PERIOD` apart.

    Attributes:
        pitch: float64 [f], Hz; 0 where no voice sounds.
        cepstra: float64 [f, CEPSTRA], of the spectral envelope.
        aperiodicity: float64 [f, bands], coded: dB below all of the power.
    """

    pitch: Array
    cepstra: Array
    aperiodicity: Array

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Whether a voice sounds, bool [f]."""
        return self.pitch > 0


@dataclass(frozen=True, eq=False)
class Spoken:
    """A clip and its frames.

    Attributes:
        audio: float32 [t] at 16 kHz in [-1, 1].
        frames: of it.
    """

    audio: Tensor
    frames: Frames


@lru_cache(maxsize=1024)
def spoken(voice: Voice) -> Spoken:
    """A recording of the pool with its frames, which are found once.

    Raises:
        NotFound, RecordingChanged: as of `voices.read`; or WORLD is not installed.
        NotScorable: as of `analysed`.
    """
    return analysed(read(voice))


def analysed(audio: Tensor) -> Spoken:
    """A clip, float32 [t] at 16 kHz, with its frames.

    Raises:
        NotFound: WORLD is not installed.
        NotScorable: no voice sounds in it, or it is not finite.
    """
    world = package("pyworld", "cloning by a vocoder")
    if not bool(torch.isfinite(audio).all()):
        raise NotScorable("a clip", "has samples that are not numbers", "give finite audio")
    wave = functional.pad(audio, (0, max(SHORTEST - len(audio), 0))).double().numpy()
    coarse, places = world.dio(wave, RATE, f0_floor=FLOOR, f0_ceil=CEILING, frame_period=1000 * PERIOD)
    pitch = world.stonemask(wave, coarse, places, RATE)
    if not np.any(pitch > 0):
        raise NotScorable("a clip", "no voice sounds in it, so there is nothing to convert", "give speech")
    envelope = world.cheaptrick(wave, pitch, places, RATE, f0_floor=FLOOR, fft_size=BINS)
    aperiodicity = world.d4c(wave, pitch, places, RATE, fft_size=BINS)
    coded = world.code_spectral_envelope(envelope, RATE, CEPSTRA)
    return Spoken(audio, Frames(pitch, coded, world.code_aperiodicity(aperiodicity, RATE)))


def envelopes(cepstra: Array) -> Array:
    """float64 [f, BINS / 2 + 1], the power spectra that cepstra [f, CEPSTRA] stand for."""
    world = package("pyworld", "cloning by a vocoder")
    decoded: Array = world.decode_spectral_envelope(np.ascontiguousarray(cepstra), RATE, BINS)
    return decoded


def synthesised(frames: Frames, samples: int) -> Tensor:
    """float32 [samples], the wave that WORLD makes of frames; no louder than 1."""
    world = package("pyworld", "cloning by a vocoder")
    aperiodicity = world.decode_aperiodicity(np.ascontiguousarray(frames.aperiodicity), RATE, BINS)
    wave = world.synthesize(
        np.ascontiguousarray(frames.pitch), envelopes(frames.cepstra), aperiodicity, RATE, 1000 * PERIOD
    )
    made = torch.from_numpy(wave[:samples]).float()
    return functional.pad(made, (0, samples - len(made))).clamp(-1, 1)
