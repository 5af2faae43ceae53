"""A score over time as a drawing: the truth shaded, the wave behind, the score in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.svg import drawn, sentinel
from releasegate.reporting.figureview import Track

HEIGHT = 110


def track_chart(view: Track, width: int, theme: Mapping[str, Any]) -> Markup:
    """The score over time as inline SVG. The wave has the range of the score: silence is half-way up.

    Args:
        width: of `forest`.
        theme: of `drawn`.
    """
    import altair

    return drawn(_layers(altair, view, width), view.description, theme)


def _layers(altair: Any, view: Track, width: int) -> Any:
    """Truth, wave and score, from the back to the front."""
    x = altair.Scale(domain=[0, view.seconds], nice=False)
    y = altair.Scale(domain=[0, 1])
    time = altair.Axis(title="seconds", titleAnchor="start", grid=False)
    height = altair.Axis(title="score", tickCount=3, titleAnchor="end")

    def layer(names: tuple[str, ...], rows: Any) -> Any:
        values = [dict(zip(names, row, strict=True)) for row in rows]
        return altair.Chart(altair.Data(values=values))

    truth = layer(("from", "to", "low", "high"), [(a, min(b, view.seconds), 0, 1) for a, b in view.truth])
    wave = layer(("at", "low", "high"), [(at, 0.5 + low / 2, 0.5 + high / 2) for at, low, high in view.wave])
    score = layer(("at", "score"), view.score)
    parts = [
        truth.mark_rect(color=sentinel("met"), opacity=0.18).encode(
            x=altair.X("from:Q", scale=x, axis=time),
            x2="to",
            y=altair.Y("low:Q", scale=y, axis=height),
            y2="high",
        ),
        wave.mark_area(color=sentinel("muted"), opacity=0.3, line=False).encode(
            x=altair.X("at:Q", scale=x, axis=time), y=altair.Y("low:Q", scale=y, axis=height), y2="high"
        ),
        score.mark_line(color=sentinel("ink"), strokeWidth=1.5).encode(
            x=altair.X("at:Q", scale=x, axis=time), y=altair.Y("score:Q", scale=y, axis=height)
        ),
    ]
    return altair.layer(*parts).properties(width=width - 60, height=HEIGHT)
