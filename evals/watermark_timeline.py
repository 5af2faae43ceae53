"""The score along a spliced clip, for the report: beside the truth, and the outline of the sound."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from .speech import RATE

HOP = 160
"""Samples between the points of a score over time: 10 ms."""


def timeline(presence: Tensor, truth: Tensor, audio: Tensor) -> bytes:
    """JSON of the score over time beside the truth and the outline of the sound, a point every 10 ms.

    Args:
        presence: float [t]. truth: bool [t]. audio: float [t].
    """
    frames = -(-len(audio) // HOP)
    outline = torch.nn.functional.pad(audio, (0, frames * HOP - len(audio))).reshape(frames, HOP)
    edges = torch.diff(
        truth.int(), prepend=torch.zeros(1, device=truth.device), append=torch.zeros(1, device=truth.device)
    )
    starts, ends = (torch.nonzero(edges == sign)[:, 0].tolist() for sign in (1, -1))
    data: dict[str, Any] = {
        "rate": RATE,
        "hop": HOP,
        "score": [round(v, 4) for v in presence[::HOP].tolist()],
        "truth": [[round(a / RATE, 4), round(b / RATE, 4)] for a, b in zip(starts, ends, strict=True)],
        "wave": [[round(v, 4) for v in pair] for pair in torch.stack(outline.aminmax(dim=1), 1).tolist()],
    }
    return json.dumps(data, separators=(",", ":")).encode()
