"""Small deformations of scans: what another hand might have written."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from evals.digits import DARKEST, SIDE

FINE = 4  # a scan is deformed at four times its resolution, then averaged down, as the scans themselves were made


def deform(scans: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Each scan turned, sheared, stretched and moved a little: grey levels 0 to 16, float32, shape [n, 8, 8].

    Angles to 9 degrees, shear to .12, stretch to 9 % and moves to .55 pixel, all uniform, times the strength.

    Args:
        scans: Grey levels 0 to 16, shape [n, 8, 8].
        generator: Draws the deformations; on the device of the scans.
        strength: 0 leaves the scans as they are.
    """
    count = len(scans)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator, device=scans.device) * 2 - 1) * limit * strength

    angle, shear = uniform(math.radians(9)), uniform(0.12)
    wide, high = 1 + uniform(0.09), 1 + uniform(0.09)
    right, down = uniform(0.55 * 2 / SIDE), uniform(0.55 * 2 / SIDE)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([wide * cosine, shear - sine, right], dim=1),
        torch.stack([sine, high * cosine, down], dim=1),
    ]
    fine = functional.interpolate(
        scans[:, None].to(torch.float32), scale_factor=FINE, mode="bicubic", align_corners=False
    )  # [n, 1, 32, 32]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(fine.shape), align_corners=False)
    moved = functional.grid_sample(fine, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return functional.avg_pool2d(moved, FINE)[:, 0].clamp(0, DARKEST)
