"""Attacks that move time or pitch, with the labels moved along: speed, time stretch, pitch shift."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def resample(wave: Tensor, length: int) -> Tensor:
    """The wave at another number of samples, band-limited: shape [n, 1, length].

    Through the Fourier transform (a spectrum cut or padded with zeros), exact for a wave that repeats.

    Args:
        wave: Shape [n, 1, t].
        length: Samples of the result.
    """
    spectrum = torch.fft.rfft(wave)  # [n, 1, t // 2 + 1]
    bins = length // 2 + 1
    fitted = functional.pad(spectrum, (0, max(0, bins - spectrum.shape[-1])))[..., :bins]
    return torch.fft.irfft(fitted, n=length) * (length / wave.shape[-1])  # [n, 1, length]


def move_labels(labels: Tensor, length: int) -> Tensor:
    """The labels stretched to another number of samples, each the nearest: shape [n, 1, length]."""
    return functional.interpolate(labels, size=length, mode="nearest")


def stretch(wave: Tensor, factor: float, window: int) -> Tensor:
    """The wave `factor` times as long at its own pitch, by a phase vocoder: shape [n, 1, round(t * factor)].

    Flanagan and Golden, "Phase Vocoder", 1966: magnitudes are interpolated between frames, and each bin's phase goes on
    by the advance measured between the two frames. The gradient flows through the magnitudes alone, since the phases of
    bins that are nearly zero have none.

    Args:
        wave: Shape [n, 1, t].
        factor: Above 1 is slower.
        window: Samples of a frame; the hop is a quarter.
    """
    hop = window // 4
    taper = torch.hann_window(window, dtype=wave.dtype, device=wave.device)
    frames = torch.stft(wave[:, 0], window, hop, window=taper, return_complex=True)  # [n, bins, frames]
    places = torch.arange(0, frames.shape[-1] - 1, 1 / factor, dtype=wave.dtype, device=wave.device)
    first = places.long()  # [m]
    share = places - first
    now, following = frames[..., first], frames[..., first + 1]  # [n, bins, m]
    magnitude = (1 - share) * now.abs() + share * following.abs()
    with torch.no_grad():
        expected = torch.arange(frames.shape[1], dtype=wave.dtype, device=wave.device)[:, None] * (
            2 * math.pi * hop / window
        )  # [bins, 1]
        advance = following.angle() - now.angle() - expected
        advance = advance - 2 * math.pi * torch.round(advance / (2 * math.pi)) + expected
        phase = torch.cumsum(advance, dim=-1) - advance + frames[..., :1].angle()  # [n, bins, m]
    length = round(wave.shape[-1] * factor)
    turned = torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))
    return torch.istft(turned, window, hop, window=taper, length=length)[:, None]  # [n, 1, length]


def change_speed(wave: Tensor, labels: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Played `factor` times as fast, pitch and all: wave and labels of shape [n, 1, round(t / factor)]."""
    length = round(wave.shape[-1] / factor)
    return resample(wave, length), move_labels(labels, length)


def stretch_time(wave: Tensor, labels: Tensor, factor: float, window: int) -> tuple[Tensor, Tensor]:
    """`factor` times as long at the same pitch: wave and labels of shape [n, 1, round(t * factor)]."""
    longer = stretch(wave, factor, window)
    return longer, move_labels(labels, longer.shape[-1])


def shift_pitch(wave: Tensor, semitones: float, window: int) -> Tensor:
    """The same length at another pitch, in semitones upwards: shape [n, 1, t]."""
    return resample(stretch(wave, 2 ** (semitones / 12), window), wave.shape[-1])
