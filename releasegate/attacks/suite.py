"""A suite: which attacks a watermark is put through, how strong, and in which order. Pure; YAML in, a record out.

Reading a suite looks its attacks up, since each says itself which strengths make sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from releasegate.attacks import FAMILIES, find_attack
from releasegate.attacks.attack import Attack
from releasegate.documents import Located, parse_document
from releasegate.errors import DocumentError, Problem, nearest
from releasegate.records import Document, Identifier, Record

NAMES = ("none", *(name for names in FAMILIES.values() for name in names))
"""Every attack that a suite may name."""

WITHOUT_STRENGTH = (0.0, 0.0)
"""The domain of an attack that is not more or less strong, such as `polarity`."""


class SuiteAttack(Record):
    """One attack of a suite."""

    attack: Identifier
    """Its name, such as `highpass`."""
    strengths: Annotated[tuple[float, ...], Field(min_length=1)] | None = None
    """In the unit of the attack; left out where it has none."""


class Suite(Document):
    """Attacks in the order in which they are measured and shown."""

    schema_: Annotated[Literal["releasegate/suite/v1"], Field(alias="schema")]
    id: Identifier
    title: Annotated[str, Field(min_length=1)]
    attacks: Annotated[tuple[SuiteAttack, ...], Field(min_length=1)]

    def cells(self) -> Iterator[tuple[Attack, float | None]]:
        """Each attack at each of its strengths, in order; the strength is None for an attack that has none."""
        for entry in self.attacks:
            attack = find_attack(entry.attack)
            for strength in entry.strengths or (None,):
                yield attack, strength


def takes_strength(attack: Attack) -> bool:
    """Whether an attack can be more or less strong."""
    return attack.domain != WITHOUT_STRENGTH


def parse_suite(text: str | bytes, source: str) -> Located[Suite]:
    """The suite that YAML `text` holds, with its places.

    Raises:
        DocumentError: every problem of form; or every attack that there is not or that stands twice, and every strength that
            is missing, out of place, none that its attack takes, or there already.
    """
    located = parse_document(Suite, text, source)
    problems = [problem for place in range(len(located.record.attacks)) for problem in _problems(located, place)]
    if problems:
        raise DocumentError(problems)
    return located


def _problems(located: Located[Suite], place: int) -> Iterator[Problem]:
    """What is wrong with one entry of the list."""
    entry = located.record.attacks[place]
    path = ("attacks", place, "attack")
    if entry.attack not in NAMES:
        yield located.problem(path, f"no attack {entry.attack!r}", nearest(entry.attack, NAMES, "remove it"))
        return
    if entry.attack in (other.attack for other in located.record.attacks[:place]):
        yield located.problem(path, f"{entry.attack} stands in the list already", "list its strengths together")
    attack = find_attack(entry.attack)
    low, high = attack.domain
    if not takes_strength(attack):
        if entry.strengths is not None:
            what = f"{attack.name} is not more or less strong"
            yield located.problem(("attacks", place, "strengths"), what, "remove `strengths`", key=True)
    elif entry.strengths is None:
        fix = f"add `strengths:` with numbers from {low:g} to {high:g}{_unit(attack)}"
        yield located.problem(path, f"{attack.name} needs `strengths`", fix)
    else:
        yield from _problems_of_strengths(located, place, attack, entry.strengths)


def _problems_of_strengths(
    located: Located[Suite], place: int, attack: Attack, strengths: tuple[float, ...]
) -> Iterator[Problem]:
    low, high = attack.domain
    labels = [attack.label(strength) for strength in strengths]
    for number, strength in enumerate(strengths):
        path = ("attacks", place, "strengths", number)
        if not low <= strength <= high:
            what = f"{attack.name} takes {low:g} to {high:g}{_unit(attack)}; got {strength:g}"
            yield located.problem(path, what, "choose a strength in that range")
        elif (wanted := attack.wanted(strength)) is not None:
            what = f"{attack.name} takes {wanted}; got {strength:g}"
            yield located.problem(path, what, "choose a strength that it takes")
        elif labels[number] in labels[:number]:
            what = f"{attack.strength_label(strength)} stands in the list already"
            yield located.problem(path, what, "keep one; strengths are told apart by six digits")


def _unit(attack: Attack) -> str:
    return f" {attack.unit}" if attack.unit else ""
