"""Muon: momentum whose direction is made orthogonal, for the matrices of a network (K. Jordan and others, 2024).

Each step moves a matrix by about the nearest orthogonal matrix to its momentum, so that no direction is learnt much faster
than another. A small model gets as far with it as with Adam in about half of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose repetition takes every singular value in (0, 1] to about 1; from the post that introduced Muon."""
ROUNDS = 5


def orthogonal(matrices: Tensor) -> Tensor:
    """float32 [n, rows, columns]: matrices with about the singular vectors of these and singular values of about 1.

    Args:
        matrices: float32 [n, rows, columns].
    """
    tall = matrices.shape[1] > matrices.shape[2]
    current = (matrices.mT if tall else matrices).bfloat16()
    current = current / (current.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = current @ current.mT  # [n, rows, rows]
        current = a * current + (b * gram + c * gram @ gram) @ current
    return (current.mT if tall else current).float()


class Muon:
    """The optimiser of some matrices, those of one shape together.

    Args:
        matrices: float32 [rows, columns] each, with gradients at each step.
        momentum: what stays of it from one step to the next.
        decay: of the weights, as a share of the rate.
    """

    def __init__(self, matrices: Sequence[Tensor], momentum: float = 0.95, decay: float = 0.02) -> None:
        self._momentum = momentum
        self._decay = decay
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for matrix in matrices:
            by_shape.setdefault(matrix.shape, []).append(matrix)
        self._groups = [(group, torch.zeros(len(group), *shape)) for shape, group in by_shape.items()]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Nothing; each matrix was moved by about `rate` in every direction, and its gradient is gone."""
        for matrices, velocity in self._groups:
            gradients = torch.stack([matrix.grad for matrix in matrices])
            velocity.mul_(self._momentum).add_(gradients)
            moves = orthogonal(gradients.add_(velocity, alpha=self._momentum))
            rows, columns = matrices[0].shape
            scale = rate * max(1.0, rows / columns) ** 0.5
            for matrix, move in zip(matrices, moves, strict=True):
                matrix.mul_(1 - rate * self._decay).add_(move, alpha=-scale)
                matrix.grad = None
