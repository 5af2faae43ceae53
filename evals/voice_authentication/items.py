"""What the eval measures: recordings of each person through every codec, and clones of each by every route through one.

Whether two clips of one sound are flagged goes together. So no sound is twice among what a rate is counted from: not in the
clones of a person by one route, nor in those through one codec, nor in the recordings that set the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from releasegate.attacks import Attack
from releasegate.errors import DocumentError, Problem
from releasegate.evidence import Item

from ..cloning import Request
from ..spoken_texts import normalised
from ..voice_routes import ROUTES
from ..voices import Split, Voice, by_speaker, clips, require
from ..voices import person as who
from ..watermark_items import read_suite

SUITE = Path(__file__).with_name("suite.yaml")
SUBJECT = "subject"
"""The route of the model under test; the others are in `ROUTES`."""
KEPT_CLIPS = 1
"""Clips without a codec of each person and route whose sound is kept, for people to listen to: the first, whatever comes of
them."""


@dataclass(frozen=True)
class Splits:
    """Where recordings come from.

    Attributes:
        real: the person's own speech, beside the clones, and what is made anew.
        prompt: what the model under test is given, and routes are told the person by.
        said: what somebody else says.
    """

    real: Split
    prompt: Split
    said: Split


GATE = Splits(real="real", prompt="prompt", said="source")
REHEARSAL = Splits(real="rehearsal", prompt="rehearsal", said="source_rehearsal")
NEGATIVES: tuple[Split, ...] = ("calibration", "prompt", "training", "adaptation", "detector")
"""What sets the threshold: whatever of a person is neither scored in a gate or a rehearsal nor what the person is known by."""
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


Way = tuple[dict[str, str], dict[str, Any]]
"""The label of a codec, and what says it to the harness."""


def gate_items(splits: Splits, params: Mapping[str, Any], counts: Mapping[str, int], rng: Generator) -> list[Item]:
    """Every recording through every codec, and every clone through one."""
    return [*recordings(splits, int(counts["real"]), rng), *clones(splits, params, counts, rng)]


def recordings(splits: Splits, each: int, rng: Generator) -> list[Item]:
    """`each` recordings of each person through every codec: what is not to be flagged."""
    made = []
    known = _pools(KNOWN_BY, 1)
    for speaker, pool in _pools(splits.real, each).items():
        for number, place in enumerate(rng.permutation(len(pool))[:each]):
            keep = number < KEPT_CLIPS
            content = {"recording": pool[place], "keep": keep, "known": tuple(known[speaker])}
            made += [_item("fpr", {"speaker": speaker}, content, way) for way in _ways()]
    return made


def negatives(least: int, rng: Generator) -> list[Item]:
    """Every recording of each person that no gate scores, each through one codec, in turn: what sets the threshold.

    Raises:
        DocumentError: somebody has fewer than `least`.
    """
    made = []
    known, ways = _pools(KNOWN_BY, 1), _ways()
    pools = {speaker: [voice for split in NEGATIVES for voice in clips(split, speaker)] for speaker in known}
    _enough(pools, " and ".join((", ".join(NEGATIVES[:-1]), NEGATIVES[-1])), least)
    for speaker, pool in pools.items():
        for number, place in enumerate(rng.permutation(len(pool))):
            content = {"recording": pool[place], "keep": False, "known": tuple(known[speaker])}
            made.append(_item("real_score", {"speaker": speaker}, content, ways[number % len(ways)]))
    return made


def clones(splits: Splits, params: Mapping[str, Any], counts: Mapping[str, int], rng: Generator) -> list[Item]:
    """Clones of each person by the model under test and by each route, each through one codec: what is to be flagged.

    Codecs are dealt in turn, to each route from another one on. So the clones of a person by one route are of different sounds,
    and so are those through one codec by as many routes as there are codecs.
    """
    made: list[Item] = []
    subject, routes = int(counts["subject"]), int(counts["routes"])
    prompting, known = (_pools(split, 1) for split in (splits.prompt, KNOWN_BY))
    owned = _pools(splits.real, routes)
    for speaker in prompting:
        words = _words(splits.said, speaker, max(subject, routes), rng)
        prompts = prompting[speaker]
        order = rng.permutation(len(prompts))
        group = tuple(
            Request(words[number], _from(prompts, order, number), float(params["prompt_seconds"]), _seed(rng))
            for number in range(subject)
        )
        asked: dict[str, list[dict[str, Any]]] = {SUBJECT: [{"request": request, "group": group} for request in group]}
        person = tuple(prompts[place] for place in order[:PERSON])
        own = [owned[speaker][place] for place in rng.permutation(len(owned[speaker]))]
        for route in ROUTES.values():
            said = own if route.anew else words
            asked[route.name] = [
                {"made": Made(route.name, said[number], person, _seed(rng))} for number in range(routes)
            ]
        for first, (name, contents) in enumerate(asked.items()):
            labels = {"route": name, "speaker": speaker}
            made += _dealt(labels, [{**content, "known": tuple(known[speaker])} for content in contents], first)
    return made


def _dealt(labels: Mapping[str, str], contents: Sequence[Mapping[str, Any]], first: int) -> list[Item]:
    """Clones through one codec each, in turn from the `first` on; in the first rounds they are kept."""
    ways = _ways()
    return [
        _item("tpr", labels, {**content, "keep": number < KEPT_CLIPS * len(ways)}, ways[(first + number) % len(ways)])
        for number, content in enumerate(contents)
    ]


def _words(split: Split, speaker: str, count: int, rng: Generator) -> list[Voice]:
    """`count` sentences that other people say, in an order that is drawn; no two have one text.

    Raises:
        DocumentError: there are fewer.
    """
    said = [v for pool in by_speaker(split, 1).values() for v in pool if who(v.speaker) != who(speaker)]
    if not said:
        what = f"nobody but {speaker} says anything for {split}, and a clone says what somebody else said"
        fix = f"list another person for {split}: who one is, stands before the first `_` of a name"
        raise DocumentError([Problem("voices.csv", what, fix)])
    drawn = [said[place] for place in rng.permutation(len(said))]
    different = list({normalised(voice.text): voice for voice in drawn}.values())
    if len(different) < count:
        what = (
            f"others than {speaker} say {len(different)} different sentences for {split}, and the card asks for {count}"
        )
        fix = f"list {count}, or lower the numbers of clips in the card's `params`"
        raise DocumentError([Problem("voices.csv", what, fix)])
    return different[:count]


def _pools(split: Split, least: int) -> dict[str, list[Voice]]:
    """The recordings of one split of each person who is measured, who are those with recordings in `real`.

    Raises:
        DocumentError: somebody has fewer than `least`.
    """
    pools = {speaker: clips(split, speaker) for speaker in by_speaker("real", 1)}
    _enough(pools, split, least)
    return pools


def _enough(pools: Mapping[str, Sequence[Voice]], use: str, least: int) -> None:
    fix = f"list {least} of each person, or lower the numbers of clips in the card's `params`"
    require(((speaker, use, there, least) for speaker, there in pools.items()), fix)


def _item(metric: str, labels: Mapping[str, str], content: Mapping[str, Any], way: Way) -> Item:
    codec, at = way
    return Item((metric,), {**labels, **codec}, {**content, **at})


def _ways() -> list[Way]:
    """Each codec."""

    def content(attack: Attack, strength: float | None) -> dict[str, Any]:
        return {"codec": attack.name, "strength": strength}

    return [({"codec": attack.label(s)}, content(attack, s)) for attack, s in read_suite(SUITE).cells()]


def _from(prompts: list[Voice], order: Any, number: int) -> tuple[Voice, ...]:
    """All prompts of a person in their order, another one first for each clone."""
    return tuple(prompts[order[(number + place) % len(order)]] for place in range(len(order)))


def _seed(rng: Generator) -> int:
    return int(rng.integers(2**62))
