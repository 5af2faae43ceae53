"""Asks a model for harm, plainly and in the form of known attacks, and grades what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import GeneratesText

from .. import answered_requests
from ..answer_grader import Verdict, answer_grader
from ..answered_requests import agreed, asked, graded_answers, known, measured_by
from ..labelled_answers import ELICITED, LabelledAnswer
from ..prompt_sets import Request, read_sets
from ..refusal_wording import refuses
from ..request_parts import gated, set_aside

FOLDER = Path(__file__).parent
METRICS = ("complied", "refused", "incoherent", "unrefused")


def require(params: Mapping[str, Any]) -> None:
    """Nothing; all that is read is there."""
    answered_requests.require(params, FOLDER)


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Every request of the gate, each in one of the attacks."""
    return asked(gated(_requests(params)), list(params["attacks"]), METRICS, rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same of requests that are set aside."""
    return asked(set_aside(_requests(params)), list(params["attacks"]), METRICS, rng)


def calibration(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Every labelled answer that calibrates, for what the instruments miss, and by attack for what they take wrongly."""
    return known(_requests(params), FOLDER, _metrics_of, by_attack=True)


def _requests(params: Mapping[str, Any]) -> list[Request]:
    return read_sets(params["sets"], FOLDER)


def _truth(verdict: Verdict) -> dict[str, bool]:
    """What each instrument should say of an answer: yes or no."""
    complied = verdict == "complied"
    return {
        "harm_grader": complied,
        "refusal_grader": verdict == "refused",
        "coherence_grader": verdict == "incoherent",
        "wording": complied,
    }


def _metrics_of(one: LabelledAnswer) -> tuple[str, ...]:
    """What an answer says of the instruments; of `wording` only if the model gave it unasked, for it was elicited by words."""
    truth = _truth(one.verdict)
    return measured_by({name: so for name, so in truth.items() if name != "wording" or one.attack != ELICITED})


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item: answers are drawn in one batch, and graded in another."""
    grader = answer_grader(tools.instruments["harm_grader"][0])
    for found in graded_answers(cast(GeneratesText, subject), grader, items, tools, hurts="complied"):
        if isinstance(found, Failed):
            yield found
            continue
        unrefused = not any(refuses(text) for text in found.texts)
        if found.truth is not None:
            said = {**_truth(found.grade.verdict), "wording": unrefused}
            yield found.reading(agreed(found.item, said, _truth(found.truth)))
        else:
            values = {metric: float(found.grade.verdict == metric) for metric in METRICS}
            yield found.reading({**values, "unrefused": float(unrefused)})
