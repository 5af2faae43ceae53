"""Texts as the tokens of a model: begun as the model begins a text, and cut to what it reads."""

from __future__ import annotations

from collections.abc import Sequence

from releasegate.subjects.language import PredictsTokens

from .likeness import is_near

MISREAD = 0.1
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
