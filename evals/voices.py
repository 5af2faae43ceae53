"""The pool of real voices that voice cloning is measured on: whom a model is asked to sound like, and what it is to say.

`voices.csv` lists recordings that Debian packages ship, with their digests; `voices.md` has their licences. No audio lies in
the repository: `releasegate fetch speech` fetches it, or the packages are installed. A recording stands in one split alone,
and so does every other recording of the speaker that holds the same sound: what a cloner is given, what a verifier knows a
person by, and what a threshold is set on are never cut from one recording.

**Voices of one's own** replace `voices.csv` in a gate repository: the same columns, with paths that lie below the folder
RELEASEGATE_SPEECH (`<package>/<path>`, or `<path>` alone). Names of speakers should be pseudonyms: they stand in reports. What
precedes their first `_` is the person: `bob_en` and `bob_fr` are one, who is no stranger to himself (`person`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from releasegate.errors import DocumentError, Problem

from .recording_list import Recording, RecordingList
from .recordings import RATE, at_level
from .spoken_texts import normalised

__all__ = ["RATE", "Split", "Voice", "by_speaker", "clips", "person", "prompt", "read", "require"]

Split = Literal[
    "training",  # what mini-voice learned from
    "adaptation",  # two minutes of a target that was not in training
    "detector",  # what the passive detector learned from
    "enrolment",  # what a verifier knows a person by
    "prompt",  # what a cloner is given in a gate
    "rehearsal",  # the same in rehearsals
    "real",  # the person's own speech, beside clones, in a gate
    "calibration",  # the same, to set thresholds on
    "source",  # what is to be said in a gate: with its text
    "source_rehearsal",
]

LIST = Path(__file__).with_suffix(".csv")
PAUSE = RATE // 5
"""Samples of silence between the recordings that a long prompt is joined from: .2 s."""


@dataclass(frozen=True, order=True)
class Voice(Recording):
    """One recording of the pool.

    Attributes:
        channel: how it was recorded and coded; voices of one channel are compared with each other.
        text: what is said; known of `source` and `source_rehearsal` alone.
    """

    channel: str
    text: str


def person(speaker: str) -> str:
    """Who a speaker is: what precedes the first `_` of the pseudonym.

    >>> person("allison_en") == person("allison_es"), person("anna")
    (True, 'anna')
    """
    return speaker.partition("_")[0]


def clips(split: Split, speaker: str | None = None) -> list[Voice]:
    """The recordings of one split, of one speaker or of all, in the order of the list: by speaker, then by path.

    Needs no audio.

    Raises:
        NotFound, DocumentError: as of `RecordingList.of`; or a source has no text with a word in it.
    """
    return [voice for voice in _worded(_list().of(split)) if speaker in (None, voice.speaker)]


def by_speaker(split: Split, least: int) -> dict[str, list[Voice]]:
    """The recordings of one split by speaker, speakers sorted, each with at least `least`.

    Args:
        least: how many an eval uses of each speaker.

    Raises:
        NotFound, DocumentError: as of `RecordingList.by_speaker`, and of `clips`.
    """
    pool = _list().by_speaker(split, least)
    return {speaker: _worded(voices) for speaker, voices in pool.items()}


def read(voice: Voice) -> Tensor:
    """The recording: float32 [t] at 16 kHz within [-1, 1], trimmed, at -23 dB below full scale.

    Raises:
        NotFound: the file is in none of the places where it is looked for.
        RecordingChanged: it is there, with other bytes than those listed.
    """
    return _read(voice).clone()  # whoever gets it may write to it


def require(asked: Iterable[tuple[str, str, Sequence[Voice], int]], fix: str) -> None:
    """Nothing.

    Args:
        asked: a person, what recordings are for, those that there are, and how many the card asks for.
        fix: what to do if there are fewer.

    Raises:
        DocumentError: there are fewer; it names all of whom that is so.
    """
    few = [
        Problem("voices.csv", f"{name} has {len(there)} recordings for {use}, and the card asks for {least}", fix)
        for name, use, there, least in asked
        if len(there) < least
    ]
    if few:
        raise DocumentError(few)


def prompt(voices: list[Voice], seconds: float) -> Tensor:
    """The first `seconds` of recordings, one after the other, .2 s apart: float32 [seconds * RATE], at -23 dB.

    Raises:
        NotFound, RecordingChanged: as of `read`.
        ValueError: together they are shorter.
    """
    length = round(seconds * RATE)
    parts: list[Tensor] = []
    for voice in voices:
        parts += [read(voice), torch.zeros(PAUSE)]
        if sum(map(len, parts)) - PAUSE >= length:
            return at_level(torch.cat(parts)[:length])
    raise ValueError(f"{len(voices)} recordings are shorter than {seconds:g} s together")


def find(voice: Voice) -> Path:
    """The file that holds a recording, whatever is in it.

    Raises:
        NotFound: there is none.
    """
    return _list().find(voice)


def _worded(voices: list[Voice]) -> list[Voice]:
    """The recordings; each source among them has a text: nothing else could say whether a clone's words are right."""
    mute = [voice for voice in voices if voice.split.startswith("source") and not normalised(voice.text)]
    if mute:
        fix = "write down what is said in it, word for word"
        raise DocumentError([Problem(LIST.name, f"{voice.path} is a source and has no text", fix) for voice in mute])
    return voices


def require_all() -> None:
    """Nothing; every listed recording is there.

    Raises:
        NotFound: one is not.
        DocumentError: the list is not one.
    """
    _list().require()


def _list() -> RecordingList[Voice]:
    return RecordingList(LIST, Voice, get_args(Split), blank=("text",))


@lru_cache(maxsize=4096)
def _read(voice: Voice) -> Tensor:
    return at_level(_list().trimmed(voice))
