"""What passive detectors learn from: recordings of the `detector` split, and the same voices cloned.

Few people are at hand, so each is heard at several speeds: a recording played faster is of a shorter throat and a higher voice.
Both kinds go through the same codecs, since else the codec would tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from releasegate.attacks import Given, find_attack
from releasegate.audio.resampling import resample
from releasegate.errors import NotScorable

from ..recordings import RATE, at_level
from ..voice_routes import ROUTES, Asked, cloned
from ..voices import by_speaker, clips, read
from ..world_frames import Spoken, analysed, synthesised

SPEEDS = (0.8, 0.88, 1.0, 1.0, 1.1)
EACH = 2
"""Speeds at which each recording is heard; one of a person whom a gate measures."""
LONGEST = 4 * RATE
PERSON = 8
"""Recordings that tell a route how the person sounds."""
CODECS = (
    *((("mp3", float(rate))) for rate in (16, 24, 32, 64)),
    *((("opus", float(rate))) for rate in (8, 12, 16, 24)),
    *((("aac", float(rate))) for rate in (16, 32)),
    ("vorbis", 48.0),
    ("gsm", None),
    ("gsm", None),
    ("mulaw", None),
    ("mulaw", None),
    ("g722", None),
    *(("amr", rate) for rate in (4.75, 7.4, 12.2)),
    ("resample", 8000.0),
)
"""What sounds go through on their way, two of them drawn."""
SMOOTHED = "smoothed"
"""A way to make a voice's own words anew that no gate measures: WORLD, from cepstra that are smoothed over time, as networks
give them."""


@dataclass(frozen=True, eq=False)
class Sound:
    """Something to learn from.

    Attributes:
        audio: int16 [t] at 16 kHz.
        made: whether a program made the voice.
        route: how; `recorded` where nobody did.
        speaker: whose voice it is to be.
        heard: everybody whose recordings went into it.
    """

    audio: Tensor
    made: bool
    route: str
    speaker: str
    heard: frozenset[str]


def measured() -> list[str]:
    """Who is measured in a gate, and has recordings to learn from: a detector that heard one of them judges others alone."""
    real = {voice.speaker for voice in clips("real")}
    return [speaker for speaker in by_speaker("detector", 1) if speaker in real]


def sounds(rng: Generator, speakers: Sequence[str]) -> Iterator[Sound]:
    """All there is to learn from of some speakers, as it is and through two codecs."""
    voices = {
        (speaker, speed): [_at_speed(read(voice), speed) for voice in clips("detector", speaker)]
        for speaker in by_speaker("detector", 1)
        for speed in sorted(set(SPEEDS))
    }
    once = measured()
    known: dict[tuple[str, float, int], Spoken] = {}

    def heard(speaker: str, speed: float, number: int) -> Spoken:
        key = (speaker, speed, number)
        if key not in known:
            known[key] = analysed(voices[speaker, speed][number])
        return known[key]

    for speaker in speakers:
        for number in range(len(clips("detector", speaker))):
            for speed in rng.choice(SPEEDS, 1 if speaker in once else EACH, replace=False):
                try:
                    own = heard(speaker, float(speed), number)
                    theirs = _others(voices, speaker, float(speed), rng)
                    person = [heard(*one) for one in theirs]
                    yield from _of_one(own, person, speaker, theirs[0][0], rng)
                except NotScorable:  # a recording in which no voice sounds teaches nothing
                    continue


def _others(
    voices: dict[tuple[str, float], list[Tensor]], speaker: str, speed: float, rng: Generator
) -> list[tuple[str, float, int]]:
    """Which recordings tell how another voice sounds: of anybody at any speed, but this very voice."""
    choices = [key for key in voices if key != (speaker, speed)]
    chosen = choices[int(rng.integers(len(choices)))]
    return [(*chosen, int(number)) for number in rng.permutation(len(voices[chosen]))[:PERSON]]


def _of_one(own: Spoken, person: list[Spoken], speaker: str, other: str, rng: Generator) -> Iterator[Sound]:
    """A recording, the same words made anew, and one of them converted into another voice."""
    alone, both = frozenset({speaker}), frozenset({speaker, other})
    yield from coded(own.audio, "recorded", speaker, alone, rng)
    seed = int(rng.integers(2**62))
    for route in ROUTES.values():
        if route.learned and route.anew:
            yield from coded(cloned(route, Asked(own, person, seed)), route.name, speaker, alone, rng)
    converting = [route for route in ROUTES.values() if route.learned and not route.anew]
    route = converting[int(rng.integers(len(converting)))]
    yield from coded(cloned(route, Asked(own, person, seed)), route.name, other, both, rng)
    yield from coded(_smoothed(own, int(rng.integers(2, 6))), SMOOTHED, speaker, alone, rng)


def _smoothed(own: Spoken, reach: int) -> Tensor:
    """The clip by WORLD, each cepstrum the mean of those up to `reach` frames away."""
    taps = np.ones(2 * reach + 1) / (2 * reach + 1)
    padded = np.pad(own.frames.cepstra, ((reach, reach), (0, 0)), mode="edge")
    cepstra = np.stack([np.convolve(column, taps, mode="valid") for column in padded.T], 1)
    return at_level(synthesised(replace(own.frames, cepstra=cepstra), len(own.audio)))


def coded(audio: Tensor, route: str, speaker: str, heard: frozenset[str], rng: Generator) -> Iterator[Sound]:
    """A sound, float32 [t], as it is and through two codecs."""
    made = route != "recorded"
    yield Sound(_whole(audio), made, route, speaker, heard)
    for number in rng.choice(len(CODECS), 2, replace=False):
        name, strength = CODECS[number]
        given = Given(audio[None], RATE, [int(rng.integers(2**62))])
        yield Sound(_whole(find_attack(name).apply(given, strength or 0.0)[0]), made, route, speaker, heard)


def _at_speed(audio: Tensor, speed: float) -> Tensor:
    """float32 [t], at most `LONGEST` of it, played so many times as fast."""
    return at_level(resample(audio[None, : round(LONGEST * speed)], round(100 * speed), 100)[0])


def _whole(audio: Tensor) -> Tensor:
    return (audio.clamp(-1, 1) * 32767).round().to(torch.int16)
