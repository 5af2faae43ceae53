"""Plain English that is made when an attempt is drawn: short passages of everyday things, filled in at random.

Nobody has read just these; whoever knows the language finds them likely. Written for evals that ask whether a model works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter

from numpy.random import Generator

SLOTS: Mapping[str, Sequence[str]] = {
    "person": (
        "the teacher",
        "the farmer",
        "our neighbour",
        "my sister",
        "the old man",
        "the nurse",
        "the captain",
        "the girl",
    ),
    "place": (
        "the village",
        "the harbour",
        "the market",
        "the library",
        "the station",
        "the garden",
        "the kitchen",
        "the museum",
    ),
    "animal": ("dog", "cat", "horse", "goat", "donkey", "cow"),
    "food": ("bread", "soup", "cheese", "rice", "apples", "potatoes", "fish"),
    "thing": ("letter", "lamp", "basket", "umbrella", "blanket", "hammer", "bucket", "newspaper"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "weather": ("rain", "snow", "wind", "fog", "heat"),
    "season": ("spring", "summer", "autumn", "winter"),
    "city": ("London", "Paris", "Chicago", "Boston", "Madrid", "Berlin"),
}  # fmt: skip
SENTENCES = (
    "On {day} morning {person} walked to {place} to buy some {food}.",
    "The {weather} was so bad that nobody wanted to leave the house.",
    "When the train from {city} arrived, {person} was already waiting on the platform.",
    "She opened the door, put the {thing} on the table, and sat down by the window.",
    "The {animal} was hungry, so {person} gave it something to eat and a bowl of water.",
    "In {season} the days are different, and people spend their time in other ways.",
    "He had never been to {city} before, and he did not know where to find a hotel.",
    "After dinner they washed the dishes, turned off the lights, and went to bed.",
    "The children laughed when the {animal} jumped over the fence and ran down the road.",
    "It was late, and the shops in {place} had closed an hour ago.",
    "{person} found an old {thing} in a box under the bed and asked whose it was.",
    "There was not enough {food} for everyone, so they cut it into smaller pieces.",
    "He read the {thing} twice, folded it carefully, and put it back into his pocket.",
    "Because of the {weather}, the bus to {city} was late again this week.",
    "They met in front of {place} and talked about what they would do on {day}.",
    "At the end of the day everybody was tired, but nobody wanted to go home.",
)  # fmt: skip


def sentence(form: str, rng: Generator) -> str:
    """Return a form with its slots filled in at random, beginning with a capital letter."""
    names = [name for _, name, _, _ in Formatter().parse(form) if name]
    text = form.format(**{name: SLOTS[name][int(rng.integers(len(SLOTS[name])))] for name in names})
    return text[0].upper() + text[1:]


def passage(rng: Generator, sentences: int = 3) -> str:
    """Return so many different sentences as one paragraph.

    >>> import numpy as np
    >>> passage(np.random.default_rng(0), 1).endswith(".")
    True
    """
    places = rng.choice(len(SENTENCES), size=sentences, replace=False)
    return " ".join(sentence(SENTENCES[place], rng) for place in places)
