"""Spectra that training compares, and the matrix from mel-cepstra to a spectrum."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from releasegate.subjects import mini_voice_analysis as analysis
from releasegate.subjects.mini_voice_converter import CEPSTRA
from releasegate.subjects.mini_voice_frames import BINS, HOP, RATE, SIZE, mel, spectrum

FAINT = 1e-4
"""Power below which a bin is not heard, of audio at -23 dB."""
FINE = 1024
"""Samples of the frames in which WORLD decodes an envelope."""


def decoding() -> tuple[Tensor, Tensor]:
    """Matrix float32 [CEPSTRA, BINS] and offset [BINS] from mel-cepstra to the logarithm of a power spectrum, as WORLD has it."""
    unit = np.vstack([np.zeros(CEPSTRA), np.eye(CEPSTRA)])
    power = analysis.pyworld.decode_spectral_envelope(np.ascontiguousarray(unit), RATE, FINE)
    at = np.arange(BINS) * FINE / SIZE
    log = np.stack([np.interp(at, np.arange(FINE // 2 + 1), row) for row in np.log(power)])
    return torch.from_numpy(log[1:] - log[0]).float(), torch.from_numpy(log[0]).float()


def log_spectrum(audio: Tensor) -> Tensor:
    """float32 [n, frames, BINS], about -2 to 2, of audio float32 [n, frames * HOP]."""
    found = spectrum(audio, SIZE, audio.shape[1] // HOP)
    return ((found.real.square() + found.imag.square() + FAINT).log() + 3) / 4


def likeness(audio: Tensor, truth: Tensor) -> Tensor:
    """The mean distance of log mel bands and of log spectra, in nepers of power, at two sizes of frames."""
    frames = audio.shape[1] // HOP
    apart = [
        (mel(audio, frames, 80, size).add(FAINT).log() - mel(truth, frames, 80, size).add(FAINT).log()).abs().mean()
        for size in (400, 1024)
    ]
    return torch.stack(apart).mean()
