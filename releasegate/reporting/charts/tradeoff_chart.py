"""A trade-off as a drawing: detection over false alarms, whose axis is logarithmic, with the frozen threshold marked."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.forest import WIDE
from releasegate.reporting.charts.svg import clipped, drawn, sentinel
from releasegate.reporting.views.figures import Line, Tradeoff

DASHES = ([1, 0], [6, 3], [2, 3], [9, 3, 2, 3], [1, 5])
"""Of the first curve, the second, and so on: they are told apart without colour."""


def tradeoff_chart(view: Tradeoff, width: int, theme: Mapping[str, Any]) -> Markup:
    """The trade-off as inline SVG. A false-alarm rate of 0 is drawn at the left edge, which is labelled 0.

    Args:
        width: of `forest`.
        theme: of `drawn`.
    """
    import altair

    domain = [view.floor, 1.0]
    ticks = [10.0**power for power in range(round(log10(view.floor)), 1)]
    label = f"datum.value <= {view.floor * 1.5} ? '0' : format(datum.value, '~f')"
    x = altair.X(
        "false:Q",
        scale=altair.Scale(type="log", domain=domain, nice=False),
        axis=altair.Axis(
            title=f"{clipped(view.negatives)} (share, logarithmic)", values=ticks, labelExpr=label, titleAnchor="start"
        ),
    )
    y = altair.Y(
        "true:Q",
        scale=altair.Scale(domain=[0, 1]),
        axis=altair.Axis(title=f"{clipped(view.positives)} (share)", tickCount=5, titleAnchor="end"),
    )
    parts = [part for number, line in enumerate(view.lines) for part in _curve(altair, number, line, view, x, y)]
    size = {"width": width - 90, "height": 300 if width == WIDE else 240}
    return drawn(altair.layer(*parts).properties(**size), view.description, theme)


def _curve(altair: Any, number: int, line: Line, view: Tradeoff, x: Any, y: Any) -> list[Any]:
    points = [(max(false, view.floor), true) for false, true in line.points]
    rows = [{"false": false, "true": true, "at": i} for i, (false, true) in enumerate(dict.fromkeys(points))]
    curve = altair.Chart(altair.Data(values=rows)).mark_line(
        interpolate="step-after",
        color=sentinel("muted" if number else "ink"),
        strokeWidth=1.5 if number else 2.5,
        strokeDash=DASHES[number % len(DASHES)],
    )
    made = [curve.encode(x=x, y=y, order=altair.Order("at:Q"))]
    if line.mark is not None:
        false = max(line.mark[0], view.floor)
        place = {"false": false, "true": line.mark[1], "name": str(number + 1)}
        marked = altair.Chart(altair.Data(values=[place]))
        dot = marked.mark_point(shape="diamond", size=110, filled=True, opacity=1, color=sentinel("ink"))
        # Curves that coincide have their numbers side by side.
        text = marked.mark_text(dx=12 + 12 * number, dy=11, color=sentinel("ink"), fontWeight="bold")
        made += [dot.encode(x=x, y=y), text.encode(x=x, y=y, text=altair.Text("name:N"))]
        if not number:
            made.append(_named(marked, false, view.floor).encode(x=x, y=y))
    return made


def _named(marked: Any, false: float, floor: float) -> Any:
    """What the first diamond is, above it, and inside of the edges."""
    along = 1 - log10(false) / log10(floor)
    align = "left" if along < 0.1 else "right" if along > 0.9 else "center"
    return marked.mark_text(text="frozen threshold", dy=-13, color=sentinel("ink"), align=align)
