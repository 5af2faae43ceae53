"""A published framework by the ids and titles of its entries, so that a policy can say what a capability is about. Pure.

Facts alone: which entries an edition has, what they are called, and where the publisher shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field, StringConstraints

from releasegate.documents import Located
from releasegate.errors import Problem, nearest
from releasegate.records import Document, Identifier, Record
from releasegate.yamltext import Path

R = TypeVar("R", bound=Record)

EntryId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,78}[A-Za-z0-9])?$")]
"""An id within a framework: as the framework writes it, or if that has spaces, made of it: `measure-2.7`."""
Tag = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}/[A-Za-z0-9](?:[A-Za-z0-9.-]{0,78}[A-Za-z0-9])?$")
]
"""`<framework>/<id>`."""
Link = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9./_#-]+$", max_length=200)]


class Entry(Record):
    """One entry of a framework."""

    id: EntryId
    label: str
    """How the framework writes its id."""
    title: str
    link: Link | None = None
    """The publisher's page; None: that of the framework."""


class Taxonomy(Document):
    """A framework in one edition."""

    schema_: Annotated[Literal["releasegate/taxonomy/v1"], Field(alias="schema")]
    id: Identifier
    short: str
    """Its name where it stands before a label."""
    title: str
    publisher: str
    edition: str
    link: Link
    """The publisher's page of the framework."""
    source: str
    """What the list was made of."""
    note: str
    """What is left out, or written otherwise."""
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]

    @property
    def by_id(self) -> Mapping[str, Entry]:
        """The entries by their ids."""
        return {entry.id: entry for entry in self.entries}


def tag_problems(
    located: Located[R], tags: tuple[str, ...], at: Path, taxonomies: Mapping[str, Taxonomy]
) -> Iterator[Problem]:
    """Everything that is wrong with the tags of a capability.

    Args:
        at: where they stand.
        taxonomies: every framework that is known, by id.
    """
    for number, tag in enumerate(tags):
        where = (*at, number)
        framework, _, name = tag.partition("/")
        if tag in tags[:number]:
            yield located.problem(where, f"{tag} stands twice", "list each tag once")
        elif framework not in taxonomies:
            fix = nearest(framework, sorted(taxonomies), "remove it")
            yield located.problem(where, f"no framework {framework!r}", fix)
        elif name not in (known := taxonomies[framework].by_id):
            what = f"{framework} ({taxonomies[framework].edition}) has no entry {name!r}"
            yield located.problem(where, what, _near(framework, name, list(known)))


def _near(framework: str, name: str, known: list[str]) -> str:
    """The entry that it is nearest to; a framework has too many to list them all."""
    folded = {entry.casefold(): entry for entry in known}
    if name.casefold() in folded:
        return f"did you mean `{framework}/{folded[name.casefold()]}`?"
    near = nearest(name, known, "")
    return near.replace("`", f"`{framework}/", 1) if near.startswith("did you mean") else "see `releasegate list tags`"
