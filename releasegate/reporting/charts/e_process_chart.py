"""The e-processes of a sequential test as a drawing: both paths, the line that ends the test, and where it was reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.svg import drawn, sentinel
from releasegate.reporting.views.charts import EProcess

WIDTH, HEIGHT = 340, 160
"""Pixels; drawn once, as a desk has room for two side by side."""
ROOM = 0.1
"""Part of the height above all, for the name of the line."""
FEW = 6
"""Items that all have a tick."""
NAME = 14
"""Pixels of a name from top to bottom."""
SHAPES = {"met": "circle", "violated": "square"}


def e_process_chart(view: EProcess, theme: Mapping[str, Any]) -> Markup:
    """The paths as inline SVG. The path for the claim is solid, that for its violation dashed; both are named at their end.

    Args:
        theme: of `drawn`.
    """
    import altair

    return drawn(_layers(altair, view), view.description, theme)


def _layers(altair: Any, view: EProcess) -> Any:
    x = altair.X(
        "items:Q",
        scale=altair.Scale(domain=[0, view.n], nice=False),
        axis=altair.Axis(title=f"{view.unit} consumed", titleAnchor="start", grid=False, **_ticks(view.n)),
    )
    y = altair.Y(
        "e:Q",
        scale=altair.Scale(
            domain=[view.domain[0], view.domain[1] + ROOM * (view.domain[1] - view.domain[0])], nice=False
        ),
        axis=altair.Axis(title="log10 of E", tickCount=5, titleAnchor="end"),
    )

    def of(rows: list[dict[str, Any]]) -> Any:
        return altair.Chart(altair.Data(values=rows)).encode(x=x, y=y)

    line = altair.Chart(altair.Data(values=[{"e": view.line, "name": "stops here: 1 / alpha"}])).encode(y=y)
    parts = [
        line.mark_rule(color=sentinel("limit"), strokeWidth=1.5),
        line.mark_text(align="left", dx=4, dy=-6, color=sentinel("ink"), fontSize=11).encode(
            x=altair.XValue(0), text=altair.Text("name:N")
        ),
    ]
    for name, path, dash in (("violated", view.against, [4, 3]), ("met", view.towards, [1, 0])):
        rows = [{"items": at, "e": e} for at, e in path]
        parts.append(of(rows).mark_line(color=sentinel(name), strokeWidth=2, strokeDash=dash))
        named = of([{**rows[-1], "name": name}]).mark_text(
            align="left", dx=6, dy=_apart(name, view), color=sentinel(name), fontSize=11
        )
        parts.append(named.encode(text=altair.Text("name:N")))
    if view.reached is not None:
        at, status = view.reached
        path = view.towards if status == "met" else view.against
        place = [{"items": items, "e": e} for items, e in path if items == at]
        mark = of(place).mark_point(size=80, filled=True, opacity=1, color=sentinel(status), shape=SHAPES[status])
        parts.append(mark)
    return altair.layer(*parts).properties(width=WIDTH - 110, height=HEIGHT)


def _ticks(n: int) -> dict[str, Any]:
    """Whole numbers, as there is no half of an item."""
    return {"values": list(range(n + 1))} if n <= FEW else {"tickCount": 5}


def _apart(name: str, view: EProcess) -> float:
    """How many pixels the name of a path is moved down, so that two that end close together can both be read."""
    low, high = view.domain
    ends = {"met": view.towards[-1][1], "violated": view.against[-1][1]}
    near = NAME - abs(ends["met"] - ends["violated"]) / (high - low) * HEIGHT
    upper = "met" if ends["met"] >= ends["violated"] else "violated"
    return 0.0 if near <= 0 else (-near / 2 if name == upper else near / 2)
