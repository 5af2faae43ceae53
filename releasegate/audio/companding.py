"""The mu-law of telephones, on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def mu_law(audio: Tensor) -> Tensor:
    """float [n, t], `audio` [n, t] in [-1, 1] after eight bits of mu-law: at most 255 levels, dense near zero.

    The segmented law of telephones, not the smooth curve that it stands for: with full scale at 8,192, a magnitude plus 33
    falls into one of 8 segments, each twice as wide as the one before and cut into 16 steps; what comes back is the middle of
    the step (ITU-T G.711, table 2; its loudest level is 8,031).

    >>> mu_law(torch.tensor([[0.0, 0.5, -1.0]])) * 8192
    tensor([[    0.,  4191., -8031.]])
    """
    loud = (audio.abs() * 8192).clamp_max(8158) + 33
    segment = torch.floor(torch.log2(loud / 32)).clamp(0, 7)
    step = 2.0 ** (segment + 1)
    middle = (torch.floor(loud / step) + 0.5) * step
    return torch.sign(audio) * (middle - 33) / 8192
