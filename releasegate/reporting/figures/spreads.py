"""How the values of several metrics lie, side by side, with the thresholds that one of them set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from releasegate.figures import SpreadFigure
from releasegate.reporting.figures.standing import Scene
from releasegate.reporting.gathered.tallying import BINS, Tally
from releasegate.reporting.views.figures import Lying, Spread
from releasegate.reporting.wording.numbers import MOST_TITLE, MOST_UNIT, plural, share, shortened

DRAWN = 60
"""Bins of a drawing."""
MARKS = (0.05, 0.25, 0.5, 0.75, 0.95)


def spread(figure: SpreadFigure, scene: Scene) -> Spread | None:
    """The values on one checkpoint; None where no metric has any.

    A metric that the gate's items do not carry is that of the calibration items.
    """
    found = {name: tally for name in figure.metrics if (tally := _tally(scene, name)) is not None}
    if not any(tally.scored for tally in found.values()):
        return None
    span = scene.card.metrics[figure.metrics[0]].range
    domain = _domain([tally.bins for tally in found.values() if tally.bins is not None], span)
    rows = tuple(_lying(scene, name, tally, span, domain) for name, tally in found.items())
    title = "How values lie: " + "; ".join(row.label for row in rows)
    return Spread(
        kind="spread",
        title=shortened(title, 2 * MOST_TITLE),
        where=scene.where,
        description=f"{title}. " + " ".join(_said(row) for row in rows),
        unit=shortened(scene.card.metrics[figure.metrics[0]].unit, MOST_UNIT),
        domain=domain,
        rows=rows,
        cuts=tuple(_cuts(figure, scene)),
    )


def _tally(scene: Scene, name: str) -> Tally | None:
    found = (scene.gathered.tallies.get((place, name, ())) for place in scene.places)
    return next((tally for tally in found if tally is not None), None)


def _cuts(figure: SpreadFigure, scene: Scene) -> Iterator[tuple[float, str]]:
    """The frozen thresholds of metrics whose negatives are among those shown."""
    for name, metric in scene.card.metrics.items():
        cut = scene.cut(name)
        if metric.threshold is not None and metric.threshold.negatives in figure.metrics and cut is not None:
            claimed = "" if metric.threshold.positives else f" for a rate of {metric.threshold.rate:g}"
            yield cut.value, f"threshold of {name}: {cut.value:.4g}{claimed}"


def _domain(bins: list[NDArray[np.int64]], span: tuple[float, float]) -> tuple[float, float]:
    """The part of the range that holds all values."""
    low, high = span
    filled = np.flatnonzero(np.sum(bins, axis=0)) if bins else np.zeros(0, dtype=np.int64)
    if not len(filled):
        return span
    width = (high - low) / BINS
    return low + int(filled[0]) * width, low + (int(filled[-1]) + 1) * width


def _lying(scene: Scene, name: str, tally: Tally, span: tuple[float, float], domain: tuple[float, float]) -> Lying:
    metric = scene.card.metrics[name]
    bins = np.zeros(BINS, dtype=np.int64) if tally.bins is None else tally.bins
    low, width = span[0], (span[1] - span[0]) / BINS
    middles = low + (np.arange(BINS) + 0.5) * width  # [BINS]
    heights, _ = np.histogram(middles, bins=DRAWN, range=domain, weights=bins)  # [DRAWN]
    total = bins.cumsum()
    marks = tuple(float(middles[int(np.searchsorted(total, q * tally.scored))]) for q in MARKS) if tally.scored else ()
    failed = f", {tally.failed} failed and left out" if tally.failed else ""
    return Lying(
        label=shortened(metric.title, MOST_TITLE),
        heights=tuple((heights / heights.max()).tolist()) if tally.scored else (),
        marks=marks,
        texts=tuple(share(mark) for mark in marks),
        counted=plural(tally.scored, "value") + failed,
    )


def _said(row: Lying) -> str:
    middle = f"half of them from {row.texts[1]} to {row.texts[3]}" if row.texts else "none"
    return f"{row.label}: {row.counted}, {middle}."
