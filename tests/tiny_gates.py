"""Policies, plans and evidence made by hand, through the real records: what `decide` is given, without a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from releasegate.decision import Decision, Finding, decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Collector, Evidence, Failed, Measured, evidence_digest
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import Doubt, EvalCode, LedgerPosition, Measurement, Plan, PlannedModel, SubjectRef, make_plan
from releasegate.policy import Policy
from releasegate.receipt import Leftovers, Receipt, RecipeUsed
from releasegate.records import digest_of
from releasegate.working import control_evals

OPENED = date(2026, 1, 1)
POSITION = LedgerPosition(count=3, head="ef" * 32, anchored=True)
"""Where the ledger stood when the attempt was opened."""
Outcome = float | Literal["failed"] | None
"""The value of an item, its failure, or no record at all."""


POOL = {"of": "instrument", "population": "unknown", "reason": "made by hand"}
"""Calibration items that count one by one."""


def card(eval_id: str, metric: str, *, n: int = 100, working: str | None = None, **changes: Any) -> EvalCard:
    """A card with one Bernoulli metric and two dimensions, one of which it gates; `working` is the metric of its control."""
    share: dict[str, Any] = {
        "title": metric,
        "type": "bernoulli",
        "unit": "share",
        "range": [0, 1],
        "better": "higher",
        **({} if working is None else {"working": [{"metric": working, "at_least": 0.3}]}),
    }
    plain: dict[str, Any] = {
        "schema": "releasegate/eval/v1",
        "id": eval_id,
        "title": eval_id,
        "description": eval_id,
        "needs": [],
        "items": {"kind": "generated", "n": n, "source": "made"},
        "metrics": {metric: share},
        "slices": {"digit": {"title": "Digit", "gate": True}, "ink": {"title": "Ink"}},
    }
    if "calibration" in changes.get("items", {}):
        plain["calibration"] = POOL
    return EvalCard.from_text(json.dumps(plain | changes))


CARDS = {
    "drawing": card("drawing", "legible"),
    "marking": card("marking", "found"),
    "naming": card("naming", "right", items={"kind": "public_pool", "n": 100, "source": "found"}),
}
CONTROLLED = {
    "drawing": card("drawing", "legible", working="naming/right"),
    "marking": card("marking", "found", working="naming/right"),
    "naming": card(
        "naming", "right", working="marking/found", items={"kind": "public_pool", "n": 100, "source": "found"}
    ),
}
"""The same, each with a control."""


def requirement(name: str, metric: str, **keys: Any) -> dict[str, Any]:
    """A requirement as JSON data."""
    return {"id": name, "metric": metric, **keys}


WEAK = requirement("weak", "drawing/legible", at_most=0.2)
MARKED = requirement("marked", "marking/found", at_least=0.8, enforced_by="weights")
GONE = requirement("gone", "drawing/legible", at_most=0.2)
KEPT = requirement("kept", "naming/right", margin=0.1)
STRIP: dict[str, Any] = {"otherwise": "strip", "recipe": "tiny-hf/drawing", "removal": [GONE], "keep": [KEPT]}


def capability(name: str, **keys: Any) -> dict[str, Any]:
    """A capability as JSON data; withheld unless something else is said."""
    plain: dict[str, Any] = {"id": name, "title": name.title(), "rationale": f"Why {name}."}
    return {**plain, "otherwise": "withhold", **keys}


def unconditional(name: str) -> dict[str, Any]:
    """A capability that is always released."""
    return {"id": name, "title": name.title(), "rationale": "Harmless.", "unconditional": True}


def policy(*capabilities: Mapping[str, Any], **release: Any) -> Policy:
    """A policy of these capabilities, about open weights unless `channel` or `artefacts` say otherwise."""
    through = {} if "artefacts" in release else {"channel": "open_weights"}
    plain = {
        "schema": "releasegate/policy/v1",
        "id": "tiny",
        "title": "Tiny",
        "model": {"layout": "tiny-hf", "subject": "tiny"},
        "release": {**through, "max_failed": 0.05, **release},
        "capabilities": list(capabilities),
    }
    return Policy.from_text(json.dumps(plain))


def manifest(name: str) -> Manifest:
    """A folder of one file."""
    return Manifest(files=(FileEntry(path=name, size=1, sha256="sha256:" + "0" * 64),))


SOURCE_MODEL = PlannedModel(layout="tiny-hf", manifest=manifest("source"))
STRIPPED_MODEL = manifest("stripped")


def cells_of(eval_id: str, n: int) -> tuple[Cell, ...]:
    """`n` items, half of digit 0 and half of digit 1."""
    (metric,) = CARDS[eval_id].metrics
    return tuple(Cell(labels={"digit": str(d)}, metrics=(metric,), n=n // 2) for d in range(2))


def plan_of(
    of: Policy,
    *,
    n: int = 100,
    cells: Mapping[str, tuple[Cell, ...]] | None = None,
    attempt: int = 1,
    shard: int = 25,
    controlled: bool = False,
    doubts: Iterable[Doubt] = (),
    cards: Mapping[str, EvalCard] | None = None,
) -> Plan:
    """The opened plan of an attempt on a model of one file; `controlled`, with the controls of the cards."""
    known = cards or (CONTROLLED if controlled else CARDS)
    subject = SubjectRef(id="tiny", code="made by hand", dtype="float32", deterministic=True)
    evals = {}
    named = {r.eval for c in of.capabilities for _, _, r in c.sections()}
    for eval_id in sorted(named | (control_evals(of, known) if controlled else set())):
        planned = (cells or {}).get(eval_id, cells_of(eval_id, n))
        sized = known[eval_id].model_copy(update={"shard": shard})
        evals[eval_id] = EvalCode(sized, "sha256:" + "1" * 64, {}, subject, {"gate": planned})
    recipes = {str(c.recipe): digest_of(c.recipe) for c in of.capabilities if c.recipe}
    day = OPENED.isoformat()
    plan = make_plan(of, evals, recipes, SOURCE_MODEL, day, attempt, controlled=controlled, doubts=doubts)
    return plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})


def receipt_of(plan: Plan, name: str) -> Receipt:
    """The receipt of the planned strip `name`."""
    strip = next(s for s in plan.strips if s.name == name)
    return Receipt(
        source=plan.source,
        recipes=tuple(RecipeUsed(id=ref.id, sha256=ref.sha256) for ref in strip.recipes),
        planned=strip.model,
        output_digest=STRIPPED_MODEL.digest(),
        tier="weights_absent",
        tensors=(),
        dropped=manifest("stripped away").files,
        leftovers=Leftovers(pieces=0),
        output=STRIPPED_MODEL,
    )


Outcomes = dict[tuple[str, str], list[Outcome]]
"""By eval and checkpoint: one outcome an item. Items are numbered cell by cell."""


def cell_numbers(measurement: Measurement) -> list[int]:
    """The cell of each item."""
    return [number for number, cell in enumerate(measurement.cells) for _ in range(cell.n)]


def samples_of(measurement: Measurement, outcomes: Sequence[Outcome]) -> Iterable[Measured | Failed]:
    """The records of a measurement, in the order of its items."""
    for item, (number, outcome) in enumerate(zip(cell_numbers(measurement), outcomes, strict=True)):
        cell = measurement.cells[number]
        if outcome == "failed":
            yield Failed(item=item, labels=cell.labels, metrics=cell.metrics, error="ValueError: broken")
        elif outcome is not None:
            yield Measured(item=item, labels=cell.labels, values=dict.fromkeys(cell.metrics, float(outcome)))


def evidence_of(plan: Plan, outcomes: Outcomes, *, order: Sequence[int] | None = None) -> Evidence:
    """The evidence that holds these outcomes.

    Args:
        order: positions in which the records of each measurement are read; by default as they stand.
    """
    columns = {}
    for (eval_id, checkpoint), listed in outcomes.items():
        measurement = plan.find(eval_id, checkpoint)
        assert measurement is not None, (eval_id, checkpoint)
        records = list(samples_of(measurement, listed))
        if order is not None:
            records = [records[i] for i in order if i < len(records)]
        if not records:
            continue
        collector = Collector(measurement.cells, "by hand")
        collector.bind(plan.source if checkpoint == "source" else STRIPPED_MODEL.digest())
        for record in records:
            collector.add(record, "by hand")
        columns[plan.identity(measurement)] = collector.columns()
    return Evidence(columns, evidence_digest(()))


def share(hits: int, n: int = 100, *, failed: int = 0, missing: int = 0) -> list[Outcome]:
    """`n` items: first the hits, then the others, then what failed, then what has no record."""
    rest = n - hits - failed - missing
    assert rest >= 0
    lost: list[Outcome] = [*["failed"] * failed, *[None] * missing]
    return [*[1.0] * hits, *[0.0] * rest, *lost]


@dataclass
class Gate:
    """A policy, what was measured, and the decision on it."""

    policy: Policy
    outcomes: Outcomes = field(default_factory=dict)
    strip: str | None = None
    n: int = 100
    cells: Mapping[str, tuple[Cell, ...]] | None = None
    attempt: int = 1
    today: date = OPENED

    @property
    def plan(self) -> Plan:
        """The plan of the policy."""
        return plan_of(self.policy, n=self.n, cells=self.cells, attempt=self.attempt)

    def decide(self, *, by: Policy | None = None) -> Decision:
        """The decision; `by` another policy, it is a replay."""
        plan = self.plan
        receipt = receipt_of(plan, self.strip) if self.strip else None
        return decide(by or self.policy, plan, evidence_of(plan, self.outcomes), receipt, self.today)


def finding(decision: Decision, name: str) -> Finding:
    """The finding on the requirement `name`, of the stripped checkpoint where there is one."""
    found = [f for c in decision.capabilities for f in c.findings]
    found += decision.strip.findings if decision.strip else ()
    return next(f for f in reversed(found) if f.requirement == name)
