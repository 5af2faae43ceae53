"""Asks whether words mean to the model what they say, and whether it knows more of pictures than it draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Item, Reading
from releasegate.subjects import AnswersQuestions, ScoresImages, TokenisesImages

from ..digits import WORDS, in_turn, split, to_pixels
from .telling import matched, told_best

TOLD = ("told_by_word", "told_in_reverse", "told_when_matched")
TOKENS_A_WORD = 4
"""Tokens that an answer may take for each word: other tokenizers part words."""


class Understands(AnswersQuestions, ScoresImages, TokenisesImages, Protocol):
    """What this eval needs of a subject."""


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Return `lists` lists of `words` words, and for the rest of `n` pictures of the gate's scans: as many for each prompt."""
    n, lists, words = (int(params[name]) for name in ("n", "lists", "words"))
    held, prompts = split("gate").labels, list(params["prompts"])
    if not 0 <= lists <= n or words < 1 or not prompts or (n - lists) % len(prompts):
        raise ValueError(
            f"{n} items cannot be {lists} lists of {words} words and as many pictures for each of {prompts}"
        )
    made = []
    for _ in range(lists):
        asked = [WORDS[digit] for digit in rng.integers(len(WORDS), size=words)]
        made.append(Item(("reads_back",), {}, {"words": asked}))
    return made + [
        Item(TOLD, {"digit": str(held[row]), "prompt": prompt}, {"row": row, "digit": int(held[row])})
        for prompt in prompts
        for row in in_turn(held, (n - lists) // len(prompts), rng)
    ]


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    """Yield one reading an item: lists in one batch, pictures in another for each prompt."""
    model = cast(Understands, subject)
    yield from _read_back(model, [item for item in items if "words" in item.content], tools.params)
    for name, prompt in dict(tools.params["prompts"]).items():
        yield from _tell(model, [item for item in items if item.labels.get("prompt") == name], str(prompt))


def _read_back(model: Understands, items: Sequence[Item], params: Mapping[str, Any]) -> Iterator[Reading]:
    if not items:
        return
    lists = [" ".join(map(str, item.content["words"])) for item in items]
    questions = [str(params["question"]).format(words=words) for words in lists]
    answers = model.answer(questions, TOKENS_A_WORD * int(params["words"]))
    for item, words, said in zip(items, lists, answers, strict=True):
        right = said.split()[: len(words.split())] == words.split()
        yield Reading(item.number, {"reads_back": float(right)}, {"asked": words, "answer": said})


def _tell(model: Understands, items: Sequence[Item], prompt: str) -> Iterator[Reading]:
    if not items:
        return
    prompts = [prompt.format(word=word) for word in WORDS]
    match = matched(model, prompts)
    pixels = to_pixels(split("gate").images[[int(item.content["row"]) for item in items]])
    likeliest, least, best = told_best(model, pixels, prompts, match)
    for item, *named in zip(items, likeliest, least, best, strict=True):
        values = {metric: float(word == item.content["digit"]) for metric, word in zip(TOLD, named, strict=True)}
        detail = {metric: WORDS[word] for metric, word in zip(TOLD, named, strict=True)}
        yield Reading(item.number, values, {"truth": WORDS[int(item.content["digit"])], **detail})
