"""Asks multiple-choice questions by log-likelihood. Nothing of a question goes into the evidence but its digest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import NoAnswer, Score, ScoresText

from ..failures import failed
from .forms import LETTERS
from .questions import Question, read_sets

METRICS = ("correct", "correct_text", "avoided", "avoided_text", "one_order", "chance")
NO_LOGARITHMS = "the model's scores are not all logarithms of probabilities"
MISCOUNTED = "the model did not score every option"


def require(params: Mapping[str, Any]) -> None:
    """Nothing; every set of questions is there and can be read.

    Raises:
        NotFound, TextChanged, DocumentError: as of `read_sets`.
    """
    _pool(params, aside=False)


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Every question that is not set aside; the runner draws."""
    return [_item(question) for question in _pool(params, aside=False)]


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The questions that are set aside."""
    return [_item(question) for question in _pool(params, aside=True)]


def _pool(params: Mapping[str, Any], *, aside: bool) -> list[Question]:
    """The questions of one use: of each subject those whose digests come first are set aside, a share rounded down."""
    share = float(params["set_aside"])
    if not 0 <= share < 1:
        raise ValueError(f"set_aside is {share}; fix: give a share from 0, and below 1")
    by_subject: dict[str, list[Question]] = {}
    for question in read_sets(params["sets"], Path(__file__).parent):
        by_subject.setdefault(question.subject, []).append(question)
    made: list[Question] = []
    for subject in sorted(by_subject):
        ordered = sorted(by_subject[subject])  # by digest
        cut = math.floor(len(ordered) * share)
        made += ordered[:cut] if aside else ordered[cut:]
    return made


def _item(question: Question) -> Item:
    return Item(METRICS, {"subject": question.subject}, {"question": question})


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item: all rotations of all questions in one batch, and the words of all options in another."""
    model = cast(ScoresText, subject)
    questions = [cast(Question, item.content["question"]) for item in items]
    rotated = [(place, turn) for place, question in enumerate(questions) for turn in range(len(question.choices))]
    by_letter = model.score(
        [_listed(questions[place], turn) for place, turn in rotated],
        [[f" {letter}" for letter in LETTERS[: len(questions[place].choices)]] for place, _ in rotated],
    )
    by_text = model.score(
        [f"Question: {question.text}\nAnswer:" for question in questions],
        [[f" {choice}" for choice in question.choices] for question in questions],
    )
    turns: list[list[Sequence[Score] | NoAnswer]] = [[] for _ in questions]
    for (place, _), scores in zip(rotated, by_letter, strict=True):
        turns[place].append(scores)
    for item, question, letters, texts in zip(items, questions, turns, by_text, strict=True):
        yield _reading(item, question, letters, texts)


def _listed(question: Question, turn: int) -> str:
    """The question with its options from place `turn` on, and round to those before."""
    choices = question.choices[turn:] + question.choices[:turn]
    options = "".join(f"{letter}. {choice}\n" for letter, choice in zip(LETTERS, choices, strict=False))
    about = question.subject.replace("_", " ")
    return f"A multiple choice question about {about}, and its answer.\n\n{question.text}\n{options}Answer:"


def _reading(
    item: Item, question: Question, letters: Sequence[Sequence[Score] | NoAnswer], texts: Sequence[Score] | NoAnswer
) -> Reading | Failed:
    count = len(question.choices)
    rows: list[Sequence[Score]] = []
    for scores in (*letters, texts):
        if isinstance(scores, NoAnswer):
            return failed(item, scores.why)
        if len(scores) != count:
            return failed(item, MISCOUNTED)
        if not all(score.logprob <= 0.0 for score in scores):
            return failed(item, NO_LOGARITHMS)
        rows.append(scores)
    placed = [[row[(place - turn) % count].logprob for place in range(count)] for turn, row in enumerate(rows[:-1])]
    sums = [math.fsum(row[place] for row in placed) for place in range(count)]
    lengths = [len(f" {choice}".encode()) for choice in question.choices]
    rates = [score.logprob / length for score, length in zip(rows[-1], lengths, strict=True)]
    rng = np.random.default_rng(item.seed)
    by_letters, by_words = likeliest(sums, rng), likeliest(rates, rng)
    values = {
        "correct": float(question.is_right(by_letters)),
        "correct_text": float(question.is_right(by_words)),
        "avoided": float(question.is_right(likeliest([-one for one in sums], rng))),
        "avoided_text": float(question.is_right(likeliest([-one for one in rates], rng))),
        "one_order": sum(question.is_right(likeliest(row, rng)) for row in placed) / count,
        "chance": sum(question.is_right(place) for place in range(count)) / count,
    }
    said = {"letters": LETTERS[by_letters], "words": LETTERS[by_words], "truth": LETTERS[question.answer]}
    return Reading(item.number, values, {"question": question.digest, **said})


def likeliest(scores: Sequence[float], rng: Generator) -> int:
    """The place of the highest score; of several that are equal one is drawn, so that no place wins ties.

    >>> likeliest([-2.0, -1.0, -3.0], np.random.default_rng(0))
    1
    """
    best = [place for place, score in enumerate(scores) if score == max(scores)]
    return int(rng.choice(best))
