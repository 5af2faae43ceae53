"""The chance that one slice of a requirement is shown, if the model is half-way between the limit and the ideal. Pure.

What is assumed of the truth: a share or a mean lies half-way between its limit and the end of its range that is wanted (.95:
.975; at most .20: .10), in every slice; what a strip must keep is lost on no item. Nothing fails. A judge is right on as many of
its labelled items as its card expects (`expected`; on all of them where the card does not say), so that the limit is moved as
far as so many labels move it. The rate at a threshold is taken as it comes out at that threshold.

What is exact, and what is a bound from below: fixed numbers of yes and no are exact, and so are sequential tests of them. Of
means all values are taken to lie at the ends of the range, where a test is slowest (`stopping`). Of a claim about new clusters
each cluster is taken to be all right or all wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.decision.estimating import Rule
from releasegate.decision.instruments import prepare
from releasegate.decision.slices import Slice, slices_of
from releasegate.decision.units import Units, units_of
from releasegate.evalcard import EvalCard, Metric
from releasegate.evidence import MEASURED, MISSING, Cell, Columns
from releasegate.intervals import Side, items_for_power, most_hits, next_peak, paired_difference, power
from releasegate.plan import SOURCE, Measurement, Plan
from releasegate.policy import Requirement, Section
from releasegate.sequential import Claim, settle
from releasegate.stopping import Stopping, stopping

MOST_PLANNED = 100_000
"""Items up to which the chances of a sequential test are worked out."""

Kind = Literal["share", "sequence", "clusters", "pairs", "paired_sequence", "impossible"]


@dataclass(frozen=True)
class SliceTest:
    """How one slice is tested.

    Attributes:
        limit: as it is tested, moved by a judge's expected errors.
        alpha: of the bound that decides.
        truth: what its items are taken to show, in the metric's unit: for a judged metric the rate that the judge reports.
        span: the lowest and the highest value.
        of: what a sequence is of.
        problem: why no number of items can show it.
    """

    kind: Kind
    side: Side
    limit: float
    alpha: float
    truth: float
    span: tuple[float, float] = (0.0, 1.0)
    of: Literal["share", "mean"] = "share"
    problem: str | None = None

    def chance(self, n: int) -> float:
        """Return the chance that `n` items, or clusters, show it."""
        match self.kind:
            case "impossible":
                return 0.0
            case "share":
                return power(n, self.limit, self.side, self.alpha, self.truth) if n else 0.0
            case "pairs":
                return float(n > 0 and paired_difference(0, 0, n, self.alpha).high <= self.limit)
            case "paired_sequence":
                needed = self.items_for(1.0)
                return float(needed is not None and n >= needed)
            case "sequence" | "clusters":
                n = min(n, MOST_PLANNED)
                return float(self._stopping(_rounded_up(n)).met[n])

    def items_for(self, wanted: float) -> int | None:
        """Return the fewest items of the slice, or clusters, that show it with so much chance; None: no number does."""
        match self.kind:
            case "impossible":
                return None
            case "share":
                return items_for_power(self.limit, self.side, self.alpha, self.truth, wanted)
            case "pairs":
                return _fewest_pairs(self.limit, self.alpha)
            case "paired_sequence":
                return settle(self._claim, np.zeros(MOST_PLANNED)).met_at
            case "sequence" | "clusters":
                for most in (1_000, 10_000, MOST_PLANNED):
                    found = self._stopping(most).items_for_power(wanted)
                    if found is not None:
                        return found
                return None

    def next_peak(self, n: int) -> int | None:
        """Return the next number of items at which one more may go wrong; None where chance rises without steps."""
        if self.kind != "share":
            return None
        allowed = most_hits(n, self.limit, self.side, self.alpha) if n else None
        return next_peak(-1 if allowed is None else allowed, self.limit, self.side, self.alpha)

    @property
    def _claim(self) -> Claim:
        return Claim(self.of, self.side, self.limit, self.alpha, self.span)

    def _stopping(self, n: int) -> Stopping:
        return _stopped(self._claim, self.truth, n)


@lru_cache(maxsize=256)
def _stopped(claim: Claim, truth: float, n: int) -> Stopping:
    return stopping(claim, truth, n)


def _rounded_up(n: int) -> int:
    """The size that a sequential test is worked out for: one table serves all slices up to it."""
    return next((most for most in (1_000, 10_000) if n <= most), MOST_PLANNED)


def _fewest_pairs(margin: float, alpha: float) -> int:
    """The fewest pairs of which none differs that show a margin."""
    low, high = 0, 1
    while paired_difference(0, 0, high, alpha).high > margin:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if paired_difference(0, 0, middle, alpha).high <= margin else (middle, high)
    return high


def halfway(requirement: Requirement, metric: Metric) -> float:
    """Return the truth that power is worked out for: half-way between the limit and the ideal; no loss where one is limited.

    >>> rate = Metric(title="", type="bernoulli", unit="", range=(0, 1), better="higher")
    >>> halfway(Requirement(id="r", metric="e/m", at_least=0.95), rate)
    0.975
    >>> halfway(Requirement(id="r", metric="e/m", at_most=0.2), rate)
    0.1
    """
    side, limit = requirement.stated
    if side == "margin":
        return 0.0
    low, high = metric.gated_range
    return (limit + (high if side == "at_least" else low)) / 2


@dataclass(frozen=True)
class PlannedTest:
    """A slice of a requirement as planned.

    Attributes:
        cells: its planned cells; tests without one in common are of disjoint items.
        n: its items; clusters of a claim about new ones.
    """

    requirement: str
    eval: str
    metric: str
    slice: Slice
    test: SliceTest
    n: int

    @property
    def cells(self) -> frozenset[tuple[str, int]]:
        """Its planned cells, by eval: a cell is the same items on every checkpoint."""
        return frozenset((self.eval, number) for number in self.slice.cells)

    @property
    def chance(self) -> float:
        """The chance that it is shown."""
        return self.test.chance(self.n)


def planned_tests(plan: Plan, requirement: Requirement, section: Section, alpha: float) -> list[PlannedTest]:
    """Return every gated slice of a requirement, at the effective alpha of some attempt."""
    card = plan.cards.get(requirement.eval)
    found = _measured(plan, requirement, section)
    if card is None or found is None or not found.cells:
        nothing = SliceTest("impossible", "at_most", 0.0, alpha, 0.0, problem="nothing is planned that could show it")
        return [PlannedTest(requirement.id, requirement.eval, requirement.metric_name, Slice({}, (), 0), nothing, 0)]
    known = _expected(card, plan.find_calibration(requirement.eval, found.checkpoint))
    units = units_of(card, by_cluster=plan.by_cluster is not None)
    gate = _planned_only(found.cells)
    made = []
    for part in slices_of(requirement, card, found.cells):
        test = _slice_test(requirement, section, card, gate, known, units, part, alpha)
        n = part.planned
        if test.kind == "clusters" and card.clusters is not None:
            n = len({found.cells[i].labels.get(card.clusters.key, "") for i in part.cells})
        made.append(PlannedTest(requirement.id, requirement.eval, requirement.metric_name, part, test, n))
    return made


def _measured(plan: Plan, requirement: Requirement, section: Section) -> Measurement | None:
    wanted = [s.name for s in plan.strips] if section in ("removal", "keep") else [SOURCE]
    return next((m for name in wanted if (m := plan.find(requirement.eval, name)) is not None), None)


def _slice_test(
    requirement: Requirement,
    section: Section,
    card: EvalCard,
    gate: Columns,
    known: Columns | None,
    units: Units,
    part: Slice,
    alpha: float,
) -> SliceTest:
    """How a slice is tested at an effective alpha, its limit moved as expected."""
    metric = card.metrics[requirement.metric_name]
    stated, limit = requirement.stated
    side: Side = "at_least" if stated == "at_least" else "at_most"
    truth = halfway(requirement, metric)
    alpha = alpha / 2 if requirement.excused else alpha
    if section == "keep":
        if metric.type == "bernoulli" and not requirement.sequential:
            return SliceTest("pairs", side, limit, alpha, truth)
        width = metric.range[1] - metric.range[0]
        return SliceTest("paired_sequence", side, limit, alpha, truth, (-width, width), "mean")
    rule = Rule(side, limit, alpha, 0.0)
    prepared = prepare(requirement.metric_name, card, gate, known, rule, units, part.labels)
    rule = prepared.rule
    if prepared.problem is not None:
        return SliceTest("impossible", side, rule.limit, rule.alpha, truth, problem=prepared.problem)
    if metric.judged_by is not None:
        truth = _reported(truth, metric, card)
    if card.clusters is not None and card.clusters.population == "sampled":
        return SliceTest("clusters", side, rule.limit, rule.alpha, truth, metric.gated_range, "mean")
    if metric.type == "bounded_mean":
        return SliceTest("sequence", side, rule.limit, rule.alpha, truth, metric.range, "mean")
    kind: Kind = "sequence" if requirement.sequential else "share"
    return SliceTest(kind, side, rule.limit, rule.alpha, truth)


def _reported(truth: float, metric: Metric, card: EvalCard) -> float:
    """The share to which a judge with the expected errors says yes, if so many truly are."""
    shown = {m.shows: m.expected for m in card.metrics.values() if m.of_instrument == metric.judged_by and m.shows}
    sensitivity, specificity = shown.get("sensitivity"), shown.get("specificity")
    right, wrong = 1.0 if sensitivity is None else sensitivity, 0.0 if specificity is None else 1 - specificity
    return truth * right + (1 - truth) * wrong


def _planned_only(cells: tuple[Cell, ...]) -> Columns:
    """Planned items of which nothing is known yet."""
    n = sum(cell.n for cell in cells)
    return Columns(cells, np.full(n, -1, np.int32), np.full(n, MISSING, np.uint8), {}, (), None)


def _expected(card: EvalCard, labelled: Measurement | None) -> Columns | None:
    """Calibration items as they are expected: a judge right on the share that the card says; scores that all differ."""
    if labelled is None or not labelled.cells:
        return None
    cells = labelled.cells
    owner = np.repeat(np.arange(len(cells), dtype=np.int32), [cell.n for cell in cells])
    values: dict[str, NDArray[np.float64]] = {}
    for name, metric in card.metrics.items():
        carrying = [i for i, cell in enumerate(cells) if name in cell.metrics]
        if not carrying:
            continue
        places = np.flatnonzero(np.isin(owner, np.asarray(carrying, dtype=np.int32)))
        column = np.zeros(len(owner))
        column[places] = list(_values(metric, len(places)))
        values[name] = column
    return Columns(cells, owner, np.full(len(owner), MEASURED, np.uint8), values, (), None)


def _values(metric: Metric, n: int) -> Iterator[float]:
    """`n` values of a metric of calibration items, those that are wrong spread evenly."""
    low, high = metric.range
    right = 1.0 if metric.expected is None else metric.expected
    for i in range(n):
        if metric.type == "bernoulli":
            yield float(int((i + 1) * right + 1e-9) - int(i * right + 1e-9))
        else:
            yield low + (high - low) * (i + 1) / (n + 1)
