"""A forest chart: one interval a row, its estimate, and the limit that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from releasegate.reporting.svg import inlined, sentinel
from releasegate.reporting.view import Chart, ChartRow
from releasegate.reporting.visible import visible

ROW = 40
"""Height of a row in pixels: a line of text, and the interval below it."""
WIDE, NARROW = 680, 330
"""Widths in pixels: of a page on a desk, and on a phone."""
MOST_LABEL = {WIDE: 70, NARROW: 30}
TONES = ("met", "violated", "not_shown")
SHAPES = ("circle", "square", "diamond")


def forest(chart: Chart, width: int, theme: Mapping[str, Any]) -> Markup:
    """The chart as inline SVG.

    Args:
        width: WIDE or NARROW.
        theme: a Vega configuration in which `$ink`, `$grid` and so on stand for the colours of the page.
    """
    import altair
    import vl_convert

    spec = _layers(altair, chart, width).to_dict()
    spec["config"] = _coloured(theme)
    return inlined(vl_convert.vegalite_to_svg(spec), visible(chart.description))


def _layers(altair: Any, chart: Chart, width: int) -> Any:
    data = altair.Data(values=[_datum(i, row, width) for i, row in enumerate(chart.rows)])
    base = altair.Chart(data).encode(y=altair.Y("row:O", axis=None, sort=None))
    scale = altair.Scale(domain=list(chart.domain), nice=False, zero=False)
    axis = altair.Axis(title=chart.axis, tickCount=5 if width == NARROW else 8)
    tone = altair.Color(
        "tone:N", scale=altair.Scale(domain=list(TONES), range=[sentinel(t) for t in TONES]), legend=None
    )
    shape = altair.Shape("tone:N", scale=altair.Scale(domain=list(TONES), range=list(SHAPES)), legend=None)
    x = altair.X("low:Q", scale=scale, axis=axis)
    low, high = chart.domain
    span = (
        {"x": altair.datum(low), "x2": "limit:Q"}
        if chart.side == "at_most"
        else {"x": "limit:Q", "x2": altair.datum(high)}
    )
    parts = [
        base.mark_bar(size=ROW - 1, color=sentinel("met"), opacity=0.10).encode(**span),
        base.mark_tick(color=sentinel("limit"), thickness=2, size=ROW - 2, orient="vertical").encode(
            x=altair.X("limit:Q", scale=scale)
        ),
        base.mark_rule(strokeWidth=3, strokeCap="round", yOffset=9).encode(x=x, x2="high:Q", color=tone),
        base.mark_point(size=70, filled=True, opacity=1, yOffset=9, stroke=sentinel("page"), strokeWidth=1.5).encode(
            x=altair.X("value:Q", scale=scale), color=tone, shape=shape
        ),
        base.mark_text(align="left", baseline="middle", yOffset=-9, color=sentinel("ink")).encode(
            x=altair.value(4), text="label:N"
        ),
        base.mark_text(align="right", baseline="middle", yOffset=-9, color=sentinel("muted")).encode(
            x=altair.value(width - 14), text="numbers:N"
        ),
    ]
    return altair.layer(*parts).properties(width=width - 10, height=ROW * len(chart.rows))


def _datum(number: int, row: ChartRow, width: int) -> dict[str, Any]:
    label = visible(row.label)
    most = MOST_LABEL[width]
    return {
        "row": number,
        "label": label if len(label) <= most else label[: most - 1] + "…",
        "numbers": row.numbers if width == WIDE else "",
        "tone": row.tone,
        "low": row.low,
        "high": row.high,
        "value": row.value,
        "limit": row.limit,
    }


def _coloured(theme: Any) -> Any:
    """The theme with the colour that stands for each `$role`."""
    if isinstance(theme, dict):
        return {key: _coloured(value) for key, value in theme.items()}
    if isinstance(theme, list):
        return [_coloured(value) for value in theme]
    if isinstance(theme, str) and theme.startswith("$"):
        return sentinel(theme[1:])
    return theme
