"""Texts of speech, brought to one form, and how many words of one are wrong in another.

The rules, in this order. They are applied to what was to be said and to what was heard alike:

1. Unicode's compatibility form (NFKC); typographic apostrophes become `'`; letters become small ones (case folding).
2. What stands in brackets of any kind is no speech, but a remark such as `[music]`, and is left out.
3. `&` becomes `and`, `%` becomes `percent`, and of `1,000` the comma is left out.
4. Numbers in digits become words: to 999,999 as a number is said (`13` thirteen, `105` one hundred five), longer ones and those
   that begin with 0 digit by digit; `1st` becomes first; `1.5` becomes one point five; the full
   stop in `example.org` becomes dot.
5. Hyphens, and every other character that is no letter, digit or `'`, become spaces; a `'` stays inside a word alone.
6. Spellings of one word become one of them: see `SAME`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from releasegate.audio.packages import package

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
SAME = {
    ("voice", "mail"): "voicemail",
    ("touch", "tone"): "touchtone",
    ("log", "in"): "login",
    ("e", "mail"): "email",
    ("per", "cent"): "percent",
    ("file", "name"): "filename",
    ("ok",): "okay",
    ("dialling",): "dialing",
    ("cancelled",): "canceled",
}
"""Words, and the one that they are taken for."""
LONGEST_NUMBER = 6

_BRACKETED = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|<[^<>]*>")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+)|(st|nd|rd|th)(?![a-z]))?")
_DOT = re.compile(r"(?<=[^\W\d_]{2})\.(?=[^\W\d_]{2})")
_BESIDE_A_WORD = re.compile(r"(?<![^\W_])'|'(?![^\W_])")
_NO_WORD = re.compile(r"[^\w']|_")
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'")


def normalised(text: str) -> str:
    """The text in the form in which words are compared: words with one space between them, by the rules of this module.

    >>> normalised("Press 1, or the pound-key, to hear ‘Don’t call’ [beep]!")
    "press one or the pound key to hear don't call"
    >>> normalised("On the 21st: 1,250 of 007 - 99.5%")
    'on the twenty first one thousand two hundred fifty of zero zero seven ninety nine point five percent'
    """
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    text = _BRACKETED.sub(" ", text)
    text = _THOUSANDS.sub("", text.replace("&", " and ").replace("%", " percent "))
    text = _NUMBER.sub(lambda found: f" {_said(found[1], found[2], found[3])} ", text)
    text = _DOT.sub(" dot ", text)
    text = _BESIDE_A_WORD.sub(" ", _NO_WORD.sub(" ", text))
    return " ".join(_one_spelling(text.split()))


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """How many words are wrong, and of how many: (substituted + left out + put in, words of the reference).

    Both texts are normalised first, and aligned so that the errors are as few as can be (Levenshtein's distance over words).

    Args:
        reference: what was to be said; one word at least.
        hypothesis: what was heard; it may be empty.

    Raises:
        ValueError: the reference has no word.
        NotFound: the package jiwer is not installed.

    >>> word_errors("Press one now.", "press 2")
    (2, 3)
    """
    said, heard = normalised(reference), normalised(hypothesis)
    if not said:
        raise ValueError(f"{reference!r} has no word that could be said")
    counted = package("jiwer", "the word error rate").process_words(said, heard)
    return counted.substitutions + counted.deletions + counted.insertions, len(said.split())


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """The errors of all pairs over the words of all references: 0 and up, beyond 1 where more was put in than was to be said.

    Args:
        pairs: reference and hypothesis each; one at least.

    Raises:
        ValueError: there is no pair, or a reference has no word.
        NotFound: the package jiwer is not installed.

    >>> word_error_rate([("one two three", "one two three"), ("four", "for")])
    0.25
    """
    counts = [word_errors(reference, hypothesis) for reference, hypothesis in pairs]
    if not counts:
        raise ValueError("no pair of texts")
    return sum(errors for errors, _ in counts) / sum(words for _, words in counts)


def _said(whole: str, fraction: str | None, ordinal: str | None) -> str:
    """A number in digits as it is said."""
    words = (
        _digits(whole) if len(whole) > LONGEST_NUMBER or (whole[0] == "0" and len(whole) > 1) else _cardinal(int(whole))
    )
    if fraction:
        return " ".join([*words, "point", *_digits(fraction)])
    if ordinal:
        words[-1] = _ordinal(words[-1])
    return " ".join(words)


def _digits(number: str) -> list[str]:
    return [ONES[int(digit)] for digit in number]


def _cardinal(number: int) -> list[str]:
    """Words of a number of 0 to 999,999.

    >>> _cardinal(20013)
    ['twenty', 'thousand', 'thirteen']
    """
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = _cardinal(number % size) if number % size else []
            return [*_cardinal(number // size), name, *rest]
    if number < 20:
        return [ONES[number]]
    return [TENS[number // 10], *([ONES[number % 10]] if number % 10 else [])]


def _ordinal(word: str) -> str:
    if word in ORDINALS:
        return ORDINALS[word]
    return f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"


def _one_spelling(words: list[str]) -> list[str]:
    """The words with those of `SAME` replaced."""
    said: list[str] = []
    at = 0
    while at < len(words):
        taken = next((n for n in (2, 1) if tuple(words[at : at + n]) in SAME), 0)
        said.append(SAME[tuple(words[at : at + taken])] if taken else words[at])
        at += taken or 1
    return said
