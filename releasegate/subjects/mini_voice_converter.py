"""From what is said and whose voice is wanted to the spectral envelope of that voice saying it, and how rough it is.

One-dimensional ConvNeXt blocks over frames of 20 ms; the voice scales and shifts the channels of every block (FiLM).
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from releasegate.records import Record
from releasegate.subjects.mini_voice_speaker import WIDTH

CEPSTRA = 40
"""Numbers of the envelope of a frame: mel-cepstra."""
PROSODY = 6
"""Numbers of the prosody of 20 ms: voiced, pitch and loudness of two frames."""
ROUGHEST = (-3.0, 3.0)
"""Decibels of the aperiodicity for an output of 0, and for 1 more."""
FARTHEST = 5.0
"""Standard deviations from the mean of a voice that a cepstrum may lie."""
EMBEDDING_GAIN = 8.0
"""What an embedding of norm 1 is multiplied by, to have numbers of about 1."""

Size = Annotated[int, Field(gt=0, le=2048)]
Few = Annotated[int, Field(gt=0, le=32)]


class Sizes(Record):
    """Sizes of the network."""

    content: Size
    """Channels of the content."""
    width: Size
    bottleneck: Size
    """Channels that the content must pass through."""
    condition: Size
    """Channels of what is known of the voice."""
    content_blocks: Few
    blocks: Few


class Voice(NamedTuple):
    """What is known of the voices of n prompts.

    Attributes:
        embedding: float32 [n, WIDTH], of norm 1.
        mean: float32 [n, CEPSTRA], of the frames that are loud.
        spread: float32 [n, CEPSTRA], their standard deviation.
        pitch: float32 [n, 2], mean and standard deviation of the logarithm of the pitch in Hz.
    """

    embedding: Tensor
    mean: Tensor
    spread: Tensor
    pitch: Tensor

    def rows(self, index: Tensor) -> Voice:
        """The voices at the places `index`, int64 [m]."""
        return Voice(*(part[index] for part in self))


class Block(nn.Module):
    """A ConvNeXt block whose channels a condition scales and shifts."""

    def __init__(self, width: int, condition: int = 0, widening: int = 3) -> None:
        super().__init__()
        self.along = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, widening * width)
        self.narrow = nn.Linear(widening * width, width)
        self.film = nn.Linear(condition, 2 * width) if condition else None
        nn.init.normal_(self.narrow.weight, std=0.01)
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)

    def forward(self, hidden: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, frames, width], of the same; `mask` is [n, frames, 1], `condition` [n, condition]."""
        mixed = self.norm(self.along((hidden * mask).transpose(1, 2)).transpose(1, 2))
        if self.film is not None and condition is not None:
            scale, shift = self.film(condition)[:, None].chunk(2, dim=-1)
            mixed = mixed * (1 + scale) + shift
        out: Tensor = hidden + self.narrow(functional.gelu(self.widen(mixed)))
        return out


class Converter(nn.Module):
    """The network that is trained."""

    content_spread: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.register_buffer("content_spread", torch.ones(sizes.content))
        self.register_buffer("mean", torch.zeros(CEPSTRA))  # over voices, of their means
        self.register_buffer("spread", torch.ones(CEPSTRA))  # over voices, of their spreads
        self.into = nn.Linear(sizes.content, sizes.width)
        self.content_blocks = nn.ModuleList(Block(sizes.width) for _ in range(sizes.content_blocks))
        self.bottleneck = nn.Linear(sizes.width, sizes.bottleneck)
        self.voice = nn.Sequential(
            nn.Linear(WIDTH + 2 * CEPSTRA, 2 * sizes.condition),
            nn.GELU(),
            nn.Linear(2 * sizes.condition, sizes.condition),
        )
        self.join = nn.Linear(sizes.bottleneck + PROSODY, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes.width, sizes.condition) for _ in range(sizes.blocks))
        self.out = nn.Linear(sizes.width, 2 * (CEPSTRA + 1))

    def content(self, states: Tensor, mask: Tensor) -> Tensor:
        """[n, frames / 2, bottleneck], what is said, of the states of the content encoder and the mask of their frames."""
        total = mask.sum(dim=1, keepdim=True).clamp(min=1)
        centred = (states - (states * mask).sum(dim=1, keepdim=True) / total) / self.content_spread
        hidden = self.into(centred)
        for block in self.content_blocks:
            hidden = block(hidden, mask)
        narrow = self.bottleneck(hidden)
        return functional.layer_norm(narrow, narrow.shape[-1:])

    def condition(self, voice: Voice) -> Tensor:
        """[n, condition], what is known of each voice."""
        dtype = self.join.weight.dtype
        mean, spread = (voice.mean - self.mean) / self.spread, voice.spread / self.spread - 1
        known = torch.cat([voice.embedding * EMBEDDING_GAIN, mean, spread], dim=1)
        out: Tensor = self.voice(known.to(dtype))
        return out

    def speak(self, said: Tensor, prosody: Tensor, voice: Voice, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mel-cepstra float32 [n, frames, CEPSTRA], and decibels of aperiodicity float32 [n, frames], of frames of 10 ms.

        Args:
            said: [n, frames / 2, bottleneck], as of `content`.
            prosody: float32 [n, frames / 2, PROSODY].
            voice: of n prompts.
            mask: [n, frames / 2, 1].
        """
        condition = self.condition(voice)
        hidden = self.join(torch.cat([said, prosody.to(said.dtype)], dim=-1))
        for block in self.blocks:
            hidden = block(hidden, mask, condition)
        both = self.out(hidden).float().view(len(said), -1, CEPSTRA + 1)  # [n, frames, CEPSTRA + 1]
        apart = both[..., :CEPSTRA].clamp(-FARTHEST, FARTHEST)
        cepstra = voice.mean[:, None] + voice.spread[:, None] * apart
        return cepstra, ROUGHEST[0] + ROUGHEST[1] * both[..., CEPSTRA]
