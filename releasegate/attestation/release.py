"""Our own predicate: what was decided on a release, on which model, and what the decision rests on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from releasegate.decision.record import Estimate, Reason, Status, Verdict
from releasegate.evidence import Labels
from releasegate.ledger import Anchor
from releasegate.manifest import FileEntry, Manifest, RelativePath
from releasegate.plan import LedgerPosition
from releasegate.policy import Artefact, Channel, EnforcedBy, Limited, Section
from releasegate.receipt import Tier
from releasegate.recipe import RecipeId
from releasegate.records import Digest, Document, Identifier, Record
from releasegate.trust import Day

RELEASE_TYPE = "urn:releasegate:attestation:v1"


class MeasuredFile(Record):
    """One file of a checkpoint, with the digest that it was measured by and that of all its bytes."""

    path: RelativePath
    size: Annotated[int, Field(ge=0)]
    """Bytes."""
    sha256: Digest
    """Of all bytes: what `sha256sum` prints."""
    parts: Digest | None = None
    """Of a safetensors file: of header and tensors, which stands for it in the model digest."""


class Models(Record):
    """Model digests."""

    source: Digest
    """Of the checkpoint that the attempt was opened with."""
    released: Digest
    """Of the one that goes out: the same, or the stripped one."""


class ReplacedFile(Record):
    """A file that was measured, and in whose place another one goes out."""

    path: Literal["README.md"]
    measured: Digest
    released: Digest


class Granted(Record):
    """Where one artefact may go."""

    name: Artefact
    asked: Channel
    granted: Channel
    verdict: Verdict
    checkpoint: str


class StripSummary(Record):
    """What was taken out."""

    capabilities: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    recipes: Annotated[dict[RecipeId, Digest], Field(min_length=1)]
    receipt: Digest
    """Of the receipt's RFC 8785 form."""
    tier: Tier
    """What is proven about the removal."""


class LedgerPlaces(Record):
    """Where the ledger of the family holds the attempt."""

    family: Identifier
    opened: LedgerPosition
    """The line of its nonce."""
    closed: Anchor
    """The line that says it was closed with this decision."""


class AttestedFinding(Record):
    """What was found for one requirement, by its worst slice."""

    requirement: Identifier
    section: Section
    safeguards: Identifier | None = None
    checkpoint: str
    channel: Channel | None = None
    metric: str
    side: Limited
    limit: float
    status: Status
    reason: Reason | None = None
    enforced_by: EnforcedBy | None = None
    labels: Labels = {}
    """Of the worst slice; empty: the pooled items."""
    estimate: Estimate
    """Of the worst slice."""
    slices: Annotated[int, Field(ge=1)]
    """How many were judged."""


class AttestedWaiver(Record):
    """An exception that the release rests on."""

    requirement: Identifier
    checkpoint: str
    waiver: Identifier
    sha256: Digest
    owner: str
    expires: Day
    key: Identifier


class ReleaseAttestation(Document):
    """That a folder may be published, by what decision, and what that leans on."""

    schema_: Annotated[Literal["releasegate/attestation/v1"], Field(alias="schema")] = "releasegate/attestation/v1"
    releasegate: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
    """The version that made it."""
    day: Day
    """On which it was made, in UTC."""
    verdict: Literal["release", "release_stripped"]
    """On the weights."""
    channel: Literal["open_weights", "gated_weights"]
    """Through which the weights may go."""
    artefacts: Annotated[tuple[Granted, ...], Field(min_length=1)]
    policy: Identifier
    policy_digest: Digest
    """Of its rules, without prose and without what those who verify read."""
    plan: Digest
    """Without the nonce."""
    evidence: Digest
    decision: Digest
    attempt: Annotated[int, Field(ge=1)]
    ledger: LedgerPlaces
    model: Models
    files: Annotated[tuple[MeasuredFile, ...], Field(min_length=1)]
    """Every file of the checkpoint that goes out, as it was measured; sorted by path."""
    source_files: Annotated[tuple[MeasuredFile, ...], Field(min_length=1)] | None = None
    """Of a strip, if the source was at hand: the same of the checkpoint that stays in."""
    replaced: tuple[ReplacedFile, ...] = ()
    strip: StripSummary | None = None
    """Present with verdict `release_stripped`."""
    findings: tuple[AttestedFinding, ...]
    leans_on: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    waivers: tuple[AttestedWaiver, ...] = ()
    approvals: tuple[dict[str, JsonValue], ...] = ()
    """The signed approvals, whole, as `releasegate approve` wrote them."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if measured_digest(self.files) != self.model.released:
            raise ValueError("model.released is not the digest of files")
        if self.source_files is not None and measured_digest(self.source_files) != self.model.source:
            raise ValueError("model.source is not the digest of source_files")
        stripped = self.verdict == "release_stripped"
        if stripped != (self.strip is not None) or stripped == (self.model.source == self.model.released):
            raise ValueError("verdict, strip and model do not agree on whether something was taken out")
        measured = {file.path: file.sha256 for file in self.files}
        if len({one.path for one in self.replaced}) < len(self.replaced):
            raise ValueError("replaced names a file twice")
        if any(measured.get(one.path) != one.measured for one in self.replaced):
            raise ValueError("replaced names a file that was not measured like that")
        return self


def resource_uri(release: str) -> str:
    """The URI of a released folder, by its release digest (`sha256:…`).

    >>> resource_uri("sha256:" + "0" * 64)[:40]
    'urn:releasegate:release:sha256:000000000'
    """
    return f"urn:releasegate:release:{release}"


def measured_digest(files: Iterable[MeasuredFile]) -> str:
    """The model digest of a checkpoint of these files.

    Raises:
        ValueError: they are not sorted by path, each once.
    """
    listed = tuple(files)
    paths = [file.path for file in listed]
    if paths != sorted(set(paths)):
        raise ValueError("files must be sorted by path, each once")
    return Manifest(files=tuple(entry_of(file) for file in listed)).digest()


def entry_of(file: MeasuredFile) -> FileEntry:
    """The file as a manifest lists it."""
    whole = file.sha256 if file.parts is None else None
    return FileEntry(path=file.path, size=file.size, sha256=whole, parts=file.parts)
