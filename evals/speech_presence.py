"""What tells speech from noise, hum and silence: pitch, pauses, and a timbre that changes. No model is needed for it.

Music has all three, and whispering has no pitch: the one passes for speech here, the other for noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .recordings import RATE

FRAME, HOP = RATE // 25, RATE // 100
"""Samples of a frame, 40 ms, and from one to the next, 10 ms."""
LOUDEST = 15
"""Frames that are at least as loud as what the others are held against: a crack of less than 150 ms does not hide speech."""
HEARD = 35.0
"""Frames that are this many decibels quieter than that are pauses."""
FLOOR = 50.0
"""Decibels below it from which on a frame counts as that quiet."""
LOWEST, HIGHEST = RATE // 60, RATE // 450
"""Samples between the pulses of the lowest and the highest voice: 60 and 450 Hz."""
PERIODIC = 0.6
"""Correlation of a frame with itself a pulse later, from which it is voiced."""
BAND = 6
"""Bins of 25 Hz that are one band of a timbre, of 100 to 4,000 Hz."""
TOGETHER = 5
"""Frames whose timbres are averaged: what noise changes at random evens out."""
SHALLOW = 30.0
"""Decibels below its strongest band from which on a band counts as that weak."""


@dataclass(frozen=True)
class Presence:
    """What a clip has of speech.

    Attributes:
        seconds: how long it sounds, pauses left out.
        voiced: which share of that has a pitch, in [0, 1].
        liveliness: how far its loudness varies, pauses included: the standard deviation over frames, in dB.
        change: how far its timbre varies: the same over bands and frames, each frame's mean taken out, in dB.
    """

    seconds: float
    voiced: float
    liveliness: float
    change: float


def presence(clip: Tensor) -> Presence:
    """What the clip has of speech; gain changes nothing.

    Args:
        clip: float [t] at 16 kHz, finite and not silent.
    """
    audio = clip.detach().cpu().double()
    audio = audio - audio.mean()
    frames = functional.pad(audio, (0, max(0, FRAME - len(audio)))).unfold(0, FRAME, HOP)  # [frames, FRAME]
    level = 10 * frames.square().mean(dim=1).clamp(min=1e-20).log10()
    loud = float(level.topk(min(LOUDEST, len(level))).values[-1])
    level = level.clamp(loud - FLOOR, loud + HEARD)
    sounding = frames[level > loud - HEARD]
    sounding = sounding - sounding.mean(dim=1, keepdim=True)
    return Presence(
        seconds=len(sounding) * HOP / RATE,
        voiced=float(_periodicity(sounding).ge(PERIODIC).double().mean()),
        liveliness=float(level.std(correction=0)),
        change=_change(sounding),
    )


def _periodicity(frames: Tensor) -> Tensor:
    """The best correlation of each frame with itself, one pulse of a voice later: float64 [frames] in about [-1, 1]."""
    spectra = torch.fft.rfft(frames, n=2 * FRAME)
    lags = torch.arange(HIGHEST, LOWEST + 1)
    products = torch.fft.irfft(spectra.abs().square(), n=2 * FRAME)[:, lags]  # [frames, lags]
    energy = frames.square().cumsum(dim=1)  # [frames, FRAME]
    first, last = energy[:, FRAME - 1 - lags], energy[:, -1:] - energy[:, lags - 1]
    correlations: Tensor = products / (first * last).clamp(min=1e-20).sqrt()
    return correlations.amax(dim=1)


def _change(frames: Tensor) -> float:
    spectra = torch.fft.rfft(frames * torch.hann_window(FRAME, dtype=frames.dtype)).abs().square()
    bands = functional.avg_pool1d(spectra[:, None, 4:160], BAND)[:, 0]  # [frames, 26]
    whole = min(TOGETHER, len(bands))
    timbres = 10 * functional.avg_pool1d(bands.T[None], whole, 1)[0].T.clamp(min=1e-20).log10()
    timbres = timbres.clamp(min=timbres.amax(dim=1, keepdim=True) - SHALLOW)
    shapes = timbres - timbres.mean(dim=1, keepdim=True)
    return float((shapes - shapes.mean(dim=0)).square().mean().sqrt())
