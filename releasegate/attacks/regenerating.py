"""Regeneration: a clip is taken apart into what is heard of it, and made anew from that.

What a listener does not hear, such as the phases, is not carried over. All three keep time: what was at a second is at that
second, to within a few milliseconds, though the wave itself is another.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.rowwise import Samples, each_row
from releasegate.attacks.seeding import uniform
from releasegate.audio.packages import package

SHORTEST = 0.2
"""Seconds that WORLD is given at least: with less it finds no pitch, and with next to nothing it reads past the end."""
MOMENTUM = 0.99
"""How far each estimate of a spectrum is carried on beyond the last (Perraudin et al., 2013, "A fast Griffin-Lim algorithm")."""
QUIETEST = 0.15
"""The share of a clip's frames that is taken for noise alone: speech pauses for a fifth of the time and more."""
SILENT = 1e-10
"""Frames this far below the loudest, in power, were never recorded: they say nothing about the noise."""
OVERSHOT = 3.0
"""How many times the mean power of the noise is taken off, since noise is often louder than its mean."""


def _world(given: Given, strength: float) -> Tensor:
    """float32 [n, t], from pitch, spectral envelope and aperiodicity, `strength` ms apart (Morise et al., 2016, "WORLD")."""
    pyworld = package("pyworld")
    samples, rate = given.audio.shape[1], given.rate
    longer = functional.pad(given.audio, (0, max(round(SHORTEST * rate) - samples, 0)))

    def row(clip: Samples) -> Samples:
        wave = clip.astype(np.float64)
        coarse, places = pyworld.dio(wave, rate, frame_period=strength)
        pitch = pyworld.stonemask(wave, coarse, places, rate)
        envelope = pyworld.cheaptrick(wave, pitch, places, rate)
        aperiodicity = pyworld.d4c(wave, pitch, places, rate)
        made: Samples = pyworld.synthesize(pitch, envelope, aperiodicity, rate, strength)[: len(clip)].astype(
            np.float32
        )
        return made

    return each_row(row, longer)[:, :samples].clamp(-1, 1)


def _griffin_lim(given: Given, strength: float) -> Tensor:
    """float32 [n, t], from the magnitudes of its spectra alone, with phases drawn at random and then made consistent.

    Rounding that differs with the size of a batch would grow from iteration to iteration. So a CPU works on one row at a
    time, which fits its cache and is five times as fast besides, and any other device on all of them in float64.
    """
    at_once, dtype = (1, torch.float32) if given.audio.device.type == "cpu" else (len(given.audio), torch.float64)
    step = max(round(0.0125 * given.rate), 1)
    made = []
    for start in range(0, len(given.audio), at_once):
        audio = given.audio[start : start + at_once].to(dtype)
        wanted = _spectra(audio, step).abs()  # [n, bins, f]
        turns = uniform(given.seeds[start : start + at_once], wanted[0].numel(), like=audio)
        spectra = torch.polar(wanted, 2 * torch.pi * turns.reshape(wanted.shape))
        made.append(_made_consistent(spectra, wanted, step, audio.shape[1], round(strength)))
    return torch.cat(made).to(given.audio.dtype).clamp(-1, 1)


def _made_consistent(spectra: Tensor, wanted: Tensor, step: int, samples: int, iterations: int) -> Tensor:
    """float [n, samples], a wave whose spectra come near to the magnitudes `wanted` [n, bins, f], from phases to start with.

    Griffin and Lim, 1984, "Signal estimation from modified short-time Fourier transform", with momentum.
    """
    last = torch.zeros_like(spectra)
    for _ in range(iterations):
        consistent = _spectra(_wave(spectra, step, samples), step)
        ahead = consistent + MOMENTUM * (consistent - last)
        spectra, last = wanted * ahead.sgn(), consistent
    return _wave(spectra, step, samples)


def _denoise(given: Given, strength: float) -> Tensor:
    """float32 [n, t], with what is no louder than the quietest frames turned down by `strength` dB.

    A Wiener gain for each bin and frame, 1 less the share of noise in its power, no lower than the reduction asked for
    (Berouti et al., 1979, "Enhancement of speech corrupted by acoustic noise", for the overshoot and the floor). Powers and
    gains are smoothed over neighbours, so that no single bins ring.
    """
    samples = given.audio.shape[1]
    step = max(round(0.008 * given.rate), 1)
    spectra = _spectra(given.audio, step)  # [n, bins, f]
    power = spectra.abs().square()
    noise = _noise(power)  # [n, bins, 1]
    share = noise / _smoothed(power).clamp_min(1e-20)
    gain = (1 - OVERSHOT * share).clamp_min(10 ** (-strength / 20))
    return _wave(spectra * _smoothed(gain), step, samples).clamp(-1, 1)


def _noise(power: Tensor) -> Tensor:
    """float [n, bins, 1], the mean power of the quietest frames of each clip, `power` being [n, bins, f]."""
    loudness = power.sum(1)  # [n, f]
    recorded = loudness > SILENT * loudness.amax(1, keepdim=True)
    count = torch.ceil(QUIETEST * recorded.sum(1, keepdim=True))  # [n, 1]
    rank = torch.where(recorded, loudness, torch.inf).argsort(stable=True, dim=1).argsort(1)  # [n, f]
    chosen = ((rank < count) & recorded).to(power.dtype)
    return (power * chosen[:, None]).sum(2, keepdim=True) / count.clamp_min(1)[:, None]


def _smoothed(values: Tensor) -> Tensor:
    """float [n, bins, f], each the mean of three bins by five frames, of those that there are."""
    return functional.avg_pool2d(values, (3, 5), stride=1, padding=(1, 2), count_include_pad=False)


def _spectra(audio: Tensor, step: int) -> Tensor:
    """complex [n, bins, f], frames of four steps, centred on every step."""
    window = torch.hann_window(4 * step, dtype=audio.dtype, device=audio.device)
    return torch.stft(audio, 4 * step, step, window=window, pad_mode="constant", return_complex=True)


def _wave(spectra: Tensor, step: int, samples: int) -> Tensor:
    """float [n, samples], the wave whose spectra are nearest to these."""
    window = torch.hann_window(4 * step, dtype=spectra.real.dtype, device=spectra.device)
    return torch.istft(spectra, 4 * step, step, window=window, length=samples)


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="world",
            title="Made anew by the WORLD vocoder from a frame every so many milliseconds",
            unit="ms",
            family="regenerating",
            apply=_world,
            aligned=True,
            domain=(1.0, 30.0),
        ),
        Attack(
            name="griffin_lim",
            title="Made anew from its magnitudes by Griffin-Lim, in so many iterations",
            unit="iterations",
            family="regenerating",
            apply=_griffin_lim,
            aligned=True,
            domain=(1.0, 500.0),
        ),
        Attack(
            name="denoise",
            title="Noise between words measured, and turned down everywhere",
            unit="dB",
            family="regenerating",
            apply=_denoise,
            aligned=True,
            domain=(3.0, 40.0),
        ),
    )
}
