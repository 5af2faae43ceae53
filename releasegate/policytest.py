"""A policy test: evidence as a person states it, and the verdict that a policy must come to. Pure.

A case states counts, cell by cell: so many items with these labels, so many hits, so many lost. What the numbers leave
open (which items hit) is filled in evenly, so that the same case is always the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from pydantic import Field

from releasegate.decision.record import Reason, Status, Verdict
from releasegate.documents import Located, parse_document
from releasegate.evalcard import Metric
from releasegate.evidence import Label, Labels
from releasegate.policy import Artefact, Channel, Prose
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
    each: Annotated[dict[Identifier, Annotated[tuple[Label, ...], Field(min_length=1)]], Field(min_length=1)] | None = (
        None
    )
    """Several values of further dimensions: as many cells of `n` items as there are combinations."""
    n: Annotated[int, Field(ge=1, le=10_000_000)]
    """Planned items."""
    hits: Counts = {}
    """Of the measured items, those with value 1, by metric; of scores, those with the highest that there is, the others
    having the lowest."""
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

    def apart(self) -> Iterator[StatedCell]:
        """One cell for each combination of labels."""
        each = self.each or {}
        for values in product(*each.values()):
            yield self.model_copy(
                update={"labels": {**self.labels, **dict(zip(each, values, strict=True))}, "each": None}
            )


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
    given: StatedEvidence | None = None
    """What every case states as well, but for the cells of which it states the labels itself."""
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


@dataclass(frozen=True)
class PlacedCell:
    """A cell of one combination of labels, and where in the file it is stated."""

    at: Path
    cell: StatedCell


Part = Literal["source", "stripped", "calibration"]


def parse_policy_test(text: str | bytes, source: str) -> Located[PolicyTest]:
    """The policy test that YAML `text` holds, with its places.

    Raises:
        DocumentError: every problem of form. What it says about the policy and its evals is checked by `problems`.
    """
    return parse_document(PolicyTest, text, source)


def stated_cells(test: PolicyTest, number: int, part: Part) -> dict[str, list[PlacedCell]]:
    """The cells of a part of a case's evidence, by eval: those given to all cases and not stated anew, then its own.

    Args:
        number: of the case, from 0.
    """
    found = _placed(test.given, part, ("given",)) if test.given else {}
    for eval_id, own in _placed(test.cases[number].evidence, part, ("cases", number, "evidence")).items():
        anew = [placed.cell.labels for placed in own]
        found[eval_id] = [p for p in found.get(eval_id, []) if p.cell.labels not in anew] + own
    return found


def _placed(evidence: StatedEvidence, part: Part, at: Path) -> dict[str, list[PlacedCell]]:
    stated: Cells = getattr(evidence, part)
    return {
        eval_id: [
            PlacedCell((*at, part, eval_id, i), one) for i, cell in enumerate(listed) for one in cell.apart()
        ]
        for eval_id, listed in stated.items()
    }  # fmt: skip


def whole_case(test: PolicyTest, number: int) -> Case:
    """A case with what is given to all, each combination of labels in a cell of its own: as it is tried.

    Args:
        number: of the case, from 0.
    """

    def cells(part: Part) -> Cells:
        return {name: tuple(p.cell for p in placed) for name, placed in stated_cells(test, number, part).items()}

    evidence = StatedEvidence(source=cells("source"), stripped=cells("stripped"), calibration=cells("calibration"))
    return test.cases[number].model_copy(update={"evidence": evidence})


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
        for i, value in zip(measured, _column(cell, name, measured, base, metrics[name]), strict=True):
            values[i][name] = value
    lost: dict[int, Outcome] = {i: "failed" for i in range(standing) if failures[i]}
    return [values.get(i, lost.get(i)) for i in range(cell.n)]


def _column(
    cell: StatedCell, name: str, measured: Sequence[int], base: Sequence[Outcome] | None, metric: Metric
) -> list[float]:
    if name in cell.hits:
        low, high = metric.range
        return [float(high if hit else low) for hit in _spread(cell.hits[name], len(measured))]
    if name in cell.values:
        listed = cell.values[name]
        return [listed[k % len(listed)] for k in range(len(measured))]
    right, wrong = pairs(name, measured, base or (), metric.better)
    turned = [i for i, lost in zip(right, _spread(cell.losses.get(name, 0), len(right)), strict=True) if not lost]
    turned += [i for i, won in zip(wrong, _spread(cell.gains.get(name, 0), len(wrong)), strict=True) if won]
    good = set(turned)
    return [float((i in good) == (metric.better == "higher")) for i in measured]


def pairs(metric: str, measured: Sequence[int], base: Sequence[Outcome], better: str) -> tuple[list[int], list[int]]:
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
