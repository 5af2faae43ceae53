"""What a comparison shows, as plain data: templates loop over it and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.reporting.views.charts import Chart
from releasegate.reporting.views.samples import SamplesView
from releasegate.reporting.wording.words import Mark

WHICH = ("A", "B")
"""What the two are called."""


@dataclass(frozen=True)
class Fact:
    """One thing that was judged, or that judged it, in both.

    Attributes:
        code: whether the texts are digests.
    """

    name: str
    before: str
    after: str
    changed: bool
    code: bool = False


@dataclass(frozen=True)
class Became:
    """A capability or an artefact in both. None: one of them is not about it.

    Attributes:
        before_how, after_how: the route, or the channel.
        links: the requirements of it that changed: their anchors and names.
        hidden: how many more there are.
    """

    name: str
    before: Mark | None
    after: Mark | None
    before_how: str
    after_how: str
    changed: bool
    links: tuple[tuple[str, str], ...] = ()
    hidden: int = 0


@dataclass(frozen=True)
class FoundLine:
    """What one of the two found of a requirement, in the numbers of its worst slice.

    Attributes:
        which: `A` or `B`.
    """

    which: str
    mark: Mark
    note: str
    slice: str
    estimate: str
    low: str
    high: str
    limit: str
    counted: str


@dataclass(frozen=True)
class SliceMove:
    """A slice that both judged, and how far its value moved; `mark` says whether away from the limit or towards it."""

    label: str
    before: str
    after: str
    moved: str
    mark: Mark


@dataclass(frozen=True)
class RequirementView:
    """A requirement that is not found as it was.

    Attributes:
        title: what is measured.
        lines: what each of the two found; one of them where the other does not judge it.
        charts: both intervals on one axis; two charts where the limit changed its side.
    """

    anchor: str
    requirement: str
    title: str
    checkpoint: str
    lines: tuple[FoundLine, ...]
    why: tuple[str, ...]
    why_hidden: int
    charts: tuple[Chart, ...]
    moves_title: str
    moves: tuple[SliceMove, ...]
    moves_hidden: int


@dataclass(frozen=True)
class RequirementGroup:
    """Requirements that changed in the same way: whether they are met, or in their numbers alone."""

    anchor: str
    title: str
    requirements: tuple[RequirementView, ...]


@dataclass(frozen=True)
class RequirementLine:
    """A requirement that both found alike, or that only one of the two judges.

    Attributes:
        why: why only one does; empty where both do.
    """

    anchor: str
    requirement: str
    checkpoint: str
    found: FoundLine
    why: str = ""


@dataclass(frozen=True)
class PolicyChange:
    """A value of a policy that is another one; `mark` says whether that is looser or stricter, where it can be said."""

    path: str
    before: str
    after: str
    mark: Mark | None


@dataclass(frozen=True)
class PolicyChangeGroup:
    """The changed values of one part of a policy."""

    title: str
    changes: tuple[PolicyChange, ...]


@dataclass(frozen=True)
class PolicyChanges:
    """What changed in a policy.

    Attributes:
        marked: what makes it looser or stricter.
        other: values that do not say so by themselves.
        counted: how many of either.
    """

    marked: tuple[PolicyChangeGroup, ...]
    other: tuple[PolicyChangeGroup, ...]
    counted: str


@dataclass(frozen=True)
class DecisionComparison:
    """Two decisions side by side.

    Attributes:
        heading: what became of the verdict.
        names: of A and B.
        notices: what a reader must know first, such as that one of them is a rehearsal.
        alone: requirements that only one of the two judges.
        policy: what changed in the policy, where both are at hand.
        samples: None where there are none to show.
        without_samples: why there are none.
    """

    mark: Mark
    heading: str
    summary: str
    names: tuple[str, str]
    notices: tuple[str, ...]
    facts: tuple[Fact, ...]
    artefacts: tuple[Became, ...]
    capabilities: tuple[Became, ...]
    groups: tuple[RequirementGroup, ...]
    alone: tuple[RequirementLine, ...]
    unchanged: tuple[RequirementLine, ...]
    policy: PolicyChanges
    samples: SamplesView | None
    without_samples: str


@dataclass(frozen=True)
class PolicyComparison:
    """Two policies side by side."""

    heading: str
    summary: str
    names: tuple[str, str]
    policy: PolicyChanges
