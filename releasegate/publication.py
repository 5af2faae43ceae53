"""What a policy says of the publication: what goes out with the weights, and what those who receive them may accept. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from releasegate.manifest import RelativePath
from releasegate.records import Identifier, Record

_NAMES_FOR_PEOPLE = (".gitattributes", ".gitignore", "LICENSE", "NOTICE")
_SUFFIXES_FOR_PEOPLE = (".md", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".pdf")
"""Of files that people read and no loader does."""


def _may_differ(path: str) -> str:
    name = path.rpartition("/")[2]
    if name not in _NAMES_FOR_PEOPLE and not name.endswith(_SUFFIXES_FOR_PEOPLE):
        raise ValueError(
            f"{path!r} may be weights, code or configuration, which never differ; what may: "
            f"{', '.join(_NAMES_FOR_PEOPLE)}, and names that end in {', '.join(_SUFFIXES_FOR_PEOPLE)}"
        )
    return path


MayDiffer = Annotated[RelativePath, AfterValidator(_may_differ)]


class Publication(Record):
    """What goes out with the weights, and what those who receive them may accept. No verdict depends on it."""

    license: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")] | None = None
    """The licence of the weights: an SPDX id such as `apache-2.0`, or `other`."""
    license_file: RelativePath | None = None
    """Its text, in the gate repository; absent: the checkpoint's own."""
    base_model: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$", max_length=200)] | None = None
    """What it was made from, as a model hub names it."""
    may_differ: Annotated[tuple[MayDiffer, ...], Field(min_length=1, max_length=100)] | None = None
    """Files that a hub or a person may add or change after the release: never weights, code or configuration."""
    max_age_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """An attestation older than this is not accepted."""
    revocations: Identifier | None = None
    """The signed list of what was revoked, by its id: it must be at hand, and fresh."""
