"""XTTS's vocoder: HiFi-GAN (Kong et al., arXiv 2010.05646) on states of the language model, with a voice in each stage.

The names of the modules are those of the published tensors, with weight norm merged in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

RATES, KERNELS = (8, 8, 2, 2), (16, 16, 4, 4)
"""How many times longer each stage makes its input, and by kernels of which length: 256 times in all."""
BLOCK_KERNELS, DILATIONS = (3, 7, 11), (1, 3, 5)
SLOPE = 0.1
"""Of the leaky ReLUs, but for the last one, which has torch's own."""


class _Residual(nn.Module):
    """Three pairs of convolutions, the first of each dilated."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        half = kernel // 2
        self.convs1 = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=half * d, dilation=d) for d in DILATIONS)
        self.convs2 = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=half) for _ in DILATIONS)

    def forward(self, states: Tensor) -> Tensor:
        for wide, narrow in zip(self.convs1, self.convs2, strict=True):
            states = states + narrow(functional.leaky_relu(wide(functional.leaky_relu(states, SLOPE)), SLOPE))
        return states


class Vocoder(nn.Module):
    """Frames to samples."""

    def __init__(self, width: int, first: int, voice: int) -> None:
        super().__init__()
        widths = [first >> stage for stage in range(len(RATES) + 1)]
        self.conv_pre = nn.Conv1d(width, first, 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(widths[stage], widths[stage + 1], kernel, rate, padding=(kernel - rate) // 2)
            for stage, (kernel, rate) in enumerate(zip(KERNELS, RATES, strict=True))
        )
        self.resblocks = nn.ModuleList(_Residual(wide, kernel) for wide in widths[1:] for kernel in BLOCK_KERNELS)
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3, bias=False)
        self.cond_layer = nn.Conv1d(voice, first, 1)
        self.conds = nn.ModuleList(nn.Conv1d(voice, wide, 1) for wide in widths[1:])

    def forward(self, frames: Tensor, voice: Tensor) -> Tensor:
        """[n, 256 frames] in [-1, 1] of [n, width, frames] and a speaker embedding [n, voice]."""
        voice = voice[..., None]
        states = self.conv_pre(frames) + self.cond_layer(voice)
        blocks = len(BLOCK_KERNELS)
        for stage, (up, condition) in enumerate(zip(self.ups, self.conds, strict=True)):
            states = up(functional.leaky_relu(states, SLOPE)) + condition(voice)
            each = [block(states) for block in list(self.resblocks)[stage * blocks : (stage + 1) * blocks]]
            states = torch.stack(each).mean(dim=0)
        out: Tensor = self.conv_post(functional.leaky_relu(states))
        return torch.tanh(out)[:, 0]


def frames_of(states: Tensor, rate: float) -> Tensor:
    """[1, width, frames] of states [length, width] of audio tokens, four frames a token, and `rate` times that.

    Both steps draw straight lines, as the library does: first to frames at 22,050 Hz, then to frames at the output's rate.
    """
    frames = functional.interpolate(states.T[None], scale_factor=4.0, mode="linear")
    return frames if rate == 1 else functional.interpolate(frames, scale_factor=rate, mode="linear")
