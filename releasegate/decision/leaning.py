"""What a decision leans on, and what was not measured."""

from __future__ import annotations

from collections.abc import Iterable

from releasegate.decision.judging import Bench
from releasegate.decision.record import CapabilityDecision, StripDecision
from releasegate.decision.settled import stopped_early
from releasegate.evalcard import Calibration
from releasegate.evidence import MEASURED
from releasegate.plan import SOURCE, Doubt, Plan
from releasegate.policy import WEIGHTS, Policy
from releasegate.working import channels_of


def leans_on(policy: Policy, plan: Plan) -> Iterable[str]:
    """What the verdict rests on and no measurement shows."""
    if plan.ledger is not None and not plan.ledger.anchored:
        yield "ledger: unanchored: attempts removed from its end would not be seen"
    if plan.extends is not None:
        times = "once" if plan.extends.number == 1 else f"{plan.extends.number} times"
        yield f"attempt {plan.attempt} went on {times}, the last time by {plan.extends.items} items, as one sequence at one alpha"
    if any(m.subject.served for m in plan.measurements):
        yield "server: what answered is not tied to the digest of any weights, and may be another model tomorrow"
    for c in policy.capabilities:
        if c.unconditional:
            yield unconditional(c.title, c.rationale)
    if plan.controlled:
        yield from _not_elicited(policy)
        yield from _accepted_parts(policy, plan)
    for eval_id, card in plan.cards.items():
        if card.items.kind == "public_pool":
            measurement = plan.find(eval_id, SOURCE)
            n = measurement.items if measurement and measurement.items else card.items.n
            yield f"{eval_id}: {n} public items, which the model's author may have trained on; attempt {plan.attempt}"
        if card.clusters is not None and card.clusters.population == "named":
            yield f"{eval_id}: {_clusters(plan, eval_id, card.clusters.key)}"
        if plan.by_cluster is not None and card.calibration is not None:
            yield from _calibrated(plan, eval_id, card.calibration)


def _calibrated(plan: Plan, eval_id: str, stated: Calibration) -> Iterable[str]:
    """What calibration items say of those alone that they are, where they are no sample."""
    cells = [cell for m in plan.measurements if (m.eval, m.role) == (eval_id, "calibration") for cell in m.cells]
    if not cells or stated.population == "sampled":
        return
    if stated.population == "named" and stated.key is not None:
        names = {cell.labels[stated.key] for cell in cells if stated.key in cell.labels}
        yield f"{eval_id}: calibrated on {len(names)} of dimension {stated.key}: these, not others"
        return
    n = plan.find(eval_id, SOURCE, "calibration")
    of = f"{n.items if n is not None else 0} items"
    if stated.key is not None:
        of += f" of {len({cell.labels.get(stated.key) for cell in cells})} of dimension {stated.key}"
    why = " ".join((stated.reason or "").split())
    yield f"{eval_id}: calibrated on this pool ({of}), not others, as its clusters are unknown: {why}"


def _not_elicited(policy: Policy) -> Iterable[str]:
    """What is measured of weights is what they show as they are, not what somebody can make of them."""
    asked = [c for c in policy.capabilities if c.misuse and not c.unconditional]
    if any(channel in WEIGHTS for c in asked for channel in channels_of(policy, c)):
        yield "measured as published, not elicited: who has the weights may train or edit them until they show more"


def _accepted_parts(policy: Policy, plan: Plan) -> Iterable[str]:
    for doubt in plan.doubts or ():
        reason = (policy.model.accepts or {}).get(doubt.part or "")
        if doubt.kind == "unmeasured_part" and reason:
            yield f"{_part(doubt)}: accepted unmeasured, because: {reason}"


def _part(doubt: Doubt) -> str:
    """The name of an unmeasured part with its share of the parameters."""
    share = "" if doubt.share is None else f", {100 * doubt.share:.0f} % of the parameters"
    return f"{(doubt.part or doubt.place).replace('_', ' ')}{share}"


def unconditional(title: str, rationale: str) -> str:
    """What is said of a capability that is released whatever is measured."""
    return f"{title}: unconditional, because: {rationale}"


def _clusters(plan: Plan, eval_id: str, key: str) -> str:
    cells = [cell for m in plan.measurements if m.eval == eval_id for cell in m.cells]
    names = {cell.labels[key] for cell in cells if key in cell.labels}
    return f"{len(names)} of dimension {key}: these, not others"


def not_measured(bench: Bench, source: list[CapabilityDecision], strip: StripDecision | None) -> Iterable[str]:
    """What nothing was found out about: of the strip, of each finding, of the instruments."""
    parts = [_part(doubt) for doubt in bench.plan.doubts or () if doubt.kind == "unmeasured_part"]
    if parts:
        yield f"unmeasured parts: {'; '.join(parts)}"
    if strip is not None and not any(f.metric.startswith("restoration/") for f in strip.findings):
        yield "cost to restore: not measured"
    findings = [f for c in source for f in c.findings] + list(strip.findings if strip else ())
    for f in findings:
        if f.reason == "want_of_evidence":
            yield f"{f.metric} on {f.checkpoint}: {f.sentence}"
    for s in stopped_early(bench):
        yield f"{s.eval} on {s.checkpoint}: {s.planned - s.attempted} of {s.planned} items, left alone once all was settled"
    for m in bench.plan.measurements:
        columns = bench.columns(m)
        scored = int((columns.state == MEASURED).sum()) if columns is not None else 0
        if m.role == "calibration" and scored < m.items and (columns is not None or m.checkpoint == SOURCE):
            yield f"the instruments of {m.eval}: {m.items - scored} of {m.items} calibration items failed or are missing"
