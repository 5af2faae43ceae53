"""How XTTS's language model hears a prompt: a mel spectrogram, attention over its frames, and a few latents out of them.

The names of the modules are those of the published tensors. Attention over frames as in Tortoise (Betker, arXiv 2305.07243);
the resampler as in Flamingo (Alayrac et al., arXiv 2204.14198).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.audio_utils import mel_filter_bank

MELS = 80
RATE = 22050
N_FFT, HOP, WINDOW = 2048, 256, 1024
HIGHEST = 8000.0
"""Hertz up to which the language model hears."""
FLOOR = 1e-5
HEADS = 8
"""Of the resampler."""


class Spectrogram(nn.Module):
    """Log mel spectrograms at 22,050 Hz, each band over its own scale."""

    def __init__(self) -> None:
        super().__init__()
        bank = mel_filter_bank(N_FFT // 2 + 1, MELS, 0.0, HIGHEST, RATE, norm="slaney", mel_scale="htk")
        self.register_buffer("bank", torch.from_numpy(bank).float(), persistent=False)  # [bins, mels]
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def forward(self, audio: Tensor, scale: Tensor) -> Tensor:
        """float32 [n, mels, frames] of `audio` float32 [n, t] at 22,050 Hz, t above 1,024; `scale` float [mels]."""
        spectrum = torch.stft(
            audio, N_FFT, HOP, WINDOW, self.get_buffer("window"), pad_mode="reflect", return_complex=True
        )
        mel = spectrum.abs().square().transpose(1, 2) @ self.get_buffer("bank")  # [n, frames, mels]
        return (mel.clamp(min=FLOOR).log() / scale.float()).transpose(1, 2)


def groups(channels: int) -> int:
    """Into how many groups the library normalises channels: 32, or 16 and 8 of few, halved until they divide.

    >>> groups(1024), groups(64), groups(16)
    (32, 16, 8)
    """
    most = 8 if channels <= 16 else 16 if channels <= 64 else 32
    return next(count for count in (most, most // 2, most // 4, 1) if channels % count == 0)


class FrameAttention(nn.Module):
    """Every frame looks at every frame. What is added to is the normalised input, not the input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.norm = nn.GroupNorm(groups(width), width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = nn.Conv1d(width, width, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """[n, width, frames] of the same."""
        normal = self.norm(frames)
        n, width, length = frames.shape
        parts = self.qkv(normal).view(n, self._heads, 3, width // self._heads, length)  # a head's three stand together
        query, key, value = parts.transpose(-1, -2).unbind(2)  # [n, heads, frames, width / heads]
        heard = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = normal + self.proj_out(heard.transpose(-1, -2).reshape(n, width, length))
        return out


class ConditioningEncoder(nn.Module):
    """A mel spectrogram as states of the language model's width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.init = nn.Conv1d(MELS, width, 1)
        self.attn = nn.Sequential(*(FrameAttention(width, heads) for _ in range(6)))

    def forward(self, mel: Tensor) -> Tensor:
        """[n, width, frames] of [n, mels, frames]."""
        states: Tensor = self.attn(self.init(mel))
        return states


class _Gated(nn.Module):
    """One half of the channels times the GELU of the other."""

    def forward(self, states: Tensor) -> Tensor:
        kept, gate = states.chunk(2, dim=-1)
        return kept * functional.gelu(gate)


class _Resampling(nn.Module):
    """Latents look at the frames and at themselves."""

    def __init__(self, width: int, attended: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, attended, bias=False)
        self.to_kv = nn.Linear(width, 2 * attended, bias=False)
        self.to_out = nn.Linear(attended, width, bias=False)

    def forward(self, latents: Tensor, frames: Tensor) -> Tensor:
        seen = torch.cat([latents, frames], dim=1)
        parts = (self.to_q(latents), *self.to_kv(seen).chunk(2, dim=-1))
        query, key, value = (one.unflatten(-1, (HEADS, -1)).transpose(1, 2) for one in parts)
        heard = functional.scaled_dot_product_attention(query, key, value)  # [n, heads, latents, width of a head]
        out: Tensor = self.to_out(heard.transpose(1, 2).flatten(2))
        return out


class _RootMeanSquare(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, states: Tensor) -> Tensor:
        scaled: Tensor = functional.normalize(states, dim=-1) * float(states.shape[-1]) ** 0.5 * self.gamma
        return scaled


class Perceiver(nn.Module):
    """However many frames there are, as a fixed number of latents."""

    def __init__(self, width: int, latents: int, attended: int) -> None:
        super().__init__()
        inner = int(width * 4 * 2 / 3)
        self.latents = nn.Parameter(torch.empty(latents, width))
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    _Resampling(width, attended),
                    nn.Sequential(nn.Linear(width, 2 * inner), _Gated(), nn.Linear(inner, width)),
                ]
            )
            for _ in range(2)
        )
        self.norm = _RootMeanSquare(width)

    def forward(self, frames: Tensor) -> Tensor:
        """[n, latents, width] of [n, frames, width]."""
        latents = self.latents.expand(len(frames), -1, -1)
        for pair in self.layers:
            assert isinstance(pair, nn.ModuleList)
            latents = latents + pair[0](latents, frames)
            latents = latents + pair[1](latents)
        out: Tensor = self.norm(latents)
        return out
