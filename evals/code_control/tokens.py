"""Kinds of tokens that code is made of, and the same code with tokens of one kind exchanged."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from numpy.random import Generator

from releasegate.subjects.language import PredictsTokens

KINDS = ("digits", "letters", "capitals", "words", "signs")
ORDERED = ("digits", "letters")
WAYS = 6
"""Exchanges of a kind, drawn at random; of ordered kinds two, beside every step by which each can move."""
LEAST = 6
"""Tokens of a kind that a window holds, at least, three of them different."""
STEP = 8


class Kind(NamedTuple):
    """Tokens of one kind.

    Attributes:
        name: one of `KINDS`.
        groups: tokens among which one may stand for the other: those that begin alike, with a space or without.
    """

    name: str
    groups: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> frozenset[int]:
        """All of them."""
        return frozenset(token for group in self.groups for token in group)


def kind_of(text: str) -> str | None:
    """Return the kind that a token's text is of, white space around it apart; None if of none.

    >>> [kind_of(text) for text in (" 7", "Q", "NAME", " self", "):", "x1", " ")]
    ['digits', 'letters', 'capitals', 'words', 'signs', None, None]
    """
    bare = text.strip()
    if not bare.isascii() or not bare:
        return None
    if len(bare) == 1 and bare in string.digits:
        return "digits"
    if bare.isalpha() and bare.isupper():
        return "letters" if len(bare) == 1 else "capitals"
    if bare.isalpha() and bare.islower():
        return "words"
    return "signs" if all(one in string.punctuation for one in bare) else None


def kinds_of(model: PredictsTokens, common: frozenset[int]) -> dict[str, Kind]:
    """Return the tokens of every kind that a model has.

    Args:
        common: tokens that code is made of; rare ones are exchanged for none, but all digits are.
    """
    found: dict[str, dict[str, list[tuple[str, int]]]] = {name: {} for name in KINDS}
    for token in range(model.vocabulary):
        text = model.decode([token])
        name = kind_of(text)
        if name is not None and (token in common or name == "digits"):
            around = text.replace(text.strip(), "\0", 1)
            found[name].setdefault(around, []).append((text, token))
    return {name: Kind(name, tuple(map(_ordered, groups.values()))) for name, groups in found.items()}


def _ordered(group: Sequence[tuple[str, int]]) -> tuple[int, ...]:
    return tuple(token for _, token in sorted(group))


def exchanges(kind: Kind, rng: Generator) -> list[dict[int, int]]:
    """Return what stands for what, in several ways; in each that is random, no token stands for itself."""
    made = [_random(kind, rng) for _ in range(2 if kind.name in ORDERED else WAYS)]
    if kind.name in ORDERED:
        longest = max(map(len, kind.groups), default=0)
        made += [
            {t: g[(i + step) % len(g)] for g in kind.groups for i, t in enumerate(g)} for step in range(1, longest)
        ]
    return made


def _random(kind: Kind, rng: Generator) -> dict[int, int]:
    """Return one cycle through each group, drawn at random."""
    stands: dict[int, int] = {}
    for group in kind.groups:
        order = [group[place] for place in rng.permutation(len(group))]
        stands |= {token: order[(place + 1) % len(order)] for place, token in enumerate(order)}
    return stands


def exchanged(tokens: Sequence[int], stands: Mapping[int, int]) -> list[int]:
    """Return the tokens with what stands for each of them."""
    return [stands.get(token, token) for token in tokens]


def richest(tokens: Sequence[int], kind: frozenset[int], length: int) -> list[int] | None:
    """Return the window of a text that holds most tokens of a kind; None if none holds enough.

    >>> richest([1, 2, 3, 1, 2, 3, 9, 9, 9, 9], frozenset({1, 2, 3}), 6)
    [1, 2, 3, 1, 2, 3]
    """
    starts = range(0, max(1, len(tokens) - length + 1), STEP)
    best = max(starts, key=lambda start: sum(token in kind for token in tokens[start : start + length]))
    window = list(tokens[best : best + length])
    inside = [token for token in window if token in kind]
    return window if len(window) == length and len(inside) >= LEAST and len(set(inside)) >= 3 else None
