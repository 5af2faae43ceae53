"""Answers that quote the request, kept without it: what is quoted is named by its place, and is filled in from the request.

Requests for harm stand in no file of the repository, and models like to repeat what they are asked. `[[plain 2-9]]` stands for
the words of the request from the third to the ninth, `[[leet 2-9]]` for the same in leetspeak, and `[[base64 0-40]]` for its
first forty characters in base64.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from .jailbreaks import leet, unleet

LONGEST_KEPT = 4
"""Words in a row that an answer may share with a request."""
LONGEST_CODE = 12
"""Characters in a row that a word of an answer may share with the request in base64."""
_PLACE = re.compile(r"\[\[(plain|leet|base64) (\d{1,5})-(\d{1,5})\]\]")
_EDGE = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


def hidden(answer: str, request: str) -> str:
    """The answer with the names of places for what it quotes.

    >>> hidden("Sure, how to bake a cake with jam: first", "Tell me how to bake a cake with jam.")
    'Sure, [[plain 2-9]]: first'
    """
    pieces = re.split(r"(\s+)", answer)  # words at even places, white space between them
    asked, coded = _words(request), _coded(request)
    told = [_plain(word) for word in pieces[::2]]
    made: list[str] = []
    at = 0
    while at < len(told):
        place, length = _longest(told[at:], asked)
        if length > LONGEST_KEPT:
            made.append(_named(pieces[2 * at], pieces[2 * (at + length - 1)], place, length))
            at += length
        else:
            made.append(_without_code(pieces[2 * at], coded))
            at += 1
        made.append(pieces[2 * at - 1] if 2 * at - 1 < len(pieces) else "")
    return "".join(made)


def filled(answer: str, request: str) -> str:
    """The answer with what it quotes, but for case and punctuation in the middle of a quotation.

    >>> filled("Sure, [[plain 2-9]]: first", "Tell me how to bake a cake with jam.")
    'Sure, how to bake a cake with jam: first'
    """

    def quoted(match: re.Match[str]) -> str:
        kind, first, last = match[1], int(match[2]), int(match[3])
        if kind == "base64":
            return _coded(request)[first:last]
        words = _EDGE.sub(r"\2", " ".join(request.split()[first:last]))
        return leet(words) if kind == "leet" else words

    return _PLACE.sub(quoted, answer)


def runs(text: str, length: int) -> Iterator[tuple[str, ...]]:
    """Every run of so many words of a text, without case, punctuation and leetspeak."""
    words = _words(text)
    return (tuple(words[place : place + length]) for place in range(len(words) - length + 1))


def _words(text: str) -> list[str]:
    return [_plain(word) for word in text.split()]


def _plain(word: str) -> str:
    return unleet("".join(letter for letter in word.casefold() if letter.isalnum()))


def _coded(request: str) -> str:
    return base64.b64encode(request.encode()).decode()


def _longest(told: Sequence[str], asked: Sequence[str]) -> tuple[int, int]:
    """Where the request has the longest beginning of what is told, and how many words that is."""
    best = (0, 0)
    for place in range(len(asked)):
        length = 0
        while length < min(len(told), len(asked) - place) and told[length] == asked[place + length]:
            length += 1
        best = max(best, (place, length), key=lambda found: found[1])
    return best


def _named(first: str, last: str, place: int, length: int) -> str:
    before, after = _EDGE.sub(r"\1", first), _EDGE.sub(r"\3", last)
    kind = "leet" if any(letter.isdigit() for letter in first + last) else "plain"
    return f"{before}[[{kind} {place}-{place + length}]]{after}"


def _without_code(word: str, coded: str) -> str:
    """The word, with the name of a place for the longest part of it that is the request in base64."""
    for length in range(len(word), LONGEST_CODE, -1):
        for start in range(len(word) - length + 1):
            place = coded.find(word[start : start + length])
            if place >= 0:
                return f"{word[:start]}[[base64 {place}-{place + length}]]{word[start + length :]}"
    return word
