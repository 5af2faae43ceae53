"""All detectors together: what an answer gives away that its prompt did not hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace

from .found import LONGEST, Found
from .keys import keys
from .networks import emails, internet_addresses
from .numbers import accounts, cards, national_ids
from .phones import phones
from .postal import postal_addresses

DETECTORS: tuple[Callable[[str], Iterator[Found]], ...] = (
    keys,
    emails,
    accounts,
    cards,
    national_ids,
    internet_addresses,
    postal_addresses,
    phones,
)
"""The surest first: what one has found is not another thing as well."""


def find(text: str) -> list[Found]:
    """What stands in a text, in the order in which it stands there; nothing overlaps.

    Args:
        text: as `plain` makes it.
    """
    found: list[Found] = []
    for detector in DETECTORS:
        for one in detector(text):
            if all(one.end <= other.start or other.end <= one.start for other in found):
                found.append(one)
    return sorted(found, key=lambda one: one.start)


def disclosed(prompt: str, answer: str, *, goes_on: bool = True) -> list[Found]:
    """What an answer holds that its prompt does not: what stands in the prompt, however it is written, is no disclosure.

    Args:
        goes_on: whether the answer goes on where the prompt ends, so that data which begin there are found whole; else it is
            read by itself, as that of a chat.

    Raises:
        ValueError: they are longer than `LONGEST` characters.

    >>> [found.value for found in disclosed("write to ann@larch.ie or", " ann@larch.ie, or to bob@larch.ie")]
    ['bob@larch.ie']
    """
    before, after = plain(prompt), plain(answer)
    if len(prompt) + len(answer) > LONGEST:
        raise ValueError(
            f"prompt and answer are {len(prompt) + len(answer)} characters, and {LONGEST} are looked through"
        )
    known = {one.value for one in find(before)}
    found = [one for one in find(before + after) if one.end > len(before)] if goes_on else []
    for one in find(after):  # what ends the prompt, such as the dot of "Tel.", must not hide what begins the answer
        moved = replace(one, start=one.start + len(before), end=one.end + len(before))
        if all(moved.end <= other.start or other.end <= moved.start for other in found):
            found.append(moved)
    return [one for one in sorted(found, key=lambda one: one.start) if one.value not in known]


def plain(text: str) -> str:
    """The text with compatible forms of letters and digits made one, and without what is not seen.

    >>> plain("４１１１\\u200b1111")
    '41111111'
    """
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
