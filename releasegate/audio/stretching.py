"""Making a batch of clips longer or shorter without changing its pitch: a phase vocoder, on the batch's own device."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional

OVERLAP = 4
"""Frames that hold each sample: what a squared Hann window needs to add up to a constant, and one more."""
STEP = 0.0125
"""Seconds from frame to frame, so that a frame of 50 ms holds four periods of the lowest voices and few syllables."""
AT_ONCE = 1 << 20
"""Samples that are worked on at once: their frames take some 400 MB."""


def stretch(audio: Tensor, factor: Fraction, rate: int) -> Tensor:
    """float [n, round(t * factor)], `audio` float [n, t] drawn out by `factor`: what was at second s is at s * factor.

    Frames are laid down every `STEP` seconds, and taken from where they belong. Each is turned in phase so that it goes on
    where the one laid before it ends: at each peak of the spectrum by the angle between what was laid and the frame that
    ended there in the clip, one step before this one; the bins around a peak by the same angle, so that a partial keeps its
    shape (identity phase locking: Laroche and Dolson, 1999, "Improved phase vocoder time-scale modification of audio").
    Both frames lie one step apart before and after, so no phase has to be unwrapped, and a factor of 1 changes nothing.
    """
    rows = max(1, AT_ONCE // max(audio.shape[1], round(audio.shape[1] * factor), 1))
    # In float64, since which bin is a peak must not hang on the last bit: that differs with the size of a batch.
    return torch.cat([_stretch(part.double(), factor, rate) for part in audio.split(rows)]).to(audio.dtype)


def _stretch(audio: Tensor, factor: Fraction, rate: int) -> Tensor:
    step = max(round(STEP * rate), 1)
    size = OVERLAP * step
    wanted = round(audio.shape[1] * factor)
    laid = [step * frame for frame in range(wanted // step + 2)]  # centres in what comes out
    taken = [(2 * place * factor.denominator + factor.numerator) // (2 * factor.numerator) for place in laid]
    window = torch.hann_window(size, dtype=audio.dtype, device=audio.device)
    padded = functional.pad(audio, (size, size + step + max(taken[-1] - audio.shape[1], 0)))
    centres = torch.tensor(taken, device=audio.device) + size // 2  # [f], in what went in
    frames = padded.unfold(1, size, 1)  # [n, t'', size]; frame i is centred on sample i - size / 2
    now = torch.fft.rfft(frames[:, centres] * window)  # [n, f, bins]
    before = torch.fft.rfft(frames[:, centres - step] * window)
    turned = _continued(now, before)
    parts = torch.fft.irfft(turned, size) * window  # [n, f, size]
    return _added(parts, step)[:, :wanted] / _added((window**2).expand(1, len(laid), size), step)[:, :wanted]


def _continued(now: Tensor, before: Tensor) -> Tensor:
    """complex [n, f, bins], each frame of `now` turned to go on from the one before it."""
    peaks = _nearest_peaks(now.abs())
    back = before.sgn().conj()
    laid = [now[:, 0]]
    for frame in range(1, now.shape[1]):
        turn = (laid[-1].sgn() * back[:, frame]).gather(1, peaks[:, frame])  # [n, bins]
        laid.append(now[:, frame] * torch.where(turn == 0, 1, turn))  # zero where there was silence
    return torch.stack(laid, 1)


def _nearest_peaks(loudness: Tensor) -> Tensor:
    """int64 [n, f, bins], for each bin the nearest that is as loud as any within two bins of it; the lower of two."""
    n, frames, bins = loudness.shape
    highest = functional.max_pool1d(loudness.reshape(n * frames, 1, bins), 5, 1, 2).reshape(loudness.shape)
    place = torch.arange(bins, device=loudness.device)
    is_peak = loudness == highest
    below = torch.where(is_peak, place, -bins).cummax(-1).values
    above = torch.where(is_peak, place, 2 * bins).flip(-1).cummin(-1).values.flip(-1)
    return torch.where(place - below <= above - place, below, above)


def _added(parts: Tensor, step: int) -> Tensor:
    """float [n, t], frames [n, f, size] laid `step` apart and added up, from the centre of the first."""
    size, frames = parts.shape[2], parts.shape[1]
    whole = (1, (frames - 1) * step + size)
    return functional.fold(parts.transpose(1, 2), whole, (1, size), stride=(1, step))[:, 0, 0, size // 2 :]
