"""Frames of 10 ms that everything in mini-voice shares: how many a clip has, their spectra, and the sound that they make.

Clips of a batch are filled up with zeros at their ends. Beyond its own frames a row is masked, so that it is the same in any
batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

RATE = 16000
"""Samples a second."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
SIZE = 640
"""Samples of a frame of the vocoder: four hops, over which squared Hann windows add up to a constant."""
BINS = SIZE // 2 + 1
"""Frequencies of such a frame, 25 Hz apart."""
OVERLAP = 1.5
"""That constant."""


def frames_in(samples: int) -> int:
    """Frames of a clip, an even number: the k-th lies around sample k * HOP."""
    return 2 * max(1, -(-samples // (2 * HOP)))


def padded(clips: Sequence[Tensor]) -> Tensor:
    """float32 [n, t], clips float32 [t_i] filled up with zeros to the whole frames of the longest."""
    longest = max(frames_in(len(clip)) for clip in clips) * HOP
    return torch.stack([functional.pad(clip, (0, longest - len(clip))) for clip in clips])


def mask_of(counts: Sequence[int], device: torch.device, dtype: torch.dtype) -> Tensor:
    """[n, frames, 1], 1 on a row's own frames and 0 beyond them, for n rows of `counts` frames."""
    own = torch.tensor(list(counts), device=device)[:, None]  # [n, 1]
    return (torch.arange(max(counts), device=device)[None] < own).to(dtype)[..., None]


def spectrum(audio: Tensor, size: int, frames: int) -> Tensor:
    """complex64 [n, frames, size / 2 + 1], Hann-windowed frames of audio float32 [n, t], zeros around it."""
    window = torch.hann_window(size, device=audio.device)
    missing = max(0, (frames - 1) * HOP + size - audio.shape[1] - size // 2)
    around = functional.pad(audio, (size // 2, missing))
    found: Tensor = torch.fft.rfft(around.unfold(1, size, HOP)[:, :frames] * window)
    return found


def sound(frames: Tensor) -> Tensor:
    """float32 [n, frames * HOP], the sound of spectra complex64 [n, frames, BINS], of frames that overlap and add."""
    window = torch.hann_window(SIZE, device=frames.device)
    pieces = torch.fft.irfft(frames, n=SIZE) * window / OVERLAP  # [n, frames, SIZE]
    rows, count, _ = pieces.shape
    length = (count - 1) * HOP + SIZE
    whole = functional.fold(pieces.transpose(1, 2), (1, length), (1, SIZE), stride=(1, HOP))
    return whole.reshape(rows, length)[:, SIZE // 2 :][:, : count * HOP]


@lru_cache(maxsize=8)
def _mel_filters(bands: int, size: int) -> NDArray[np.float32]:
    """float32 [size / 2 + 1, bands], triangles of equal area on Slaney's mel scale (linear to 1 kHz, then logarithmic)."""
    step, top = math.log(6.4) / 27, 15 + 27 * math.log(RATE / 2 / 1000) / math.log(6.4)
    mels = np.linspace(0, top, bands + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))  # Hz
    bins = np.arange(size // 2 + 1) * RATE / size
    rising = (bins[:, None] - edges[None, :-2]) / np.diff(edges)[None, :-1]
    falling = (edges[None, 2:] - bins[:, None]) / np.diff(edges)[None, 1:]
    triangles: NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return triangles * (2 / (edges[2:] - edges[:-2])).astype(np.float32)


def mel(audio: Tensor, frames: int, bands: int, size: int = 400) -> Tensor:
    """float32 [n, frames, bands], the power of audio float32 [n, t] in mel bands, frame by frame."""
    found = spectrum(audio, size, frames)
    power = found.real.square() + found.imag.square()
    return power @ torch.from_numpy(_mel_filters(bands, size)).to(audio.device)
