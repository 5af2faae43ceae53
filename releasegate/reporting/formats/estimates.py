"""The estimates and findings of a decision as rows: one row a requirement, checkpoint and slice, in full precision."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.decision import Decision, Finding
from releasegate.decision.explaining import label_text
from releasegate.decision.owners import findings_by_capability
from releasegate.plan import Plan
from releasegate.reporting.findings.distances import margin, worst_first

Cell = str | int | float | bool | None
Row = dict[str, Cell]
"""By column. A slice's labels stand in columns of their own, `slice.<dimension>`."""

SLICE = "slice."


def estimate_rows(decision: Decision, plan: Plan) -> list[Row]:
    """Every estimate that was judged, and what was measured outside threat sets (`gated` false): worst slice first."""
    rows = [
        {**row, "rehearsal": decision.rehearsal, "replay": decision.replay}
        for owner, finding in findings_by_capability(decision, plan.policy)
        for row in _estimates(owner, finding, plan)
    ]
    dimensions = sorted({name for row in rows for name in row if name.startswith(SLICE)})
    at = list(rows[0]).index("gated") if rows else 0
    names = list(rows[0]) if rows else []
    ordered = [n for n in names[:at] if not n.startswith(SLICE)] + dimensions + names[at:]
    return [{name: row.get(name) for name in ordered} for row in rows]


def finding_rows(decision: Decision, plan: Plan) -> list[Row]:
    """Every finding, with the numbers of its worst slice."""
    return [
        {
            **_named(owner, f),
            "status": f.status,
            "reason": f.reason,
            "waiver": f.waived.waiver if f.waived else None,
            "limit": f.limit,
            "worst": label_text(worst.labels),
            "value": worst.estimate.value,
            "low": worst.estimate.low,
            "high": worst.estimate.high,
            "slices": len(f.slices),
            "sentence": f.sentence,
            "settle": f.settle,
        }
        for owner, f in findings_by_capability(decision, plan.policy)
        for worst in worst_first(f, f.slices)[:1]
    ]


def _named(owner: str | None, f: Finding) -> Row:
    return {
        "capability": owner,
        "requirement": f.requirement,
        "section": f.section,
        "safeguards": f.safeguards,
        "checkpoint": f.checkpoint,
        "channel": f.channel,
        "metric": f.metric,
        "side": f.side,
    }


def _estimates(owner: str | None, f: Finding, plan: Plan) -> Iterator[Row]:
    eval_id, _, name = f.metric.partition("/")
    metric = plan.cards[eval_id].metrics.get(name) if eval_id in plan.cards else None
    for gated, found in (*((True, s) for s in f.slices), *((False, s) for s in f.outside)):
        e = found.estimate
        yield {
            **_named(owner, f),
            "unit": metric.unit if metric is not None else None,
            "slice": label_text(found.labels),
            **{SLICE + dimension: value for dimension, value in found.labels.items()},
            "gated": gated,
            "status": found.status,
            "reason": found.reason,
            "waiver": f.waived.waiver if f.waived else None,
            "limit": f.limit,
            "tested_limit": found.tested_limit,
            "threshold": found.threshold,
            "value": e.value,
            "low": e.low,
            "high": e.high,
            "inside": margin(f, found),
            "method": e.method,
            "alpha": e.alpha,
            "planned": e.planned,
            "attempted": e.attempted,
            "scored": e.scored,
            "failed": e.failed,
            "not_attempted": e.not_attempted,
            "hits": e.hits,
            "gains": e.gains,
            "used": e.used,
            "clusters": e.clusters,
        }
