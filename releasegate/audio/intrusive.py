"""PESQ and STOI: how like its reference a clip sounds, and how well it is understood, by the packages of these measures.

Both are None where their own definition gives nothing, and never a number that stands for "none": PESQ without an utterance in
either signal, or with less than a quarter of a second; STOI with fewer than 30 frames that are no silence. Rows are computed
one after the other: the packages hold the interpreter's lock, so that threads would not help.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from releasegate.audio.packages import MEASURE, package
from releasegate.audio.resampling import resample

PESQ_RATE = 16000
STOI_RATE = 10000
FRAME = 256  # samples, of STOI's frames of 25.6 ms
SEGMENT = 30  # frames that STOI correlates
RANGE = 40  # dB below its loudest frame, from which a frame of the reference is silent to STOI


def pesq_wb(reference: Tensor, degraded: Tensor, rate: int) -> list[float | None]:
    """Wide-band PESQ of each row: MOS-LQO from about 1.02 to 4.64, higher is better (ITU-T P.862.2); None where undefined.

    It aligns the signals in time and level itself, and hears no polarity.

    Args:
        reference: float [n, t] in [-1, 1], any device.
        degraded: float [n, t].
        rate: samples a second; resampled to 16,000.

    Raises:
        NotFound: the package `pesq` is not installed.
        ValueError: shapes differ, or a sample is no finite number.
    """
    pesq_package = package("pesq", MEASURE)
    rows = zip(*_waves(reference, degraded, rate, PESQ_RATE), strict=True)
    return [_pesq(pesq_package, signal, other) for signal, other in rows]


def stoi(reference: Tensor, degraded: Tensor, rate: int) -> list[float | None]:
    """Short-time objective intelligibility of each row: in [-1, 1], higher is better; None where undefined.

    The mean correlation of envelopes in 15 third-octave bands over 384 ms, silence of the reference left out (Taal et al., IEEE
    TASLP 19(7), 2011). It hears neither level nor polarity.

    Args:
        reference: float [n, t], any device.
        degraded: float [n, t], sample for sample in its place.
        rate: samples a second; resampled to 10,000 as the package does.

    Raises:
        NotFound: the package `pystoi` is not installed.
        ValueError: shapes differ, or a sample is no finite number.
    """
    stoi_package, resampler = package("pystoi", MEASURE), package("pystoi.utils", MEASURE)
    rows = zip(*_waves(reference, degraded, rate, rate), strict=True)
    return [_stoi(stoi_package, resampler, signal, other, rate) for signal, other in rows]


def _pesq(package: Any, signal: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    if not signal.any() or not other.any():
        return None  # the package divides by zero
    try:
        return float(package.pesq(PESQ_RATE, signal, other, "wb"))
    except (package.NoUtterancesError, package.BufferTooShortError):
        return None


def _stoi(
    package: Any, resampler: Any, reference: NDArray[np.float32], degraded: NDArray[np.float32], rate: int
) -> float | None:
    signal, other = reference.astype(np.float64), degraded.astype(np.float64)
    if rate != STOI_RATE:
        signal = resampler.resample_oct(signal, STOI_RATE, rate)
        other = resampler.resample_oct(other, STOI_RATE, rate)
    # Of k frames that speak, overlapping by half, k - 1 are left. The package would return 1e-5 for too few, and warn.
    if _speaking(signal) - 1 < SEGMENT or not other.any():
        return None
    return float(package.stoi(signal, other, STOI_RATE, extended=False))


def _speaking(signal: NDArray[np.float64]) -> int:
    """How many frames of the reference STOI keeps."""
    starts = np.arange(0, len(signal) - FRAME, FRAME // 2)
    if not len(starts) or not signal.any():
        return 0
    frames = signal[starts[:, None] + np.arange(FRAME)] * np.hanning(FRAME + 2)[1:-1]  # [frames, 256]
    energies = 20 * np.log10(np.linalg.norm(frames, axis=1) + np.finfo(float).eps)
    return int((energies.max() - RANGE - energies < 0).sum())


def _waves(reference: Tensor, degraded: Tensor, rate: int, to: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both as float32 arrays [n, t] at the rate `to`."""
    if reference.shape != degraded.shape:
        what = f"{tuple(reference.shape)} and {tuple(degraded.shape)}"
        raise ValueError(f"clips are compared with references of their shape, not {what}")
    if not bool(torch.isfinite(reference).all() and torch.isfinite(degraded).all()):
        raise ValueError("a sample is no finite number: there is no quality to measure")
    signal, other = (resample(a.detach().to("cpu", torch.float32), rate, to).numpy() for a in (reference, degraded))
    return signal, other
