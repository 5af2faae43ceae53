"""A small real watermark: keyed noise under the speech, found again by correlation; it localises, and has gradients.

The mark repeats every frame and starts with the clip, so that a shift of a few samples defeats it, as it does defeat marks
of this kind; it stands noise, filters and codecs that keep the upper half of the band.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.subjects import Detection

FRAME = 800
"""Samples that the mark repeats after, and that presence is told for: 50 ms."""

SNR = 24.0
"""dB of a clip above its mark."""

SHARE = 0.5
"""Of the mark's power, what tells that there is one; the bits have the rest."""

MIDDLE, SLOPE = 0.12, 30.0
"""The correlation at which presence is one half, and how steeply it rises there."""


class SpreadSpectrum:
    """Adds nine keyed noises, eight of them with the signs of the message's bits, at a level that goes by the clip's."""

    rate = 16000
    bits = 8
    rule = "mean presence over frames"

    def __init__(self, key: int = 0) -> None:
        noise = torch.randn(1 + self.bits, FRAME, generator=torch.Generator().manual_seed(key))
        power = torch.tensor([SHARE] + self.bits * [(1 - SHARE) / self.bits])
        self._patterns = noise * power.sqrt()[:, None]  # [1 + bits, FRAME]

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        """float32 [n, t]."""
        patterns = self._patterns.to(audio.device, audio.dtype)
        signs = torch.cat([torch.ones_like(messages[:, :1]), 2 * messages - 1], 1).to(audio.dtype)  # [n, 1 + bits]
        frame = signs @ patterns  # [n, FRAME], of rms about 1
        frames = -(-audio.shape[1] // FRAME)
        level = audio.square().mean(1, keepdim=True).sqrt() * 10 ** (-SNR / 20)
        return (audio + level * frame.repeat(1, frames)[:, : audio.shape[1]]).clamp(-1, 1)

    def detect(self, audio: Tensor) -> Detection:
        """Correlation with the patterns, frame by frame, of what is left when a filter takes the speech's low end away."""
        patterns = _whitened(self._patterns.to(audio.device, audio.dtype).repeat(1, 2))[:, FRAME:]  # [1 + bits, FRAME]
        whole = functional.pad(_whitened(audio), (0, -audio.shape[1] % FRAME))
        frames = whole.unflatten(1, (-1, FRAME))  # [n, frames, FRAME]
        units = frames / (frames.square().sum(-1, keepdim=True) + 1e-10).sqrt()
        found = units @ functional.normalize(patterns, dim=1).T  # [n, frames, 1 + bits]
        presence = torch.sigmoid(SLOPE * (found[..., 0] - MIDDLE))  # [n, frames]
        along = presence.repeat_interleave(FRAME, 1)[:, : audio.shape[1]]
        return Detection(presence.mean(1), along, torch.sigmoid(SLOPE * found[..., 1:].mean(1)))


def _whitened(audio: Tensor) -> Tensor:
    """float [n, t], the second difference: about what takes the fall of speech towards high frequencies away."""
    return functional.pad(audio, (2, 0)).diff(dim=1).diff(dim=1)
