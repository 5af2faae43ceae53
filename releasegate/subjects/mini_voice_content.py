"""What is said, apart from who says it: the first layers of Whisper's encoder, of a size that the tensors tell.

The weights are those of Whisper tiny.en; nothing is trained here. Whisper fills every clip up to 30 s; this takes it as long
as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from releasegate.subjects.mini_voice_frames import mask_of, mel

BANDS = 80
RANGE = 8.0
"""Decades of power below the loudest band of a clip that are told apart."""


class Layer(nn.Module):
    """One layer of a transformer, normalised before attention and before the two linear layers."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)

    def forward(self, hidden: Tensor, heard: Tensor) -> Tensor:
        """[n, frames, width]; `heard` is bool [n, 1, 1, frames], which frames may be attended to."""
        rows, frames, width = hidden.shape
        three = self.queries_keys_values(self.attention_norm(hidden))
        query, key, value = three.view(rows, frames, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=heard)
        hidden = hidden + self.attention_out(mixed.transpose(1, 2).reshape(rows, frames, width))
        out: Tensor = hidden + self.narrow(functional.gelu(self.widen(self.norm(hidden))))
        return out


class Content(nn.Module):
    """Whisper's encoder up to its last layer here."""

    def __init__(self, width: int, heads: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Conv1d(BANDS, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer(width, heads, size) for size in hidden)

    def forward(self, audio: Tensor, counts: Sequence[int]) -> Tensor:
        """[n, frames / 2, width], the state of each 20 ms; 0 beyond a row's own frames.

        Args:
            audio: float32 [n, t], zeros beyond a row's end.
            counts: frames of 10 ms of each row, even numbers.
        """
        dtype = self.first.weight.dtype
        mask = mask_of(counts, audio.device, torch.float32)
        log = mel(audio, max(counts), BANDS).clamp(min=1e-10).log10()
        loudest = log.masked_fill(mask == 0, -10.0).amax(dim=(1, 2), keepdim=True)
        scaled = ((torch.maximum(log, loudest - RANGE) + 4) / 4 * mask).to(dtype)
        hidden = functional.gelu(self.first(scaled.transpose(1, 2))) * mask.to(dtype).transpose(1, 2)
        hidden = functional.gelu(self.second(hidden)).transpose(1, 2)
        hidden = hidden + _positions(hidden.shape[1], self.width, hidden)
        own = mask[:, ::2]  # [n, frames / 2, 1]
        for layer in self.layers:
            hidden = layer(hidden, (own > 0).transpose(1, 2)[:, None])
        return hidden * own.to(dtype)


def _positions(frames: int, width: int, like: Tensor) -> Tensor:
    """[frames, width], sines and cosines of the place of each frame, at wavelengths up to 10,000 times 2 pi."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half, device=like.device))
    angles = torch.arange(frames, device=like.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(like.dtype)
