"""A forest chart: one interval a row, its estimate, and the limit that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.svg import clipped, drawn, sentinel
from releasegate.reporting.views.charts import Chart, ChartRow
from releasegate.reporting.wording.visible import visible

WIDE, NARROW = 700, 330
"""Widths in pixels: of a page on a desk, and on a phone."""
INDENT = 14
"""Pixels by which a slice stands right of its requirement."""
TONES = ("met", "violated", "not_shown", "waived", "excused")
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross")


@dataclass(frozen=True)
class Layout:
    """Where a row has its text.

    Attributes:
        row: height of a row in pixels.
        text: how far above the middle of the row its text is.
        line: how far below the middle its interval is.
        gutter: pixels left of the axis for labels; 0 puts them above the interval.
        numbers: pixels right of the axis for the interval in numbers; 0 leaves them to the table.
        letters: the most letters of a label.
    """

    width: int
    row: int
    text: int
    line: int
    gutter: int
    numbers: int
    letters: int


LAYOUTS = {
    WIDE: Layout(WIDE, row=30, text=0, line=0, gutter=250, numbers=150, letters=33),
    NARROW: Layout(NARROW, row=40, text=-9, line=9, gutter=0, numbers=0, letters=44),
}


def forest(chart: Chart, width: int, theme: Mapping[str, Any]) -> Markup:
    """The chart as inline SVG.

    Args:
        width: WIDE or NARROW.
        theme: a Vega configuration in which `$ink`, `$grid` and so on stand for the colours of the page.
    """
    import altair

    return drawn(_layers(altair, chart, LAYOUTS[width]), chart.description, theme)


def _layers(altair: Any, chart: Chart, at: Layout) -> Any:
    """Good side, limit, interval, estimate, label and numbers of every row, from the back to the front."""
    y = altair.Y("row:O", axis=None, scale=altair.Scale(domain=list(range(len(chart.rows)))))
    lines = [_line(i, row, at) for i, row in enumerate(chart.rows)]
    spans = [_span(i, row, row.interval, chart) for i, row in enumerate(chart.rows) if row.interval is not None]
    written = altair.Chart(altair.Data(values=lines)).encode(y=y)
    base = altair.Chart(altair.Data(values=spans)).encode(y=y)
    span = at.width - at.gutter - at.numbers - 10
    scale = altair.Scale(domain=list(chart.domain), nice=False, zero=False)
    title = visible(chart.axis)
    axis = altair.Axis(title=title if at.gutter else title.split("; "), tickCount=5, titleAnchor="start")
    colours = altair.Scale(domain=list(TONES), range=[sentinel(tone) for tone in TONES])
    tone = altair.Color("tone:N", scale=colours, legend=None)
    shape = altair.Shape("tone:N", scale=altair.Scale(domain=list(TONES), range=list(SHAPES)), legend=None)

    def x(field: str) -> Any:
        return altair.X(f"{field}:Q", scale=scale, axis=axis)

    def text(field: str, place: int, role: str, align: str) -> Any:
        words = written.mark_text(align=align, baseline="middle", yOffset=at.text, color=sentinel(role))
        return words.encode(x=altair.XValue(place), text=altair.Text(f"{field}:N"))

    line = {"yOffset": at.line}
    parts = [
        base.mark_bar(size=20, color=sentinel("met"), opacity=0.13, **line).encode(
            x=x("good_from"), x2=altair.X2("good_to")
        ),
        base.mark_tick(color=sentinel("limit"), thickness=2, size=20, orient="vertical", **line).encode(x=x("limit")),
        base.mark_rule(strokeWidth=3, strokeCap="round", **line).encode(x=x("low"), x2=altair.X2("high"), color=tone),
        base.mark_point(size=75, filled=True, opacity=1, stroke=sentinel("page"), strokeWidth=1.5, **line).encode(
            x=x("value"), color=tone, shape=shape
        ),
        text("head", -at.gutter, "ink", "left"),
        text("slice", INDENT - at.gutter, "ink", "left"),
    ]
    if at.numbers:
        parts.append(text("numbers", span + at.numbers, "muted", "right"))
    return altair.layer(*parts).properties(width=span, height=at.row * len(chart.rows))


def _line(number: int, row: ChartRow, at: Layout) -> dict[str, Any]:
    most = at.letters if row.depth or row.interval is not None else at.letters + at.letters // 2
    label = clipped(row.label, most)
    return {"row": number, "head": "", "slice": "", "numbers": row.numbers} | {"slice" if row.depth else "head": label}


def _span(number: int, row: ChartRow, interval: tuple[float, float], chart: Chart) -> dict[str, Any]:
    return {
        "row": number,
        "tone": row.tone,
        "low": interval[0],
        "high": interval[1],
        "value": row.value,
        "limit": row.limit,
        "good_from": chart.domain[0] if chart.side == "at_most" else row.limit,
        "good_to": row.limit if chart.side == "at_most" else chart.domain[1],
    }
