"""Attacks that lay something under a clip, at a stated ratio of mean powers over the whole clip.

The ratio is exact as long as nothing is cut off at full scale. A silent clip stays silent.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.backing import play
from releasegate.attacks.seeding import normal
from releasegate.audio.levels import QUIETEST, power

LOWEST_PINK = 20.0
"""Hz; pink noise holds as much power below as above any frequency, so it has to begin where hearing does."""


def _mixed(audio: Tensor, added: Tensor, ratio: float) -> Tensor:
    scale = torch.sqrt(power(audio) * 10 ** (-ratio / 10) / power(added).clamp_min(QUIETEST))  # [n, 1]
    return (audio + scale * added).clamp(-1.0, 1.0)


def _white_noise(given: Given, strength: float) -> Tensor:
    return _mixed(given.audio, normal(given.seeds, given.audio.shape[1], given.audio), strength)


def _pink_noise(given: Given, strength: float) -> Tensor:
    samples = given.audio.shape[1]
    size = next_fast_len(max(samples, int(given.rate / LOWEST_PINK) + 1), real=True)
    frequencies = torch.fft.rfftfreq(size, 1 / given.rate, device=given.audio.device, dtype=given.audio.dtype)  # [bins]
    loudness = torch.where(frequencies < LOWEST_PINK, 0.0, frequencies.clamp_min(LOWEST_PINK).rsqrt())
    noise = torch.fft.irfft(torch.fft.rfft(normal(given.seeds, size, given.audio)) * loudness, size)  # [n, size]
    return _mixed(given.audio, noise[:, :samples], strength)


def _music(given: Given, strength: float) -> Tensor:
    bed = play(given.seeds, given.audio.shape[1], given.rate, given.audio)
    return _mixed(given.audio, bed, strength)


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="white_noise",
            title="White noise, at a signal-to-noise ratio over the whole clip",
            unit="dB",
            family="adding",
            apply=_white_noise,
            aligned=True,
            domain=(-10.0, 60.0),
        ),
        Attack(
            name="pink_noise",
            title="Pink noise from 20 Hz, -3 dB an octave, at a signal-to-noise ratio over the whole clip",
            unit="dB",
            family="adding",
            apply=_pink_noise,
            aligned=True,
            domain=(-10.0, 60.0),
        ),
        Attack(
            name="music",
            title="Synthetic music (chords, bass and beat), at a ratio of speech to music over the whole clip",
            unit="dB",
            family="adding",
            apply=_music,
            aligned=True,
            domain=(-10.0, 60.0),
        ),
    )
}
"""By name."""
