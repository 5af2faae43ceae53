"""Whose voice it is: an LSTM over mel bands, with the sizes and the tensors of Resemblyzer's encoder.

As there, a clip is looked at in windows of 1.6 s, whose embeddings are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from releasegate.subjects.mini_voice_frames import HOP, mel

BANDS, WIDTH, LAYERS = 40, 256, 3
WINDOW = 160
"""Frames of a window."""
STEP = 77
"""Frames from one window to the next."""
COVERED = 0.75
"""Share of the last window that must be speech for it to count."""
LEVEL = 10 ** (-23 / 20)
"""Root mean square that each clip is set to: -23 dB below full scale."""
FAINT = 1e-8
"""What a norm or a level is taken to be at least."""


class Speaker(nn.Module):
    """The encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, bands: Tensor) -> Tensor:
        """float32 [n, WIDTH], of norm 1 (or 0 where nothing is heard), of powers float32 [n, frames, BANDS]."""
        _, (last, _) = self.lstm(bands.to(self.linear.weight.dtype))
        raw: Tensor = functional.relu(self.linear(last[-1])).float()
        unit: Tensor = raw / raw.norm(dim=1, keepdim=True).clamp(min=FAINT)
        return unit

    def heard(self, audio: Tensor) -> Tensor:
        """float32 [n, WIDTH], of norm 1, of audio float32 [n, t] as one window each, whatever its length."""
        level = audio.square().mean(dim=1, keepdim=True).sqrt().clamp(min=FAINT)
        out: Tensor = self(mel(audio * LEVEL / level, audio.shape[1] // HOP, BANDS))
        return out

    def embed(self, clips: Sequence[Tensor]) -> Tensor:
        """float32 [n, WIDTH], of norm 1, the voice of each clip, float32 [t_i]."""
        windows, counts = [], []
        for clip in clips:
            level = clip.square().mean().sqrt().clamp(min=FAINT)
            starts = _starts(len(clip))
            bands = mel((clip * LEVEL / level)[None], starts[-1] + WINDOW, BANDS)[0]
            windows += [bands[start : start + WINDOW] for start in starts]
            counts.append(len(starts))
        parts: tuple[Tensor, ...] = self(torch.stack(windows)).split(counts)
        means = torch.stack([part.mean(dim=0) for part in parts])
        unit: Tensor = means / means.norm(dim=1, keepdim=True).clamp(min=FAINT)
        return unit


def _starts(samples: int) -> list[int]:
    """The first frame of each window of a clip."""
    frames = samples // HOP + 1
    starts = list(range(0, max(1, frames - WINDOW + STEP + 1), STEP))
    if len(starts) > 1 and (samples / HOP - starts[-1]) / WINDOW < COVERED:
        starts.pop()
    return starts
