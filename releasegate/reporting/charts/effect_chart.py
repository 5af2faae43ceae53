"""Before and after a strip as a drawing: two intervals a metric, an arrow from the one to the other, and the limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.forest import LAYOUTS, NARROW, WIDE
from releasegate.reporting.charts.svg import clipped, drawn, sentinel
from releasegate.reporting.views.charts import Effect, EffectRow
from releasegate.reporting.wording.visible import visible


@dataclass(frozen=True)
class Rows:
    """Where a metric has its parts, in pixels below the middle of its row.

    Attributes:
        height: of a row.
        before, after: its intervals.
        label: its name, left of the axis or above the intervals.
        letters: the most letters of the name.
    """

    height: int
    before: int
    after: int
    label: int
    letters: int


ROWS = {
    WIDE: Rows(height=54, before=-9, after=9, label=-9, letters=36),
    NARROW: Rows(height=70, before=0, after=17, label=-19, letters=46),
}


def effect_chart(view: Effect, width: int, theme: Mapping[str, Any]) -> Markup:
    """The chart as inline SVG: an open circle before, a filled one after; columns are those of the forest.

    Args:
        width: of `forest`.
        theme: of `drawn`.
    """
    import altair

    return drawn(_layers(altair, view, width), view.description, theme)


def _layers(altair: Any, view: Effect, width: int) -> Any:
    at, rows = LAYOUTS[width], ROWS[width]
    base = altair.Chart(altair.Data(values=[_values(i, row, rows) for i, row in enumerate(view.rows)])).encode(
        y=altair.Y("row:O", axis=None, scale=altair.Scale(domain=list(range(len(view.rows)))))
    )
    scale = altair.Scale(domain=list(view.domain), nice=False, zero=False)
    axis = altair.Axis(title=visible(view.axis), tickCount=5, titleAnchor="start")
    span = at.width - at.gutter - at.numbers - 10
    middle = (rows.before + rows.after) // 2

    def x(field: str) -> Any:
        return altair.X(f"{field}:Q", scale=scale, axis=axis)

    def dot(field: str, fill: str, down: int) -> Any:
        mark = base.mark_point(
            size=70, opacity=1, filled=True, fill=sentinel(fill), stroke=sentinel("ink"), strokeWidth=2, yOffset=down
        )
        return mark.encode(x=x(field))

    def interval(of: str, role: str, down: int) -> Any:
        rule = base.mark_rule(strokeWidth=2.5, color=sentinel(role), yOffset=down)
        return rule.encode(x=x(f"{of}_low"), x2=altair.X2(f"{of}_high"))

    def text(field: str, place: int, role: str, down: int, align: str) -> Any:
        words = base.mark_text(align=align, baseline="middle", yOffset=down, color=sentinel(role))
        return words.encode(x=altair.XValue(place), text=altair.Text(f"{field}:N"))

    upright = base.mark_tick(color=sentinel("limit"), thickness=2, size=38, orient="vertical", yOffset=middle)
    arrow = base.mark_rule(strokeWidth=1, strokeDash=[2, 2], color=sentinel("ink"), yOffset=middle)
    tip = base.mark_text(color=sentinel("ink"), fontSize=11, baseline="middle", yOffset=middle)
    parts = [
        upright.encode(x=x("limit")),
        interval("b", "muted", rows.before),
        interval("a", "ink", rows.after),
        arrow.encode(x=x("before"), x2=altair.X2("after")),
        tip.encode(x=x("after"), text=altair.Text("tip:N")),
        dot("before", "page", rows.before),
        dot("after", "ink", rows.after),
        text("name", -at.gutter, "ink", rows.label, "left"),
    ]
    if at.numbers:
        parts += [
            text("purpose", -at.gutter, "muted", rows.after, "left"),
            text("b_text", span + at.numbers, "muted", rows.before, "right"),
            text("a_text", span + at.numbers, "ink", rows.after, "right"),
        ]
    return altair.layer(*parts).properties(width=span, height=rows.height * len(view.rows))


def _values(number: int, row: EffectRow, rows: Rows) -> dict[str, Any]:
    return {
        "row": number,
        "name": clipped(row.label, rows.letters),
        "purpose": f"{row.purpose}: {row.limit_text}",
        "limit": row.limit,
        "before": row.before.value,
        "after": row.after.value,
        "tip": "▸" if row.after.value >= row.before.value else "◂",
        **_ends("b", row.before.bounds),
        **_ends("a", row.after.bounds),
        "b_text": row.before.text,
        "a_text": row.after.text,
    }


def _ends(of: str, bounds: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = (None, None) if bounds is None else bounds
    return {f"{of}_low": low, f"{of}_high": high}
