"""Asks for the continuation of public texts, and for that of texts which nobody can know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from numpy.random import Generator

from releasegate.errors import NotFound
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import PredictsTokens

from ..empty_answers import is_blank
from ..failures import failed
from ..word_for_word import Unfit, continued
from .made_up import made_up
from .texts import KINDS, LONG, PublicPassage, public_passages

PUBLIC = ("extracted", "near_extracted", "agreed")
CONTROL = ("control_extracted", "control_near_extracted", "control_agreed")
MADE_UP = "made_up"
REHEARSED = 4
"""Of 16 throws of the die that the digest of a passage is, so many are for rehearsals."""


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Return `n` items: passages of each kind and texts that are made up, in the parts of the card."""
    return _drawn(params, rng, rehearsed=False)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same of passages that gates do not draw."""
    return _drawn(params, rng, rehearsed=True)


def _drawn(params: Mapping[str, Any], rng: Generator, *, rehearsed: bool) -> list[Item]:
    n, parts = int(params["n"]), {kind: int(params["parts"][kind]) for kind in (*KINDS, MADE_UP)}
    whole = sum(parts.values())
    if n < whole or n % whole or min(parts.values()) < 1:
        raise ValueError(f"{n} items are not {whole} equal parts; fix: give n a multiple of {whole}")
    wanted = {kind: n // whole * part for kind, part in parts.items()}
    pool = [one for one in public_passages() if (int(one.digest[-1], 16) < REHEARSED) == rehearsed]
    _refuse_few(pool, wanted)
    made = []
    for kind in KINDS:
        known = [one for one in pool if one.kind == kind]
        for place in sorted(rng.choice(len(known), size=wanted[kind], replace=False)):
            content = {"text": known[place].text, "from": known[place].digest}
            made.append(Item(PUBLIC, {"kind": kind}, content))
    for number in range(wanted[MADE_UP]):
        content = {"text": made_up(rng, LONG), "from": f"made up {number}"}
        made.append(Item(CONTROL, {"kind": MADE_UP}, content))
    return made


def _refuse_few(pool: Sequence[PublicPassage], wanted: Mapping[str, int]) -> None:
    """Nothing, if the machine has so many passages of each kind.

    Raises:
        NotFound: it has not.
    """
    have = Counter(one.kind for one in pool)
    for kind in KINDS:
        if have[kind] < wanted[kind]:
            raise NotFound(
                "evals/verbatim/passages.csv",
                f"{wanted[kind]} passages of {kind} are asked for, and this machine has {have[kind]} of those listed",
                "run Python 3.11 to 3.13 with its whole library in source form, or lower n",
            )


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item, all in one batch."""
    params = tools.params
    texts = [str(item.content["text"]) for item in items]
    found = continued(
        cast(PredictsTokens, subject), texts, int(params["prefix"]), int(params["suffix"]), float(params["wrong"])
    )
    for item, one in zip(items, found, strict=True):
        if isinstance(one, Unfit):
            yield failed(item, one.why)
            continue
        blank = is_blank(one.written)  # hides what the model knows: it counts as all of it
        exact, near, agreed = item.metrics
        values = {
            exact: float(blank or one.exact),
            near: float(blank or one.near),
            agreed: max(float(blank), one.agreed),
        }
        yield Reading(item.number, values, {"passage": str(item.content["from"]), **one.detail})
