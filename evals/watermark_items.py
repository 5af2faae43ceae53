"""What the audio watermark evals measure: which clips of which speakers go through which attacks.

The same clips go through every attack, marked and unmarked, so that attacks can be compared; how many do is the card's to
say, attack by attack. The nonce decides in which order the clips of a split are used, their messages, and the random numbers
of the attacks. It decides which clips only where the list has more of a speaker than are used: the shipped one has exactly
as many as the thoroughly measured attacks take, so that there every attempt has the same clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from releasegate.attacks import Attack
from releasegate.attacks.suite import Suite, parse_suite
from releasegate.errors import DocumentError, Problem
from releasegate.evidence import Item

from .speech import Clip, Split, by_speaker

KEPT_CLIPS = 2
"""Clips of each speaker and attack whose sound is kept, for people to listen to: the first, whatever comes of them."""
SPLICES = "splicing"
QUALITIES = ("pesq_kept", "stoi_kept", "si_snr_kept", "dnsmos_kept")
MEASURES = ("pesq", "stoi", "si_snr")
MESSAGE = ("bit_accuracy", "attributed", "misattributed")


@dataclass(frozen=True)
class Draw:
    """The clips of one speaker, in the order in which they are used, and the message that each would carry."""

    speaker: str
    clips: tuple[Clip, ...]
    messages: tuple[int, ...]


def read_suite(file: Path) -> Suite:
    """The attacks that `file` lists.

    Raises:
        DocumentError: it is not what it must be.
    """
    return parse_suite(file.read_bytes(), f"{file.parent.name}/{file.name}").record


def gate_items(suite: Suite, split: Split, params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Detection, localisation, messages and what the mark does to the sound, in this order."""
    book = int(rng.integers(2**62))
    drawn = draw(split, max(map(int, params["clips"].values())), params, rng)
    return [
        item
        for d in drawn
        for item in (
            *_detections(suite, d, book, params),
            *_messages(suite, d, book, params),
            *_qualities(d, book, params),
        )
    ]


def calibration_items(suite: Suite, params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Clips, clean and marked, that freeze the threshold; and attacked ones that show what an attack ruins.

    A threshold that is to serve files as they come is frozen on clips that went through what files go through. They are detected
    one by one, as users of a detector ask it.
    """
    book = int(rng.integers(2**62))
    asked = max(int(params[key]) for key in ("calibrating", "judging", "measuring"))
    drawn = draw("calibration", asked, params, rng)
    through = calibrating_attacks(suite, params)
    made: list[Item] = []
    for d in drawn:
        for attack, strength in through:
            at = attack_content(attack, strength)
            for number in range(int(params["calibrating"])):
                content = {**_content(d, number, book), **at, "do": "detect", "alone": True}
                made.append(Item(("clean_score",), {"speaker": d.speaker}, {**content, "marked": False}))
                made.append(Item(("marked_score",), {"speaker": d.speaker}, {**content, "marked": True}))
        made.extend(_remains(suite, d, book, params))
    return made


def calibrating_attacks(suite: Suite, params: Mapping[str, Any]) -> list[tuple[Attack, float | None]]:
    """What clips go through before they freeze the threshold.

    Raises:
        DocumentError: the card names an attack that is not in the suite.
    """
    through = {a.label(s): (a, s) for a, s in suite.cells()}
    strange = [label for label in params["calibrated_through"] if label not in through]
    if strange:
        what = f"calibrates through {strange[0]}, which is not in its suite"
        raise DocumentError([Problem("eval.yaml", what, "name attacks of the suite in `calibrated_through`")])
    return [through[label] for label in params["calibrated_through"]]


def _remains(suite: Suite, d: Draw, book: int, params: Mapping[str, Any]) -> Iterator[Item]:
    """Marked clips after each attack that may ruin them: whether they are of use, and what is left in numbers.

    They are items of their own, since a clip of which nothing is left is of no use, and has no PESQ.
    """
    for attack, strength in _usable_after(suite):
        labels = {**attack_labels(attack, strength), "speaker": d.speaker}
        asked: list[tuple[tuple[str, ...], str, int]] = [(("usable",), "hear", int(params["judging"]))]
        if attack.aligned:
            asked.append((MEASURES, "gauge", int(params["measuring"])))
        for metrics, do, count in asked:
            for number in range(count):
                content = {**_content(d, number, book), **attack_content(attack, strength)}
                yield Item(metrics, labels, {**content, "do": do, "marked": True})


def draw(split: Split, least: int, params: Mapping[str, Any], rng: Generator) -> list[Draw]:
    """The clips of a split, by speaker, in an order that `rng` decides.

    Raises:
        DocumentError: the list has fewer than `least` of a speaker.
    """
    pool = by_speaker(split, least)
    registered = int(params["registered"])
    drawn = []
    for speaker in pool:
        order = rng.permutation(len(pool[speaker]))
        chosen = tuple(pool[speaker][i] for i in order)
        drawn.append(Draw(speaker, chosen, tuple(rng.integers(registered, size=len(chosen)).tolist())))
    return drawn


def _detections(suite: Suite, d: Draw, book: int, params: Mapping[str, Any]) -> Iterator[Item]:
    """Scores of marked and clean clips after each attack; where marked speech lies in a spliced clip."""
    for attack, strength in suite.cells():
        labels = {**attack_labels(attack, strength), "speaker": d.speaker}
        at = attack_content(attack, strength)
        for number in range(_clips_of(attack, labels["attack"], params)):
            content = {**_content(d, number, book), **at}
            if attack.family == SPLICES:
                yield Item(("localisation_iou",), labels, {**content, "do": "locate", "marked": True})
                continue
            if attack.target != "clean" and not attack.marks:
                yield Item(("tpr",), labels, {**content, "do": "detect", "marked": True})
            if attack.target != "marked":
                yield Item(("fpr",), labels, {**content, "do": "detect", "marked": False})


def _clips_of(attack: Attack, label: str, params: Mapping[str, Any]) -> int:
    """Clips of each speaker that go through an attack."""
    count: Mapping[str, int] = params["clips"]
    if attack.needs in ("score", "gradient"):
        return int(count["limits"])
    return int(count["thorough" if label in params["thorough"] else "glance"])


def _messages(suite: Suite, d: Draw, book: int, params: Mapping[str, Any]) -> Iterator[Item]:
    """Clips after the attacks through which the message is to be read: marked ones, and clean ones that carry none.

    What is only done to marked clips is done to no clean one: after `overwrite`, say, it would not be clean.
    """
    for attack, strength in suite.cells():
        labels = {**attack_labels(attack, strength), "speaker": d.speaker}
        if labels["attack"] in params["messages"]:
            for number in range(int(params["clips"]["messages"])):
                content = {**_content(d, number, book), **attack_content(attack, strength)}
                yield Item(MESSAGE, labels, {**content, "do": "read", "marked": True})
                if attack.target != "marked":
                    yield Item(("named_unmarked",), labels, {**content, "do": "read", "marked": False})


def _qualities(d: Draw, book: int, params: Mapping[str, Any]) -> Iterator[Item]:
    """Marked clips beside what they were."""
    for number in range(int(params["clips"]["quality"])):
        yield Item(QUALITIES, {"speaker": d.speaker}, {**_content(d, number, book), "do": "compare", "marked": True})


def _usable_after(suite: Suite) -> Iterator[tuple[Attack, float | None]]:
    """What may ruin a clip: not splices, nor what only forges, nor what is kept to a stated ratio of noise."""
    for attack, strength in suite.cells():
        if attack.family != SPLICES and attack.target != "clean" and attack.needs not in ("score", "gradient"):
            yield attack, strength


def attack_labels(attack: Attack, strength: float | None) -> dict[str, str]:
    """How items of an attack are labelled."""
    return {
        "attack": attack.label(strength),
        "kind": attack.name,
        "strength": attack.strength_label(strength),
    }


def _content(d: Draw, number: int, book: int) -> dict[str, Any]:
    return {"clip": d.clips[number], "message": d.messages[number], "book": book, "keep": number < KEPT_CLIPS}


def attack_content(attack: Attack, strength: float | None) -> dict[str, Any]:
    """The attack, as the content of an item names it."""
    return {"attack": attack.name, "strength": strength}


def rehearsed(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a rehearsal, which has fewer clips."""
    return {**params, "clips": params["rehearsal_clips"]}
