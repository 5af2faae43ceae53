"""Whether a sound holds another one: the very samples, whatever gain, delay, faint noise or codec lies between, or the same
course of spectra, made anew by a vocoder.

Two takes of one sentence by one speaker are not the same sound, and are told from it by either measure.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional
from transformers.audio_utils import mel_filter_bank

from releasegate.audio.resampling import resample

from .recordings import RATE, at_level

COARSE = 8000
"""Samples a second at which samples are compared."""
WINDOW, HOP = COARSE // 2, COARSE // 4
"""Of the sound that is looked for: half a second, every quarter of a second."""
EMPHASIS = 0.95
"""How much of each sample is taken from the next: low notes would fit anywhere."""
FAINT = 0.1
"""Windows this much quieter than the loudest say nothing."""
QUIET = 0.15
"""Places this much quieter than the loudest are taken to be that loud, so that their noise does not fit everything."""

BANDS = 32
FRAME, STEP = 512, RATE // 100
"""Samples of a spectrum, and from one to the next: 32 and 10 ms."""
SECOND = RATE // STEP
"""Spectra of a second."""
WEAKEST = 1e-5
"""Power that is added to that of every band."""


def correlations(sound: Tensor, original: Tensor) -> Tensor:
    """How well each half second of a sound fits the place of the original that it fits best: float32 [k] in [0, 1].

    Windows lie a quarter of a second apart; those that are much quieter than the loudest are left out. Either polarity fits.

    Args:
        sound: float [t] at 16 kHz, finite, not silent.
        original: the same, of any length.
    """
    windows = _filled(_coarse(sound)).unfold(0, WINDOW, HOP)  # [k, WINDOW]
    loudness = windows.norm(dim=1)
    windows = windows[loudness >= FAINT * loudness.max()]
    whole = functional.pad(_filled(_coarse(original)), (WINDOW // 2, WINDOW // 2))
    size = 1 << (len(whole) + WINDOW - 1).bit_length()
    pieces = torch.fft.rfft(windows / windows.norm(dim=1, keepdim=True), n=size)
    fits = torch.fft.irfft(torch.fft.rfft(whole, n=size) * pieces.conj(), n=size)[:, : len(whole) - WINDOW + 1]
    power = functional.pad(whole.double().square().cumsum(0), (1, 0))
    place = (power[WINDOW:] - power[:-WINDOW]).clamp(min=0).sqrt().float()
    best: Tensor = (fits / place.clamp(min=QUIET * float(place.max()))).abs().amax(dim=1)
    return best.clamp(max=1)


def courses(sound: Tensor, original: Tensor) -> Tensor:
    """How well the spectra of each second of a sound fit the place of the original that they fit best: float32 [k] in [-1, 1].

    Windows lie a quarter of a second apart. A sound of less than a second has none.

    Args:
        sound: float [t] at 16 kHz, finite, not silent.
        original: the same.
    """
    ours, theirs = _spectra(sound), _spectra(original)
    if min(len(ours), len(theirs)) < SECOND:
        return torch.zeros(0)
    return (_unit(ours, SECOND // 4) @ _unit(theirs, 2).T).amax(dim=1)


def _coarse(audio: Tensor) -> Tensor:
    slow = resample(audio.detach().cpu().float()[None], RATE, COARSE)[0]
    return slow - EMPHASIS * functional.pad(slow[:-1], (1, 0))


def _filled(audio: Tensor) -> Tensor:
    return functional.pad(audio, (0, max(0, WINDOW - len(audio))))


def _spectra(audio: Tensor) -> Tensor:
    """Log powers of mel bands, the mean of each taken out: float32 [frames, BANDS]."""
    audio = at_level(audio.detach().cpu().float())
    if len(audio) < FRAME:
        return torch.zeros(0, BANDS)
    stft = torch.stft(audio, FRAME, STEP, window=torch.hann_window(FRAME), center=False, return_complex=True)
    bands = (stft.abs().square().T @ _bank() + WEAKEST).log10()
    return bands - bands.mean(dim=0)


@cache
def _bank() -> Tensor:
    bank = mel_filter_bank(FRAME // 2 + 1, BANDS, 100.0, 4000.0, RATE, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(bank).float()


def _unit(spectra: Tensor, hop: int) -> Tensor:
    """Seconds of spectra as rows of mean 0 and length 1: float32 [k, SECOND * BANDS]."""
    rows = spectra.unfold(0, SECOND, hop).flatten(1)
    return functional.normalize(rows - rows.mean(dim=1, keepdim=True), dim=1)
