"""What of a decided attempt may go on with fresh items: measurements on which a sequential requirement is unsettled. Pure.

The e-value of a sequential test goes on multiplying, and a claim that does not hold gets to 1 / alpha with probability alpha at
most, however long it goes on (J. Ville, "Étude critique de la notion de collectif", 1939; P. Grünwald, R. de Heide, W. Koolen,
"Safe testing", JRSS-B 86, 2024: optional continuation). A test on a fixed number of items has no such right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from releasegate.decision.record import Decision, Finding
from releasegate.evalcard import EvalCard
from releasegate.evidence import MISSING, Columns
from releasegate.plan import SOURCE, Measurement, Plan, sections_on
from releasegate.policy import Capability, Requirement, Section

Judged = tuple[Section, Requirement]


@dataclass(frozen=True)
class Continuing:
    """What may go on.

    Attributes:
        measurements: of the plan, in its order.
        refused: why no other can, one sentence each.
    """

    measurements: tuple[Measurement, ...]
    refused: tuple[str, ...]


def continuing(plan: Plan, decision: Decision) -> Continuing:
    """What of an attempt may go on, as it was decided."""
    if plan.chances is not None:
        return Continuing(
            (), ("the strips are measured on items of their own, and other evidence could choose another one",)
        )
    findings = [f for c in decision.capabilities for f in c.findings]
    findings += decision.strip.findings if decision.strip is not None else ()
    wanted: set[tuple[str, str]] = set()
    refused: list[str] = []
    for f in findings:
        if f.status == "violated":
            refused.append(f"{f.requirement} on {f.checkpoint} is violated, which more items do not change")
        if f.reason != "unsettled":
            continue
        together = _together(plan, f)
        problem = _fixed(plan, f) or next((p for m in together if (p := _hindrance(plan, m, findings))), None)
        if not together or problem is not None:
            refused.append(
                f"{f.requirement} on {f.checkpoint} is unsettled, and {problem or 'nothing of it is planned'}"
            )
        else:
            wanted |= {(m.eval, m.checkpoint) for m in together}
    found = (m for m in plan.measurements if m.role == "gate" and (m.eval, m.checkpoint) in wanted)
    return Continuing(tuple(found), tuple(dict.fromkeys(refused)))


def is_sequential(requirement: Requirement, section: Section, card: EvalCard) -> bool:
    """Whether a requirement is tested by an e-process over items, in their planned order."""
    clusters = card.clusters
    if section != "keep" and clusters is not None and clusters.population != "named":
        return False
    return requirement.sequential or card.metrics[requirement.metric_name].type == "bounded_mean"


def opening_of(m: Measurement, columns: Columns | None) -> tuple[Measurement, Columns | None]:
    """The items of a measurement that its opening planned, and what they showed; nothing where a record of them is missing.

    A requirement on a fixed number of items is judged on these alone, however far the measurement went on: else it would be
    looked at twice.
    """
    if m.parts is None or columns is None:
        return m, columns
    n = m.parts[0]
    if (columns.state[:n] == MISSING).any():
        return m, None
    counts = np.bincount(columns.cell[:n], minlength=len(columns.cells))
    kept = np.flatnonzero(counts)
    places = {int(old): new for new, old in enumerate(kept)}
    cells = tuple(columns.cells[i].model_copy(update={"n": int(counts[i])}) for i in kept)
    failed = {places[c]: first for c, first in columns.first_failed.items() if c in places and first[0] < n}
    cut = replace(
        columns,
        cells=cells,
        cell=np.searchsorted(kept, columns.cell[:n]).astype(np.int32),
        state=columns.state[:n],
        values={name: values[:n] for name, values in columns.values.items()},
        first_failed=failed,
        output_kind=None if columns.output_kind is None else columns.output_kind[:n],
    )
    return m.model_copy(update={"cells": cells, "parts": None}), cut


def _together(plan: Plan, found: Finding) -> list[Measurement]:
    """The measurement of a finding, and those that are compared with it item by item."""
    name = found.metric.split("/")[0]
    kept = {r.eval for c in _able(plan) for r in c.keep or ()}
    places = {found.checkpoint} if name not in kept else {SOURCE, *(s.name for s in plan.strips)}
    return [m for m in plan.measurements if m.eval == name and m.role == "gate" and m.checkpoint in places]


def _fixed(plan: Plan, f: Finding) -> str | None:
    """Why an unsettled requirement cannot go on by itself; None if it can."""
    m = plan.find(f.metric.split("/")[0], f.checkpoint)
    for section, r in () if m is None else _judged_on(plan, m):
        if r.id == f.requirement and not is_sequential(r, section, plan.cards[r.eval]):
            return f"{r.id} judges {r.eval} on a fixed number of items"
    return None


def _hindrance(plan: Plan, m: Measurement, findings: list[Finding]) -> str | None:
    """Why a measurement cannot go on; None if it can."""
    card = plan.cards[m.eval]
    if card.items.kind != "generated":
        return f"the items of {m.eval} come from a pool, which has no fresh ones"
    ids = {r.id for _, r in _judged_on(plan, m)}
    violated = (f.requirement for f in findings if f.status == "violated" and f.checkpoint == m.checkpoint)
    broken = next((name for name in violated if name in ids), None)
    return None if broken is None else f"{broken} on {m.checkpoint} is violated, which more items do not change"


def _judged_on(plan: Plan, m: Measurement) -> Iterator[Judged]:
    """The requirements that a measurement is judged by, as the baseline of what is kept included."""
    strip = next((s for s in plan.strips if s.name == m.checkpoint), None)
    for c in plan.policy.capabilities:
        wanted = sections_on(strip, c)
        if strip is None and c in _able(plan):
            wanted += ("keep",)
        yield from (
            (section, r) for section, r in plan.stated(plan.policy, c) if section in wanted and r.eval == m.eval
        )


def _able(plan: Plan) -> list[Capability]:
    """The capabilities that a planned strip takes away."""
    names = {name for strip in plan.strips for name in strip.capabilities}
    return [c for c in plan.policy.capabilities if c.id in names]
