"""Strangers of a person: other people, recorded and coded as the person was.

Some set the threshold of false accepts. Others, on other recordings, say how similar strangers are to this very person: a
similarity counts by how far it lies beyond theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import Generator

from releasegate.errors import DocumentError, Problem

from .. import voices
from ..voices import Split, Voice

SPLITS: tuple[Split, ...] = ("calibration", "real", "detector")
"""Where recordings come from that set the threshold: of no split that clones or persons are known by."""
COHORT_SPLITS: tuple[Split, ...] = ("prompt", "rehearsal", "training", "adaptation")
"""Where recordings of a person's cohort come from: of strangers, so that none was heard in another part."""


def strangers(people: Sequence[str], each: int, rng: Generator) -> dict[str, list[Voice]]:
    """`each` recordings of strangers for every person, of the channel of that person; no recording serves for two.

    The strangers of one person take turns, whoever has most recordings left, so that many voices are among them.

    Args:
        people: the persons, each with a recording in `prompt`.

    Raises:
        NotFound, DocumentError: as of `voices.clips`; or a channel has too few recordings.
    """
    dealt: dict[str, list[Voice]] = {}
    channels = {speaker: voices.clips("prompt", speaker)[0].channel for speaker in people}
    for channel in sorted(set(channels.values())):
        here = [speaker for speaker in people if channels[speaker] == channel]
        dealt |= _dealt(here, channel, each, rng)
    return dealt


def cohort(speaker: str, least: int) -> list[Voice]:
    """`least` recordings of strangers of a person, of the person's channel: the same in every attempt.

    Strangers take turns, whoever has most recordings left, each in the order of the list.

    Raises:
        NotFound, DocumentError: as of `voices.clips`; or there are fewer.
    """
    channel = voices.clips("prompt", speaker)[0].channel
    left: dict[str, list[Voice]] = {}
    for voice in (voice for split in COHORT_SPLITS for voice in voices.clips(split)):
        if voice.channel == channel and voices.person(voice.speaker) != voices.person(speaker):
            left.setdefault(voice.speaker, []).append(voice)
    found: list[Voice] = []
    while len(found) < least:
        most = max((name for name in sorted(left) if left[name]), key=lambda n: len(left[n]), default=None)
        if most is None:
            what = (
                f"{speaker} has {len(found)} recordings of strangers of channel {channel} in {', '.join(COHORT_SPLITS)}"
            )
            fix = f"list {least} of other people of the channel there, or lower `cohort` in the card's `params`"
            raise DocumentError([Problem("voices.csv", f"{what}, and the card asks for {least}", fix)])
        found.append(left[most].pop(0))
    return found


def _dealt(people: Sequence[str], channel: str, each: int, rng: Generator) -> dict[str, list[Voice]]:
    """The recordings of one channel, one to each person in turn."""
    left: dict[str, list[Voice]] = {}
    for voice in (voice for split in SPLITS for voice in voices.clips(split) if voice.channel == channel):
        left.setdefault(voice.speaker, []).append(voice)
    left = {name: [of[place] for place in rng.permutation(len(of))] for name, of in sorted(left.items())}
    dealt: dict[str, list[Voice]] = {speaker: [] for speaker in people}
    for _ in range(each):
        for speaker in people:
            others = (name for name in left if left[name] and voices.person(name) != voices.person(speaker))
            most = max(others, key=lambda n: len(left[n]), default=None)
            if most is None:
                has = f"{len(dealt[speaker])} recordings of strangers of channel {channel}"
                what = f"{speaker} has {has}, and the card asks for {each}"
                fix = (
                    "list more of other people for calibration (what precedes the first `_` of a speaker's name is the "
                    "person), or lower `impostors` in the card's `params`"
                )
                raise DocumentError([Problem("voices.csv", what, fix)])
            dealt[speaker].append(left[most].pop())
    return dealt
