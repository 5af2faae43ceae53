"""A policy with three capabilities that may be stripped, each with an eval of its own, and plans and evidence under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from releasegate.decision import Decision, decide
from releasegate.evalcard import EvalCard
from releasegate.evidence import MEASURED, Cell, Columns, Evidence, evidence_digest
from releasegate.plan import SOURCE, EvalCode, Measurement, Plan, SubjectRef, make_plan
from releasegate.policy import Policy
from releasegate.records import digest_of
from tests.tiny_gates import (
    OPENED,
    POSITION,
    SOURCE_MODEL,
    STRIPPED_MODEL,
    capability,
    card,
    policy,
    receipt_of,
    requirement,
)

NAMES = ("one", "two", "three")
LIMIT = 0.2
EVALS = (*NAMES, "kept")


def cards(**changes: Mapping[str, Any]) -> dict[str, EvalCard]:
    """The cards of the four evals, some of them changed."""
    return {name: card(name, "seen", **{"slices": {}, **changes.get(name, {})}) for name in EVALS}


def three(**keys: Any) -> Policy:
    """Each of three is released if it is seen in at most a fifth of its items, else stripped, and must be gone then."""
    return policy(
        *(
            capability(
                name,
                misuse=[requirement(f"weak-{name}", f"{name}/seen", at_most=LIMIT)],
                otherwise="strip",
                recipe=f"tiny-hf/{name}",
                removal=[requirement(f"gone-{name}", f"{name}/seen", at_most=LIMIT)],
                keep=[requirement(f"kept-{name}", "kept/seen", margin=0.4)],
            )
            for name in NAMES
        ),
        **keys,
    )


def plan_of_three(
    of: Policy, n: int, carded: Mapping[str, EvalCard] | None = None, *, own_items: bool = True, attempt: int = 1
) -> Plan:
    """An opened plan with `n` items of each eval."""
    subject = SubjectRef(id="tiny", code="made by hand", dtype="float32", deterministic=True)
    cells = {"gate": (Cell(labels={}, metrics=("seen",), n=n),), "calibration": (Cell(metrics=("seen",), n=50),)}
    codes = {
        name: EvalCode(found, "sha256:" + "1" * 64, {}, subject, cells)  # type: ignore[arg-type]
        for name, found in (carded or cards()).items()
    }
    recipes = {str(c.recipe): digest_of(c.recipe) for c in of.capabilities if c.recipe}
    plan = make_plan(of, codes, recipes, SOURCE_MODEL, OPENED.isoformat(), attempt, own_items=own_items)
    return plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})


def columns_of(m: Measurement, hits: int, model: str) -> Columns:
    """So many ones, then zeros."""
    values = (np.arange(m.items) < hits).astype(np.float64)
    state = np.full(m.items, MEASURED, dtype=np.uint8)
    return Columns(m.cells, np.zeros(m.items, dtype=np.int32), state, {"seen": values}, (), model)


def decided(
    plan: Plan, source: Mapping[str, int], stripped: Mapping[str, int], written: tuple[str, ...] = ()
) -> Decision:
    """The decision on so many hits of each eval; the strip is the one that the source's evidence asks for.

    Args:
        written: the capabilities that were stripped; by default those.
    """
    seen = {
        plan.identity(m): columns_of(m, source[m.eval], plan.source)
        for m in plan.measurements
        if (m.checkpoint, m.role) == (SOURCE, "gate")
    }
    found = decide(plan.policy, plan, Evidence(seen, evidence_digest(())), None, OPENED)
    away = written or found.awaiting_strip
    if not away:
        return found
    strip = plan.strip_of(away)
    assert strip is not None
    more = {
        plan.identity(m): columns_of(m, stripped[m.eval], STRIPPED_MODEL.digest())
        for m in plan.measurements
        if (m.checkpoint, m.role) == (strip.name, "gate")
    }
    evidence = Evidence(seen | more, evidence_digest(()))
    return decide(plan.policy, plan, evidence, receipt_of(plan, strip.name), OPENED)
