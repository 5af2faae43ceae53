"""What the page shows of an assurance case, as plain data: templates loop over it and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.reporting.wording.words import Mark


@dataclass(frozen=True)
class CaseNote:
    """A context, an assumption or a justification.

    Attributes:
        shape: names its sign: `context`, `assumption`, `justification`.
        digest: of what it names; empty if that has none.
    """

    shape: str
    word: str
    text: str
    digest: str


@dataclass(frozen=True)
class CaseNotes:
    """What one element is to be read with; the label says how much of what there is."""

    label: str
    rows: tuple[CaseNote, ...]


@dataclass(frozen=True)
class CaseEvidence:
    """A solution: what was found, where it stands in the page, and the digest of its measurement; empty if that has none."""

    text: str
    finding: str
    requirement: str
    measurement: str
    against: bool


@dataclass(frozen=True)
class CaseClaim:
    """The claim of one requirement.

    Attributes:
        repeated: whether it was shown in full further up, where its anchor leads.
    """

    anchor: str
    text: str
    mark: Mark
    note: str
    evidence: tuple[CaseEvidence, ...]
    notes: CaseNotes
    repeated: bool


@dataclass(frozen=True)
class CaseArgument:
    """A strategy with the claims that it needs."""

    text: str
    mark: Mark
    because: str
    claims: tuple[CaseClaim, ...]
    notes: CaseNotes
    hidden: int


@dataclass(frozen=True)
class CaseCapability:
    """The claim about one capability.

    Attributes:
        unfolded: whether it is open at the start: it is what stands in the way.
    """

    anchor: str
    section: str
    text: str
    mark: Mark
    because: str
    taken: tuple[CaseArgument, ...]
    others: tuple[CaseArgument, ...]
    notes: CaseNotes
    unfolded: bool


@dataclass(frozen=True)
class CaseArtefact:
    """The claim about one artefact; without a text where there is one artefact alone, which the top is about."""

    text: str
    mark: Mark
    notes: CaseNotes
    capabilities: tuple[CaseCapability, ...]


@dataclass(frozen=True)
class CaseView:
    """Claim, argument and evidence of a decision."""

    text: str
    mark: Mark
    because: str
    strategy: str
    notes: CaseNotes
    artefacts: tuple[CaseArtefact, ...]
    counted: str
