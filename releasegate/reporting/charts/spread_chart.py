"""Spreads as a drawing: a hill for each metric over one axis, its middle half and 90 % below it, thresholds across all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.forest import WIDE
from releasegate.reporting.charts.svg import clipped, drawn, sentinel
from releasegate.reporting.views.figures import Lying, Spread
from releasegate.reporting.wording.visible import visible

ROW = 78
"""Pixels of a hill with its label."""
HILL = 0.55
"""Height of the highest hill, in rows."""


def spread_chart(view: Spread, width: int, theme: Mapping[str, Any]) -> Markup:
    """The spreads as inline SVG.

    Args:
        width: of `forest`.
        theme: of `drawn`.
    """
    import altair

    return drawn(_layers(altair, view, width), view.description, theme)


def _layers(altair: Any, view: Spread, width: int) -> Any:
    rows = len(view.rows)
    x = {"scale": altair.Scale(domain=list(view.domain), nice=False, zero=False)}
    axis = altair.Axis(title=visible(view.unit), tickCount=5, titleAnchor="start")
    y = altair.Scale(domain=[0, rows], nice=False)
    parts = []
    for number, row in enumerate(view.rows):
        parts += _hill(altair, rows - 1 - number, row, view, {**x, "axis": axis}, y, 70 if width == WIDE else 44)
    for value, _ in view.cuts:
        rule = altair.Chart(altair.Data(values=[{"at": value}])).mark_rule(
            color=sentinel("limit"), strokeWidth=2, strokeDash=[6, 3]
        )
        parts.append(rule.encode(x=altair.X("at:Q", **x)))
    return altair.layer(*parts).properties(width=width - 40, height=ROW * rows)


def _hill(altair: Any, base: int, row: Lying, view: Spread, x: Mapping[str, Any], y: Any, letters: int) -> list[Any]:
    """One metric, from its base line upwards."""
    name = altair.Chart(altair.Data(values=[{"y": base + 0.86, "name": clipped(row.label, letters)}])).mark_text(
        align="left", color=sentinel("ink")
    )
    vertical = {"scale": y, "axis": None}
    made = [name.encode(x=altair.XValue(2), y=altair.Y("y:Q", **vertical), text=altair.Text("name:N"))]
    if not row.marks:
        return made
    low, high = view.domain
    step = (high - low) / len(row.heights)
    outline = [{"x": low, "y": base + 0.18, "to": base + 0.18}]
    for i, height in enumerate(row.heights):
        top = base + 0.18 + HILL * height
        outline += [
            {"x": low + i * step, "y": base + 0.18, "to": top},
            {"x": low + (i + 1) * step, "y": base + 0.18, "to": top},
        ]
    area = altair.Chart(altair.Data(values=outline)).mark_area(
        color=sentinel("muted"), opacity=0.35, line={"color": sentinel("muted"), "strokeWidth": 1}
    )
    span = [
        {
            "y": base + 0.09,
            "a": row.marks[0],
            "b": row.marks[4],
            "c": row.marks[1],
            "d": row.marks[3],
            "m": row.marks[2],
        }
    ]
    below = altair.Chart(altair.Data(values=span)).encode(y=altair.Y("y:Q", **vertical))
    return [
        *made,
        area.encode(x=altair.X("x:Q", **x), y=altair.Y("y:Q", **vertical), y2=altair.Y2("to:Q")),
        below.mark_rule(color=sentinel("ink"), strokeWidth=1.5).encode(x=altair.X("a:Q", **x), x2=altair.X2("b:Q")),
        below.mark_rule(color=sentinel("ink"), strokeWidth=5).encode(x=altair.X("c:Q", **x), x2=altair.X2("d:Q")),
        below.mark_point(color=sentinel("ink"), fill=sentinel("page"), opacity=1, size=60).encode(
            x=altair.X("m:Q", **x)
        ),
    ]
