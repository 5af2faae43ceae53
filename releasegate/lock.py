"""What judges, pinned file by file: the lock of a gate repository, and what differs from it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from releasegate.manifest import RelativePath
from releasegate.records import Digest, Document, Record

What = Literal["policy", "recipe", "card", "harness", "subject", "instrument", "template", "other"]
"""`harness`: any code of an eval; `subject`: a plug-in; `instrument`: weights and data; `other`: what policies name."""

REMEDY = "restore it; if the change is meant and was reviewed: `releasegate lock`"


class LockedFile(Record):
    """One file that has a say in a verdict."""

    file: RelativePath
    """Its path in the gate repository."""
    what: What
    sha256: Digest
    """Of all bytes."""
    rules: Digest | None = None
    """Of a policy: the digest that plans and decisions name; titles and rationales do not change it."""


class Lock(Document):
    """Every file that has a say in a verdict."""

    schema_: Annotated[Literal["releasegate/lock/v1"], Field(alias="schema")] = "releasegate/lock/v1"
    files: Annotated[tuple[LockedFile, ...], Field(min_length=1)]
    """Sorted by path, each once."""

    @model_validator(mode="after")
    def _is_sorted(self) -> Self:
        names = [one.file for one in self.files]
        if names != sorted(set(names)):
            raise ValueError("files must be sorted by path, each once")
        return self


class Difference(Record):
    """A file that is not as it was locked."""

    file: RelativePath
    what: What
    kind: Literal["changed", "added", "missing"]
    locked: Digest | None = None
    """Its digest in the lock; left out of one that was added."""
    now: Digest | None = None
    """Its digest on disk; left out of one that is missing."""
    rules: bool | None = None
    """Of a policy that changed: whether its rules did."""

    def sentence(self) -> str:
        """What is wrong, in words, behind the file's name.

        >>> Difference(file="evals/a/b.py", what="harness", kind="added", now="sha256:" + "0" * 64).sentence()[:40]
        'is a harness that is not locked: sha256:'
        """
        a = "an" if self.what == "instrument" else "a"
        noun = "a file" if self.what == "other" else f"{a} {self.what}"
        if self.kind == "added":
            return f"is {noun} that is not locked: {self.now}"
        if self.kind == "missing":
            return f"is {noun} that is locked as {self.locked}, and is missing"
        prose = " (its rules are the same)" if self.rules is False else ""
        return f"is {noun} that is locked as {self.locked}, and is {self.now} now{prose}"


def differences(locked: Lock, now: Mapping[str, LockedFile]) -> tuple[Difference, ...]:
    """Every file that is not as it was locked, by path.

    Args:
        now: what is on disk, by path.
    """
    return tuple(_differences({one.file: one for one in locked.files}, now))


def _differences(before: Mapping[str, LockedFile], now: Mapping[str, LockedFile]) -> Iterator[Difference]:
    for file in sorted({*before, *now}):
        one, other = before.get(file), now.get(file)
        if one is None and other is not None:
            yield Difference(file=file, what=other.what, kind="added", now=other.sha256)
        elif one is not None and other is None:
            yield Difference(file=file, what=one.what, kind="missing", locked=one.sha256)
        elif one is not None and other is not None and one != other:
            rules = one.rules != other.rules if one.what == "policy" and other.rules else None
            yield Difference(
                file=file, what=other.what, kind="changed", locked=one.sha256, now=other.sha256, rules=rules
            )
