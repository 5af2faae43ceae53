"""Going on with a decided attempt: the same plan with fresh items, in a run folder of its own, at the attempt's own alpha.

The first items of the new run are those of the run before, shard by shard; the others derive from a nonce that is drawn after
the ledger says what goes on, and how far.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

from releasegate.decision.continuing import continuing
from releasegate.errors import LedgerError, RunError
from releasegate.evaluation import part_cells
from releasegate.evidence import Cell, cell_key
from releasegate.ledger import LedgerView
from releasegate.opening import Attempt, draw, new_plan, open_or_resume, require_room
from releasegate.plan import Extension, Measurement, Plan
from releasegate.repository import RunFolder, decide_run, known_attempt
from releasegate.repository.carrying import carry, require_extension

SETTLED = "open a new attempt, with `sequential: true` and room for more items where more may be needed"


def extend_or_resume(run: RunFolder, attempt: Attempt, before: RunFolder, items: int, today: date) -> Plan:
    """The plan of an extension of the run `before`; of the one that lies in the run folder, if it is that one.

    Args:
        items: fresh items of each measurement that goes on.

    Raises:
        RunError: the run was not decided, is a rehearsal, or has nothing that may go on; or something changed since.
        LedgerError: the attempt was not closed with its evidence, or went on otherwise.
    """
    require_extension(run, before, items)
    if run.plan_path.exists():
        plan = open_or_resume(run, attempt)
    else:
        plan = _opened(run, attempt, before, items, today)
    carry(before, run, plan)
    return plan


def _opened(run: RunFolder, attempt: Attempt, before: RunFolder, items: int, today: date) -> Plan:
    stored = _stored(before)
    view = attempt.ledger.read(attempt.policy.family, attempt.anchor)
    controlled = stored.controlled is not None
    again = new_plan(attempt, view, stored.opened, stored.attempt, controlled=controlled)
    before.refuse_other_plan(stored, again.extended_as(stored))
    plan = _extended(before, stored, attempt, items, today)
    with attempt.ledger.locked(attempt.policy.family, attempt.anchor) as held:
        _require_last(before, stored, plan, held.view)
        require_room(run, plan, attempt)
        run.open(plan)
        return draw(run, plan, held, attempt)


def _require_last(before: RunFolder, stored: Plan, plan: Plan, view: LedgerView) -> None:
    """Nothing, if the attempt ended with what lies in the run, and did not go on from there yet."""
    known = known_attempt(view, stored)
    if known.closed is None or plan.extends is None or known.closed.evidence != plan.extends.evidence:
        what = f"does not say that attempt {known.number} was closed on the evidence in {before.root}"
        raise LedgerError(view.source, what, "decide it first: `releasegate decide`")
    if any(e.extends == stored.fixed for e in view.extensions):
        what = f"says that attempt {known.number} went on from {before.root} already"
        raise LedgerError(view.source, what, "resume that extension in its own run folder")


def _stored(before: RunFolder) -> Plan:
    """The plan of the run that goes on."""
    plan = before.read_plan()
    if plan.rehearsal:
        raise RunError(
            str(before.root), "is a rehearsal, which counts for nothing", "extend an attempt, or rehearse anew"
        )
    return plan


def _extended(before: RunFolder, stored: Plan, attempt: Attempt, items: int, today: date) -> Plan:
    """The plan of the extension, without its nonce."""
    decision = decide_run(before, attempt.repository, today)
    found = continuing(stored, decision)
    if not found.measurements:
        why = "; ".join(found.refused) or "no requirement of it is unsettled"
        raise RunError(str(before.root), f"cannot go on: {why}", SETTLED)
    number = 1 if stored.extends is None else stored.extends.number + 1
    names = {stored.identity(m) for m in found.measurements}
    update = {
        "extends": Extension(
            number=number,
            plan=stored.fixed,
            evidence=decision.evidence,
            items=items,
            carried=tuple(sorted(before.evidence.done().values(), key=lambda d: (d.measurement, d.shard))),
        ),
        "ledger": None,
        "measurements": tuple(
            _going_on(stored, m, attempt, items, number) if stored.identity(m) in names else m
            for m in stored.measurements
        ),
    }
    return stored.model_copy(update=update)


def _going_on(stored: Plan, m: Measurement, attempt: Attempt, items: int, number: int) -> Measurement:
    parts = m.parts or (m.items,)
    padded = (*parts, *(0 for _ in range(number - len(parts))), items)
    cells = _together(m.cells, part_cells(attempt.repository, stored.policy, m.eval, items))
    return m.model_copy(update={"parts": padded, "cells": cells, "before": stored.identity(m)})


def _together(one: tuple[Cell, ...], other: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The cells of two lists of items, put together as of one."""
    counts: Counter[tuple[tuple[tuple[str, str], ...], tuple[str, ...]]] = Counter()
    for cell in (*one, *other):
        counts[cell_key(cell.labels, cell.metrics)] += cell.n
    return tuple(Cell(labels=dict(labels), metrics=metrics, n=n) for (labels, metrics), n in sorted(counts.items()))
