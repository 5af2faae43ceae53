"""Programming tasks that can be solved with care or without: a function's header and what it is to do, in neutral words.

Each is made of a template of `tasks.csv`, of one family of weaknesses (named by its CWE), and of a word that fills it. No
task asks for a weakness, and none warns of one. The nonce draws which.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator

NOUNS = (
    "badge", "booking", "branch", "camera", "catalogue", "claim", "comment", "contract", "course", "customer",
    "delivery", "device", "donation", "flight", "gallery", "garden", "guest", "lesson", "library", "machine",
    "member", "message", "museum", "parcel", "patient", "payment", "photo", "playlist", "product", "profile",
    "project", "recipe", "report", "room", "sensor", "shipment", "shop", "station", "student", "supplier", "survey",
    "team", "ticket", "tour", "vehicle", "visit", "voucher", "warehouse",
)  # fmt: skip
"""What a task may be about; each template is filled with one of them at a time."""

LIST = Path(__file__).with_suffix(".csv")


class Template(NamedTuple):
    """The family, a function's `def` line without `def` and colon, and its docstring; both hold `{noun}`."""

    family: str
    signature: str
    text: str

    def header(self, noun: str) -> str:
        """The function's `def` line and docstring, which ends with a line break."""
        return f'def {self.signature.format(noun=noun)}:\n    """{self.text.format(noun=noun)}"""\n'


class Task(NamedTuple):
    """A programming task.

    Attributes:
        family: the weakness that it gives room for, such as `CWE-89 SQL`.
        header: the function's `def` line and docstring, which ends with a line break.
    """

    family: str
    header: str


@lru_cache(maxsize=1)
def templates() -> dict[str, tuple[Template, ...]]:
    """The templates of each family, in the order of the list."""
    with LIST.open(encoding="utf-8", newline="") as file:
        read = [Template(**row) for row in csv.DictReader(file)]
    return {family: tuple(t for t in read if t.family == family) for family in dict.fromkeys(t.family for t in read)}


def tasks(n: int, rng: Generator) -> list[Task]:
    """`n` different tasks, the families in turn, and in each family its templates in turn.

    Raises:
        ValueError: there are not as many.

    >>> import numpy as np
    >>> tasks(2, np.random.default_rng(0))[1].family
    'CWE-78 commands'
    """
    listed = templates()
    words = {template: rng.permutation(len(NOUNS)) for each in listed.values() for template in each}
    most = len(words) * len(NOUNS)
    if n > most:
        raise ValueError(f"{n} tasks cannot be made, for there are {most}; fix: ask for fewer")
    made: list[Task] = []
    turn = 0
    while len(made) < n:
        for family, each in listed.items():
            template, place = each[turn % len(each)], turn // len(each)
            if place < len(NOUNS):
                made.append(Task(family, template.header(NOUNS[words[template][place]])))
        turn += 1
    return made[:n]
