"""The network of the Perth watermark: a residual on the low bins of a spectrogram, and a decoder at three speeds.

Perth (Resemble AI, package `resemble-perth`, MIT) works on magnitudes in decibels, scaled so that its floor is 0 and 15 dB
is 1. The encoder adds a residual to the bins below some 2 kHz. The decoder reads those bins stretched to 5/4, 1 and 3/4 of
their length, so that small changes of speed are met halfway, and weighs the three answers by an attention of its own.
Frames are left out of both whose sum over all bins is at most 5 % of the loudest frame's: only digital silence is that low.

Tensors are called as in the package's own state dict.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from releasegate.subjects.blockconvolution import convolve, transformed

QUIET = 0.05
"""Frames up to this share of the loudest frame's sum are taken for silence."""
KERNEL, DEPTH = 7, 5
"""Frames that a convolution sees, and how many such convolutions stand between the two that see one frame each."""
SPEEDS = (("slow_layers", 1.25), ("normal_layers", 1.0), ("fast_layers", 0.75))
"""The decoder's branches, and how long each makes what it reads."""


def sounding(sums: Tensor) -> Tensor:
    """bool [n, frames], which frames are not silent.

    Args:
        sums: float [n, frames], each frame's scaled magnitude, summed over all bins.
    """
    return sums > sums.amax(dim=1, keepdim=True) * QUIET


class Layer(nn.Module):
    """A convolution over frames, [n, frames, channels_in] to [n, frames, channels_out], and a leaky rectifier."""

    points: Tensor | None

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, rectified: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, kernel)
        self.register_buffer("points", None, persistent=False)
        self._rectified = rectified

    def settle(self) -> None:
        """Transforms the kernels once, since they change no more."""
        if self.conv.kernel_size != (1,):
            self.points = transformed(self.conv.weight.detach())

    def forward(self, hidden: Tensor) -> Tensor:
        assert self.conv.bias is not None
        (kernel,) = self.conv.kernel_size
        if kernel == 1:
            hidden = functional.linear(hidden, self.conv.weight[:, :, 0], self.conv.bias)
        else:
            points = transformed(self.conv.weight) if self.points is None else self.points
            hidden = convolve(hidden, points, self.conv.bias, kernel)
        return functional.leaky_relu_(hidden) if self._rectified else hidden


def _stack(channels_in: int, hidden: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        Layer(channels_in, hidden, 1),
        *(Layer(hidden, hidden, KERNEL) for _ in range(DEPTH)),
        Layer(hidden, channels_out, 1, rectified=False),
    )


class Encoder(nn.Module):
    """Makes the mark of the low bins of a spectrogram.

    Args:
        band: how many bins it reads and changes, from the lowest on.
        hidden: channels of its convolutions.
    """

    def __init__(self, band: int, hidden: int) -> None:
        super().__init__()
        self.layers = _stack(band, hidden, band)

    def forward(self, magnitudes: Tensor, kept: Tensor) -> Tensor:
        """float [n, band, frames], what is to be added to the magnitudes; 0 in silent frames.

        Args:
            magnitudes: float [n, band, frames], scaled decibels.
            kept: bool [n, frames], frames that are not silent.
        """
        residual: Tensor = self.layers(magnitudes.transpose(1, 2))  # [n, frames, band]
        return (residual * kept[:, :, None]).transpose(1, 2)


class Decoder(nn.Module):
    """Says how surely a spectrogram is marked; arguments as of `Encoder`."""

    def __init__(self, band: int, hidden: int) -> None:
        super().__init__()
        for name, _ in SPEEDS:
            self.add_module(name, _stack(band, hidden, 2))

    def forward(self, magnitudes: Tensor, kept: Tensor) -> Tensor:
        """float [n], about 0 for unmarked clips and about 1 for marked ones, not bounded; 0 where all frames are silent.

        A branch whose shortened mask has no frame left is given no weight.

        Args:
            magnitudes: float [n, band, frames], scaled decibels.
            kept: bool [n, frames], frames that are not silent.
        """
        frames = magnitudes.shape[2]
        weights, answers = [], []
        for name, speed in SPEEDS:
            length = int(frames * speed)
            weight, answer = self._branch(name, _stretched(magnitudes, length), _nearest(kept, length))
            weights.append(weight)
            answers.append(answer)
        return _combined(weights, answers)

    def _branch(self, name: str, magnitudes: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """float [n] each: the branch's attention, -inf where nothing sounds, and its answer, there 0."""
        out = self.get_submodule(name)(magnitudes.transpose(1, 2)).float()  # [n, length, 2]
        count = kept.sum(dim=1)  # [n]
        means = (out * kept[:, :, None]).sum(dim=1) / count.clamp(min=1)[:, None]  # [n, 2]
        return means[:, 0].masked_fill(count == 0, -torch.inf), means[:, 1]


def _combined(weights: Sequence[Tensor], answers: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack(list(weights), dim=1)  # [n, branches]
    silent = torch.isneginf(stacked).all(dim=1, keepdim=True)
    shares = stacked.masked_fill(silent, 0.0).softmax(dim=1)
    return (shares * torch.stack(list(answers), dim=1)).sum(dim=1)


def _stretched(magnitudes: Tensor, length: int) -> Tensor:
    """[n, band, length], by straight lines, the first and the last frame in their places."""
    if length == magnitudes.shape[2]:
        return magnitudes
    return functional.interpolate(magnitudes, size=length, mode="linear", align_corners=True)


def _nearest(kept: Tensor, length: int) -> Tensor:
    """bool [n, length], by the nearest frame."""
    return functional.interpolate(kept[:, None].float(), size=length, mode="nearest")[:, 0] > 0


class PerthNet(nn.Module):
    """Encoder and decoder; arguments as of `Encoder`."""

    def __init__(self, band: int, hidden: int) -> None:
        super().__init__()
        self.encoder = Encoder(band, hidden)
        self.decoder = Decoder(band, hidden)

    def settle(self) -> None:
        """Prepares the weights, which were loaded and change no more, for many calls."""
        for module in self.modules():
            if isinstance(module, Layer):
                module.settle()
