"""A folder as it lies there against the files that were attested: what may differ, and what does. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from releasegate.attesting.hashing import Hashed, Odd
from releasegate.errors import Problem
from releasegate.released import BUNDLE, CARD

SHOWN = 20
"""Differences that are named one by one."""

_GET = "get the folder again from where it was published"


@dataclass(frozen=True)
class Differing:
    """A file that differs and may.

    Attributes:
        path: where it lies.
        attested: `sha256:…` as attested; None: it was added.
        found: `sha256:…` as it lies there; None: it is missing.
    """

    path: str
    attested: str | None
    found: str | None

    @property
    def sentence(self) -> str:
        """What became of it, with both digests."""
        if self.attested is None:
            return f"was added: {self.found}"
        if self.found is None:
            return f"is missing: {self.attested} was attested"
        return f"is {self.found}, and {self.attested} was attested"


@dataclass(frozen=True)
class Comparison:
    """What a folder is beside what was attested.

    Attributes:
        agreed: the paths of the files that are as attested.
        may: files that differ and may, in the order of their paths.
        wrong: what differs and may not, in the order of the paths, as sentences; the first `SHOWN` are named.
    """

    agreed: tuple[str, ...]
    may: tuple[Differing, ...]
    wrong: tuple[Problem, ...]


def compare(
    hashed: Hashed, attested: Mapping[str, str], may_differ: Collection[str], model: Collection[str], where: str
) -> Comparison:
    """What the folder is beside what was attested.

    Args:
        attested: the digest of every file of the release, by path.
        may_differ: the paths that the policy lets differ.
        model: the paths of the model's files, which never do, `CARD` apart.
        where: the folder, for messages.
    """
    found = {file.path: file.sha256 for file in hashed.files if file.path != BUNDLE}
    differing = [
        Differing(path, attested.get(path), found.get(path))
        for path in sorted({*attested, *found})
        if attested.get(path) != found.get(path)
    ]
    allowed = {path for path in may_differ if path == CARD or path not in model}
    wrong: list[Differing | Odd] = [*(one for one in differing if one.path not in allowed), *hashed.odd]
    return Comparison(
        agreed=tuple(path for path in attested if attested[path] == found.get(path)),
        may=tuple(one for one in differing if one.path in allowed),
        wrong=_named(sorted(wrong, key=lambda one: one.path), where),
    )


def _named(wrong: list[Differing | Odd], where: str) -> tuple[Problem, ...]:
    problems = [_problem(one, where) for one in wrong[:SHOWN]]
    if len(wrong) > SHOWN:
        problems.append(Problem(where, f"and {len(wrong) - SHOWN} more differences", _GET))
    return tuple(problems)


def _problem(one: Differing | Odd, where: str) -> Problem:
    place = f"{where}/{one.path}"
    if isinstance(one, Odd):
        return Problem(place, f"{one.what}: no release holds one", f"take it out of the folder, or {_GET}")
    if one.attested is None:
        return Problem(place, f"is extra: {one.found} was not attested", f"take it out of the folder, or {_GET}")
    return Problem(place, one.sentence, _GET)
