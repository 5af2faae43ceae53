"""Texts that nobody can have been trained on: made when the attempt is drawn, of words that are made as well."""

from __future__ import annotations

from numpy.random import Generator

CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"
NAMES = 16
"""Words of a text, which come back in it as the terms of a licence or the names of a module do."""
FORMS = (
    "The {0} shall not be {1} with the {2} unless each {3} of the {0} is kept.\n",
    "Where {0} is given, {1} and {2} are read before the {3}; otherwise they are left as they are.\n",
    "Every {2} that holds a {0} must say which {1} it was made from, and by whose {3}.\n",
    "def {0}_{1}({2}, {3}=None):\n    if {3} is None:\n        {3} = {2}.{1}()\n    return {0}({2}, {3})\n\n",
    "for {0} in {1}.{2}():\n    if {0} not in {3}:\n        {3}[{0}] = len({3})\n\n",
    "class {0}({1}):\n    {2} = {{}}\n\n    def {3}(self):\n        return self.{2}\n\n",
)


def made_up(rng: Generator, length: int) -> str:
    """A text of at least `length` characters, sentences and code in turn at random."""
    names = [_word(rng) for _ in range(NAMES)]
    text = ""
    while len(text) < length:
        form = FORMS[int(rng.integers(len(FORMS)))]
        text += form.format(*(names[place] for place in rng.choice(NAMES, size=4, replace=False)))
    return text


def _word(rng: Generator) -> str:
    """Two to four syllables."""
    pairs = ((CONSONANTS[rng.integers(len(CONSONANTS))], VOWELS[rng.integers(len(VOWELS))]) for _ in range(4))
    return "".join(consonant + vowel for consonant, vowel in pairs)[: 2 * int(rng.integers(2, 5))]
