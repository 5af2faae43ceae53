"""What a verdict leans on, alike things together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from releasegate.decision import Decision

_PUBLIC = re.compile(r"(?P<eval>[a-z0-9_-]+): (?P<count>\d+) (?P<rest>public items,.*)", re.DOTALL)
"""What `releasegate.decision.leaning` says of an eval whose items anybody can have: the count alone differs."""

_NAMED = re.compile(r"(?P<count>\d+) of dimension (?P<key>.+): these, not others", re.DOTALL)
"""How it ends what it says of an eval whose clusters were chosen by name."""


def leant_on(decision: Decision) -> Iterable[str]:
    """The decision's own sentences, those about public items in one, waivers that do not count at the end.

    >>> [told] = _together(["a: 5 public items, known; attempt 1", "b: 7 public items, known; attempt 1"])
    >>> told
    'public items, known; attempt 1: 5 of a, 7 of b'
    """
    yield from _together(decision.leans_on)
    for idle in decision.idle_waivers:
        yield f"no support: {idle}"


def _together(lines: Iterable[str]) -> Iterable[str]:
    told: dict[str, list[str]] = {}
    for line in lines:
        found = _PUBLIC.fullmatch(line)
        if found is None:
            told[_NAMED.sub(r"speaks for the \g<count> measured values of \g<key>, not for others", line)] = []
        else:
            told.setdefault(found["rest"], []).append(f"{found['count']} of {found['eval']}")
    return (f"{line}: {', '.join(evals)}" if evals else line for line, evals in told.items())
