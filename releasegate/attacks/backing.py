"""Music to lay under speech, played from seeds: chords, a bass and a beat. No recording is needed, and none can be known."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

from releasegate.attacks.seeding import normal, uniform

PROGRESSIONS = (
    ((0, 0), (7, 0), (9, 1), (5, 0)),
    ((0, 1), (8, 0), (3, 0), (10, 0)),
    ((0, 0), (9, 1), (2, 1), (7, 0)),
    ((0, 1), (5, 1), (8, 0), (7, 0)),
)
"""Four chords each: the semitones of its root above the key, and whether it is minor."""
TRIADS = ((0, 4, 7), (0, 3, 7))
"""Semitones above the root of a major and of a minor chord."""
OVERTONES = (1.0, 0.5, 0.3, 0.15)
"""How loud a note's harmonics are."""
CHORD_BEATS = 2
TEMPO = (84.0, 132.0)
"""Slowest and fastest, in beats a minute."""
LOWEST_KEY = 110.0
"""Hz; a key is up to eleven semitones above it."""


def play(seeds: Sequence[int], samples: int, rate: int, like: Tensor) -> Tensor:
    """float [n, samples], one piece a seed, on the device and in the dtype of `like`; the level is arbitrary.

    A seed sets the key, the progression, the tempo, where in the piece it starts, and the noise of the drum.
    """
    dice = uniform(seeds, 4, like)  # [n, 4]
    key = LOWEST_KEY * 2 ** ((12 * dice[:, :1]).floor() / 12)  # [n, 1]
    tempo = TEMPO[0] + (TEMPO[1] - TEMPO[0]) * dice[:, 1:2]
    seconds = torch.arange(samples, device=like.device, dtype=like.dtype) / rate  # [t]
    beats = seconds * tempo / 60 + 4 * CHORD_BEATS * dice[:, 2:3]  # [n, t]
    chord = (beats / CHORD_BEATS).floor().long() % 4  # [n, t]
    since_chord = beats % CHORD_BEATS * 60 / tempo  # [n, t], in seconds
    since_beat = beats % 1 * 60 / tempo
    piece = (len(PROGRESSIONS) * dice[:, 3]).long()  # [n]
    degrees = torch.tensor(PROGRESSIONS, device=like.device)[piece]  # [n, 4, 2]
    root = key * 2 ** (degrees[..., 0].gather(1, chord).to(like.dtype) / 12)  # [n, t]
    minor = degrees[..., 1].gather(1, chord)
    sound = 1.2 * _pluck(root / 2, since_chord, rate)
    for place in range(3):
        above = torch.tensor([triad[place] for triad in TRIADS], device=like.device, dtype=like.dtype)[minor]
        sound = sound + _pluck(root * 2 ** (above / 12), since_chord, rate)
    return sound + _drums(seeds, since_beat, beats.floor() % 2)


def _pluck(pitch: Tensor, since: Tensor, rate: int) -> Tensor:
    """float [n, t], notes of `pitch` [n, t] Hz that were struck `since` [n, t] seconds ago; nothing above Nyquist."""
    sound = torch.zeros_like(pitch)
    for harmonic, loudness in enumerate(OVERTONES, start=1):
        inside = harmonic * pitch < rate / 2
        sound = sound + loudness * inside * torch.sin(2 * pi * harmonic * pitch * since)
    return sound * (0.3 + 0.7 * torch.exp(-3 * since))


def _drums(seeds: Sequence[int], since: Tensor, off: Tensor) -> Tensor:
    """float [n, t], a falling thump on each even beat, a noise on each `off` one, `since` [n, t] seconds ago."""
    thump = 2.5 * torch.sin(2 * pi * (55 * since + 4 * (1 - torch.exp(-25 * since)))) * torch.exp(-10 * since)
    noise = normal(seeds, since.shape[1], since) * torch.exp(-25 * since)
    return torch.where(off > 0, noise, thump)
