"""The report as data: what the page says, in numbers that are not rounded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from releasegate.decision.record import ArtefactDecision, Finding, Verdict
from releasegate.evalcard import MetricType
from releasegate.plan import LedgerPosition, Role
from releasegate.policy import Channel
from releasegate.records import Digest, Document, Identifier, Record

Count = Annotated[int, Field(ge=0)]


class ReportedPolicy(Record):
    """The policy that was judged by."""

    id: Identifier
    title: str
    sha256: Digest


class ReportedModel(Record):
    """The model that was judged."""

    name: str | None = None
    layout: Identifier
    sha256: Digest
    stripped: Digest | None = None
    """Of the stripped checkpoint, as it lies on disk."""


class ReportedCapability(Record):
    """One capability with everything that was found on it."""

    id: Identifier
    title: str
    rationale: str
    tags: tuple[str, ...] = ()
    """Entries of published frameworks, as in the policy."""
    verdict: Verdict
    route: str | None = None
    sentence: str
    findings: tuple[Finding, ...]
    """As in the decision: on the source, then on the stripped checkpoint."""


class ReportedMetric(Record):
    """What a number is of."""

    title: str
    type: MetricType
    unit: str
    range: tuple[float, float]
    better: Literal["higher", "lower"]
    instrument: Identifier | None = None
    """The instrument that the metric measures."""


class ReportedMeasure(Record):
    """A value that was measured and is not judged: of an instrument, or of a metric that no requirement names."""

    metric: str
    checkpoint: str
    role: Role
    value: float | None = None
    """Failed items count against the release, as in the page; None: nothing was scored."""
    low: float | None = None
    high: float | None = None
    """An exact 95 % interval, of a share."""
    n: Count
    """Items that it rests on."""


class ReportedApprover(Record):
    """Somebody whose approval counts."""

    owner: str
    key: Identifier
    day: str
    """On which it was signed."""


class ReportedApproval(Record):
    """A role in which approvals are asked for."""

    role: Identifier
    count: Count
    """How many are asked for."""
    missing: Count
    given: tuple[ReportedApprover, ...]
    idle: tuple[str, ...]
    """Approvals that do not count, and why."""


class ReportedMeasurement(Record):
    """One planned measurement."""

    eval: Identifier
    role: Role
    checkpoint: str
    planned: Count
    scored: Count
    failed: Count
    instruments: dict[Identifier, Digest] = {}
    problem: str | None = None


class Report(Document):
    """The report of a run. The same run gives the same bytes, wherever and whenever it is rendered."""

    schema_: Annotated[Literal["releasegate/report/v1"], Field(alias="schema")] = "releasegate/report/v1"
    verdict: Verdict
    verdict_without_waivers: Verdict
    exit_code: Annotated[int, Field(ge=0, le=3)]
    channel: Channel
    summary: str
    policy: ReportedPolicy
    model: ReportedModel
    opened: str
    """Day on which the attempt was opened, `YYYY-MM-DD`."""
    attempt: Annotated[int, Field(ge=1)]
    alpha: float
    rehearsal: bool
    replay: bool
    ledger: LedgerPosition | None = None
    plan: Digest
    evidence: Digest
    decision: Digest
    """Of decision.json."""
    approvals: tuple[ReportedApproval, ...] | None = None
    """Present where some are asked for. They stand outside the decision: as they were when the report was rendered."""
    artefacts: tuple[ArtefactDecision, ...]
    capabilities: tuple[ReportedCapability, ...]
    elsewhere: tuple[Finding, ...] = ()
    """Findings on the stripped checkpoint that belong to no capability of the policy."""
    awaiting_strip: tuple[Identifier, ...] = ()
    not_measured: tuple[str, ...]
    outside: tuple[str, ...]
    leans_on: tuple[str, ...]
    idle_waivers: tuple[str, ...]
    metrics: dict[str, ReportedMetric]
    """By name, `<eval>/<metric>`."""
    measures: tuple[ReportedMeasure, ...]
    measurements: tuple[ReportedMeasurement, ...]
