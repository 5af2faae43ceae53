"""A curve as a drawing: a line for each metric or value, its points with their intervals, told apart without colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.forest import WIDE
from releasegate.reporting.charts.svg import clipped, drawn, sentinel
from releasegate.reporting.charts.tradeoff_chart import DASHES
from releasegate.reporting.views.figures import Curve, Walk

APART = 9
"""Pixels between the points of two lines at one place, so that their intervals do not cover each other."""
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "circle", "square")


def curve_chart(view: Curve, width: int, theme: Mapping[str, Any]) -> Markup:
    """The curve as inline SVG.

    Args:
        width: of `forest`.
        theme: of `drawn`.
    """
    import altair

    x = altair.X(
        "place:O",
        scale=altair.Scale(domain=list(range(len(view.columns)))),
        axis=altair.Axis(title=clipped(view.along), labels=False, ticks=False, titlePadding=26),
    )
    scale = altair.Scale(domain=list(view.domain), nice=False, zero=False)
    axis = altair.Axis(title=clipped(view.unit), tickCount=5, titleAnchor="end")

    def y(field: str) -> Any:
        return altair.Y(f"{field}:Q", scale=scale, axis=axis)

    height = 300 if width == WIDE else 240
    parts = [_names(altair, view, x, height)]
    parts += [part for i, line in enumerate(view.lines) for part in _line(altair, i, line, view, x, y)]
    return drawn(altair.layer(*parts).properties(width=width - 90, height=height), view.description, theme)


def _names(altair: Any, view: Curve, x: Any, height: int) -> Any:
    """The values of the dimension below the axis: as marks, since labels of an axis are written by an expression."""
    rows = [{"place": i, "name": clipped(column)} for i, column in enumerate(view.columns)]
    written = altair.Chart(altair.Data(values=rows)).mark_text(dy=14, color=sentinel("ink"), fontSize=11)
    return written.encode(x=x, y=altair.YValue(height), text=altair.Text("name:N"))


def _line(altair: Any, number: int, line: Walk, view: Curve, x: Any, y: Any) -> list[Any]:
    rows: list[dict[str, Any]] = []
    for place, step in enumerate(line.steps):
        if step is not None and step.value is not None:
            low, high = step.bounds or (step.value, step.value)
            rows.append({"place": place, "value": step.value, "low": low, "high": high, "name": str(number + 1)})
    if not rows:
        return []
    aside = {"xOffset": (number - (len(view.lines) - 1) / 2) * APART}
    colour = sentinel("muted" if number else "ink")
    base = altair.Chart(altair.Data(values=rows)).encode(x=x)
    dashes = DASHES[number % len(DASHES)]
    path = base.mark_line(color=colour, strokeWidth=1.5 if number else 2.5, strokeDash=dashes, **aside)
    span = base.mark_rule(color=colour, strokeWidth=1.5, **aside)
    dot = base.mark_point(
        shape=SHAPES[number % len(SHAPES)], size=55, filled=True, opacity=1, color=sentinel("ink"), **aside
    )
    last = altair.Chart(altair.Data(values=rows[-1:])).encode(x=x)
    end = last.mark_text(dx=9, dy=-9, color=sentinel("ink"), fontWeight="bold", **aside)
    return [
        path.encode(y=y("value")),
        span.encode(y=y("low"), y2=altair.Y2("high:Q")),
        dot.encode(y=y("value")),
        end.encode(y=y("value"), text=altair.Text("name:N")),
    ]
