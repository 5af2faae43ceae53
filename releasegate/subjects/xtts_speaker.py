"""XTTS's speaker encoder: a residual network with squeeze-and-excitation and attentive pooling (Heo et al., arXiv 2009.14153).

The names of the modules are those of the published tensors. Its window, filter and mel bank are tensors of the checkpoint too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from releasegate.subjects.xtts_config import Sizes

RATE = 16_000
N_FFT, HOP, WINDOW, MELS = 512, 160, 400, 64
BLOCKS = (3, 4, 6, 3)
"""Of each stage."""


class _Excitation(nn.Module):
    """Each channel is scaled by what all of them are on average."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(width, width // 8), nn.ReLU(), nn.Linear(width // 8, width), nn.Sigmoid())

    def forward(self, states: Tensor) -> Tensor:
        scale: Tensor = self.fc(states.mean(dim=(2, 3)))
        return states * scale[..., None, None]


class _Block(nn.Module):
    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.se = _Excitation(wide)
        changes = stride != 1 or narrow != wide
        self.downsample = (
            nn.Sequential(nn.Conv2d(narrow, wide, 1, stride, bias=False), nn.BatchNorm2d(wide)) if changes else None
        )

    def forward(self, states: Tensor) -> Tensor:
        made = self.se(self.bn2(self.conv2(self.bn1(functional.relu(self.conv1(states))))))
        kept = states if self.downsample is None else self.downsample(states)
        return functional.relu(made + kept)


class _Emphasis(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", torch.empty(1, 1, 2))


class _Window(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.empty(WINDOW))


class _Bank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fb", torch.empty(N_FFT // 2 + 1, MELS))


class _Mels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spectrogram = _Window()
        self.mel_scale = _Bank()


class SpeakerEncoder(nn.Module):
    """A recording as one vector of length 1."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        first, *_, last = sizes.filters
        self.conv1 = nn.Conv2d(1, first, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(first)
        stages = zip((first, *sizes.filters), sizes.filters, BLOCKS, (1, 2, 2, 2), strict=False)
        for number, (narrow, wide, blocks, stride) in enumerate(stages, start=1):
            more = [_Block(wide, wide, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{number}", nn.Sequential(_Block(narrow, wide, stride), *more))
        self.torch_spec = nn.Sequential(_Emphasis(), _Mels())
        pooled = last * MELS // 8
        self.attention = nn.Sequential(
            nn.Conv1d(pooled, sizes.attending, 1),
            nn.ReLU(),
            nn.BatchNorm1d(sizes.attending),
            nn.Conv1d(sizes.attending, pooled, 1),
            nn.Softmax(dim=2),
        )
        self.fc = nn.Linear(2 * pooled, sizes.voice)

    def forward(self, audio: Tensor) -> Tensor:
        """float [n, voice] of `audio` float32 [n, t] at 16 kHz, t above 256."""
        states = functional.instance_norm((self._mel(audio) + 1e-6).log())[:, None]  # [n, 1, mels, frames]
        states = self.bn1(functional.relu(self.conv1(states.to(self.fc.weight.dtype))))
        for number in range(1, len(BLOCKS) + 1):
            states = self.get_submodule(f"layer{number}")(states)
        states = states.flatten(1, 2)  # [n, channels x bands, frames / 8]
        weight = self.attention(states)
        mean = (states * weight).sum(dim=2)
        spread = ((states.square() * weight).sum(dim=2) - mean.square()).clamp(min=1e-5).sqrt()
        out: Tensor = self.fc(torch.cat([mean, spread], dim=1))
        return functional.normalize(out, dim=1)

    def _mel(self, audio: Tensor) -> Tensor:
        """float32 [n, mels, frames], energies."""
        emphasis, mels = self.torch_spec
        kernel = emphasis.get_buffer("filter").float()
        sharp = functional.conv1d(functional.pad(audio[:, None], (1, 0), "reflect"), kernel)[:, 0]
        window = mels.get_buffer("spectrogram.window").float()
        spectrum = torch.stft(sharp, N_FFT, HOP, WINDOW, window, pad_mode="reflect", return_complex=True)
        return (spectrum.abs().square().transpose(1, 2) @ mels.get_buffer("mel_scale.fb").float()).transpose(1, 2)
