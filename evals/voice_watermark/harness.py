"""Are clones found by their mark after attacks, and is the person's own speech left in peace?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from numpy.random import Generator

from releasegate.attacks import Attack
from releasegate.attacks.suite import Suite
from releasegate.errors import DocumentError, Problem
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.extras import require_packages

from .. import voices, watermark_measuring
from ..cloning import Request, drawn
from ..voices import Split, Voice, by_speaker, clips
from ..voices import person as who
from ..watermark_clones import Clones, MarkedBy
from ..watermark_items import KEPT_CLIPS, SPLICES, attack_content, attack_labels, calibrating_attacks, read_suite

SUITE = Path(__file__).with_name("suite.yaml")
QUALITIES = ("pesq_kept", "stoi_kept")

Content = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """What is used of one person, in this order.

    Attributes:
        clones: for each clone its request, those that it is made together with, and its message.
        recordings: the person's own.
    """

    name: str
    clones: tuple[Content, ...]
    recordings: tuple[Content, ...]


def require(params: Mapping[str, Any]) -> None:
    """Check that what attacks and measures of quality are made with is installed, and that every recording is there."""
    require_packages(watermark_measuring.PACKAGES, "eval voice_watermark")
    voices.require_all()


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Everything that the card asks for."""
    return _judged("prompt", _words(params)[0], "real", params, rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same on fewer clips, which the gate never measures."""
    params = {**params, "clips": params["rehearsal_clips"]}
    return _judged("rehearsal", clips("source_rehearsal"), "rehearsal", params, rng)


def calibration(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Clips that freeze the threshold: clones that a wrapper marked, and recordings; detected one by one, as users ask."""
    count = int(params["calibrating"])
    made: list[Item] = []
    for person in _people("calibration", _words(params)[1], "calibration", (count, count), params, rng):
        for attack, strength in calibrating_attacks(_suite(), params):
            at = {**attack_content(attack, strength), "do": "detect", "alone": True}
            for clone, recording in zip(person.clones, person.recordings, strict=True):
                marked = {**clone, **at, "marked": True, "mark_by": "wrapper"}
                made.append(Item(("marked_score",), {"speaker": person.name}, marked))
                made.append(Item(("clean_score",), {"speaker": person.name}, {**recording, **at, "marked": False}))
    return made


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item."""
    yield from watermark_measuring.measure(subject, items, tools, Clones)


def _judged(
    prompts: Split, words: Sequence[Voice], own: Split, params: Mapping[str, Any], rng: Generator
) -> list[Item]:
    """Detection of clones and of recordings through every attack, and what a wrapper's mark does to the sound.

    Args:
        prompts, words, own: as of `_people`.
    """
    count = params["clips"]
    most = int(count["clones"]), int(count["recordings"])
    people = [*_people(prompts, words, own, most, params, rng), *_others(words, most[1], rng)]
    return [item for person in people for item in (*_detections(person, params), *_qualities(person, params))]


def _detections(person: Person, params: Mapping[str, Any]) -> Iterator[Item]:
    """Scores after each attack: of clones, as a wrapper marks them and as the weights alone do, and of recordings."""
    for attack, strength in _suite().cells():
        labels = {**attack_labels(attack, strength), "speaker": person.name}
        at = {**attack_content(attack, strength), "do": "detect"}
        thorough = labels["attack"] in params["thorough"]
        some = None if thorough else int(params["clips"]["glance"])
        for mark_by in get_args(MarkedBy):
            for clone in person.clones[:some]:
                yield Item((f"tpr_{mark_by}",), labels, {**clone, **at, "marked": True, "mark_by": mark_by})
        for recording in person.recordings[:some]:
            yield Item(("fpr",), labels, {**recording, **at, "marked": False})


def _qualities(person: Person, params: Mapping[str, Any]) -> Iterator[Item]:
    """Clones that a wrapper marked beside what they were."""
    for clone in person.clones[: int(params["clips"]["quality"])]:
        content = {**clone, "do": "compare", "marked": True, "mark_by": "wrapper"}
        yield Item(QUALITIES, {"speaker": person.name}, content)


def _people(
    prompts: Split,
    words: Sequence[Voice],
    own: Split,
    most: tuple[int, int],
    params: Mapping[str, Any],
    rng: Generator,
) -> Iterator[Person]:
    """What is used of everybody who is cloned in a gate, in an order that `rng` decides.

    Args:
        prompts: the split of the recordings that clones are made after.
        words: what is said.
        own: the split of the recordings that are to be left in peace.
        most: how many clones and how many recordings of each person.

    Raises:
        DocumentError: there is too little of somebody.
    """
    book = int(rng.integers(2**62))
    given, left = by_speaker(prompts, 1), by_speaker(own, 1)
    for name in by_speaker("prompt", 1):
        others = [voice for voice in words if who(voice.speaker) != who(name)]
        _enough(
            name, {prompts: (given.get(name, []), 1), own: (left.get(name, []), most[1]), "words": (others, most[0])}
        )
        asked = drawn(_shuffled(given[name], rng), _shuffled(others, rng), [float(params["prompt_s"])], most[0])
        requests = [replace(request, seed=int(rng.integers(2**62))) for _, request in asked]
        messages = rng.integers(int(params["registered"]), size=sum(most)).tolist()
        of_clones, of_recordings = messages[: most[0]], messages[most[0] :]
        recordings = _shuffled(left[name], rng)[: most[1]]
        yield Person(
            name,
            tuple(_contents(requests, of_clones, book, _companies(requests, int(params["together"])))),
            tuple(_contents(recordings, of_recordings, book, [()] * len(recordings))),
        )


def _others(words: Sequence[Voice], most: int, rng: Generator) -> Iterator[Person]:
    """Those who say the words and are not cloned: their speech is no clone either, and in the language of the clones."""
    cloned = by_speaker("prompt", 1)
    for name in sorted({voice.speaker for voice in words} - cloned.keys()):
        left = [voice for voice in words if voice.speaker == name]
        _enough(name, {"words": (left, most)})
        yield Person(name, (), tuple(_contents(_shuffled(left, rng)[:most], [0] * most, 0, [()] * most)))


def _enough(name: str, asked: Mapping[str, tuple[Sequence[Voice], int]]) -> None:
    """Nothing.

    Args:
        asked: by what they are for, the recordings that there are, and how many are asked for.

    Raises:
        DocumentError: there are fewer.
    """
    fix = "list more, or lower the numbers of clips in the card's `params`"
    voices.require(((name, use, there, least) for use, (there, least) in asked.items()), fix)


def _contents(
    chosen: Sequence[Voice | Request],
    messages: Sequence[int],
    book: int,
    companies: Sequence[tuple[Request, ...]],
) -> Iterator[Content]:
    """What items know of each clip: the sound of the first few is kept."""
    for number, (clip, message, company) in enumerate(zip(chosen, messages, companies, strict=True)):
        yield {"clip": clip, "message": message, "book": book, "keep": number < KEPT_CLIPS, "with": company}


def _companies(requests: Sequence[Request], size: int) -> list[tuple[Request, ...]]:
    """For each request, those that it is cloned together with: `size` that follow each other."""
    return [tuple(requests[n // size * size :][:size]) for n in range(len(requests))]


def _words(params: Mapping[str, Any]) -> tuple[list[Voice], list[Voice]]:
    """What is said: in the gate, and by the clones that freeze the threshold, which are the last of the list."""
    sources, calibrating = clips("source"), int(params["calibrating"])
    return sources[: len(sources) - calibrating], sources[len(sources) - calibrating :]


def _suite() -> Suite:
    """The attacks.

    Raises:
        DocumentError: it has one that this eval cannot ask about.
    """
    suite = read_suite(SUITE)
    for attack, strength in suite.cells():
        if not _is_asked(attack):
            what = (
                f"has {attack.label(strength)}, which is for audio_watermark: it forges, splices or knows the watermark"
            )
            raise DocumentError([Problem("voice_watermark/suite.yaml", what, "list attacks that take any audio")])
    return suite


def _is_asked(attack: Attack) -> bool:
    return attack.target == "any" and attack.needs == "nothing" and not attack.marks and attack.family != SPLICES


def _shuffled(voices: Sequence[Voice], rng: Generator) -> list[Voice]:
    return [voices[place] for place in rng.permutation(len(voices))]
