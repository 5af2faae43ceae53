"""What the page shows of the frameworks that a policy names, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.reporting.wording.words import Mark


@dataclass(frozen=True)
class TagView:
    """One entry of a framework.

    Attributes:
        framework: its short name.
        link: the publisher's page; empty where the entry is not in the list that comes with releasegate.
    """

    framework: str
    label: str
    title: str
    link: str


@dataclass(frozen=True)
class TaggedCapability:
    """A capability that is tagged with an entry, and what becomes of it."""

    anchor: str
    title: str
    mark: Mark


@dataclass(frozen=True)
class FrameworkEntry:
    """One entry with the capabilities that are tagged with it."""

    tag: TagView
    capabilities: tuple[TaggedCapability, ...]


@dataclass(frozen=True)
class FrameworkView:
    """One framework, as far as the policy names it."""

    title: str
    edition: str
    link: str
    entries: tuple[FrameworkEntry, ...]
