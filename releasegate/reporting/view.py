"""What a report shows, as plain data: templates loop over it and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from releasegate.reporting.caseview import CaseView
from releasegate.reporting.figureview import FigureGroup
from releasegate.reporting.firstview import FirstScreen
from releasegate.reporting.frameworkview import FrameworkView, TagView
from releasegate.reporting.sampleview import SamplesView
from releasegate.reporting.wording.words import Mark


@dataclass(frozen=True)
class Pair:
    """A name and its text; `code` if the text is to be copied, such as a digest."""

    name: str
    text: str
    code: bool = False


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
class WagerRow:
    """An e-process after some items, in numbers."""

    items: str
    towards: str
    against: str


@dataclass(frozen=True)
class EProcess:
    """How a sequential test went: log10 of its two e-processes after each item, and the line at which either ends it.

    Attributes:
        of: `all items`, or the labels of a slice.
        unit: what the test consumes: items, pairs or clusters.
        towards: items and log10 E for the claim, thinned with its extremes kept.
        against: the same for its violation.
        line: log10 of 1 / alpha.
        reached: items after which a path reached the line, and whose: `met` or `violated`; None: neither did.
        ended: the same as a sentence, with what the decision made of it.
        domain: the lowest and the highest log10 E drawn.
        cut: how far beyond that the paths go, in words; empty if everything is drawn.
    """

    of: str
    unit: str
    description: str
    n: int
    towards: tuple[tuple[int, float], ...]
    against: tuple[tuple[int, float], ...]
    line: float
    line_text: str
    reached: tuple[int, Literal["met", "violated"]] | None
    ended: str
    domain: tuple[float, float]
    cut: str
    rows: tuple[WagerRow, ...]


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
class ChartRow:
    """One line of a forest chart.

    Attributes:
        tone: `met`, `violated` or `not_shown`.
        depth: 0 for a requirement, 1 for one of its slices.
        numbers: the interval as text.
        interval: lower and upper bound; None for a heading above slices, which has no interval of its own.
    """

    label: str
    tone: str
    depth: int
    numbers: str
    interval: tuple[float, float] | None
    value: float | None
    limit: float


@dataclass(frozen=True)
class Chart:
    """Intervals that share an axis."""

    title: str
    axis: str
    description: str
    side: Literal["at_most", "at_least"]
    domain: tuple[float, float]
    rows: tuple[ChartRow, ...]


@dataclass(frozen=True)
class Measured:
    """A value on one checkpoint.

    Attributes:
        bounds: lower and upper bound; None where it has no interval.
        counted: what it rests on, and what its interval is.
    """

    value: float
    bounds: tuple[float, float] | None
    text: str
    counted: str


@dataclass(frozen=True)
class EffectRow:
    """One metric before and after a strip.

    Attributes:
        purpose: what the strip is asked to do to it.
        limit: of what is to be kept, the value before less what it may lose.
    """

    label: str
    purpose: str
    before: Measured
    after: Measured
    limit: float
    limit_text: str


@dataclass(frozen=True)
class Effect:
    """Metrics of one unit before and after a strip."""

    axis: str
    description: str
    domain: tuple[float, float]
    rows: tuple[EffectRow, ...]


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
    """A whole report."""

    first: FirstScreen
    capabilities: tuple[CapabilityView, ...]
    figures: tuple[FigureGroup, ...]
    samples: SamplesView
    instruments: tuple[InstrumentView, ...]
    strip: StripView | None
    evidence: EvidenceView
    case: CaseView
    frameworks: tuple[FrameworkView, ...]
