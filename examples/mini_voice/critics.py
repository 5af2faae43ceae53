"""What the cloner is trained against: who tells real frames from made ones, who tells the speaker from the content."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """Tells real sequences of frames from made ones, for the speaker that they should be of (a projection)."""

    def __init__(self, channels: int, speakers: int, width: int = 128) -> None:
        super().__init__()
        sizes = ((channels, 5, 1), (width, 5, 2), (width, 5, 2), (width, 3, 1))
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv1d(of, width, size, stride, padding=size // 2)) for of, size, stride in sizes
        )
        self.out = nn.Conv1d(width, 1, 1)
        self.local, self.whole = nn.Embedding(speakers, width), nn.Embedding(speakers, width)
        self.pooled = nn.Sequential(nn.Linear(2 * width, width), nn.LeakyReLU(0.2))

    def forward(self, frames: Tensor, speakers: Tensor) -> tuple[Tensor, list[Tensor]]:
        """How real, [n, t / 4], and the states of each layer, of frames [n, t, channels]."""
        hidden, states = frames.transpose(1, 2), []
        for layer in self.layers:
            hidden = functional.leaky_relu(layer(hidden), 0.2)
            states.append(hidden)
        scale = hidden.shape[1] ** -0.5
        whole = self.pooled(torch.cat([hidden.mean(dim=2), hidden.std(dim=2)], dim=1))
        score = self.out(hidden)[:, 0] + (hidden * self.local(speakers)[..., None]).sum(dim=1) * scale
        return score + (whole * self.whole(speakers)).sum(dim=1, keepdim=True) * scale, states


def critic_loss(critic: Critic, real: Tensor, of: Tensor, made: Tensor, wanted: Tensor) -> Tensor:
    """The hinge loss of a critic."""
    right, _ = critic(real, of)
    wrong, _ = critic(made.detach(), wanted)
    return functional.relu(1 - right).mean() + functional.relu(1 + wrong).mean()


def deceit(critic: Critic, real: Tensor, of: Tensor, made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """How little the critic believes what was made, and how far its states of the first n rows are from those of real ones.

    Args:
        made: its first rows say the same as `real`.
    """
    critic.requires_grad_(requires_grad=False)
    score, states = critic(made, wanted)
    with torch.no_grad():
        _, truth = critic(real, of)
    critic.requires_grad_(requires_grad=True)
    apart = [(a[: len(b)] - b).abs().mean() / (b.abs().mean() + 1e-3) for a, b in zip(states, truth, strict=True)]
    return -score.mean(), torch.stack(apart).mean()


class Listener(nn.Module):
    """Tells the speaker from the content, which is trained to leave it no trace."""

    def __init__(self, channels: int, speakers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, 96, 9, padding=4), nn.GELU(), nn.Conv1d(96, speakers, 5, padding=2)
        )

    def forward(self, content: Tensor, speakers: Tensor) -> Tensor:
        """The cross-entropy; its gradient to `content` [n, t, channels] is turned round."""
        logits = self.layers(_Reversed.apply(content).transpose(1, 2))
        return functional.cross_entropy(logits, speakers[:, None].expand(-1, logits.shape[2]))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, content: Tensor) -> Tensor:
        return content.view_as(content)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient
