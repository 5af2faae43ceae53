"""A policy test: evidence as a person states it, and the verdict that a policy must come to. Pure.

A case states counts, cell by cell: so many items with these labels, so many hits, so many lost. What the numbers leave
open (which items hit) is filled in evenly, so that the same case is always the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from releasegate.decision.record import Reason, Status, Verdict
from releasegate.documents import Located, parse_document
from releasegate.evalcard import Metric
from releasegate.evidence import FAILED, MEASURED, MISSING, Label, Labels
from releasegate.policy import Artefact, Channel, Prose
from releasegate.records import Document, Identifier, Record
from releasegate.yamltext import Path

Count = Annotated[int, Field(ge=0, le=10_000_000)]
Counts = dict[Identifier, Count]
Expected = Literal[Status, Reason]
"""A status, or the reason why something is not shown."""


Outcome = Mapping[str, float] | Literal["failed"] | None
"""The values of one item by metric, its failure, or no record at all."""
Part = Literal["source", "stripped", "calibration"]
PARTS: tuple[Part, ...] = ("source", "stripped", "calibration")


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

    @cached_property
    def placed_given(self) -> dict[Part, dict[str, list[PlacedCell]]]:
        """The cells of what every case states as well, by part and eval; worked out once for all cases."""
        return {part: _placed(self.given, part, ("given",)) for part in PARTS} if self.given else {}


@dataclass(frozen=True)
class PlacedCell:
    """A cell of one combination of labels, and where in the file it is stated."""

    at: Path
    cell: StatedCell


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
    found = dict(test.placed_given.get(part, {}))
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


@dataclass(frozen=True)
class OutcomeColumns:
    """What came of each item of a cell.

    Attributes:
        state: uint8 [n], MISSING, MEASURED or FAILED.
        values: float64 [n] for each metric; what stands where nothing was measured says nothing.
    """

    state: NDArray[np.uint8]
    values: Mapping[str, NDArray[np.float64]]


def nothing_measured(n: int) -> OutcomeColumns:
    """`n` items without a record."""
    return OutcomeColumns(np.full(n, MISSING, dtype=np.uint8), {})


def outcome_columns(cell: StatedCell, base: OutcomeColumns | None, metrics: Mapping[str, Metric]) -> OutcomeColumns:
    """What came of each of the cell's `n` items. Hits and failures are spread evenly; missing items are the last ones.

    Args:
        base: of the same items on the source, which losses and gains are counted against.
        metrics: of the card.

    >>> rate = Metric(title="", type="bernoulli", unit="", range=(0, 1), better="higher")
    >>> found = outcome_columns(StatedCell(n=5, hits={"rate": 2}, failed=1), None, {"rate": rate})
    >>> found.state.tolist(), found.values["rate"].tolist()
    ([1, 1, 1, 1, 2], [0.0, 1.0, 0.0, 1.0, 0.0])
    """
    standing = cell.n - cell.missing
    state = np.full(cell.n, MISSING, dtype=np.uint8)
    state[:standing] = np.where(_spread(cell.failed, standing), FAILED, MEASURED)
    measured = np.flatnonzero(state == MEASURED)
    values = {}
    for name in sorted(cell.metrics):
        values[name] = np.zeros(cell.n)
        values[name][measured] = _column(cell, name, measured, base, metrics[name])
    return OutcomeColumns(state, values)


def outcomes(cell: StatedCell, base: Sequence[Outcome] | None, metrics: Mapping[str, Metric]) -> list[Outcome]:
    """The same, item by item, for people to read.

    >>> rate = Metric(title="", type="bernoulli", unit="", range=(0, 1), better="higher")
    >>> outcomes(StatedCell(n=5, hits={"rate": 2}, failed=1), None, {"rate": rate})
    [{'rate': 0.0}, {'rate': 1.0}, {'rate': 0.0}, {'rate': 1.0}, 'failed']
    """
    found = outcome_columns(cell, None if base is None else _columns_of(base), metrics)
    texts: dict[int, Outcome] = {FAILED: "failed", MISSING: None}
    return [
        {name: float(column[i]) for name, column in found.values.items()} if state == MEASURED else texts[state]
        for i, state in enumerate(found.state.tolist())
    ]


def _columns_of(listed: Sequence[Outcome]) -> OutcomeColumns:
    states = [MISSING if one is None else FAILED if one == "failed" else MEASURED for one in listed]
    names = dict.fromkeys(name for one in listed if isinstance(one, Mapping) for name in one)
    values = {name: np.array([one[name] if isinstance(one, Mapping) else 0.0 for one in listed]) for name in names}
    return OutcomeColumns(np.array(states, dtype=np.uint8), values)


def _column(
    cell: StatedCell, name: str, measured: NDArray[np.int64], base: OutcomeColumns | None, metric: Metric
) -> NDArray[np.float64]:
    if name in cell.hits:
        low, high = metric.range
        return np.where(_spread(cell.hits[name], len(measured)), float(high), float(low))
    if name in cell.values:
        return np.resize(np.asarray(cell.values[name], dtype=np.float64), len(measured))
    right, wrong = pairs(name, measured, base, metric.better)
    good = np.zeros(cell.n, dtype=np.bool_)
    good[right[~_spread(cell.losses.get(name, 0), len(right))]] = True
    good[wrong[_spread(cell.gains.get(name, 0), len(wrong))]] = True
    counted: NDArray[np.float64] = (good[measured] == (metric.better == "higher")).astype(np.float64)
    return counted


def pairs(
    metric: str, measured: NDArray[np.int64], base: OutcomeColumns | None, better: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the measured items, those that the source got right, and those that it got wrong."""
    if base is None or metric not in base.values:
        return measured[:0], measured[:0]
    known = measured[measured < len(base.state)]
    known = known[base.state[known] == MEASURED]
    good = (base.values[metric][known] == 1) == (better == "higher")
    return known[good], known[~good]


def _spread(k: int, n: int) -> NDArray[np.bool_]:
    """`n` flags of which `k` are set, as evenly as can be."""
    i = np.arange(n)
    return (i + 1) * k // max(n, 1) > i * k // max(n, 1)
