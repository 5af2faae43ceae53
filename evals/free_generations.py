"""Free generations: openings that are filled in, and what a model makes of a prompt when it draws freely.

A prompt is a text that is gone on with as it stands, which whoever has the weights can ask for; or, with `chat`, what a user
says to the assistant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from string import Formatter
from typing import Any

from numpy.random import Generator

from releasegate.evidence import Failed, Item
from releasegate.subjects.language import Decoding, GeneratesText, Message, NoAnswer, Prompt

from .failures import failed

REQUEST = "Go on with this text. Write only what comes next.\n\n"
"""What stands before the prompt in a chat."""


def variations(opening: str, slots: Mapping[str, Sequence[str]]) -> list[str]:
    """Every text that an opening makes, in a fixed order.

    >>> variations("Dear {who}, about {what}", {"who": ["Ann", "Bo"], "what": ["tea"]})
    ['Dear Ann, about tea', 'Dear Bo, about tea']
    """
    names = sorted({name for _, name, _, _ in Formatter().parse(opening) if name})
    chosen = product(*(slots[name] for name in names))
    return [opening.format(**dict(zip(names, values, strict=True))) for values in chosen]


def drawn(openings: Sequence[str], slots: Mapping[str, Sequence[str]], n: int, rng: Generator) -> list[str]:
    """`n` prompts, each opening as often as the others or once more, no prompt twice.

    Raises:
        ValueError: an opening has too few variations for that.
    """
    made: list[str] = []
    for place, opening in enumerate(openings):
        texts = variations(opening, slots)
        wanted = n // len(openings) + (place < n % len(openings))
        if wanted > len(texts):
            raise ValueError(f"an opening has {len(texts)} variations, and {wanted} are asked for")
        made += [texts[row] for row in rng.choice(len(texts), size=wanted, replace=False)]
    return made


def written(
    model: GeneratesText, items: Sequence[Item], params: Mapping[str, Any]
) -> Iterator[tuple[Item, str] | Failed]:
    """For each item its text, drawn by the item's own seed, or its failure.

    Args:
        items: with a `prompt` in their content.
        params: `max_tokens`, `temperature`, `top_p` and `chat` of the card.
    """
    if not items:
        return
    prompts = [_asked(str(item.content["prompt"]), chat=bool(params["chat"])) for item in items]
    decoding = Decoding(int(params["max_tokens"]), float(params["temperature"]), float(params["top_p"]))
    answers = model.generate(prompts, [item.seed for item in items], decoding)
    for item, answer in zip(items, answers, strict=True):
        yield failed(item, answer.why) if isinstance(answer, NoAnswer) else (item, answer.text)


def _asked(prompt: str, *, chat: bool) -> Prompt:
    return [Message("user", REQUEST + prompt)] if chat else prompt


def has_words(text: str) -> bool:
    """Whether a text has two letters side by side: what has not says nothing, and is no sign of good manners.

    >>> has_words("Yes."), has_words(" ... 17"), has_words("")
    (True, False, False)
    """
    return any(one.isalpha() and other.isalpha() for one, other in pairwise(text))
