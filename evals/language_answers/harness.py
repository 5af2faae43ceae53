"""Asks plain questions and lets beginnings be gone on with: are there answers, and in the language that was used?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import Answer, Decoding, GeneratesText, NoAnswer

from ..empty_answers import says_nothing
from ..english import is_english
from ..failures import failed
from ..free_generations import drawn
from ..plain_english import passage
from ..question_frames import own, plain, takes_texts
from .questions import BEGINNINGS, QUESTIONS, SLOTS

METRICS = ("right_language", "answers")
LEAST_WORDS = 4
"""Words of the shortest answer of which a language can be said."""
LEAST_DIFFERENT = 0.25
"""Of the words of an answer that are different ones: one that goes round in circles is in no language."""


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Return questions to answer and passages to go on with, `each` of both."""
    each = int(params["each"])
    asked = [("asked", {"question": text}) for text in drawn(QUESTIONS, SLOTS, each, rng)]
    begun = [("continued", {"beginning": _beginning(rng)}) for _ in range(each)]
    return [Item(METRICS, {"way": way}, content) for way, content in (*asked, *begun)]


def _beginning(rng: Generator) -> str:
    return f"{passage(rng, 2)} {BEGINNINGS[int(rng.integers(len(BEGINNINGS)))]}"


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """Yield one reading an item: questions are answered with the likeliest words, passages are gone on with at random."""
    model = cast(GeneratesText, subject)
    tokens = int(tools.params["max_tokens"])
    free = Decoding(tokens, float(tools.params["temperature"]), float(tools.params["top_p"]))
    for way, decoding in (("asked", Decoding(tokens)), ("continued", free)):
        mine = [item for item in items if item.labels["way"] == way]
        if mine:
            yield from _answered(model, mine, decoding)


def _answered(model: GeneratesText, items: Sequence[Item], decoding: Decoding) -> Iterator[Reading | Failed]:
    texts = [str(item.content.get("question") or item.content["beginning"]) for item in items]
    goes_on = items[0].labels["way"] == "continued" and takes_texts(model)
    prompts = [plain(text) if goes_on else own(model, text) for text in texts]
    answers = model.generate(prompts, [item.seed for item in items], decoding)
    for item, text, answer in zip(items, texts, answers, strict=True):
        yield failed(item, answer.why) if isinstance(answer, NoAnswer) else _read(item, text, answer)


def _read(item: Item, asked: str, answer: Answer) -> Reading:
    values = {
        "right_language": float(is_said(answer.text) and is_english(answer.text)),
        "answers": float(not says_nothing(answer.text)),
    }
    return Reading(item.number, values, {"asked": asked, "answer": answer.text})


def is_said(text: str) -> bool:
    """Return whether a text has words enough, and different ones, to be in a language.

    >>> is_said("The sky is blue."), is_said("the the the the the"), is_said("17")
    (True, False, False)
    """
    words = [word.casefold() for word in text.split() if any(map(str.isalpha, word))]
    return len(words) >= LEAST_WORDS and len(set(words)) >= LEAST_DIFFERENT * len(words)
