"""What a report shows, as plain data: templates loop over it and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.reporting.views.case import CaseView
from releasegate.reporting.views.charts import Chart, Effect, EProcess
from releasegate.reporting.views.figures import FigureGroup
from releasegate.reporting.views.first import FirstScreen
from releasegate.reporting.views.frameworks import FrameworkView, TagView
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.samples import SamplesView
from releasegate.reporting.wording.words import Mark


@dataclass(frozen=True)
class SliceView:
    """One slice of a finding. Without a mark it was measured and is not gated.

    Attributes:
        bar: its distance to the limit beside the largest one of the finding: 1 the furthest inside, -1 the furthest beyond.
    """

    label: str
    mark: Mark | None
    note: str
    estimate: str
    low: str
    high: str
    distance: str
    counted: str
    bar: float | None = None


@dataclass(frozen=True)
class JudgeLine:
    """What scored the values of a requirement, and how often it is right.

    Attributes:
        anchor: where the page says more of it; empty where it does not.
        rates: how often it is right, with bounds and counts; empty if it was not measured.
        moved: what its errors did to the limit, or that its threshold was frozen.
    """

    title: str
    anchor: str
    rates: tuple[Pair, ...]
    moved: str


@dataclass(frozen=True)
class FindingView:
    """One requirement on one checkpoint.

    Attributes:
        worst: the slice that the numbers are of; empty if they are of all items.
        threats: the threat set, in words; empty if all values are gated.
    """

    anchor: str
    requirement: str
    section: str
    checkpoint: str
    metric: str
    metric_title: str
    limit: str
    mark: Mark
    note: str
    worst: str
    estimate: str
    low: str
    high: str
    distance: str
    method: str
    alpha: str
    counts: tuple[Pair, ...]
    sentence: str
    settle: str | None
    errors: tuple[str, ...]
    slices: tuple[SliceView, ...]
    slices_hidden: int
    slices_title: str
    threats: str
    outside: tuple[SliceView, ...]
    outside_hidden: int
    outside_title: str
    instruments: tuple[JudgeLine, ...]
    paths: tuple[EProcess, ...]


@dataclass(frozen=True)
class Findings:
    """The findings of one route of a capability: the requirements that open it if all of them hold.

    Attributes:
        mark: whether it is open.
        sentence: why.
    """

    anchor: str
    title: str
    mark: Mark
    sentence: str
    findings: tuple[FindingView, ...]


@dataclass(frozen=True)
class CapabilityView:
    """One capability with everything that was found on it."""

    anchor: str
    title: str
    id: str
    rationale: str
    mark: Mark
    route: str
    sentence: str
    groups: tuple[Findings, ...]
    charts: tuple[Chart, ...]
    effects: tuple[Effect, ...]
    tags: tuple[TagView, ...]


@dataclass(frozen=True)
class Measure:
    """A share that was measured and is not judged."""

    title: str
    metric: str
    where: str
    value: str
    low: str
    high: str
    counted: str
    error: str
    slices: tuple[SliceView, ...]


@dataclass(frozen=True)
class InstrumentView:
    """A judge, and how far it can be trusted."""

    title: str
    eval: str
    source: str
    measures: tuple[Measure, ...]
    anchor: str


@dataclass(frozen=True)
class RemovedPart:
    """One thing that a strip took out or changed."""

    name: str
    what: str
    size: str


@dataclass(frozen=True)
class StripView:
    """What was taken out, what stays, and how far the removal is proven."""

    tier: str
    tier_means: str
    mark: Mark | None
    capabilities: str
    recipes: tuple[Pair, ...]
    named: str
    removed: tuple[RemovedPart, ...]
    removed_hidden: int
    files: tuple[RemovedPart, ...]
    keys: tuple[Pair, ...]
    residual: tuple[Pair, ...]
    lent: tuple[str, ...]
    restored: tuple[Pair, ...]
    remaining: tuple[Pair, ...]
    untouched: str
    searched: str
    unsearched: tuple[Pair, ...]
    digests: tuple[Pair, ...]
    other: tuple[FindingView, ...]


@dataclass(frozen=True)
class MeasurementView:
    """One planned measurement."""

    eval: str
    role: str
    checkpoint: str
    planned: int
    scored: int
    failed: int
    instruments: tuple[Pair, ...]
    harness: str
    identity: str
    problem: str | None


@dataclass(frozen=True)
class EvidenceView:
    """What everything rests on, and how to check it again."""

    digests: tuple[Pair, ...]
    measurements: tuple[MeasurementView, ...]
    ungated: tuple[Measure, ...]
    commands: tuple[Pair, ...]


@dataclass(frozen=True)
class ReportView:
    """A whole report.

    Attributes:
        told: digest of all that it tells of (`standing.mark_of`).
    """

    told: str
    first: FirstScreen
    capabilities: tuple[CapabilityView, ...]
    figures: tuple[FigureGroup, ...]
    samples: SamplesView
    instruments: tuple[InstrumentView, ...]
    strip: StripView | None
    evidence: EvidenceView
    case: CaseView
    frameworks: tuple[FrameworkView, ...]
