"""How loud clips are, and keeping them below full scale."""

from __future__ import annotations

from torch import Tensor

QUIETEST = 1e-20
"""A mean square that stands for silence wherever it divides: 200 dB below full scale, yet far from float32's smallest."""


def power(audio: Tensor) -> Tensor:
    """float [n, 1], the mean square of each clip of `audio` [n, t].

    >>> import torch
    >>> power(torch.tensor([[0.5, -0.5], [0.0, 1.0]])).tolist()
    [[0.25], [0.5]]
    """
    return audio.square().mean(1, keepdim=True)  # [n, 1]


def peak(audio: Tensor) -> Tensor:
    """float [n, 1], the largest magnitude of each clip of `audio` [n, t]."""
    return audio.abs().amax(1, keepdim=True)  # [n, 1]


def fitted(audio: Tensor) -> Tensor:
    """float [n, t] in [-1, 1], where a clip that goes over full scale is turned down as a whole until its peak is 1.

    What an effect that adds energy needs: cutting the peaks off instead would be a second effect.

    >>> import torch
    >>> fitted(torch.tensor([[2.0, -1.0], [0.5, 0.25]])).tolist()
    [[1.0, -0.5], [0.5, 0.25]]
    """
    return (audio / peak(audio).clamp_min(1.0)).clamp(-1.0, 1.0)
