"""Two intervals of one requirement, one above the other on the same axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from releasegate.decision import Finding
from releasegate.evalcard import EvalCard
from releasegate.reporting.comparing.views import WHICH
from releasegate.reporting.findings.distances import tested, worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.views.charts import Chart, ChartRow
from releasegate.reporting.wording.numbers import MOST_UNIT, limit, shortened
from releasegate.reporting.wording.words import SIDE, STATUS

Side = Literal["at_most", "at_least"]


def interval_charts(before: Finding, after: Finding, card: EvalCard | None) -> tuple[Chart, ...]:
    """The intervals of the worst slices, each beside its own limit; a chart for each side that a limit bounds.

    Args:
        card: of their eval, if it is at hand.
    """
    found = list(zip(WHICH, (before, after), strict=True))
    rows = {which: row for which, f in found if (row := _row(which, f)) is not None}
    if not rows:
        return ()
    domain = _domain(list(rows.values()), [f for _, f in found])
    sides: dict[Side, list[tuple[str, Finding]]] = {}
    for which, f in found:
        if which in rows:
            sides.setdefault("at_least" if f.side == "at_least" else "at_most", []).append((which, f))
    return tuple(_chart(side, of, rows, domain, card) for side, of in sides.items())


def _chart(
    side: Side,
    found: Sequence[tuple[str, Finding]],
    rows: dict[str, ChartRow],
    domain: tuple[float, float],
    card: EvalCard | None,
) -> Chart:
    first = found[0][1]
    title = metric_title(first, card)
    metric = card.metrics.get(first.metric.split("/")[1]) if card else None
    unit = shortened(metric.unit, MOST_UNIT) if metric and metric.type == "bounded_mean" else "share of items"
    said = " ".join(
        f"{which}: {STATUS[f.status].word}, {rows[which].numbers}, limit {SIDE[f.side]} {limit(f.limit)}."
        for which, f in found
    )
    return Chart(
        title=title,
        axis="loss (+) or gain (−)" if first.side == "margin" else unit,
        description=f"{first.requirement}, intervals beside the limit. {said}",
        side=side,
        domain=domain,
        rows=tuple(rows[which] for which, _ in found),
    )


def _row(which: str, finding: Finding) -> ChartRow | None:
    worst = worst_first(finding, finding.slices)[0]
    e, at, shown = worst.estimate, tested(finding, worst), standing(finding, worst)
    if e.interval is None:
        return None
    return ChartRow(
        label=f"{which} · {STATUS[finding.status].word}",
        tone=finding.status,
        depth=0,
        numbers=f"{shown.estimate}  [{shown.low}, {shown.high}]",
        interval=e.interval,
        value=e.value,
        limit=at,
    )


def _domain(rows: Sequence[ChartRow], findings: Sequence[Finding]) -> tuple[float, float]:
    """The whole range of a share; a part of it where that would hide how far the intervals are apart."""
    ends = [end for row in rows for end in (*(row.interval or ()), row.limit)]
    low, high = min(ends), max(ends)
    shares = all(f.side != "margin" for f in findings) and low >= 0.0 and high <= 1.0
    if shares and high - low > 0.4:
        return 0.0, 1.0
    pad = max((high - low) * 0.08, 1e-6)
    return (max(low - pad, 0.0), min(high + pad, 1.0)) if shares else (low - pad, high + pad)
