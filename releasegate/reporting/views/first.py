"""What the first screen shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.reporting.wording.words import Mark


@dataclass(frozen=True)
class Fact:
    """Something that the verdict is about or comes from.

    Attributes:
        digest: `sha256:…`; empty where there is none.
        note: a second line, smaller.
    """

    name: str
    text: str
    digest: str = ""
    note: str = ""


@dataclass(frozen=True)
class Lines:
    """Sentences, of which the first are in sight and the others are folded up."""

    shown: tuple[str, ...]
    folded: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return self.shown + self.folded


@dataclass(frozen=True)
class CapabilityLine:
    """One capability on the first screen."""

    anchor: str
    title: str
    mark: Mark
    sentence: str


@dataclass(frozen=True)
class ArtefactLine:
    """One artefact on the first screen."""

    name: str
    mark: Mark
    sentence: str
    channel: str


@dataclass(frozen=True)
class Change:
    """What would change the verdict.

    Attributes:
        findings: the anchor and the requirement of those that it is about; empty where it is about none.
        more: how many others it is about.
    """

    findings: tuple[tuple[str, str], ...]
    more: int
    text: str


@dataclass(frozen=True)
class FirstScreen:
    """The answer: may it go out, why, and what is not known.

    Attributes:
        notices: what makes the verdict count for less than it says.
        artefacts: empty where there is one alone, which the verdict is about.
        capabilities: the worst first; all of those that are not released.
        released: further capabilities, all of them released, folded up.
        not_measured: what was not measured, and what failed.
        would_change: the nearest first; empty where the verdict is a clean release.
        running: policy and verdict, for the top of every sheet of paper.
        aside: the model's digest, for the other side of it.
    """

    title: str
    mark: Mark
    summary: str
    notices: tuple[str, ...]
    facts: tuple[Fact, ...]
    artefacts: tuple[ArtefactLine, ...]
    capabilities: tuple[CapabilityLine, ...]
    released: tuple[CapabilityLine, ...]
    not_measured: Lines
    outside: Lines
    leans_on: Lines
    would_change: tuple[Change, ...]
    changes_folded: tuple[Change, ...]
    running: str
    aside: str
