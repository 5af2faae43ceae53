"""Puts the residual of a watermark inside the envelope of the speech: loud where the speech is loud, silent where it is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

QUIETEST = 1e-5  # rms; below it a residual is not amplified any further, so that silence stays finite


def local_rms(signal: Tensor, window: int) -> Tensor:
    """The root mean square of the `window` samples around each sample: shape [n, 1, t] as the signal, at least 1e-5.

    rms[i] = max(1e-5, sqrt(mean of signal[j]^2 for i - window/2 <= j < i + window/2)); past the ends the first and the
    last sample are repeated.

    Args:
        signal: Waveform in [-1, 1], shape [n, 1, t].
        window: Samples, even.
    """
    padded = functional.pad(signal.square(), (window // 2, window // 2 - 1), mode="replicate")  # [n, 1, t + window - 1]
    summed = functional.pad(padded.to(torch.float64).cumsum(dim=-1), (1, 0))  # differences of sums need the digits
    mean = (summed[..., window:] - summed[..., :-window]).to(signal.dtype) / window  # [n, 1, t]
    return mean.clamp(min=QUIETEST**2).sqrt()


def embed(speech: Tensor, residual: Tensor, snr_db: float, window: int) -> Tensor:
    """The marked speech, shape [n, 1, t]: speech + 10^(-snr_db/20) * residual * rms(speech) / rms(residual).

    rms is `local_rms` over `window` samples, so that the signal-to-noise ratio is `snr_db` in every window, whatever
    the scale of the residual. The sum is not clipped.

    Args:
        speech: Waveform in [-1, 1], shape [n, 1, t].
        residual: What the generator returns (`get_watermark`), any scale, shape [n, 1, t].
        snr_db: Decibels, higher is quieter.
        window: Samples, even.
    """
    gain = 10 ** (-snr_db / 20) * local_rms(speech, window) / local_rms(residual, window)
    return speech + gain * residual


__all__ = ["QUIETEST", "embed", "local_rms"]
