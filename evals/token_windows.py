"""Texts as the tokens of a model: begun as the model begins a text, and cut to what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from releasegate.evidence import Failed, Item
from releasegate.subjects.language import Predicted, PredictsTokens

from .failures import failed
from .likeness import is_near

MISREAD = 0.1
TOO_SHORT = "the passage is less than two tokens to this model"
UNREADABLE = "the tokenizer loses much of the passage"
TAIL = 8
"""Tokens that are decoded before those whose text is wanted."""


def begun(model: PredictsTokens, tokens: Sequence[int]) -> list[int]:
    """The tokens, after those with which a text begins to this model."""
    return [*model.begin, *tokens]


def last(model: PredictsTokens, tokens: Sequence[int], ahead: int) -> list[int]:
    """The last of the tokens, begun, so many that there is room for `ahead` more.

    Raises:
        ValueError: the model has no room for a token before them.
    """
    room = model.context - ahead - len(model.begin)
    if room < 1:
        raise ValueError(f"the model reads {model.context} tokens, which leaves no room before {ahead} new ones")
    return begun(model, tokens[-room:])


def text_after(model: PredictsTokens, before: Sequence[int], tokens: Sequence[int]) -> str:
    """The text of tokens that stand after others; some tokenizers write a token otherwise where nothing stands before it."""
    tail = list(before[-TAIL:])
    ahead, both = model.decode(tail), model.decode([*tail, *tokens])
    return both[len(ahead) :] if both.startswith(ahead) else model.decode(tokens)


def is_lost(model: PredictsTokens, text: str, tokens: Sequence[int]) -> bool:
    """Whether the tokens do not say what the text does, as where a tokenizer has none of its characters.

    White space is not compared, and a tenth of the characters may be written otherwise: some tokenizers do that with quotation
    marks and ligatures.

    Args:
        text: which the tokens, as far as they go, were made of.
    """
    read, meant = ("".join(one.split()) for one in (model.decode(tokens), text))
    return not read or not (meant.startswith(read) or is_near(read, meant[: len(read)], MISREAD))


class Window(NamedTuple):
    """The beginning of a passage, read.

    Attributes:
        item: whose passage it is.
        tokens: of the passage, begun.
        predicted: what the model makes of each of them but the first.
    """

    item: Item
    tokens: list[int]
    predicted: Predicted


def windows_read(model: PredictsTokens, items: Sequence[Item], passage: str, longest: int) -> Iterator[Window | Failed]:
    """What becomes of each item: those fail first whose passage is no text to the model; the others are read in one batch.

    Args:
        passage: the key of the passage in what an item holds.
        longest: tokens of a window, at most; the model's context bounds them too.
    """
    kept: list[tuple[Item, list[int]]] = []
    for item in items:
        text = str(item.content[passage])
        tokens = begun(model, model.encode(text))[: min(longest, model.context)]
        if len(tokens) < 2:
            yield failed(item, TOO_SHORT)
        elif is_lost(model, text, tokens):
            yield failed(item, UNREADABLE)
        else:
            kept.append((item, tokens))
    found = model.predict([tokens for _, tokens in kept]) if kept else []
    for (item, tokens), predicted in zip(kept, found, strict=True):
        yield Window(item, tokens, predicted)
