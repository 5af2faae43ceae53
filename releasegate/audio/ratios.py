"""Ratios of signal to noise, in dB, of a batch, on its own device, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor

CAP = 100.0
"""dB that no ratio goes beyond, either way: what equal signals get, who have no noise at all."""


def snr(reference: Tensor, degraded: Tensor) -> Tensor:
    """Energy of the reference over that of what was added to it: float64 [n], dB, in [-100, 100], higher is closer.

    10 log10(sum r^2 / sum (d - r)^2). A change of level or polarity counts as noise. Equal signals get 100, and any other
    beside a silent reference -100.

    Args:
        reference: float [n, t].
        degraded: float [n, t], sample for sample in its place.

    >>> snr(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.5]]))
    tensor([20.], dtype=torch.float64)
    """
    signal, other = _pair(reference, degraded)
    return _decibels(signal, other - signal)


def si_snr(reference: Tensor, degraded: Tensor, *, zero_mean: bool) -> Tensor:
    """Scale-invariant SNR: float64 [n], dB, in [-100, 100], higher is closer.

    10 log10(sum s^2 / sum (d - s)^2) with s = <d, r> / <r, r> r, the part of `degraded` that is the reference at some level and
    in either polarity (Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019). Signals that are equal but for their
    level get 100; one that holds nothing of the reference, as silence does, gets -100.

    Args:
        reference: float [n, t].
        degraded: float [n, t], sample for sample in its place.
        zero_mean: whether the mean of each signal is taken off first, as most tools do; without it an offset counts.
    """
    signal, other = _pair(reference, degraded)
    if zero_mean:
        signal = signal - signal.mean(dim=1, keepdim=True)
        other = other - other.mean(dim=1, keepdim=True)
    power = signal.square().sum(dim=1, keepdim=True)  # [n, 1]
    share = (other * signal).sum(dim=1, keepdim=True) / torch.where(power == 0, 1, power)
    return _decibels(share * signal, other - share * signal)


def _pair(reference: Tensor, degraded: Tensor) -> tuple[Tensor, Tensor]:
    if reference.shape != degraded.shape:
        what = f"{tuple(reference.shape)} and {tuple(degraded.shape)}"
        raise ValueError(f"signals are compared sample by sample, and have the shapes {what}")
    return reference.to(torch.float64), degraded.to(torch.float64)


def _decibels(signal: Tensor, noise: Tensor) -> Tensor:
    """float64 [n]; what is not a number stays none."""
    above, below = signal.square().sum(dim=1), noise.square().sum(dim=1)  # [n] each
    ratio = 10 * torch.log10(torch.where(above == 0, 1, above) / torch.where(below == 0, 1, below))
    ratio = torch.where(above == 0, -CAP, ratio.clamp(-CAP, CAP))
    return torch.where(below == 0, CAP, ratio)
