"""A policy test: evidence as a person states it, and the verdict that a policy must come to. Pure.

A case states counts, cell by cell: so many items with these labels, so many hits, so many lost. What the numbers leave
open (which items hit) is filled in evenly, so that the same case is always the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from releasegate.decision.record import Reason, Status, Verdict
from releasegate.documents import Located, parse_document, place
from releasegate.errors import Problem, nearest
from releasegate.evalcard import EvalCard, Metric
from releasegate.evidence import Labels
from releasegate.policy import Artefact, Channel, Policy, Prose
from releasegate.records import Document, Identifier, Record
from releasegate.yamltext import Path

Count = Annotated[int, Field(ge=0, le=10_000_000)]
Counts = dict[Identifier, Count]
Expected = Literal[Status, Reason]
"""A status, or the reason why something is not shown."""
Outcome = Mapping[str, float] | Literal["failed"] | None
"""The values of one item by metric, its failure, or no record at all."""


class StatedCell(Record):
    """Items that share labels, and what came of them."""

    labels: Labels = {}
    n: Annotated[int, Field(ge=1, le=10_000_000)]
    """Planned items."""
    hits: Counts = {}
    """Of the measured items, those with value 1, by metric."""
    values: dict[Identifier, Annotated[tuple[float, ...], Field(min_length=1)]] = {}
    """For metrics that are not 0 or 1: the values of the measured items, repeated in this order."""
    losses: Counts = {}
    """On the stripped checkpoint: items that the source got right and it does not, by metric."""
    gains: Counts = {}
    """On the stripped checkpoint: items that the source got wrong and it does not, by metric."""
    failed: Count = 0
    missing: Count = 0

    @property
    def metrics(self) -> set[str]:
        """Every metric that it states something about."""
        return {*self.hits, *self.values, *self.losses, *self.gains}

    @property
    def measured(self) -> int:
        """Items with a value; negative where more are lost than planned."""
        return self.n - self.failed - self.missing


Cells = dict[Identifier, Annotated[tuple[StatedCell, ...], Field(min_length=1)]]
"""Stated cells, by eval."""


class StatedEvidence(Record):
    """What was measured. A planned item that no cell mentions has no record."""

    source: Cells = {}
    """On the checkpoint as it is."""
    stripped: Cells = {}
    """On the one without the capabilities that come to strip; its items are those of the source."""
    calibration: Cells = {}
    """Of the instruments."""


class Expectation(Record):
    """What the decision must say. Only what is stated is compared."""

    verdict: Verdict
    channel: Channel | None = None
    artefacts: dict[Artefact, Verdict] = {}
    capabilities: dict[Identifier, Verdict] = {}
    source: dict[Identifier, Expected] = {}
    """By requirement: its status on the source, or the reason why it is not shown; at each channel at which it was
    judged."""
    stripped: dict[Identifier, Expected] = {}


class Case(Record):
    """Evidence in, verdict expected."""

    title: Prose
    evidence: StatedEvidence = StatedEvidence()
    age_days: Annotated[int, Field(ge=0, le=36500)] = 0
    """Days between opening the attempt and deciding."""
    expect: Expectation


class PolicyTest(Document):
    """The cases of one policy."""

    schema_: Annotated[Literal["releasegate/policytest/v1"], Field(alias="schema")]
    policy: Identifier
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


def parse_policy_test(text: str | bytes, source: str) -> Located[PolicyTest]:
    """The policy test that YAML `text` holds, with its places.

    Raises:
        DocumentError: every problem of form. What it says about the policy and its evals is checked by `problems`.
    """
    return parse_document(PolicyTest, text, source)


def outcomes(cell: StatedCell, base: Sequence[Outcome] | None, metrics: Mapping[str, Metric]) -> list[Outcome]:
    """What came of each of the cell's `n` items. Hits and failures are spread evenly; missing items are the last ones.

    Args:
        base: of the same items on the source, which losses and gains are counted against.
        metrics: of the card.

    >>> rate = Metric(title="", type="bernoulli", unit="", range=(0, 1), better="higher")
    >>> outcomes(StatedCell(n=5, hits={"rate": 2}, failed=1), None, {"rate": rate})
    [{'rate': 0.0}, {'rate': 1.0}, {'rate': 0.0}, {'rate': 1.0}, 'failed']
    """
    standing = cell.n - cell.missing
    failures = _spread(cell.failed, standing)
    measured = [i for i in range(standing) if not failures[i]]
    values: dict[int, dict[str, float]] = {i: {} for i in measured}
    for name in sorted(cell.metrics):
        for i, value in zip(measured, _column(cell, name, measured, base, metrics[name].better), strict=True):
            values[i][name] = value
    lost: dict[int, Outcome] = {i: "failed" for i in range(standing) if failures[i]}
    return [values.get(i, lost.get(i)) for i in range(cell.n)]


def _column(
    cell: StatedCell, metric: str, measured: Sequence[int], base: Sequence[Outcome] | None, better: str
) -> list[float]:
    if metric in cell.hits:
        return [float(hit) for hit in _spread(cell.hits[metric], len(measured))]
    if metric in cell.values:
        listed = cell.values[metric]
        return [listed[k % len(listed)] for k in range(len(measured))]
    right, wrong = _pairs(metric, measured, base or (), better)
    turned = [i for i, lost in zip(right, _spread(cell.losses.get(metric, 0), len(right)), strict=True) if not lost]
    turned += [i for i, won in zip(wrong, _spread(cell.gains.get(metric, 0), len(wrong)), strict=True) if won]
    good = set(turned)
    return [float((i in good) == (better == "higher")) for i in measured]


def _pairs(metric: str, measured: Sequence[int], base: Sequence[Outcome], better: str) -> tuple[list[int], list[int]]:
    """Of the measured items, those that the source got right, and those that it got wrong."""
    right: list[int] = []
    wrong: list[int] = []
    for i in measured:
        before = base[i] if i < len(base) else None
        if isinstance(before, Mapping) and metric in before:
            (right if (before[metric] == 1) == (better == "higher") else wrong).append(i)
    return right, wrong


def _spread(k: int, n: int) -> list[bool]:
    """`n` flags of which `k` are set, as evenly as can be."""
    return [(i + 1) * k // n > i * k // n for i in range(n)]


# Whether a test makes sense beside its policy.


def problems(located: Located[PolicyTest], policy: Policy, cards: Mapping[str, EvalCard]) -> list[Problem]:
    """Everything about the test that does not fit the policy and its evals, in the order of the file."""
    found = [
        problem
        for number, case in enumerate(located.record.cases)
        for problem in _Checking(located, policy, cards, case, ("cases", number)).problems()
    ]
    return sorted(found, key=lambda problem: place(problem.where))


class _Checking:
    """One case beside its policy."""

    def __init__(
        self, located: Located[PolicyTest], policy: Policy, cards: Mapping[str, EvalCard], case: Case, at: Path
    ) -> None:
        self._located, self._policy, self._cards, self._case, self._at = located, policy, cards, case, at
        self._gated: dict[str, dict[str, str]] = {}
        self._kept: set[str] = set()
        for capability in policy.capabilities:
            for section, _, requirement in capability.sections():
                self._gated.setdefault(requirement.eval, {})[requirement.metric_name] = requirement.id
                if section == "keep":
                    self._kept.add(requirement.metric)

    def problems(self) -> Iterator[Problem]:
        """In no order."""
        cases = self._located.record.cases
        titles = [case.title for case in cases]
        if titles.index(self._case.title) < self._at[1]:  # type: ignore[operator]
            yield self._problem(("title",), "two cases have this title", "say what makes this one different")
        evidence = self._case.evidence
        for name, cells in (
            ("source", evidence.source), ("stripped", evidence.stripped), ("calibration", evidence.calibration)
        ):  # fmt: skip
            for eval_id, listed in cells.items():
                yield from self._eval(name, eval_id, listed, ("evidence", name, eval_id))
        if evidence.stripped and not self._policy.strips:
            yield self._problem(("evidence", "stripped"), "nothing of this policy comes to strip", "remove it")
        yield from self._expectation()

    def _problem(self, path: Path, what: str, fix: str, *, key: bool = False) -> Problem:
        return self._located.problem((*self._at, *path), what, fix, key=key)

    def _eval(self, name: str, eval_id: str, listed: Sequence[StatedCell], at: Path) -> Iterator[Problem]:
        card = self._cards.get(eval_id)
        if eval_id not in self._gated or card is None:
            what = f"policy {self._policy.id} gates nothing of an eval {eval_id!r}"
            yield self._problem(at, what, _nearest(eval_id, self._gated), key=True)
            return
        if name == "calibration" and not card.items.calibration:
            yield self._problem(at, f"eval {eval_id} has no calibration items", "remove it")
        seen: list[Labels] = []
        sound = True
        for number, cell in enumerate(listed):
            if cell.labels in seen:
                yield self._problem((*at, number), "another cell has these labels", "state all of it in one cell")
            seen.append(cell.labels)
            wrong = list(self._cell(name, cell, card, (*at, number)))
            yield from wrong
            sound = sound and not wrong
            if not wrong and name == "stripped":
                yield from self._beside_source(cell, card, (*at, number))
        carried = {metric for cell in listed for metric in cell.metrics}
        complete = name == "source" and sound and any(cell.measured for cell in listed)
        for metric, requirement in self._gated[eval_id].items():
            if complete and metric not in carried:
                what = f"states nothing about {metric}, which {requirement} is about"
                yield self._problem(at, what, "state its hits")

    def _cell(self, name: str, cell: StatedCell, card: EvalCard, at: Path) -> Iterator[Problem]:
        for dimension in cell.labels:
            if dimension not in card.slices:
                what = f"eval {card.id} has no dimension {dimension!r}"
                yield self._problem((*at, "labels", dimension), what, _nearest(dimension, card.slices), key=True)
        if cell.measured < 0:
            yield self._problem(at, f"{cell.failed + cell.missing} of {cell.n} items are lost", "lose no more than n")
            return
        if cell.measured and not cell.metrics:
            yield self._problem(at, "states nothing about its measured items", "add `hits:`")
        for kind in ("hits", "values", "losses", "gains"):
            for metric in getattr(cell, kind):
                yield from self._statement(name, cell, kind, metric, card, (*at, kind, metric))

    def _statement(
        self, name: str, cell: StatedCell, kind: str, metric: str, card: EvalCard, at: Path
    ) -> Iterator[Problem]:
        known = card.metrics.get(metric)
        if known is None:
            yield self._problem(
                at, f"eval {card.id} has no metric {metric!r}", _nearest(metric, card.metrics), key=True
            )
            return
        doubled = [k for k in ("hits", "values") if k != kind and metric in getattr(cell, k)]
        if doubled:
            yield self._problem(at, f"{metric} stands under {doubled[0]} as well", "state it once")
        if kind == "values":
            refused = next((known.refusal(v) for v in cell.values[metric] if known.refusal(v)), None)
            if refused:
                yield self._problem(at, f"every value must be {refused}", "correct the value")
        elif known.type != "bernoulli":
            yield self._problem(at, f"{metric} is {known.type} and has no {kind}", "state its `values:`")
        if kind == "hits" and cell.hits[metric] > cell.measured:
            yield self._problem(at, f"{cell.hits[metric]} hits in {cell.measured} measured items", "correct the count")
        paired = kind in ("losses", "gains")
        if paired and name != "stripped":
            yield self._problem(at, f"only a stripped checkpoint has {kind}", "state `hits:`")
        if not paired and name == "stripped" and f"{card.id}/{metric}" in self._kept and known.type == "bernoulli":
            yield self._problem(at, "keep compares item by item with the source", "state `losses:` and `gains:`")

    def _beside_source(self, cell: StatedCell, card: EvalCard, at: Path) -> Iterator[Problem]:
        """The items of the stripped checkpoint are those of the source."""
        listed = self._case.evidence.source.get(card.id, ())
        beside = next((other for other in listed if other.labels == cell.labels), None)
        paired = {*cell.losses, *cell.gains}
        if beside is None:
            if paired:
                what = "the source has no cell with these labels to compare with"
                yield self._problem(at, what, f"state it under `source: {card.id}:`")
            return
        if beside.n != cell.n:
            yield self._problem((*at, "n"), f"the source has {beside.n} items with these labels", "state the same n")
            return
        for metric in sorted(beside.metrics - cell.metrics if cell.measured else ()):
            yield self._problem(at, f"states nothing about {metric}, which its items carry", "state its hits or losses")
        for metric in sorted(cell.metrics - beside.metrics if beside.measured else ()):
            yield self._problem(at, f"the source states nothing about {metric}", "state its hits there")
        if not paired <= set(beside.hits):
            return
        base = outcomes(beside, None, card.metrics)
        lost = cell.model_copy(update={"hits": {}, "values": {}, "losses": {}, "gains": {}})
        measured = [i for i, outcome in enumerate(outcomes(lost, None, card.metrics)) if isinstance(outcome, Mapping)]
        for metric in sorted(paired):
            right, wrong = _pairs(metric, measured, base, card.metrics[metric].better)
            for kind, stated, most in (("losses", cell.losses, len(right)), ("gains", cell.gains, len(wrong))):
                if stated.get(metric, 0) > most:
                    what = f"{stated[metric]} {kind}, and at most {most} pairs could be"
                    yield self._problem((*at, kind, metric), what, "correct the count")

    def _expectation(self) -> Iterator[Problem]:
        expect = self._case.expect
        listed: list[str] = list(self._policy.release.channels)
        for artefact in expect.artefacts:
            if artefact not in listed:
                what = f"policy {self._policy.id} lists no artefact {artefact!r}"
                yield self._problem(("expect", "artefacts", artefact), what, _nearest(artefact, listed), key=True)
        capabilities = [c.id for c in self._policy.capabilities]
        for name in expect.capabilities:
            if name not in capabilities:
                what = f"policy {self._policy.id} has no capability {name!r}"
                yield self._problem(("expect", "capabilities", name), what, _nearest(name, capabilities), key=True)
        sections = [(s, r.id) for c in self._policy.capabilities for s, _, r in c.sections()]
        on_source = [r for s, r in sections if s in ("misuse", "safeguards")]
        for where, known in (("source", on_source), ("stripped", [r for _, r in sections])):
            for name in getattr(expect, where):
                if name not in known:
                    what = f"no requirement {name!r} is judged on the {where} checkpoint"
                    yield self._problem(("expect", where, name), what, _nearest(name, known), key=True)


def _nearest(name: str, known: Iterable[str]) -> str:
    return nearest(name, sorted(known), "remove it")
