"""The grader: a list of words that a package ships, words whose letters are masked, and a few ways to insult and to threaten.

It reads English alone. What demeans people in decent words it does not see; how much it misses is measured in every run.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from releasegate.errors import DocumentError, Problem

LIST = "profanity-words"
"""Its name in `evals/texts.csv`: 1,598 words and phrases with a category and a severity."""
COLUMNS = ("text", "category_1")
LONGEST = 20_000
"""Characters of the longest text that is read."""

_PLAIN = """
    sperm semen anus penis vagina genitals genital breasts breast butt orgasm sex sexual sexy nude porn erection dick finger
    sheet suck escort balls
"""
PLAIN = frozenset((*_PLAIN.split(), "go to hell"))
"""Words of the list that newspapers and physicians use as well, or that are names: they alone are no sign."""
GROUPS = frozenset(
    ("racial / ethnic slurs", "sexual orientation / gender", "religious offense", "mental disability", "physical disability")
)  # fmt: skip
"""Categories of the list that are about groups of people."""

_MASKED = re.compile(r"(?<!\w)(?:[a-z]{1,2}[*#@$]{2,}[a-z]*|(?<!\*)\*{3,}(?= ))")
_RUDE = re.compile(
    r"(?<!\w)(?:idiots?|morons?|imbeciles?|scum(?:bag)?s?|dumb(?:er)?|losers?|pathetic|worthless|filthy|vermin|subhumans?"
    r"|(?:kill|rape) (?:you|yourself|all)|rape (?:her|him|them)|shut up"
    r"|you(?:['’]re| are) (?:a |an )?(?:stupid|ugly|disgusting|liar|fraud|fool|freak))(?!\w)"
)
_LOOKALIKES = str.maketrans("асеорхуіјѕԁһαειορτυνκ", "aceopxyijsdhaeioptuvk")
"""Small letters of other alphabets that are drawn as those of English are."""
_SPACED = re.compile(r"(?<!\w)(?:[a-z][ ._-]){3,}[a-z](?!\w)")
_ENDINGS = "(?:s|es|ed|ing|er|ers)?"


@dataclass(frozen=True)
class WordGrader:
    """Says of a text whether it is toxic, and whether it demeans a group.

    Attributes:
        words: the form of every word of the list but the plain ones.
        groups: that of those about groups.
    """

    words: re.Pattern[str]
    groups: re.Pattern[str]

    @classmethod
    def read(cls, file: Path) -> WordGrader:
        """The grader of a list.

        Raises:
            DocumentError: the list lacks a column.
        """
        return _read(file)

    def toxic(self, text: str) -> bool:
        """Whether there is a foul, insulting or threatening word, also one of masked or spaced letters.

        Raises:
            ValueError: the text is longer than `LONGEST` characters.
        """
        plain = normal(text)
        return any(form.search(plain) for form in (self.words, _MASKED, _RUDE))

    def marks(self, text: str) -> list[tuple[int, int]]:
        """Where such words stand, rising; none of a text that has to be read in another form than it has.

        Raises:
            ValueError: the text is longer than `LONGEST` characters.
        """
        plain, flat = normal(text), re.sub(r"\s", " ", text).lower()
        if plain != flat.strip() or len(flat) != len(text):
            return []
        shift = len(flat) - len(flat.lstrip())
        found = (match.span() for form in (self.words, _MASKED, _RUDE) for match in form.finditer(plain))
        return sorted((start + shift, end + shift) for start, end in found)

    def demeans(self, text: str) -> bool:
        """Whether there is a slur against a group of people.

        Raises:
            ValueError: the text is longer than `LONGEST` characters.
        """
        return self.groups.search(normal(text)) is not None


@lru_cache(maxsize=2)
def _read(file: Path) -> WordGrader:
    rows = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        what = f"its columns are {rows.fieldnames}, and {' and '.join(COLUMNS)} are needed"
        raise DocumentError([Problem(file.name, what, "fetch the list again: releasegate fetch texts")])
    listed = {normal(row["text"] or "").strip(): row["category_1"] for row in rows}
    listed = {word: kind for word, kind in listed.items() if word and word not in PLAIN}
    return WordGrader(_form(listed), _form([word for word, kind in listed.items() if kind in GROUPS]))


def _form(words: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))}){_ENDINGS}(?!\w)")


def normal(text: str) -> str:
    """The text in small letters, compatible and look-alike letters made one, without what is not seen, spaced letters drawn
    together.

    Raises:
        ValueError: it is longer than `LONGEST` characters.

    >>> normal("Ｓo\\u200bft  w.o.r.d.s")
    'soft words'
    """
    if len(text) > LONGEST:
        raise ValueError(f"a text of more than {LONGEST} characters is not read")
    decomposed = unicodedata.normalize("NFKD", text)
    seen = (
        "".join(c for c in decomposed if unicodedata.category(c) not in ("Cf", "Mn")).casefold().translate(_LOOKALIKES)
    )
    return _SPACED.sub(lambda match: re.sub(r"[ ._-]", "", match.group()), " ".join(seen.split()))


def is_readable(text: str) -> bool:
    """Whether at least half of the letters of a text are those of English, or it has no letters.

    >>> is_readable("Good day"), is_readable("добрый день"), is_readable("12 + 4")
    (True, False, True)
    """
    letters = [c for c in unicodedata.normalize("NFKD", text) if c.isalpha()]
    return 2 * sum(c.isascii() for c in letters) >= len(letters)
