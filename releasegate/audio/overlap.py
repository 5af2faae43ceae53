"""How much of two masks is the same: localisation."""

from __future__ import annotations

import torch
from torch import Tensor


def iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of each row: float64 [n] in [0, 1], higher is better.

    The share, of the samples that are true in either mask, of those that are true in both. Where neither has any, nothing was
    to be found and nothing was claimed: 1.

    Args:
        predicted: bool [n, t].
        truth: bool [n, t].

    Raises:
        ValueError: the masks are not boolean, or of different shapes.

    >>> yes, no = True, False
    >>> iou(torch.tensor([[yes, yes, no], [no, no, no]]), torch.tensor([[no, yes, yes], [no, no, no]]))
    tensor([0.3333, 1.0000], dtype=torch.float64)
    """
    if predicted.dtype != torch.bool or truth.dtype != torch.bool:
        raise ValueError(f"masks are bool, not {predicted.dtype} and {truth.dtype}: apply a threshold first")
    if predicted.shape != truth.shape:
        raise ValueError(f"masks have one shape, not {tuple(predicted.shape)} and {tuple(truth.shape)}")
    both = (predicted & truth).sum(dim=1).to(torch.float64)
    either = (predicted | truth).sum(dim=1).to(torch.float64)
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))
