"""Perturbations of a stated strength: how far a signal-to-noise ratio lets an attacker move a clip."""

from __future__ import annotations

import torch
from torch import Tensor

DOMAIN = (0.0, 80.0)
"""Signal-to-noise ratios, in dB, that make sense: from noise as loud as the clip to less than 16 bits resolve."""


def radius(audio: Tensor, snr: float) -> Tensor:
    """float [n, 1], the L2 norm of a perturbation of each clip [n, t] that is `snr` dB below it; 0 for silence."""
    norm: Tensor = torch.linalg.vector_norm(audio, dim=1, keepdim=True)
    return norm * 10 ** (-snr / 20)
