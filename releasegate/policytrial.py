"""One case of a policy test, decided: the plan, the evidence and the decision are the real ones. Pure.

What is made up is what no verdict depends on: the model's files, the code's digests, the nonce, the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from releasegate.decision import Decision, Finding, decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import (
    FAILED,
    MEASURED,
    Cell,
    Collector,
    Columns,
    Evidence,
    Rows,
    cell_key,
    evidence_digest,
)
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import SOURCE, EvalCode, Measurement, Plan, PlannedModel, Role, SubjectRef, items_of, make_plan
from releasegate.policy import Policy
from releasegate.policytest import (
    Case,
    Cells,
    PolicyTest,
    StatedCell,
    nothing_measured,
    outcome_columns,
    whole_case,
)
from releasegate.receipt import Leftovers, Receipt, RecipeUsed
from releasegate.records import digest_of
from releasegate.working import control_evals, states_controls

OPENED = date(2000, 1, 1)


@dataclass(frozen=True)
class Trial:
    """What a policy decided on a case.

    Attributes:
        differences: what was expected and is not so, in words; empty if the case passes.
    """

    decision: Decision
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything that was expected is so."""
        return not self.differences


def try_case(policy: Policy, cards: Mapping[str, EvalCard], test: PolicyTest, number: int) -> Trial:
    """The decision on one case of a test that fits its policy (`policytestcheck.problems` finds nothing), and how it differs.

    The stripped checkpoint is looked at where the gate would look at it: when something comes to strip.

    Args:
        cards: of every eval that the policy names.
        number: of the case, from 0.
    """
    case = whole_case(test, number)
    plan = _plan(policy, cards, case)
    today = OPENED + timedelta(days=case.age_days)
    decision = decide(policy, plan, _evidence(plan, case, None), None, today)
    idle = bool(case.evidence.stripped) and not decision.awaiting_strip
    if decision.awaiting_strip and case.evidence.stripped:
        receipt = _receipt(plan, decision.awaiting_strip)
        decision = decide(policy, plan, _evidence(plan, case, receipt), receipt, today)
    found = list(_differences(decision, case))
    if idle:
        found.append("evidence: a stripped checkpoint is stated, and nothing comes to strip")
    return Trial(decision, tuple(found))


def _plan(policy: Policy, cards: Mapping[str, EvalCard], case: Case) -> Plan:
    subject = SubjectRef(id=policy.model.subject, code="policy test", dtype="float32", deterministic=True)
    controlled = states_controls(policy, cards, case.evidence.source)
    names = {r.eval for r in policy.requirements} | (control_evals(policy, cards) if controlled else frozenset())
    evals = {
        name: EvalCode(
            _carded(cards[name], case), digest_of("policy test"), {}, subject, _cells(policy, cards[name], case)
        )
        for name in sorted(names)
    }
    recipes = {str(c.recipe): digest_of(c.recipe) for c in policy.capabilities if c.recipe}
    model = PlannedModel(layout=policy.model.layout, manifest=_manifest("source"))
    plan = make_plan(policy, evals, recipes, model, OPENED.isoformat(), controlled=controlled)
    return plan.model_copy(update={"nonce": "00" * 32})


def _carded(card: EvalCard, case: Case) -> EvalCard:
    """The card as a case takes it: one that says nothing of clusters states independent calibration items."""
    stated, key = (
        case.evidence.calibration.get(card.id, ()),
        card.calibration.key if card.calibration is not None else None,
    )
    if card.calibration is None or key is None or any(key in cell.labels for cell in stated):
        return card
    return card.model_copy(update={"calibration": card.calibration.model_copy(update={"key": None})})


def _manifest(name: str) -> Manifest:
    return Manifest(files=(FileEntry(path=name, size=1, sha256=digest_of(name)),))


def _cells(policy: Policy, card: EvalCard, case: Case) -> dict[Role, tuple[Cell, ...]]:
    """Planned items: those that the case mentions on either checkpoint, else the card's number without labels."""
    stated = case.evidence
    gate = [*stated.source.get(card.id, ()), *stated.stripped.get(card.id, ())]
    gated = {r.metric_name: None for r in policy.requirements if r.eval == card.id}  # in the order of the policy
    if not gate:
        gate = [StatedCell(n=items_of(policy, card.id, card))]
    return {
        "gate": _planned(gate, tuple(gated)),
        "calibration": _planned(stated.calibration.get(card.id, ()), tuple(card.metrics)),
    }


def _planned(stated: Iterable[StatedCell], otherwise: tuple[str, ...]) -> tuple[Cell, ...]:
    """One cell for each set of labels, with every metric that is stated about it; if none is, those of `otherwise`."""
    cells: dict[tuple[tuple[str, str], ...], StatedCell] = {}
    metrics: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for cell in stated:
        key = tuple(sorted(cell.labels.items()))
        cells.setdefault(key, cell)
        metrics.setdefault(key, set()).update(cell.metrics)
    return tuple(
        Cell(labels=cell.labels, metrics=tuple(sorted(metrics[key])) or otherwise, n=cell.n)
        for key, cell in cells.items()
    )


def _evidence(plan: Plan, case: Case, receipt: Receipt | None) -> Evidence:
    columns: dict[str, Columns] = {}
    stated = case.evidence
    for m in plan.measurements:
        base: Cells = {}
        if m.checkpoint == SOURCE:
            cells, model = stated.source, plan.source
        elif receipt is not None and m.model == receipt.planned:
            cells, base, model = stated.stripped, stated.source, receipt.output_digest
        else:
            continue
        if m.role == "calibration":  # of a stripped checkpoint that has its own, the same is stated
            cells, base = stated.calibration, {}
        if not m.cells:
            continue
        rows = _rows(m, cells.get(m.eval, ()), base.get(m.eval, ()), plan.cards[m.eval])
        if len(rows.items):
            collector = Collector(m.cells, "policy test")
            collector.bind(model)
            if not collector.add_all(rows, range(m.items), lambda name, column: True):
                raise AssertionError("a test that fits its policy states what the plan lists")
            columns[plan.identity(m)] = collector.columns()
    return Evidence(columns, evidence_digest(()))


def _rows(measurement: Measurement, stated: Iterable[StatedCell], base: Iterable[StatedCell], card: EvalCard) -> Rows:
    """The records of a measurement, as if one shard held all: the items of its cells mixed evenly."""
    here = {tuple(sorted(cell.labels.items())): cell for cell in stated}
    before = {tuple(sorted(cell.labels.items())): cell for cell in base}
    came = []
    for cell in measurement.cells:
        key = tuple(sorted(cell.labels.items()))
        source = outcome_columns(before[key], None, card.metrics) if key in before else None
        came.append(outcome_columns(here[key], source, card.metrics) if key in here else nothing_measured(cell.n))
    sizes = [len(one.state) for one in came]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    within = np.concatenate([np.arange(n) for n in sizes])
    total = len(owner)
    number = np.empty(total, dtype=np.int64)  # of each item, in the planned order, by its cell and its place there
    number[np.lexsort((within, owner, (within + 0.5) / np.asarray(sizes)[owner]))] = np.arange(total)
    state = np.concatenate([one.state for one in came])
    starts = np.cumsum([0, *sizes])
    ordered = [np.flatnonzero(state == wanted) for wanted in (MEASURED, FAILED)]
    ordered = [places[np.argsort(number[places])] for places in ordered]
    rows = np.concatenate(ordered)
    values: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    for name in dict.fromkeys(name for one in came for name in one.values):
        parts = [
            (starts[c] + np.flatnonzero(one.state == MEASURED), one) for c, one in enumerate(came) if name in one.values
        ]
        places = np.concatenate([at for at, _ in parts])
        column = np.concatenate([one.values[name][one.state == MEASURED] for _, one in parts])
        values[name] = number[places], column
    return Rows(
        items=number[rows],
        kinds=[cell_key(cell.labels, cell.metrics) for cell in measurement.cells],
        kind=owner[rows],
        values=values,
        errors=["failed, as the case states"] * len(ordered[1]),
    )


def _receipt(plan: Plan, capabilities: tuple[str, ...]) -> Receipt:
    strip = plan.strip_of(capabilities)
    assert strip is not None, "the plan lists every strip that a decision can ask for"
    output = _manifest("stripped")
    return Receipt(
        source=plan.source,
        recipes=tuple(RecipeUsed(id=ref.id, sha256=ref.sha256) for ref in strip.recipes),
        planned=strip.model,
        output_digest=output.digest(),
        tier="weights_absent",
        tensors=(),
        dropped=_manifest("stripped away").files,
        leftovers=Leftovers(pieces=0),
        output=output,
    )


def _differences(decision: Decision, case: Case) -> Iterator[str]:
    expect = case.expect
    if decision.verdict != expect.verdict:
        why = next(c.sentence for c in decision.capabilities if c.verdict == decision.verdict)
        yield f"verdict: expected {expect.verdict}, got {decision.verdict}: {why}"
    if expect.channel not in (None, decision.channel):
        yield f"channel: expected {expect.channel}, got {decision.channel}"
    for a in decision.artefacts:
        if expect.artefacts.get(a.name, a.verdict) != a.verdict:
            yield f"{a.name}: expected {expect.artefacts[a.name]}, got {a.verdict}: {a.sentence}"
    for c in decision.capabilities:
        if expect.capabilities.get(c.id, c.verdict) != c.verdict:
            yield f"{c.id}: expected {expect.capabilities[c.id]}, got {c.verdict}: {c.sentence}"
    on_source = [f for c in decision.capabilities for f in c.findings]
    on_stripped = decision.strip.findings if decision.strip else ()
    for where, expected, listed in (
        ("source", expect.source, on_source),
        ("stripped", expect.stripped, on_stripped),
    ):
        for name, wanted in expected.items():
            found = [f for f in listed if f.requirement == name]
            yield from _of_findings(f"{name} on the {where} checkpoint", wanted, found)


def _of_findings(name: str, wanted: str, found: list[Finding]) -> Iterator[str]:
    """What is not as expected, at whichever channel."""
    if not found:
        yield f"{name}: expected {wanted}, and it was not judged"
    for f in found:
        if wanted not in (f.status, f.reason):
            at = f", at {f.channel}" if f.channel else ""
            yield f"{name}{at}: expected {wanted}, got {f.reason or f.status}: {f.sentence}"
