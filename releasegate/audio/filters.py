"""Filters without delay, over a batch on its own device, with gradients.

They are applied to the spectrum as real gains, so that no phase is turned: what is at sample i stays at sample i.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

Gains = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Frequencies [bins] in Hz to gains [bins], for all clips, or [n, bins], for each its own."""

ORDER = 4


def lowpass_gain(frequencies: NDArray[np.float64], cut: float) -> NDArray[np.float64]:
    """float64 in [0, 1], the magnitude of a Butterworth low-pass of fourth order: -3.01 dB at `cut` Hz, then -24 dB an octave.

    1 / sqrt(1 + (f / cut)^8): S. Butterworth, On the Theory of Filter Amplifiers (1930).

    >>> lowpass_gain(np.array([0.0, 500.0, 1000.0]), 500.0).round(3).tolist()
    [1.0, 0.707, 0.062]
    """
    return np.asarray(1 / np.sqrt(1 + (frequencies / cut) ** (2 * ORDER)))


def highpass_gain(frequencies: NDArray[np.float64], cut: float) -> NDArray[np.float64]:
    """float64 in [0, 1], its mirror image: -3.01 dB at `cut` Hz, and -24 dB for each octave below.

    >>> highpass_gain(np.array([0.0, 250.0, 500.0]), 500.0).round(3).tolist()
    [0.0, 0.062, 0.707]
    """
    ratio = (frequencies / cut) ** ORDER
    return np.asarray(ratio / np.sqrt(1 + ratio**2))


def filter_by_gain(audio: Tensor, rate: int, gains: Gains, ring: float) -> Tensor:
    """float [n, t], `audio` [n, t] with each frequency made as loud as `gains` says; outside of the clip is silence.

    Args:
        ring: seconds after which the filter has died away, on either side; so much silence keeps the end of a clip from
            wrapping round into its start.
    """
    samples = audio.shape[1]
    size = next_fast_len(samples + int(ring * rate) + 1, real=True)
    frequencies = np.asarray(np.fft.rfftfreq(size, 1 / rate), np.float64)
    gain = torch.from_numpy(gains(frequencies)).to(audio.device, audio.dtype)  # [bins] or [n, bins]
    spectrum = torch.fft.rfft(audio, size)  # [n, bins]
    filtered: Tensor = torch.fft.irfft(spectrum * gain, size)[:, :samples]
    return filtered


def convolve(audio: Tensor, responses: Tensor) -> Tensor:
    """float [n, t], the start of each clip of `audio` [n, t] convolved with its own row of `responses` [n, taps]."""
    samples = audio.shape[1]
    size = next_fast_len(samples + responses.shape[1] - 1, real=True)
    product = torch.fft.rfft(audio, size) * torch.fft.rfft(responses, size)  # [n, bins]
    convolved: Tensor = torch.fft.irfft(product, size)[:, :samples]
    return convolved
