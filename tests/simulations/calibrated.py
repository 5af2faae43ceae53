"""Requirements on calibrated instruments, run by run through the real decision: columns are drawn, nothing else is made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.decision import decide
from releasegate.decision.judging import Bench, raw_slices
from releasegate.evidence import MEASURED, Cell, Columns, Evidence, evidence_digest
from releasegate.intervals import clopper_pearson
from releasegate.plan import Measurement, Plan, Role
from releasegate.waiver import Waivers
from tests.simulations.table import Rate
from tests.tiny_gates import OPENED, STRIPPED_MODEL, receipt_of
from tests.tiny_methods import Trial

Rng = np.random.Generator
Values = NDArray[np.float64]
Drawn = Mapping[tuple[str, Role], Mapping[str, Values]]
"""By checkpoint and role, for each metric a value for each item that carries it, cell by cell."""
PER_REQUIREMENT, WHOLE = 10_000, 500


def speakers(count: int, each: int, *metrics: str, first: int = 0) -> tuple[Cell, ...]:
    """Cells of so many speakers."""
    names = (f"s{first + i:03d}" for i in range(count))
    return tuple(Cell(labels={"speaker": name}, metrics=(m,), n=each) for name in names for m in metrics)


def alike(rate: float, icc: float, count: int, each: int, rng: Rng) -> Values:
    """Zeros and ones of clusters that differ, Beta-distributed, with this intraclass correlation; one cluster after the other."""
    spread = 1 / icc - 1
    rates = rng.beta(rate * spread, (1 - rate) * spread, (count, 1))
    return np.asarray(rng.random((count, each)) < rates, dtype=np.float64).ravel()


@dataclass(frozen=True)
class Simulated:
    """One requirement, and how its evidence is drawn.

    Attributes:
        draw: the values of one run.
        by_cluster: whether the plan is one of today; else one of earlier releases.
    """

    trial: Trial
    draw: Callable[[Rng], Drawn]
    by_cluster: bool = True

    @property
    def plan(self) -> Plan:
        """The plan of every run."""
        plan = self.trial.plan
        return (
            plan
            if self.by_cluster
            else plan.model_copy(update={"by_cluster": None, "measurements": tuple(_of_source(plan))})
        )

    def met(self, runs: int, seed: int) -> Iterator[bool]:
        """Of each run whether the requirement is met, through the decision on one requirement."""
        plan, (c,) = self.plan, self.trial.policy.capabilities
        section, _, requirement = next(s for s in c.sections() if s[2].id == "tested")
        (m,) = [
            m for m in plan.measurements if (m.eval, m.role, m.checkpoint) == ("tested", "gate", self._judged(plan))
        ]
        card, rng, drawn = plan.cards["tested"], np.random.default_rng(seed), dict[str, Columns]()
        held = Waivers((), None, OPENED)
        bench = Bench(
            self.trial.policy, plan, Evidence(drawn, ""), plan.alpha, None, held
        )  # digests are worked out once
        for _ in range(runs):
            drawn.update({bench.identity(of): columns for of, columns in self._measured(plan, rng)})
            found = raw_slices(bench, requirement, section, card, m, drawn[bench.identity(m)])
            yield all(f.status in ("met", "excused") for f in found)

    def published(self, runs: int, seed: int) -> Iterator[bool]:
        """Of each run whether anything is published, through all of `decide`, on the draws of `met`."""
        plan, rng = self.plan, np.random.default_rng(seed)
        receipt = receipt_of(plan, plan.strips[0].name) if plan.strips else None
        for _ in range(runs):
            columns = {plan.identity(m): found for m, found in self._measured(plan, rng)}
            decision = decide(self.trial.policy, plan, Evidence(columns, evidence_digest(())), receipt, OPENED)
            yield decision.verdict in ("release", "release_stripped")

    def _judged(self, plan: Plan) -> str:
        return plan.strips[0].name if plan.strips else "source"

    def _measured(self, plan: Plan, rng: Rng) -> Iterator[tuple[Measurement, Columns]]:
        drawn = self.draw(rng)
        for m in plan.measurements:
            values = drawn.get((m.checkpoint, m.role))
            if m.eval == "gone":
                values = {"legible": np.ones(sum(c.n for c in m.cells))}
            if values is not None:
                yield m, columns_of(m, values, plan)


def _of_source(plan: Plan) -> Iterator[Measurement]:
    """The measurements of a plan of earlier releases: calibration on the source alone."""
    return (m for m in plan.measurements if m.role == "gate" or m.checkpoint == "source")


def columns_of(m: Measurement, values: Mapping[str, Values], plan: Plan) -> Columns:
    """All items measured, numbered cell by cell."""
    cell = np.repeat(np.arange(len(m.cells), dtype=np.int32), [c.n for c in m.cells])
    found = {}
    for metric, given in values.items():
        carrying = np.repeat([metric in c.metrics for c in m.cells], [c.n for c in m.cells])
        found[metric] = np.zeros(len(cell))
        found[metric][carrying] = given
    model = plan.source if m.checkpoint == "source" else STRIPPED_MODEL.digest()
    return Columns(m.cells, cell, np.full(len(cell), MEASURED, dtype=np.uint8), found, (), model)


def share(happened: Iterator[bool]) -> Rate:
    """The share of runs in which it happened."""
    found = list(happened)
    return Rate(sum(found) / len(found), len(found))


def at_least(found: Rate) -> float:
    """The 99 % lower bound of a rate: what a false release rate must not have above alpha."""
    return clopper_pearson(round(found.share * found.runs), found.runs, 0.01).low
