"""Clones of the speakers to learn from by a trained cloner: what a detector that is to know such clones learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from numpy.random import Generator

from ..cloning import Request, clones
from ..recordings import RATE, at_level, trim
from ..voices import clips
from .training_sounds import LONGEST, Sound, coded

ROUTE = "network"
SECONDS = 5.0
BATCH = 8


def network_clones(subject: object, speakers: Sequence[str], each: int, rng: Generator) -> Iterator[Sound]:
    """`each` clones of each speaker by `subject`, saying what another of them says, as they are and through two codecs."""
    for speaker in speakers:
        others = [voice for other in speakers if other != speaker for voice in clips("detector", other)]
        own = clips("detector", speaker)
        requests = [
            Request(
                words=others[int(rng.integers(len(others)))],
                prompts=tuple(own[place] for place in rng.permutation(len(own))),
                seconds=SECONDS,
                seed=int(rng.integers(2**62)),
            )
            for _ in range(each)
        ]
        for request, made in zip(requests, clones(subject, requests, BATCH), strict=True):
            if isinstance(made, str):
                continue  # a cloner's failures are no clones
            sound = trim(at_level(made))[:LONGEST]
            if len(sound) >= RATE:
                yield from coded(at_level(sound), ROUTE, speaker, frozenset({speaker, request.words.speaker}), rng)
