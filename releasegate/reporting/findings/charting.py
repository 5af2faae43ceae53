"""The intervals of a capability, as rows of a forest chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from releasegate.decision.explaining import label_text
from releasegate.decision.record import Finding, SliceFinding
from releasegate.plan import Plan
from releasegate.reporting.findings.distances import tested, worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.measures import label_titles
from releasegate.reporting.views.charts import Chart, ChartRow
from releasegate.reporting.wording.numbers import MOST_UNIT, beside, limit, number, shortened
from releasegate.reporting.wording.words import CHANNEL, SIDE, STATUS, checkpoint

MOST_SLICES, MOST_MET = 12, 4
"""Slices drawn below one requirement: the worst; and of those that are met or excused, after all others."""
Side = Literal["at_most", "at_least"]


def charts(findings: Sequence[Finding], plan: Plan) -> tuple[Chart, ...]:
    """One chart for each metric and direction, with the checkpoints one below the other; what does not hold comes first."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.metric, finding.side), []).append(finding)
    ordered = sorted(found.values(), key=lambda group: all(f.holds for f in group))
    made = (_chart(group, plan) for group in ordered)
    return tuple(chart for chart in made if chart is not None)


def _chart(group: list[Finding], plan: Plan) -> Chart | None:
    first = group[0]
    card = plan.card_of(first.metric)
    rows = tuple(row for finding in group for row in _rows(finding, plan))
    if not any(row.interval for row in rows):
        return None
    side: Side = "at_least" if first.side == "at_least" else "at_most"
    title = metric_title(first, card)
    metric = card.metrics.get(first.metric.split("/")[1]) if card else None
    mean = metric if metric and metric.type == "bounded_mean" else None
    low, high = mean.range if mean else (0.0, 1.0)
    unit = shortened(mean.unit, MOST_UNIT) if mean else "share of items"
    paired = first.side == "margin"
    full = (low - high, high - low) if paired else (low, high)
    domain = _domain(rows, full)
    return Chart(
        title=title,
        axis=_axis(f"loss (+) or gain (−), {unit if mean else 'share of pairs'}" if paired else unit, domain, full),
        description=f"{title}, as intervals beside the limit. " + " ".join(_said(f) for f in group),
        side=side,
        domain=domain,
        rows=rows,
    )


def _said(finding: Finding) -> str:
    worst = worst_first(finding, finding.slices)[0]
    e, limits = worst.estimate, worst.limits(finding.limit)
    low, high = e.interval or (None, None)
    return (
        f"{finding.requirement} {checkpoint(finding.checkpoint)}: {STATUS[finding.status].word}; from "
        f"{beside(low, *limits)} to {beside(high, *limits)}, "
        f"limit {SIDE[finding.side]} {limit(finding.limit)}."
    )


def _rows(finding: Finding, plan: Plan) -> Iterable[ChartRow]:
    """The pooled interval, or a heading with the worst slices below it."""
    card = plan.card_of(finding.metric)
    head = f"{finding.requirement} · {checkpoint(finding.checkpoint)}"
    head += f" · {CHANNEL[finding.channel]}" if finding.channel else ""
    shared = _shared(finding)
    able = [s for s in worst_first(finding, finding.slices) if s.estimate.low is not None]
    against = [s for s in able if s.status not in ("met", "excused")]
    holding = [s for s in able if s.status in ("met", "excused")]
    drawn = [*against, *holding[:MOST_MET]][:MOST_SLICES]
    if any(s.labels for s in drawn):
        hidden = len(finding.slices) - len(drawn)
        note = f"{hidden} more slices" if hidden else ""
        by = f", by {label_titles(card, shared)}" if shared else ""
        yield ChartRow(head + by, finding.status, 0, note, None, None, finding.limit)
    if not drawn:
        yield ChartRow(head, finding.status, 0, "no interval", None, None, finding.limit)
    for found in drawn:
        label = ", ".join(found.labels.values()) if shared else label_text(found.labels)
        yield _row(finding, found, label or head)


def _shared(finding: Finding) -> tuple[str, ...]:
    """The dimensions of the slices, if all have the same: they are named once, above the values. Else empty."""
    found = {tuple(s.labels) for s in finding.slices}
    return next(iter(found)) if len(found) == 1 else ()


def _row(finding: Finding, found: SliceFinding, label: str) -> ChartRow:
    e = found.estimate
    assert e.interval is not None
    limits = found.limits(finding.limit)
    low, high = (beside(end, *limits) for end in e.interval)
    return ChartRow(
        label=label,
        tone=found.status,
        depth=1 if found.labels else 0,
        numbers=f"{beside(e.value, *limits)}  [{low}, {high}]",
        interval=e.interval,
        value=e.value,
        limit=tested(finding, found),
    )


def _axis(unit: str, domain: tuple[float, float], full: tuple[float, float]) -> str:
    """The unit, and how far it reaches where only a part of that is drawn."""
    return unit if domain == full else f"{unit}; a part of {number(full[0])} to {number(full[1])} is drawn"


def _domain(rows: Sequence[ChartRow], full: tuple[float, float]) -> tuple[float, float]:
    """The whole range of a share; a part of it where that would hide the distance to the limit."""
    ends = [end for row in rows for end in (*(row.interval or ()), row.limit)]
    low, high = min(ends), max(ends)
    if full == (0.0, 1.0) and high - low > 0.4:
        return full
    pad = max((high - low) * 0.08, 1e-6)
    return max(low - pad, full[0]), min(high + pad, full[1])
