"""Texts in which it matters which sign stands for what, by the kind of sign, and the same texts with such signs exchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from numpy.random import Generator

from ..plain_english import passage

Kind = Literal["words", "numbers", "digits", "letters", "signs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SIGNS = (".", ",", ":", ";", "(", ")", "@", "-", "/", "=", '"', "?")
"""Signs that are exchanged for each other."""
AT_RANDOM = 2
"""Texts whose signs are exchanged at random, beside those whose signs are moved round."""
STEPS = tuple(range(1, 10))
LETTER_STEPS = (1, 2, 3, 13, 23, 24, 25)
"""By which letters are moved round in the alphabet."""
LEAST_WORD = 4
"""Letters of the shortest word that is moved."""
_ORDERED: Mapping[str, tuple[Sequence[str], re.Pattern[str]]] = {
    "numbers": (NUMBERS, re.compile("|".join(rf"\b{name}\b" for name in NUMBERS), re.IGNORECASE)),
    "digits": ("0123456789", re.compile(r"[0-9]")),
    "letters": ([chr(ord("A") + n) for n in range(26)], re.compile(r"\b[A-Z]\b")),
}
_WORD = re.compile(rf"\b[a-z]{{{LEAST_WORD},}}\b")

_NUMBERS = (
    "A triangle has three sides, and a square has four.",
    "A week has seven days, and a working week has five.",
    "Each hand has five fingers, so that two hands have ten.",
    "A spider has eight legs, an insect has six, and a dog has four.",
    "One, two, three, four, five, six, seven, eight, nine, ten.",
    "A bicycle has two wheels, a tricycle has three, and a car has four.",
    "A year has four seasons. Twins are two children, and triplets are three.",
    "Two plus two is four, and four plus four is eight.",
    "One half of ten is five. One half of eight is four. One half of six is three.",
    "Ten, nine, eight, seven, six, five, four, three, two, one, go!",
    "A human being has two eyes, two ears, one nose and ten toes.",
    "An octopus has eight arms. A cat has four legs, and people say that it has nine lives.",
    "Three times three is nine, two times five is ten, and two times three is six.",
    "The solar system has eight planets. The rainbow has seven colours. The dice has six faces.",
    "A guitar has six strings, a violin has four, and a pair of shoes is two shoes.",
    "A hexagon has six sides, an octagon has eight, and a pentagon has five.",
)
_DIGITS = (
    "A year has 12 months, 52 weeks and 365 days. A day has 24 hours, an hour has 60 minutes.",
    "Water freezes at 0 degrees Celsius and boils at 100 degrees Celsius.",
    "World War II began in 1939 and ended in 1945. World War I began in 1914 and ended in 1918.",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22",
    "10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120",
    "One (1), two (2), three (3), four (4), five (5), six (6), seven (7), eight (8), nine (9).",
    "A full circle has 360 degrees, half of it has 180 degrees, and a right angle has 90 degrees.",
    "1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048",
    "Opening hours: Monday to Friday, 9:00 a.m. to 5:00 p.m. Open 24 hours a day, 7 days a week.",
    "There are 1000 metres in a kilometre, 100 centimetres in a metre, and 10 millimetres in a centimetre.",
    "Apollo 11 landed on the Moon on July 20, 1969. The attacks of September 11, 2001 changed the world.",
    "The Declaration of Independence was signed on July 4, 1776, and there are 50 states today.",
    "2 + 2 = 4, 3 + 3 = 6, 4 + 4 = 8, 5 + 5 = 10, 6 + 6 = 12",
    "5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70",
    "The value of pi is about 3.14159, and the square root of 2 is about 1.4142.",
    "January 1, February 14, March 17, July 4, October 31, December 24, December 25, December 31",
)
_LETTERS = (
    "A is for apple, B is for ball, C is for cat, D is for dog, E is for elephant.",
    "A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z",
    "The vowels are A, E, I, O and U. The first letters of the alphabet are A, B and C.",
    "The question has four options: A, B, C and D. Plan A failed, and so we need a plan B.",
    "Vitamin C is found in oranges, vitamin D comes from the sun, and vitamin K is found in kale.",
    "F is for fish, G is for goat, H is for horse, K is for king, L is for lion, M is for mouse.",
    "Malcolm X, Henry V, Elizabeth I, Type O blood, an X-ray, a T-shirt, a U-turn, an F grade.",
    "R is for rabbit, S is for snake, T is for tiger, Z is for zebra.",
    "Answer A. Answer B. Answer C. Answer D. The letters A, B, C, D stand before the four answers.",
    "The DNA bases are A, C, G and T. The musical notes are C, D, E, F, G, A, B.",
    "George W. Bush, John F. Kennedy, Franklin D. Roosevelt, Harry S. Truman, Michael J. Fox",
    "P.S. I love you. The U.S.A. and the U.K. are allies. Washington, D.C., is the capital of the U.S.A.",
)
_SIGNS = (
    'He asked, "Where are you going?" She said, "I am going home." (It was late.)',
    "Please write to info@example.com, or visit https://www.example.com/contact (open all day).",
    "def add(a, b):\n    return (a, b)\n\nprint(add(1, 2))\n",
    "Dear Sir or Madam,\n\nthank you for your letter. What can we do for you? Please let us know.\n\nYours,\nA. Smith",
    "Ingredients: flour, water, salt, and yeast. Method: mix (well), let it rest, and bake.",
    "x = 1; y = 2; print(x, y)\nif (x == y):\n    print(x)\n",
    'It was a well-known, old-fashioned, twenty-year-old car. "Really?" he asked. "Yes," she said.',
    "Name: John Smith\nE-mail: john@example.com\nDate: 01/02/2003\nTime: 10:30\n",
    "The price (including tax) is 5.00; without tax, it is 4.00. Is that clear? If not, ask.",
    "for name in names:\n    print(name, len(name))\nresult = sum(values) / len(values)\n",
    "To: anna@example.com, bob@example.com\nSubject: Re: Meeting (Monday)\n\nHi Anna, is 10:00 all right?",
    'She bought apples, pears, and plums; he bought nothing. "Why not?" she asked.',
)
_SHIPPED: Mapping[Kind, Sequence[str]] = {"numbers": _NUMBERS, "digits": _DIGITS, "letters": _LETTERS, "signs": _SIGNS}


def original(kind: Kind, rng: Generator) -> str:
    """Return a text of a kind: everyday sentences, or two texts in which it matters which sign of the kind stands where."""
    if kind == "words":
        return passage(rng, 2)
    texts = _SHIPPED[kind]
    return "\n".join(texts[place] for place in rng.choice(len(texts), size=2, replace=False))


def exchanged(kind: str, text: str, rng: Generator) -> list[str]:
    """Return texts with signs of a kind exchanged for each other: each for another, the same one wherever it stands.

    Signs that have an order are moved round in it, by every step or by a few: that keeps what counts up, and who moves signs
    round by one would not be seen otherwise. `AT_RANDOM` texts more have them in a random order. Words are moved, each to the
    place of another one.

    >>> import numpy as np
    >>> exchanged("digits", "7", np.random.default_rng(0))[:9]
    ['8', '9', '0', '1', '2', '3', '4', '5', '6']
    """
    if kind in ("numbers", "digits", "letters"):
        signs, pattern = _ORDERED[kind]
        used = [sign for sign in signs if kind != "letters" or re.search(rf"\b{sign}\b", text)]
        steps = [step for step in STEPS if step < len(signs)] if kind != "letters" else LETTER_STEPS
        round_about = [{sign: signs[(place + step) % len(signs)] for place, sign in enumerate(signs)} for step in steps]
        chosen = [*round_about, *(_at_random(used, rng) for _ in range(AT_RANDOM))]
        return [_mapped(text, other, pattern) for other in chosen]
    if kind == "signs":
        used = [sign for sign in SIGNS if sign in text]
        pattern = re.compile("|".join(map(re.escape, used)))
        return [_mapped(text, _at_random(used, rng), pattern) for _ in range(AT_RANDOM + 1)]
    return [moved(text, rng) for _ in range(AT_RANDOM + 1)]


def replaced(text: str, words: Sequence[str], rng: Generator) -> list[str]:
    """Return texts in which other words, drawn from a list, stand in the places of the longer ones."""
    return [_WORD.sub(lambda _: words[int(rng.integers(len(words)))], text) for _ in range(AT_RANDOM + 1)]


def _at_random(signs: Sequence[str], rng: Generator) -> dict[str, str]:
    return {sign: signs[place] for sign, place in zip(signs, deranged(len(signs), rng), strict=True)}


def _mapped(text: str, other: Mapping[str, str], pattern: re.Pattern[str]) -> str:
    def put(found: re.Match[str]) -> str:
        sign = found[0]
        if sign in other:
            return other[sign]
        new = other[sign.lower()]
        return new.capitalize()

    return pattern.sub(put, text)


def moved(text: str, rng: Generator) -> str:
    """Return the text with its longer words at the places of others; one that has fewer than two of them stays as it is."""
    found = _WORD.findall(text)
    if len(set(found)) < 2:
        return text
    words = iter([found[place] for place in deranged(len(found), rng)])
    return _WORD.sub(lambda _: next(words), text)


def deranged(n: int, rng: Generator) -> list[int]:
    """Return a random order of n places in which none stays where it was: a cycle through all of them.

    >>> import numpy as np
    >>> deranged(2, np.random.default_rng(0))
    [1, 0]
    """
    cycle = [int(place) for place in rng.permutation(n)]
    order = [0] * n
    for here, there in zip(cycle, [*cycle[1:], *cycle[:1]], strict=True):
        order[here] = there
    return order


def longer_words(texts: Sequence[str]) -> list[str]:
    """Return the different longer words of texts, sorted."""
    return sorted({word for text in texts for word in _WORD.findall(text)})


TOKENS: Mapping[Kind, Callable[[], Sequence[str]]] = {
    "numbers": lambda: NUMBERS,
    "digits": lambda: [str(n) for n in range(10)],
    "letters": lambda: [chr(ord("A") + n) for n in range(26)],
    "signs": lambda: SIGNS,
}
"""What is to be copied, by kind; words are those of texts."""
