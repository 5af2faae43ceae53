"""Draws what mini-voice is trained on: crops of recordings, and voices as averages over a few recordings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from releasegate.subjects import mini_voice_analysis as analysis
from releasegate.subjects.mini_voice_converter import Voice
from releasegate.subjects.mini_voice_frames import HOP


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording; see `features.py` for the shapes.

    Attributes:
        speaker: whose, as a number.
        logs: float32 [frames], the logarithm of the pitch, straight across what is not voiced.
        own: mean and standard deviation of the logarithm of the pitch.
        loud: cepstra of the loud frames, as count, sum and sum of squares.
    """

    speaker: int
    states: Tensor
    cepstra: Tensor
    pitch: Tensor
    loudness: Tensor
    roughness: Tensor
    embedding: Tensor
    audio: Tensor
    logs: Tensor
    own: tuple[float, float]
    loud: tuple[int, Tensor, Tensor]


class Crops(NamedTuple):
    """n crops of t frames of 20 ms.

    Attributes:
        speakers: int64 [n].
        states: float32 [n, t, width].
        prosody: float32 [n, t, PROSODY], as it was heard.
        pitch: float32 [n, 2 t] in Hz, 0 where nothing is voiced.
        moved: prosody and pitch as the voices `targets` have it.
        cepstra, roughness: float32 [n, 2 t, CEPSTRA] and [n, 2 t].
        audio: float32 [n, 2 t HOP].
        mask: float32 [n, t, 1], 0 where a recording is over.
    """

    speakers: Tensor
    states: Tensor
    prosody: Tensor
    pitch: Tensor
    moved_prosody: Tensor
    moved_pitch: Tensor
    cepstra: Tensor
    roughness: Tensor
    audio: Tensor
    mask: Tensor


class Corpus:
    """The recordings of all speakers, in memory."""

    def __init__(self, files: list[Path], seed: int) -> None:
        self._random = np.random.default_rng(seed)
        grouped: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for file in files:
            for name, tensor in load_file(file).items():
                clip, kind = name.rsplit("/", 1)
                grouped[clip][kind] = tensor
        self.speakers = sorted({name.split("/")[0] for name in grouped})
        self.clips = [_clip(self.speakers.index(name.split("/")[0]), grouped[name]) for name in sorted(grouped)]
        self._of = [[clip for clip in self.clips if clip.speaker == speaker] for speaker in range(len(self.speakers))]
        share = np.sqrt([sum(len(clip.pitch) for clip in clips) for clips in self._of])
        self._share = share / share.sum()
        self._whole = [average(clips) for clips in self._of]

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Spread of each channel of the states, and means over speakers of the means and spreads of cepstra."""
        spread = torch.cat([clip.states[0].float() - clip.states[0].float().mean(dim=0) for clip in self.clips]).std(
            dim=0
        )
        mean = torch.stack([voice.mean[0] for voice in self._whole]).mean(dim=0)
        return spread + 1e-3, mean, torch.stack([voice.spread[0] for voice in self._whole]).mean(dim=0)

    def pick(self, count: int) -> list[int]:
        """Speakers, each as likely as the root of how much there is of it."""
        return [int(speaker) for speaker in self._random.choice(len(self._of), size=count, p=self._share)]

    def others(self, speakers: list[int]) -> list[int]:
        """For each speaker another one."""
        drawn = self.pick(len(speakers))
        while any(a == b for a, b in zip(drawn, speakers, strict=True)):
            drawn = [a if a != b else self.pick(1)[0] for a, b in zip(drawn, speakers, strict=True)]
        return drawn

    def voices(self, speakers: list[int], whole: float = 0.3) -> Voice:
        """The voices of speakers, of one to five recordings each, or (`whole`: how often) of all."""
        found = []
        for speaker in speakers:
            if self._random.random() < whole:
                found.append(self._whole[speaker])
            else:
                clips = self._of[speaker]
                found.append(
                    average([clips[i] for i in self._random.integers(len(clips), size=self._random.integers(1, 6))])
                )
        return Voice(*(torch.cat(parts) for parts in zip(*found, strict=True)))

    def centre(self, speakers: list[int]) -> Tensor:
        """float32 [n, 256], the embedding of all that there is of each speaker."""
        return torch.cat([self._whole[speaker].embedding for speaker in speakers])

    def crops(self, speakers: list[int], frames: int, targets: Voice) -> Crops:
        """One crop of `frames` frames of 20 ms of each speaker, at times of a copy in another voice."""
        rows = [self._crop(speaker, frames, targets.pitch[row]) for row, speaker in enumerate(speakers)]
        return Crops(torch.tensor(speakers), *(torch.stack(parts) for parts in zip(*rows, strict=True)))

    def _crop(self, speaker: int, frames: int, wanted: Tensor) -> tuple[Tensor, ...]:
        clips = self._of[speaker]
        clip = clips[self._random.integers(len(clips))]
        states = clip.states[self._random.integers(len(clip.states))].float()
        states = states - states.mean(dim=0)
        start = int(self._random.integers(max(1, len(states) - frames + 1)))
        fine = slice(2 * start, 2 * (start + frames))
        voiced = clip.pitch > 0
        spread = min(max(float(wanted[1]), analysis.SPREADS[0]), analysis.SPREADS[1]) * analysis.SHRUNK
        shifted = ((clip.logs - clip.own[0]) / max(clip.own[1], 0.05)).clamp(-3, 3) * spread + wanted[0]
        kept = analysis.numbers(voiced, clip.logs, clip.loudness)
        moved = analysis.numbers(voiced, shifted, clip.loudness)
        coarse = slice(start, start + frames)
        parts = (states[coarse], kept[coarse], clip.pitch[fine], moved[coarse], (shifted.exp() * voiced)[fine])
        audio = clip.audio[2 * start * HOP : 2 * (start + frames) * HOP].float()
        rest = (clip.cepstra[fine], clip.roughness[fine], audio, torch.ones(len(states[coarse]), 1))
        sizes = (frames, frames, 2 * frames, frames, 2 * frames, 2 * frames, 2 * frames, 2 * frames * HOP, frames)
        return tuple(_filled(part, size) for part, size in zip((*parts, *rest), sizes, strict=True))


def average(clips: list[Clip]) -> Voice:
    """The voice of recordings together: one row."""
    count = sum(clip.loud[0] for clip in clips)
    mean = torch.stack([clip.loud[1] for clip in clips]).sum(dim=0) / count
    square = torch.stack([clip.loud[2] for clip in clips]).sum(dim=0) / count
    spread = (square - mean.square()).clamp(min=1e-6).sqrt()
    embedding = torch.stack([clip.embedding for clip in clips]).mean(dim=0)
    own = torch.tensor([clip.own for clip in clips])
    within, between = own[:, 1].square().mean(), own[:, 0].var(correction=0)
    pitch = torch.stack([own[:, 0].mean(), (within + between).sqrt()])
    return Voice((embedding / embedding.norm())[None], mean[None].float(), spread[None].float(), pitch[None])


def _clip(speaker: int, found: dict[str, Tensor]) -> Clip:
    pitch = found["pitch"].double().numpy()
    own = analysis.pitch_statistics(pitch)
    logs = torch.from_numpy(analysis._between(pitch, own[0])).float()
    loud = found["cepstra"][analysis.is_loud(found["loudness"])].double()
    return Clip(speaker, **found, logs=logs, own=own, loud=(len(loud), loud.sum(dim=0), loud.square().sum(dim=0)))


def _filled(part: Tensor, size: int) -> Tensor:
    """A part filled up with zeros to `size` rows."""
    return torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])]) if len(part) < size else part
