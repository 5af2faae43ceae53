"""What the eval measures: recordings of each person and clones of each by every route, all through every codec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from releasegate.attacks import Attack
from releasegate.errors import DocumentError, Problem
from releasegate.evidence import Item

from ..cloning import Request
from ..voice_routes import ROUTES
from ..voices import Split, Voice, by_speaker, clips
from ..voices import person as who
from ..watermark_items import read_suite

SUITE = Path(__file__).with_name("suite.yaml")
SUBJECT = "subject"
"""The route of the model under test; the others are in `ROUTES`."""
KEPT_CLIPS = 1
"""Clips of each person and route whose sound is kept, for people to listen to: the first, whatever comes of them."""


@dataclass(frozen=True)
class Splits:
    """Where recordings come from.

    Attributes:
        real: the person's own speech, beside the clones; what is made anew, too, in rehearsals.
        own: the person's recordings that are made anew.
        prompt: what the model under test is given.
        said: what somebody else says.
    """

    real: Split
    own: Split
    prompt: Split
    said: Split


GATE = Splits(real="real", own="prompt", prompt="prompt", said="source")
REHEARSAL = Splits(real="rehearsal", own="rehearsal", prompt="rehearsal", said="source_rehearsal")
CALIBRATION = Splits(real="calibration", own="calibration", prompt="calibration", said="source_rehearsal")
KNOWN_BY: Split = "enrolment"
"""What the detector knows a person's own voice and channel by: no route is given it."""
PERSON = 12
"""Recordings that tell a route how the person sounds, at most."""


@dataclass(frozen=True)
class Made:
    """A clone by a route that needs no model.

    Attributes:
        route: its name.
        said: whose words.
        person: recordings of who is to be heard.
        seed: of the route.
    """

    route: str
    said: Voice
    person: tuple[Voice, ...]
    seed: int


def gate_items(splits: Splits, params: Mapping[str, Any], counts: Mapping[str, int], rng: Generator) -> list[Item]:
    """Every recording and every clone, through every codec."""
    return [*recordings(splits, "fpr", int(counts["real"]), rng), *clones(splits, params, counts, rng)]


def recordings(splits: Splits, metric: str, each: int, rng: Generator) -> list[Item]:
    """`each` recordings of each person through every codec: what is not to be flagged."""
    made = []
    known = _pools(KNOWN_BY, 1)
    for speaker, pool in _pools(splits.real, each).items():
        for number, place in enumerate(rng.permutation(len(pool))[:each]):
            keep = number < KEPT_CLIPS
            content = {"recording": pool[place], "keep": keep, "known": tuple(known[speaker])}
            made += [Item((metric,), {**labels, "speaker": speaker}, {**content, **at}) for labels, at in _ways()]
    return made


def clones(splits: Splits, params: Mapping[str, Any], counts: Mapping[str, int], rng: Generator) -> list[Item]:
    """Clones of each person by the model under test and by each route, through every codec: what is to be flagged."""
    made: list[Item] = []
    most = max(int(counts["subject"]), int(counts["routes"]))
    speeches = [voice for pool in by_speaker(splits.said, 1).values() for voice in pool]
    prompting, owned, known = (_pools(split, 1) for split in (splits.prompt, splits.own, KNOWN_BY))
    for speaker in prompting:
        said = [voice for voice in speeches if who(voice.speaker) != who(speaker)]
        if not said:
            what = f"nobody but {speaker} says anything for {splits.said}, and a clone says what somebody else said"
            raise DocumentError(
                [
                    Problem(
                        "voices.csv",
                        what,
                        f"list another person for {splits.said}: who one is, stands before the first `_` of a name",
                    )
                ]
            )
        words = [said[place] for place in _cycled(rng.permutation(len(said)), most)]
        prompts = prompting[speaker]
        order = rng.permutation(len(prompts))
        group = tuple(
            Request(words[number], _from(prompts, order, number), float(params["prompt_seconds"]), _seed(rng))
            for number in range(int(counts["subject"]))
        )
        for number, request in enumerate(group):
            content = {"request": request, "group": group, "keep": number < KEPT_CLIPS, "known": tuple(known[speaker])}
            made += _through({"route": SUBJECT, "speaker": speaker}, content)
        own = owned[speaker]
        person = tuple(own[place] for place in rng.permutation(len(own))[:PERSON])
        for route in ROUTES.values():
            for number in range(int(counts["routes"])):
                voice = own[number % len(own)] if route.anew else words[number]
                asked = Made(route.name, voice, person, _seed(rng))
                content = {"made": asked, "keep": number < KEPT_CLIPS, "known": tuple(known[speaker])}
                made += _through({"route": route.name, "speaker": speaker}, content)
    return made


def _pools(split: Split, least: int) -> dict[str, list[Voice]]:
    """The recordings of one split of each person who is measured, who are those with recordings in `real`.

    Raises:
        DocumentError: somebody has fewer than `least`.
    """
    pools = {speaker: clips(split, speaker) for speaker in by_speaker("real", 1)}
    fix = f"list {least} of each person, or lower the numbers of clips in the card's `params`"
    problems = [
        Problem("voices.csv", f"{speaker} has {len(pool)} recordings for {split}, and the card asks for {least}", fix)
        for speaker, pool in pools.items()
        if len(pool) < least
    ]
    if problems:
        raise DocumentError(problems)
    return pools


def _through(labels: Mapping[str, str], content: Mapping[str, Any]) -> Iterator[Item]:
    for codec, at in _ways():
        yield Item(("tpr",), {**labels, **codec}, {**content, **at})


def _ways() -> list[tuple[dict[str, str], dict[str, Any]]]:
    """The label and the content of each codec."""

    def content(attack: Attack, strength: float | None) -> dict[str, Any]:
        return {"codec": attack.name, "strength": strength}

    return [({"codec": attack.label(s)}, content(attack, s)) for attack, s in read_suite(SUITE).cells()]


def _from(prompts: list[Voice], order: Any, number: int) -> tuple[Voice, ...]:
    """All prompts of a person in their order, another one first for each clone."""
    return tuple(prompts[order[(number + place) % len(order)]] for place in range(len(order)))


def _cycled(order: Any, count: int) -> list[int]:
    return [int(order[place % len(order)]) for place in range(count)]


def _seed(rng: Generator) -> int:
    return int(rng.integers(2**62))
