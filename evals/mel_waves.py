"""A wave from mel spectra alone, as small speech synthesisers make one: bins guessed, phases made consistent."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from releasegate.attacks.seeding import uniform

from .recordings import RATE

POINTS = 1024
STEP = RATE // 80  # 12.5 ms
MELS = 80
ITERATIONS = 32
MOMENTUM = 0.99
"""How far each estimate of a spectrum is carried on beyond the last (Perraudin et al., 2013, "A fast Griffin-Lim algorithm")."""


def from_mels(audio: Tensor, seed: int) -> Tensor:
    """float32 [t] within [-1, 1]: `audio` float32 [t] at 16 kHz made anew from 80 bands every 12.5 ms.

    The bins are the smallest that have these bands, none below 0; the phases begin at random and are made consistent (Griffin
    and Lim, 1984).
    """
    bank = mel_bank()
    magnitudes = _spectra(audio).abs()  # [bins, f]
    bands = bank @ magnitudes
    wanted = (torch.linalg.pinv(bank) @ bands).clamp_min(0)
    turns = uniform([seed], wanted.numel(), like=audio)[0].reshape(wanted.shape)
    spectra = torch.polar(wanted, 2 * torch.pi * turns)
    last = torch.zeros_like(spectra)
    for _ in range(ITERATIONS):
        consistent = _spectra(_wave(spectra, len(audio)))
        ahead = consistent + MOMENTUM * (consistent - last)
        spectra, last = wanted * ahead.sgn(), consistent
    made = _wave(spectra, len(audio))
    return made / made.abs().max().clamp_min(1.0)


@lru_cache(maxsize=1)
def mel_bank() -> Tensor:
    """float32 [MELS, bins], triangles of equal width on the mel scale 2595 log10(1 + f / 700), each up to 1."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2) / 2595) - 1)
    bins = np.linspace(0, RATE / 2, POINTS // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.clip(np.minimum(rising, falling), 0, None)).float()


def _spectra(audio: Tensor) -> Tensor:
    """complex [bins, f]."""
    window = torch.hann_window(POINTS, dtype=audio.dtype)
    return torch.stft(audio, POINTS, STEP, window=window, pad_mode="constant", return_complex=True)


def _wave(spectra: Tensor, samples: int) -> Tensor:
    window = torch.hann_window(POINTS, dtype=spectra.real.dtype)
    return torch.istft(spectra, POINTS, STEP, window=window, length=samples)
