"""What a decision says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from releasegate.evidence import Labels
from releasegate.intervals import Bounds, clopper_pearson, paired_difference
from releasegate.ledger import Outcome
from releasegate.plan import LedgerPosition
from releasegate.policy import Artefact, Channel, EnforcedBy, Limited, Section
from releasegate.receipt import Tier
from releasegate.records import Digest, Document, Identifier, Record

Verdict = Outcome
VERDICTS: tuple[Verdict, ...] = ("release", "release_stripped", "restrict", "withhold", "incomplete")
"""The total order, from the most to the least that may be published."""

EXIT_CODES: Mapping[Verdict, int] = {"release": 0, "release_stripped": 0, "restrict": 1, "withhold": 1, "incomplete": 3}
"""0 yes, 1 a sound no, 3 incomplete."""

Status = Literal["met", "violated", "not_shown", "waived"]
SliceStatus = Literal[Status, "excused"]
Reason = Literal["unsettled", "want_of_evidence", "does_not_count"]
Method = Literal[
    "clopper_pearson",
    "paired_clopper_pearson",
    "likelihood_ratio_e_process",
    "betting",
    "paired_betting",
    "clustered_betting",
]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The last of `verdicts` in the total order.

    Raises:
        ValueError: there are none: nothing judged is nothing released.

    >>> worst(["release", "withhold", "restrict"])
    'withhold'
    """
    return max(verdicts, key=VERDICTS.index)


class Estimate(Record):
    """A share, or a difference of shares, with its bounds."""

    value: float | None = None
    """Of the scored items alone (of clusters: the mean that was tested); for people to read, never gated. None: nothing
    was scored."""
    low: float | None = None
    high: float | None = None
    """One-sided bounds, each at `alpha`, with every failed and missing item counted against the release; the one that
    refutes a requirement, with every one of them counted for it."""
    method: Method
    alpha: float
    """Of each bound: the effective alpha, halved where an excuse took the other half, and again where a threshold or a moved
    limit did."""
    planned: Annotated[int, Field(ge=0)]
    attempted: Annotated[int, Field(ge=0)]
    scored: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    not_attempted: Annotated[int, Field(ge=0)] = 0
    """Planned items that were left alone once everything on their eval was settled: no gap."""
    hits: Annotated[int, Field(ge=0)] | None = None
    """Scored items that counted; of pairs: losses. None for a mean."""
    gains: Annotated[int, Field(ge=0)] | None = None
    """Of pairs of yes and no."""
    used: Annotated[int, Field(ge=0)] | None = None
    """Items that a sequential test consumed, in the planned order, up to where it was decided or met a gap."""
    clusters: Annotated[int, Field(ge=1)] | None = None
    """Independent units of a claim about new clusters: `value` is the mean over them, each counted once."""

    @property
    def interval(self) -> Bounds | None:
        """The interval that people are shown: the two bounds; where the value lies outside of them, so wide that it does not.

        In both bounds a lost item counts against the requirement, so that the value of the items that were scored may lie
        outside: 2 of 2 with a third lost is 1, and 2 of 3 at most .990. The end that decides nothing is then the one of the
        best that lost items could have shown.

        >>> Estimate(value=1, low=.104, high=.99, method="clopper_pearson", alpha=.0304, planned=3, attempted=3, scored=2,
        ...     failed=1, hits=2).interval
        Bounds(low=0.104, high=1.0)
        """
        if self.low is None or self.high is None:
            return None
        nothing_lost = self.planned == self.scored
        if self.value is None or nothing_lost or self.low <= self.value <= self.high:
            return Bounds(self.low, self.high)
        best = self._best
        if self.value > self.high:
            return Bounds(self.low, max(self.value, best.high if best else self.value))
        return Bounds(min(self.value, best.low if best else self.value), self.high)

    @property
    def _best(self) -> Bounds | None:
        """The bounds with every lost item counted on the side of the value, of shares and of pairs of yes and no."""
        lost = self.planned - self.scored
        if self.hits is None or self.value is None or self.high is None:
            return None
        above = self.value > self.high
        if self.method == "clopper_pearson":
            return clopper_pearson(self.hits + lost * above, self.planned, self.alpha)
        if self.method == "paired_clopper_pearson" and self.gains is not None:
            losses, gains = self.hits + lost * above, self.gains + lost * (not above)
            return paired_difference(losses, gains, self.planned, self.alpha)
        return None


class Excused(Record):
    """The proof that the attack of a slice ruins the material."""

    metric: str
    side: Literal["at_most", "at_least"]
    limit: float
    labels: Labels
    """Of the calibration items that it was tested on."""
    estimate: Estimate
    """Failed and missing calibration items are counted against the excuse."""


class SliceFinding(Record):
    """One slice (or the pooled items) of a requirement."""

    labels: Labels = {}
    """Empty: pooled."""
    status: SliceStatus
    """`excused`: neither met nor violated."""
    reason: Reason | None = None
    estimate: Estimate
    tested_limit: float | None = None
    """What the bounds were compared with, where a judge's errors moved the limit."""
    refuting_limit: float | None = None
    """What they had to be beyond to refute it, of a violated one: a judge's errors may explain what lies between the two."""
    threshold: float | None = None
    """The score that calibration items set, of a thresholded metric."""
    problem: str | None = None
    """Why the instrument cannot carry it, or its excuse cannot be judged, if that is what is wanting."""
    excused: Excused | None = None
    """Present with the status of that name."""
    refuted: bool = False
    """Whether it is violated whatever the items without a value would have shown."""

    @property
    def moved(self) -> float | None:
        """Where a judge's errors moved the limit; of what is refuted, what it was refuted by. None where nothing moved it."""
        return self.tested_limit if self.refuting_limit is None else self.refuting_limit

    def limits(self, stated: float) -> tuple[float, ...]:
        """Every limit that its numbers stand beside: the one that is stated, and where a judge's errors moved it."""
        return (stated, *(moved for moved in (self.tested_limit, self.refuting_limit) if moved is not None))


class Waived(Record):
    """The waiver that a finding rests on, and what was found."""

    status: Literal["violated", "not_shown"]
    waiver: Identifier
    sha256: Digest
    """Of the waiver's document."""
    owner: str
    reason: str
    expires: str
    key: Identifier


class Finding(Record):
    """What was found for one requirement on one checkpoint."""

    requirement: Identifier
    section: Section
    capability: Identifier | None = None
    """Of a working control: the capability whose `misuse` wants it."""
    tripwire: Literal[True] | None = None
    """Of a working control: whether it need not be met, but must not be violated."""
    safeguards: Identifier | None = None
    """The list that it belongs to."""
    checkpoint: str
    channel: Channel | None = None
    """At which it was judged, where the artefacts go out through channels at which the findings differ."""
    metric: str
    side: Limited
    limit: float
    status: Status
    reason: Reason | None = None
    waived: Waived | None = None
    """Present with status `waived`; `reason` is then that of what was found."""
    enforced_by: EnforcedBy | None = None
    slices: Annotated[tuple[SliceFinding, ...], Field(min_length=1)]
    """Worst first; excused ones last."""
    values: dict[str, tuple[str, ...]] | None = None
    """The threat set; None: all values are gated."""
    outside: tuple[SliceFinding, ...] = ()
    """What was measured outside the threat set, judged by the same rule and for information only; worst first."""
    errors: tuple[str, ...] = ()
    """A few of the failures."""
    sentence: str
    """Why."""
    settle: str | None = None
    """What would settle it at its effective alpha."""

    @property
    def holds(self) -> bool:
        """Whether it stands in no way of a release: it is met, waived, or a tripwire that enough evidence left alone."""
        return self.status in ("met", "waived") or (self.tripwire is not None and self.reason == "unsettled")


class ClosedRoute(Record):
    """Why `misuse` releases nothing, whatever was measured: the checkpoint itself gives a reason to doubt it."""

    checkpoint: str
    channel: Channel
    kind: Literal["uncontrolled", "odd_number", "unmeasured_part", "chat_template"]
    reason: Literal["unsettled", "want_of_evidence"]
    place: str
    sentence: str
    """Why."""
    remedy: str


class CapabilityDecision(Record):
    """What becomes of one capability: the worst over the artefacts that carry it."""

    id: Identifier
    title: str
    rationale: str
    verdict: Verdict
    route: str | None = None
    """What released it: `unconditional`, `misuse`, `safeguards/<list>`, `strip`."""
    sentence: str
    findings: tuple[Finding, ...] = ()
    """On the source checkpoint."""
    closed: Annotated[tuple[ClosedRoute, ...], Field(min_length=1)] | None = None
    """What closes `misuse` beside the findings, on the source and on every strip of it."""

    @property
    def telling(self) -> tuple[Finding, ...]:
        """The findings without working controls, where the capability shows: whether the model works is no question then."""
        shows = any(f.section == "misuse" and f.status == "violated" for f in self.findings)
        return tuple(f for f in self.findings if f.section != "working" or not shows)


class CarriedDecision(Record):
    """What becomes of one capability in one artefact."""

    id: Identifier
    verdict: Verdict
    route: str | None = None
    sentence: str


class ArtefactDecision(Record):
    """What becomes of one thing that would go out."""

    name: Artefact
    asked: Channel
    granted: Channel
    """Through which it may be published; `none` where it may not."""
    verdict: Verdict
    checkpoint: str
    """The one that it was judged on, and that goes out where the artefact is one and may go out."""
    sentence: str
    capabilities: tuple[CarriedDecision, ...]
    """Those that it carries."""


class StripDecision(Record):
    """What the stripped checkpoint showed, for the artefacts that would go out as it."""

    name: str
    capabilities: tuple[Identifier, ...]
    model: Digest
    """Digest of the stripped checkpoint as it lies on disk."""
    tier: Tier
    verdict: Literal["release_stripped", "restrict", "withhold", "incomplete"]
    findings: tuple[Finding, ...]


class SettledEval(Record):
    """An eval that was stopped before its last planned item, with everything that it was to show decided."""

    eval: Identifier
    checkpoint: str
    attempted: Annotated[int, Field(ge=1)]
    """Items with a record, failed ones included."""
    planned: Annotated[int, Field(ge=1)]


class Decision(Document):
    """The verdict, and everything that led to it."""

    schema_: Annotated[Literal["releasegate/decision/v1"], Field(alias="schema")] = "releasegate/decision/v1"
    verdict: Verdict
    verdict_without_waivers: Verdict
    channel: Channel
    """The narrowest of those granted to its artefacts; `none` where one may not be published."""
    summary: str
    policy: Identifier
    policy_digest: Digest
    plan: Digest
    evidence: Digest
    model: Digest
    attempt: int
    ledger: LedgerPosition | None = None
    """Where the ledger stood when the attempt was opened, at the line of its nonce; None: a rehearsal."""
    rehearsal: bool = False
    """Made on rehearsal items: it counts for nothing, whatever it says."""
    alpha: float
    """Effective alpha of every requirement."""
    replay: bool = False
    """Judged by another policy than the one that the plan fixed: its limits were chosen after looking."""
    artefacts: Annotated[tuple[ArtefactDecision, ...], Field(min_length=1)]
    """The verdict is the worst of theirs."""
    capabilities: tuple[CapabilityDecision, ...]
    strip: StripDecision | None = None
    awaiting_strip: tuple[Identifier, ...] = ()
    """Capabilities that come to `strip` while no stripped checkpoint was measured."""
    settled: tuple[SettledEval, ...] = ()
    idle_waivers: tuple[str, ...] = ()
    """Waivers of this policy that do not count, and why."""
    outside: tuple[str, ...] = ()
    """What would not be met outside the threat sets."""
    leans_on: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()

    @property
    def worst_first(self) -> tuple[CapabilityDecision, ...]:
        """The capabilities, those of which least may go out first."""
        return tuple(sorted(self.capabilities, key=lambda c: -VERDICTS.index(c.verdict)))

    @property
    def stripped_findings(self) -> tuple[Finding, ...]:
        """The findings on the stripped checkpoint; empty where none was measured."""
        return self.strip.findings if self.strip is not None else ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding: on the source first, in the order of the policy."""
        return (*(f for c in self.capabilities for f in c.findings), *self.stripped_findings)

    @property
    def weights(self) -> ArtefactDecision | None:
        """What was decided on the weights; None of a policy that is not about them."""
        return next((one for one in self.artefacts if one.name == "weights"), None)

    @property
    def lets_out(self) -> bool:
        """Whether it lets an artefact out as it was asked for, stripped or not: what approvals are about."""
        return any(EXIT_CODES[a.verdict] == 0 for a in self.artefacts)

    @property
    def exit_code(self) -> int:
        """0 yes, 1 a sound no, 3 incomplete."""
        return EXIT_CODES[self.verdict]

    def exit_code_for(self, artefacts: Collection[str]) -> int:
        """That of the worst of the artefacts named; of the whole verdict if none is.

        Raises:
            ValueError: none of those named is listed.
        """
        asked = [a.verdict for a in self.artefacts if a.name in artefacts]
        return EXIT_CODES[worst(asked)] if artefacts else self.exit_code
