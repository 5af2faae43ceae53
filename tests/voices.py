"""Something that measures like speech, made from a seed: a gliding pitch through moving formants, with pauses and hisses."""

from __future__ import annotations

from functools import lru_cache
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

SYLLABLE = 0.24
"""Seconds a syllable lasts: about four a second, as people talk."""
PAUSED = 5
"""One syllable in so many is left out."""
BREATH = 3e-4
"""Rms of the noise under everything, about 45 dB below the voice."""
FORMANTS = ((250.0, 850.0, 60.0), (850.0, 2300.0, 100.0), (2300.0, 3000.0, 160.0), (3300.0, 3900.0, 250.0))
"""Lowest and highest centre and the bandwidth of each, in Hz."""


def voice(seconds: float, seed: int, rate: int = 16000) -> Tensor:
    """float32 [t], a clip with a peak of 0.5; the same for the same arguments.

    Voiced syllables with a pitch between 80 and 260 Hz, hisses before some of them, pauses, and breath under all of it. Each
    is made once in a process, however many tests listen to it.
    """
    return _made(seconds, seed, rate).clone()


@lru_cache(maxsize=2000)
def _made(seconds: float, seed: int, rate: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    samples = round(seconds * rate)
    syllables = int(seconds / SYLLABLE) + 2
    dice = torch.rand(4 + len(FORMANTS), syllables, generator=generator)
    noise = torch.randn(2, samples, generator=generator)
    clock = torch.arange(samples) / rate / SYLLABLE  # [t], in syllables
    within = clock.frac()
    number = clock.long()
    spoken = (number % PAUSED != int(4 * dice[0, 0]) + 1).float()
    loudness = spoken * (0.4 + 0.6 * dice[1, number]) * torch.sin(pi * within).clamp_min(0) ** 0.7
    voiced = (
        loudness * (within > 0.25).float() * torch.sin(pi * (within - 0.25).clamp_min(0) / 0.75).clamp_min(0) ** 0.5
    )
    pitch = (100 + 110 * dice[0, 1]) * (0.8 + 0.4 * _glide(dice[2], clock))
    sound = voiced * _buzz(pitch, [_glide(row, clock) for row in dice[4:]], rate)
    hissing = loudness * (within < 0.3).float() * (dice[3, number] > 0.4).float()
    hiss = hissing * functional.pad(noise[0].diff(), (1, 0)) * 0.15 * sound.abs().max()
    mixed = sound + hiss
    quiet = mixed + BREATH * noise[1] * mixed.abs().max() / 0.5
    return (0.5 * quiet / quiet.abs().max().clamp_min(1e-9)).float()


def voices(count: int, seconds: float, rate: int = 16000) -> Tensor:
    """float32 [count, t], voices of the seeds from 0."""
    return torch.stack([voice(seconds, seed, rate) for seed in range(count)])


def _glide(targets: Tensor, clock: Tensor) -> Tensor:
    """float [t], from the middle of one syllable to the middle of the next along half a cosine."""
    place = (clock + 0.5).clamp_max(len(targets) - 1.001)
    share = 0.5 - 0.5 * torch.cos(pi * place.frac())
    before = place.long()
    return targets[(before - 1).clamp_min(0)] * (1 - share) + targets[before] * share


def _buzz(pitch: Tensor, moves: list[Tensor], rate: int) -> Tensor:
    """float [t], the harmonics of `pitch` [t] below the band's edge, each as loud as the formants let it through."""
    phase = 2 * pi * torch.cumsum(pitch.double() / rate, 0)  # [t]
    sound = torch.zeros_like(pitch)
    for harmonic in range(1, int(min(0.45 * rate, 5500) / float(pitch.min())) + 1):
        at = harmonic * pitch
        through = torch.full_like(pitch, 0.02)
        for (low, high, width), move in zip(FORMANTS, moves, strict=True):
            through = through + 1 / (1 + ((at - low - (high - low) * move) / width) ** 2)
        sound = sound + torch.sin(harmonic * phase).float() * through / harmonic * (at < 0.45 * rate)
    return sound
