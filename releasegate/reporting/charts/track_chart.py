"""A score over time as a drawing: the truth shaded, the wave behind, the score in front, and below it the spectrogram."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

from markupsafe import Markup

from releasegate.reporting.charts.svg import drawn, sentinel
from releasegate.reporting.views.figures import Track

HEIGHT = 110
BELOW = 0.7
"""Height of the spectrogram with the gap above it, in heights of the score."""
GAP = 0.08


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
    floor = -BELOW if view.spectrogram else 0.0
    y = altair.Scale(domain=[floor, 1], nice=False)
    time = altair.Axis(title="seconds", titleAnchor="start", grid=False)
    height = _height(altair, view)

    def layer(names: tuple[str, ...], rows: Any) -> Any:
        values = [dict(zip(names, row, strict=True)) for row in rows]
        return altair.Chart(altair.Data(values=values))

    truth = layer(("from", "to", "low", "high"), [(a, min(b, view.seconds), floor, 1) for a, b in view.truth])
    wave = layer(("at", "low", "high"), [(at, 0.5 + low / 2, 0.5 + high / 2) for at, low, high in view.wave])
    score = layer(("at", "score"), view.score)
    parts = [
        truth.mark_rect(color=sentinel("met"), opacity=0.18).encode(
            x=altair.X("from:Q", scale=x, axis=time),
            x2=altair.X2("to"),
            y=altair.Y("low:Q", scale=y, axis=height),
            y2=altair.Y2("high"),
        ),
        wave.mark_area(color=sentinel("muted"), opacity=0.3, line=False).encode(
            x=altair.X("at:Q", scale=x, axis=time), y=altair.Y("low:Q", scale=y, axis=height), y2=altair.Y2("high")
        ),
        score.mark_line(color=sentinel("ink"), strokeWidth=1.5).encode(
            x=altair.X("at:Q", scale=x, axis=time), y=altair.Y("score:Q", scale=y, axis=height)
        ),
    ]
    if view.spectrogram:
        picture = layer(("from", "to", "low", "high", "url"), [(0, view.seconds, floor, -GAP, view.spectrogram)])
        drawn_below = picture.mark_image(aspect=False).encode(
            x=altair.X("from:Q", scale=x, axis=time),
            x2=altair.X2("to"),
            y=altair.Y("low:Q", scale=y, axis=height),
            y2=altair.Y2("high"),
            url=altair.Url("url:N"),
        )
        parts.append(drawn_below)
    return altair.layer(*parts).properties(width=width - 70, height=HEIGHT * (1 - floor))


def _height(altair: Any, view: Track) -> Any:
    """The axis of the score; below it that of the spectrogram, whose frequencies rise logarithmically."""
    if not view.spectrogram:
        return altair.Axis(title="score", tickCount=3, titleAnchor="end")
    low, high = view.hertz
    ticks = {}
    for hertz in (100.0, 1_000.0, 10_000.0):
        if low < hertz < high:
            ticks[round(-BELOW + log(hertz / low) / log(high / low) * (BELOW - GAP), 6)] = f"{hertz / 1000:g} kHz"
    names = "".join(f"abs(datum.value - {at}) < 0.001 ? '{name}' : " for at, name in ticks.items())
    label = f"{names}format(datum.value, '.1f')"
    return altair.Axis(title="score", values=[*ticks, 0, 0.5, 1], labelExpr=label, titleAnchor="end", grid=False)
