"""What a strip did to each metric that it is judged by: the same metric before and after, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from releasegate.decision.record import Estimate, Finding
from releasegate.evalcard import EvalCard, Metric
from releasegate.intervals import Bounds
from releasegate.plan import SOURCE, Plan
from releasegate.reporting.figures.valued import valued
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.gathered.dimensions import part_of
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.views.charts import Effect, EffectRow, Measured
from releasegate.reporting.wording.numbers import MOST_TITLE, MOST_UNIT, beside, number, shortened
from releasegate.reporting.wording.words import SIDE
from releasegate.rounding import limit_text

Unit = tuple[str, tuple[float, float]]
"""What is measured, and from where to where it can lie."""


@dataclass(frozen=True)
class _Found:
    """A value with its interval, if it has one, and what it rests on."""

    value: float
    bounds: Bounds | None
    counted: str


def effects(
    findings: tuple[Finding, ...], after: tuple[Finding, ...], plan: Plan, gathered: Gathered
) -> tuple[Effect, ...]:
    """One chart for each unit, with a row for each metric that was measured before and after.

    Args:
        findings: of the capability on the source.
        after: of the capability on the stripped checkpoint.
    """
    rows: dict[Unit, dict[tuple[str, str], EffectRow]] = {}
    for finding in after:
        card = plan.card_of(finding.metric)
        metric = card.metrics.get(finding.metric.split("/")[1]) if card is not None else None
        if card is None or metric is None:
            continue
        row = _row(finding, findings, card, metric, gathered)
        if row is not None:
            share = metric.type != "bounded_mean"
            unit: Unit = ("share of items", (0.0, 1.0)) if share else (shortened(metric.unit, MOST_UNIT), metric.range)
            rows.setdefault(unit, {}).setdefault((finding.metric, row.limit_text), row)
    return tuple(_effect(unit, tuple(found.values())) for unit, found in rows.items())


def _effect(unit: Unit, rows: tuple[EffectRow, ...]) -> Effect:
    name, full = unit
    ends = [end for row in rows for m in (row.before, row.after) for end in (m.value, *(m.bounds or ()))]
    ends += [row.limit for row in rows]
    low, high = full if name == "share of items" else (max(min(ends), full[0]), min(max(ends), full[1]))
    pad = 0.0 if (low, high) == full else max((high - low) * 0.08, 1e-6)
    said = "; ".join(f"{row.label}: {row.before.text}, then {row.after.text}, limit {row.limit_text}" for row in rows)
    return Effect(
        axis=name if (low, high) == full else f"{name} (of {number(full[0])} to {number(full[1])})",
        description=f"Before and after the strip. {said}.",
        domain=(low - pad, high + pad),
        rows=rows,
    )


def _row(
    finding: Finding, findings: tuple[Finding, ...], card: EvalCard, metric: Metric, gathered: Gathered
) -> EffectRow | None:
    """The worst slice of a finding, before and after."""
    labels = worst_first(finding, finding.slices)[0].labels
    same = [f for f in findings if (f.metric, f.side) == (finding.metric, finding.side)]
    before = _found(SOURCE, same, finding, labels, card, gathered)
    after = _found(finding.checkpoint, [finding], finding, labels, card, gathered)
    if before is None or after is None:
        return None
    kept = finding.side == "margin"
    limit = finding.limit
    if kept:
        limit = before.value - finding.limit if metric.better == "higher" else before.value + finding.limit
    words = (
        f"at most {limit_text(finding.limit)} worse than before"
        if kept
        else f"{SIDE[finding.side]} {limit_text(finding.limit)}"
    )
    title = shortened(metric.title, MOST_TITLE)
    return EffectRow(
        label=f"{title} · {label_words(card, labels)}" if labels else title,
        purpose="to be kept" if kept else "to be gone" if finding.section == "removal" else "judged again",
        before=_measured(before, limit),
        after=_measured(after, limit),
        limit=limit,
        limit_text=words,
    )


def _found(
    checkpoint: str,
    judged: list[Finding],
    finding: Finding,
    labels: dict[str, str],
    card: EvalCard,
    gathered: Gathered,
) -> _Found | None:
    """What was measured of a part on one checkpoint: as it was judged there; where it was not, by the tallies."""
    for estimate in _estimates(judged, labels) if finding.side != "margin" else ():
        if estimate.value is not None and estimate.interval is not None:
            counted = f"{estimate.scored} scored; bounds at alpha {number(estimate.alpha)}"
            return _Found(estimate.value, estimate.interval, counted)
    place = (card.id, "gate", checkpoint)
    found = valued(gathered.tallies, place, card, finding.metric.split("/")[1], part_of(labels, labels))
    if found is not None and found.value is not None and found.bounds is not None:
        return _Found(found.value, found.bounds, f"{found.counted}; exact 95 % interval, not judged")
    return None if found is None or found.value is None else _Found(found.value, None, found.counted)


def _estimates(judged: list[Finding], labels: dict[str, str]) -> Iterator[Estimate]:
    return (s.estimate for f in judged for s in f.slices if s.labels == labels)


def _measured(found: _Found, limit: float) -> Measured:
    interval = (
        "" if found.bounds is None else f" [{beside(found.bounds.low, limit)}, {beside(found.bounds.high, limit)}]"
    )
    bounds = None if found.bounds is None else (found.bounds.low, found.bounds.high)
    return Measured(found.value, bounds, f"{beside(found.value, limit)}{interval}", found.counted)
