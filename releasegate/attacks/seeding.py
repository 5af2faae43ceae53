"""Random numbers of a batch in which each clip has a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def normal(seeds: Sequence[int], samples: int, like: Tensor) -> Tensor:
    """float [n, samples] of the standard normal distribution, in the dtype and on the device of `like`.

    Drawn on the CPU, row by row, so that a clip gets the same numbers in any batch and on any device.
    """
    rows = [torch.randn(samples, generator=_generator(seed)) for seed in seeds]
    return torch.stack(rows).to(like.device, like.dtype)  # [n, samples]


def uniform(seeds: Sequence[int], count: int, like: Tensor) -> Tensor:
    """float [n, count], uniform in [0, 1), alike."""
    rows = [torch.rand(count, generator=_generator(seed)) for seed in seeds]
    return torch.stack(rows).to(like.device, like.dtype)  # [n, count]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
