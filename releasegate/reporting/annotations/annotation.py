"""One thing that is said about one line of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from releasegate.reporting.wording.visible import visible

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""The worst first."""

MOST = 2_000
"""Characters shown of one text."""


@dataclass(frozen=True)
class Place:
    """A line of a file.

    Attributes:
        file: relative to the top of the repository, with `/` between its parts.
        line: counted from 1.
        column: counted from 1; None: the whole line.
    """

    file: str
    line: int = 1
    column: int | None = None


@dataclass(frozen=True)
class Rule:
    """What annotations are about: a requirement, or what `check` looks at.

    Attributes:
        help: what somebody wants to know who meets it for the first time.
        properties: further facts, as JSON data.
    """

    id: str
    title: str
    help: str
    place: Place | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotation:
    """What is said of a line.

    Attributes:
        rule: the id of its rule.
        key: what it is about, in parts that no new measurement changes: the same in every run.
        waived: why it is let pass, where it is.
        properties: further facts, as JSON data.
    """

    rule: str
    level: Level
    place: Place
    title: str
    text: str
    key: Sequence[str]
    waived: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits, the same in every run for what is about the same thing.

        >>> one = Annotation("weak", "error", Place("policies/x.yaml", 3), "weak", "violated", ("x", "weak", "source"))
        >>> one.fingerprint[:16]
        'dee4e1213c64bb4b'
        """
        digest = hashlib.sha256()
        for part in ("releasegate", self.rule, *self.key):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "big") + raw)
        return digest.hexdigest()


def shown(text: str, most: int = MOST) -> str:
    r"""At most so many characters of a text, with everything written out that would hide or turn a line.

    >>> shown("a\u202eb"), shown("abc", 2)
    ('a⟨U+202E⟩b', 'ab…')
    """
    return visible(text if len(text) <= most else f"{text[:most]}…")


def worst_first(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The annotations by level, otherwise in their order."""
    return sorted(annotations, key=lambda a: LEVELS.index(a.level))
