"""One eval for each way to test a requirement, with what was measured on it: what the methods are chosen from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from releasegate.decision import Decision, Finding, decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Collector, Evidence, Failed, Measured, evidence_digest
from releasegate.plan import EvalCode, Measurement, Plan, Role, SubjectRef, make_plan
from releasegate.policy import Policy
from tests.tiny_gates import (
    OPENED,
    POOL,
    POSITION,
    SOURCE_MODEL,
    STRIPPED_MODEL,
    Outcome,
    capability,
    card,
    finding,
    policy,
    receipt_of,
    requirement,
)

RIGHT = {"title": "Right", "type": "bernoulli", "unit": "share", "range": [0, 1], "better": "higher"}
QUALITY = {"title": "Quality", "type": "bounded_mean", "unit": "dB", "range": [0, 60], "better": "higher"}
CAUGHT: dict[str, Any] = {
    "title": "Caught",
    "type": "thresholded",
    "unit": "score",
    "range": [0, 10],
    "better": "higher",
}
KEPT = {"title": "Kept its quality", "type": "bernoulli", "unit": "share", "range": [0, 1], "better": "higher"}
CLEAN = {"title": "Clean", "type": "report_only", "unit": "score", "range": [0, 10], "better": "higher"}
SAID = {**RIGHT, "title": "Said", "judged_by": "judge"}
SENSITIVE = {**RIGHT, "title": "Sensitive", "of_instrument": "judge", "shows": "sensitivity"}
SPECIFIC = {**RIGHT, "title": "Specific", "of_instrument": "judge", "shows": "specificity"}
JUDGE = {"judge": {"title": "Judge", "files": ["judge.bin"], "source": "made"}}
SAMPLED = {"of": "instrument", "population": "sampled", "key": "speaker"}
SPEAKERS = {"speaker": {"title": "Speaker"}, "attack": {"title": "Attack", "gate": True}}


def eval_card(metrics: Mapping[str, Any], *, rate: float = 0.1, frozen: bool = False, **changes: Any) -> EvalCard:
    """The card of the eval `tested` with these metrics, and calibration items for a threshold or a judge.

    Args:
        frozen: whether calibration positives freeze the threshold.
    """
    plain = dict(metrics)
    if "caught" in plain:
        threshold = {"negatives": "clean", "rate": rate} | ({"positives": "marked"} if frozen else {})
        plain |= {"caught": {**CAUGHT, "threshold": threshold}, "clean": CLEAN} | ({"marked": CLEAN} if frozen else {})
    if "said" in plain:
        plain |= {"said": SAID, "sensitive": SENSITIVE, "specific": SPECIFIC}
        changes["instruments"] = JUDGE
    calibrated = "caught" in plain or "said" in plain or "kept" in plain
    items = {"kind": "generated", "n": 100, "calibration": 100 if calibrated else 0, "source": "made"}
    stated: dict[str, Any] = {"metrics": plain, "items": items, "slices": SPEAKERS}
    if calibrated:
        sampled = changes.get("clusters", {}).get("population") == "sampled"
        stated["calibration"] = SAMPLED if sampled else POOL
    return card("tested", "unused", **stated | changes)


def clustered(population: str, **metrics: Any) -> EvalCard:
    """The same, with speakers."""
    return eval_card(metrics or {"right": RIGHT}, clusters={"key": "speaker", "population": population})


Placed = tuple[int, Outcome]
"""The cell of an item, and its outcome; items are numbered as they stand."""


def pooled(outcomes: Sequence[Outcome]) -> list[Placed]:
    """Items of one cell."""
    return [(0, outcome) for outcome in outcomes]


def by_turns(cells: Sequence[Sequence[Outcome]]) -> list[Placed]:
    """One item of each cell, then the next of each: cells of one size."""
    return [(number, outcome) for row in zip(*cells, strict=True) for number, outcome in enumerate(row)]


@dataclass
class Trial:
    """One requirement on one eval, what was measured, and the decision.

    Attributes:
        limit: keys of the requirement; with `excused` it is a safeguard, else it shows no misuse.
        gate: on the source, or on the stripped checkpoint of a `margin`.
        base: on the source, of a `margin`.
        labels: of each cell of the gate.
        stripping: whether the requirement is what a stripped checkpoint must show.
    """

    card: EvalCard
    metric: str
    limit: dict[str, Any]
    gate: list[Placed] = field(default_factory=list)
    calibration: list[Placed] | None = None
    base: list[Placed] | None = None
    labels: Sequence[Mapping[str, str]] = ({},)
    calibration_cells: Sequence[Cell] = ()
    planned: Sequence[int] | None = None
    max_failed: float = 0.05
    stripping: bool = False

    @cached_property
    def policy(self) -> Policy:
        """Withheld unless the requirement is met; of a margin: published stripped if it is met."""
        tested = requirement("tested", f"tested/{self.metric}", **self.limit)
        if "excused" in self.limit:
            guarded = {"marked": [{**tested, "enforced_by": "weights"}]}
            return policy(capability("talking", safeguards=guarded), max_failed=self.max_failed)
        if self.stripping:
            strip = {"otherwise": "strip", "recipe": "tiny-hf/talking", "removal": [tested]}
            strip["keep"] = [requirement("kept", "gone/legible", margin=0.5)]
            weak = requirement("weak", f"tested/{self.metric}", at_most=0.01)
            return policy(capability("talking", misuse=[weak], **strip), max_failed=self.max_failed)
        if "margin" not in self.limit:
            return policy(capability("talking", misuse=[tested]), max_failed=self.max_failed)
        strip = {"otherwise": "strip", "recipe": "tiny-hf/talking", "keep": [tested]}
        gone = requirement("gone", "gone/legible", at_most=0.5)
        weak = requirement("weak", "gone/legible", at_most=0.5)
        return policy(capability("talking", misuse=[weak], removal=[gone], **strip), max_failed=self.max_failed)

    @cached_property
    def plan(self) -> Plan:
        """The opened plan."""
        counts = self.planned or [sum(c == i for c, _ in self.gate) for i in range(len(self.labels))]
        cells = tuple(
            Cell(labels=dict(labels), metrics=(self.metric,), n=n)
            for labels, n in zip(self.labels, counts, strict=True)
            if n
        )
        subject = SubjectRef(id="tiny", code="made by hand", dtype="float32", deterministic=True)
        planned: dict[Role, tuple[Cell, ...]] = {"gate": cells, "calibration": tuple(self.calibration_cells)}
        codes = {"tested": EvalCode(self.card, "sha256:" + "1" * 64, {}, subject, planned)}
        gone = (Cell(labels={}, metrics=("legible",), n=40),)
        codes["gone"] = EvalCode(card("gone", "legible"), "sha256:" + "1" * 64, {}, subject, {"gate": gone})
        of = self.policy
        named = {r.eval for c in of.capabilities for _, _, r in c.sections()}
        recipes = {str(c.recipe): "sha256:" + "7" * 64 for c in of.capabilities if c.recipe}
        used = {name: code for name, code in codes.items() if name in named}
        plan = make_plan(of, used, recipes, SOURCE_MODEL, OPENED.isoformat())
        return plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})

    def evidence(self, plan: Plan, order: Sequence[int] | None = None) -> Evidence:
        """What was measured.

        Args:
            order: places in which the records of the gate are read; by default as they stand.
        """
        paired = "margin" in self.limit
        gate = "stripped:talking" if paired else "source"
        listed: list[tuple[str, str, Role, list[Placed] | None]] = [
            ("tested", gate, "gate", self.gate),
            ("tested", "source", "calibration", self.calibration),
            ("tested", "source", "gate", self.base if paired else None),
            ("gone", "source", "gate", pooled([1.0] * 40) if paired else None),
            ("gone", gate, "gate", pooled([0.0] * 40) if paired else None),
        ]
        columns = {}
        for eval_id, checkpoint, role, placed in listed:
            measurement = plan.find(eval_id, checkpoint, role)
            if measurement is None or placed is None:
                continue
            samples = list(samples_of(measurement, placed))
            if order is not None and placed is self.gate:
                samples = [samples[i] for i in order if i < len(samples)]
            if samples:
                columns[plan.identity(measurement)] = collected(measurement, samples, plan)
        return Evidence(columns, evidence_digest(()))

    def with_items(self, **parts: list[Placed] | None) -> Trial:
        """The same requirement under the same plan, with other items."""
        other = replace(self, **parts)
        other.__dict__.update(policy=self.policy, plan=self.plan)
        return other

    def decide(self, order: Sequence[int] | None = None) -> Decision:
        """The decision."""
        plan = self.plan
        receipt = receipt_of(plan, "stripped:talking") if "margin" in self.limit else None
        return decide(self.policy, plan, self.evidence(plan, order), receipt, OPENED)

    @cached_property
    def found(self) -> Finding:
        """The finding on the one requirement."""
        return finding(self.decide(), "tested")


def collected(measurement: Measurement, samples: Iterable[Measured | Failed], plan: Plan) -> Any:
    """The columns of one measurement."""
    collector = Collector(measurement.cells, "by hand")
    collector.bind(plan.source if measurement.checkpoint == "source" else STRIPPED_MODEL.digest())
    for sample in samples:
        collector.add(sample, "by hand")
    return collector.columns()


def samples_of(measurement: Measurement, placed: Sequence[Placed]) -> Iterable[Measured | Failed]:
    """The records of items that stand in this order."""
    for item, (number, outcome) in enumerate(placed):
        cell = measurement.cells[number]
        if outcome == "failed":
            yield Failed(item=item, labels=cell.labels, metrics=cell.metrics, error="ValueError: broken")
        elif outcome is not None:
            yield Measured(item=item, labels=cell.labels, values=dict.fromkeys(cell.metrics, float(outcome)))
