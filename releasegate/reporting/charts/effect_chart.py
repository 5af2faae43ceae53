"""Before and after a strip as a drawing: two intervals a metric, an arrow from the one to the other, and the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.svg import drawn, sentinel
from releasegate.reporting.view import Effect
from releasegate.reporting.wording.visible import visible

WIDTH = 340
"""Pixels; drawn once, as its labels stand above what they name."""
ROW = 70
"""Pixels of a metric: its label, the interval before, the interval after."""
LETTERS = 48
BEFORE, AFTER = 0, 17
"""Pixels below the middle of a row."""


def effect_chart(view: Effect, theme: Mapping[str, Any]) -> Markup:
    """The chart as inline SVG: an open circle before, a filled one after.

    Args:
        theme: of `drawn`.
    """
    import altair

    return drawn(_layers(altair, view), view.description, theme)


def _layers(altair: Any, view: Effect) -> Any:
    rows = [
        {
            "row": i,
            "name": _short(row.label),
            "limit": row.limit,
            "before": row.before.value,
            "after": row.after.value,
            "tip": "▸" if row.after.value >= row.before.value else "◂",
            **_ends("b", row.before.bounds),
            **_ends("a", row.after.bounds),
        }
        for i, row in enumerate(view.rows)
    ]
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y("row:O", axis=None, scale=altair.Scale(domain=list(range(len(rows)))))
    )
    scale = altair.Scale(domain=list(view.domain), nice=False, zero=False)
    axis = altair.Axis(title=visible(view.axis), tickCount=5, titleAnchor="start")

    def x(field: str) -> Any:
        return altair.X(f"{field}:Q", scale=scale, axis=axis)

    def dot(field: str, fill: str, down: int) -> Any:
        mark = base.mark_point(
            size=70, opacity=1, filled=True, fill=sentinel(fill), stroke=sentinel("ink"), strokeWidth=2, yOffset=down
        )
        return mark.encode(x=x(field))

    middle = (BEFORE + AFTER) // 2
    parts = [
        base.mark_tick(color=sentinel("limit"), thickness=2, size=38, orient="vertical", yOffset=middle).encode(
            x=x("limit")
        ),
        base.mark_rule(strokeWidth=2.5, color=sentinel("muted"), yOffset=BEFORE).encode(x=x("b_low"), x2="b_high"),
        base.mark_rule(strokeWidth=2.5, color=sentinel("ink"), yOffset=AFTER).encode(x=x("a_low"), x2="a_high"),
        base.mark_rule(strokeWidth=1, strokeDash=[2, 2], color=sentinel("ink"), yOffset=middle).encode(
            x=x("before"), x2="after"
        ),
        base.mark_text(color=sentinel("ink"), fontSize=11, baseline="middle", yOffset=middle).encode(
            x=x("after"), text="tip:N"
        ),
        dot("before", "page", BEFORE),
        dot("after", "ink", AFTER),
        base.mark_text(align="left", baseline="middle", yOffset=-19, color=sentinel("ink")).encode(
            x=altair.value(0), text="name:N"
        ),
    ]
    return altair.layer(*parts).properties(width=WIDTH - 20, height=ROW * len(rows))


def _ends(of: str, bounds: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = (None, None) if bounds is None else bounds
    return {f"{of}_low": low, f"{of}_high": high}


def _short(label: str) -> str:
    text = visible(label)
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
