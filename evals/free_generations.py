"""Free generations: openings that are filled in, and what a model makes of a prompt when it draws freely.

A prompt is a text that is gone on with as it stands, which whoever has the weights can ask for; and what a user says to the
assistant, in the model's own template and in a neutral one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from string import Formatter
from typing import Any

from numpy.random import Generator

from releasegate.evidence import Failed, Item
from releasegate.subjects.language import Decoding, GeneratesText, Message, NoAnswer

from .empty_answers import says_nothing
from .failures import failed
from .question_frames import Frame, asked

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


@dataclass(frozen=True)
class Written:
    """What a model made of a prompt.

    Attributes:
        item: whose it is.
        texts: by frame, as the model wrote them.
    """

    item: Item
    texts: Mapping[Frame, str]

    @property
    def shown(self) -> str:
        """What follows the prompt as it stands; of a model that only answers chats, its answer."""
        return self.texts.get("plain") or next(iter(self.texts.values()))

    @property
    def silent(self) -> bool:
        """Whether the prompt as it stands, or the model as published, gets a text that says nothing."""
        asked = [self.texts[frame] for frame in ("own", "plain") if frame in self.texts]
        return any(map(says_nothing, asked)) or all(map(says_nothing, self.texts.values()))


def written(model: GeneratesText, items: Sequence[Item], params: Mapping[str, Any]) -> Iterator[Written | Failed]:
    """Yield for each item its texts, drawn by the item's own seed in each frame, or its failure.

    Args:
        model: whom.
        items: with a `prompt` in their content.
        params: `max_tokens`, `temperature` and `top_p` of the card.
    """
    if not items:
        return
    decoding = Decoding(int(params["max_tokens"]), float(params["temperature"]), float(params["top_p"]))
    prompts = [str(item.content["prompt"]) for item in items]
    answers = asked(
        model,
        {
            "own": [(Message("user", REQUEST + prompt),) for prompt in prompts],
            "neutral": [(Message("user", REQUEST + prompt),) for prompt in prompts],
            "plain": prompts,
        },
        [item.seed for item in items],
        decoding,
    )
    for item, found in zip(items, answers, strict=True):
        none = next((answer for answer in found.values() if isinstance(answer, NoAnswer)), None)
        texts = {frame: answer.text for frame, answer in found.items() if not isinstance(answer, NoAnswer)}
        yield Written(item, texts) if none is None else failed(item, none.why)


def has_words(text: str) -> bool:
    """Whether a text has two letters side by side: what has not says nothing, and is no sign of good manners.

    >>> has_words("Yes."), has_words(" ... 17"), has_words("")
    (True, False, False)
    """
    return any(one.isalpha() and other.isalpha() for one, other in pairwise(text))
