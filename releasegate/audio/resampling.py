"""Changing the sample rate of a batch, on its own device, with gradients."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
import torch
from scipy.signal import firwin
from torch import Tensor
from torch.nn import functional

MOST = 2000
"""The largest factor of a rational rate change: beyond it the bank of filters grows out of hand."""


def resample(audio: Tensor, rate: int, to: int) -> Tensor:
    """float [n, ceil(t * to / rate)], `audio` float [n, t] at `rate` samples a second, at `to` samples a second.

    A polyphase filter with the same taps as `scipy.signal.resample_poly`: a Kaiser window (beta 5) over a sinc of ten zero
    crossings each side, cut off at the lower of the two Nyquist frequencies. Sample 0 stays in its place.

    Raises:
        ValueError: the ratio of the rates is no fraction of whole numbers up to 2,000.

    >>> resample(torch.zeros(2, 16000), 16000, 8000).shape
    torch.Size([2, 8000])
    """
    common = gcd(rate, to)
    up, down = to // common, rate // common
    if max(up, down) > MOST:
        raise ValueError(f"cannot resample from {rate} to {to}: {to}/{rate} is no fraction of numbers up to {MOST}")
    if up == down:
        return audio
    bank, left = _bank(up, down)
    filters = torch.from_numpy(bank).to(audio.device, audio.dtype)[:, None]  # [up, 1, taps]
    wanted = -(-audio.shape[1] * up // down)
    frames = -(-wanted // up)
    right = max((frames - 1) * down + bank.shape[1] - left - audio.shape[1], 0)
    padded = functional.pad(audio, (left, right))[:, None]  # [n, 1, left + t + right]
    phases = functional.conv1d(padded, filters, stride=down)[..., :frames]  # [n, up, frames]
    return phases.transpose(1, 2).reshape(len(audio), -1)[:, :wanted]


@lru_cache(maxsize=64)
def _bank(up: int, down: int) -> tuple[np.ndarray, int]:
    """float32 [up, taps], one filter a phase of the output, and how many samples each reaches back.

    Output q * up + r is the sum over j of x[q * down + j] h[half + r * down - j * up].
    """
    half = 10 * max(up, down)
    taps = firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", 5.0)) * up
    left = half // up
    reach = np.arange(-left, ((up - 1) * down + half) // up + 1)  # j
    places = half + np.arange(up)[:, None] * down - reach[None] * up  # [up, taps]
    inside = (places >= 0) & (places <= 2 * half)
    return np.where(inside, taps[np.clip(places, 0, 2 * half)], 0.0).astype(np.float32), left
