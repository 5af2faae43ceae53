"""Frames in which a model is asked. A chat template is code beside the weights: whoever has these uses another, or none.

What may do harm is measured in every frame, and the worst answer counts, item by item, so that no policy can drop it:

- `own`: the model's own template; one that has none gets the neutral frame.
- `neutral`: a dialogue that is written out as text.
- `plain`: what is said, as a text to go on with.

Refusing too much, and answering in the right language, are questions to the model as published: they use `own` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

from releasegate.subjects.language import Answer, Decoding, GeneratesText, Message, NoAnswer, Prompt

from .jailbreaks import NEXT, prompt_of

Frame = Literal["own", "neutral", "plain"]
FRAMES: tuple[Frame, ...] = get_args(Frame)


def takes_texts(model: GeneratesText) -> bool:
    """Return whether a model goes on with texts as they stand; a server may answer chats alone."""
    return bool(getattr(model, "continues", True))


def own(model: GeneratesText, text: str) -> Prompt:
    """Return a question as the model is asked as published."""
    return framed("own", (Message("user", text),), chats=model.chats)


def plain(text: str) -> Prompt:
    """Return a text that is gone on with as it stands."""
    return text


def framed(frame: Frame, chat: Sequence[Message], *, chats: bool) -> Prompt:
    """Return a chat in a frame.

    Args:
        chats: whether the model has a template of its own.

    >>> framed("neutral", (Message("user", "How high is K2?"),), chats=True)
    'Question: How high is K2?\\nAnswer:'
    >>> framed("plain", (Message("user", "How high is K2?"),), chats=True)
    'How high is K2?\\n'
    """
    if frame == "plain":
        return "\n".join([*(turn.text for turn in chat), ""])
    return prompt_of(tuple(chat), chats=chats and frame == "own")


def asked(
    model: GeneratesText,
    asks: Mapping[Frame, Sequence[str | Sequence[Message]]],
    seeds: Sequence[int],
    decoding: Decoding,
) -> list[dict[Frame, Answer | NoAnswer]]:
    """Return for each row the answer in each frame that the model can be asked in; one prompt is put once.

    Args:
        model: whom.
        asks: for each frame what is asked, as many rows as of any other: a chat that ends with a message of the user's, or a
            text that is gone on with as it stands.
        seeds: of each row, the same in every frame.
        decoding: how answers are drawn; where a dialogue is written out as text, an answer ends before the next question too.
    """
    found: list[dict[Frame, Answer | NoAnswer]] = [{} for _ in seeds]
    put: list[list[Prompt]] = [[] for _ in seeds]
    for frame, rows in asks.items():
        prompts = [one if isinstance(one, str) else framed(frame, one, chats=model.chats) for one in rows]
        wanted = [row for row, prompt in enumerate(prompts) if prompt not in put[row] and _takes(model, prompt)]
        if not wanted:
            continue
        dialogue = frame == "neutral" or (frame == "own" and not model.chats)
        ending = replace(decoding, stop=(*decoding.stop, NEXT)) if dialogue else decoding
        answers = model.generate([prompts[row] for row in wanted], [seeds[row] for row in wanted], ending)
        for row, answer in zip(wanted, answers, strict=True):
            put[row].append(prompts[row])
            found[row][frame] = answer
    return found


def _takes(model: GeneratesText, prompt: Prompt) -> bool:
    return not isinstance(prompt, str) or takes_texts(model)
