"""Attacks that make some frequencies louder than others. None delays what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.seeding import uniform
from releasegate.attacks.strengths import below_nyquist, not_odd, not_whole, whole
from releasegate.audio.filters import filter_by_gain, highpass_gain, lowpass_gain
from releasegate.audio.levels import fitted

TELEPHONE = 3400.0
"""The upper edge of the telephone's band in Hz (ITU-T G.712)."""
LOWEST_BAND = 62.5
"""Centre of the equaliser's lowest band in Hz; each further one is an octave higher (ISO 266 series, rounded)."""
CYCLES = 6.0
"""Periods of a cut-off after which a Butterworth response of fourth order lies below -100 dB."""
MOST_WINDOWED = 1 << 24
"""Numbers that the medians of a group of clips may take at once, 64 MiB."""


def _highpass(given: Given, strength: float) -> Tensor:
    cut = below_nyquist("highpass", strength, given.rate)
    return filter_by_gain(given.audio, given.rate, lambda f: highpass_gain(f, cut), CYCLES / cut).clamp(-1.0, 1.0)


def _lowpass(given: Given, strength: float) -> Tensor:
    return filter_by_gain(given.audio, given.rate, lambda f: lowpass_gain(f, strength), CYCLES / strength).clamp(
        -1.0, 1.0
    )


def _bandpass(given: Given, strength: float) -> Tensor:
    cut = below_nyquist("bandpass", strength, given.rate)

    def gains(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
        return highpass_gain(frequencies, cut) * lowpass_gain(frequencies, TELEPHONE)

    return filter_by_gain(given.audio, given.rate, gains, CYCLES / cut).clamp(-1.0, 1.0)


def _equalise(given: Given, strength: float) -> Tensor:
    bands = max(int(log2(given.rate / 2 / LOWEST_BAND)), 1)
    signs = np.where(uniform(given.seeds, bands, torch.empty(0)).numpy() < 0.5, -1.0, 1.0)  # [n, bands]

    def gains(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
        octaves = np.log2(np.maximum(frequencies, 1.0) / LOWEST_BAND)  # [bins]
        away = np.clip(octaves - np.arange(bands)[:, None], -1, 1)  # [bands, bins]
        return np.asarray(10 ** (strength / 20 * signs @ np.cos(np.pi / 2 * away) ** 2))  # [n, bins]

    return fitted(filter_by_gain(given.audio, given.rate, gains, 16 / LOWEST_BAND))


def _smooth(given: Given, strength: float) -> Tensor:
    window = whole("smooth", strength)
    means = functional.avg_pool1d(given.audio, window, 1, window // 2, count_include_pad=False)  # [n, t] or [n, t + 1]
    if window % 2 == 0:  # centred between samples: the mean of both neighbours lies on one
        means = (means[:, :-1] + means[:, 1:]) / 2
    return means.clamp(-1.0, 1.0)


def _median(given: Given, strength: float) -> Tensor:
    window = whole("median", strength, odd=True)
    half = window // 2
    padded = functional.pad(given.audio[:, None], (half, half), mode="replicate")[:, 0]  # [n, t + window - 1]
    group = max(MOST_WINDOWED // (given.audio.shape[1] * window), 1)
    return torch.cat([rows.unfold(1, window, 1).median(-1).values for rows in padded.split(group)])  # [n, t]


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="highpass",
            title="High-pass, fourth-order Butterworth magnitude without phase, -3 dB at the cut-off",
            unit="Hz",
            family="filtering",
            apply=_highpass,
            aligned=True,
            domain=(20.0, 5000.0),
        ),
        Attack(
            name="lowpass",
            title="Low-pass, fourth-order Butterworth magnitude without phase, -3 dB at the cut-off",
            unit="Hz",
            family="filtering",
            apply=_lowpass,
            aligned=True,
            domain=(200.0, 24000.0),
        ),
        Attack(
            name="bandpass",
            title="Band-pass from the given edge to the telephone's 3,400 Hz, fourth-order Butterworth magnitudes without phase",
            unit="Hz",
            family="filtering",
            apply=_bandpass,
            aligned=True,
            domain=(20.0, 2500.0),
        ),
        Attack(
            name="equalise",
            title="Equaliser whose octaves from 62.5 Hz are each raised or cut, by chance",
            unit="dB",
            family="filtering",
            apply=_equalise,
            aligned=True,
            domain=(0.5, 24.0),
        ),
        Attack(
            name="smooth",
            title="Moving average, centred",
            unit="samples",
            family="filtering",
            apply=_smooth,
            aligned=True,
            domain=(2.0, 50.0),
            wanted=not_whole,
        ),
        Attack(
            name="median",
            title="Running median over an odd window",
            unit="samples",
            family="filtering",
            apply=_median,
            aligned=True,
            domain=(3.0, 51.0),
            wanted=not_odd,
        ),
    )
}
"""By name."""
