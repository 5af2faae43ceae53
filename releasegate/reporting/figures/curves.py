"""Metrics along the values of a dimension: a line a metric, or a line a value of another dimension."""

from __future__ import annotations

from math import sqrt

from scipy.special import stdtrit

from releasegate.evalcard import Metric
from releasegate.figures import CurveFigure
from releasegate.reporting.figures.standing import Scene
from releasegate.reporting.figures.valued import TWO_SIDED, Valued, valued
from releasegate.reporting.gathered.dimensions import Part, natural, part_of
from releasegate.reporting.gathered.tallying import Tally
from releasegate.reporting.views.figures import Curve, Step, Walk
from releasegate.reporting.wording.numbers import MOST_TITLE, share, shortened

MOST_COLUMNS = 24
"""Values of the dimension that are shown."""
MOST_LINES = 8
EVERYTHING = "all together"


def curve(figure: CurveFigure, scene: Scene) -> Curve | None:
    """The curve on one checkpoint; None where no item has a value of the dimension."""
    values = _values(figure, scene, figure.along)
    if not values:
        return None
    columns = values[:MOST_COLUMNS]
    wanted = _lines(figure, scene)
    lines = [Walk(label, _steps(scene, metric, figure.along, columns, fixed)) for label, metric, fixed in wanted]
    drawn = tuple(line for line in lines if any(line.steps))
    if not drawn:
        return None
    card, first = scene.card, scene.card.metrics[figure.metrics[0]]
    along = shortened(card.slices[figure.along].title, MOST_TITLE)
    what = shortened(first.title, MOST_TITLE) if len(figure.metrics) == 1 else f"{len(figure.metrics)} metrics"
    shown = drawn[:MOST_LINES]
    return Curve(
        kind="curve",
        title=f"{what} over {along.lower()}",
        where=scene.where,
        description=f"{what} over {along.lower()}. " + " ".join(_said(line, columns) for line in shown),
        along=along,
        lines_title="Metric" if figure.by is None else shortened(card.slices[figure.by].title, MOST_TITLE),
        unit=_unit(scene, figure),
        columns=tuple(columns),
        domain=_domain(scene, figure, shown),
        means=_means(scene, figure),
        lines=shown,
        hidden=len(drawn) - len(shown),
        hidden_columns=len(values) - len(columns),
    )


def _lines(figure: CurveFigure, scene: Scene) -> list[tuple[str, str, dict[str, str]]]:
    """The label, the metric and the labels of every line."""
    metrics = scene.card.metrics
    if figure.by is None:
        return [(shortened(metrics[name].title, MOST_TITLE), name, {}) for name in figure.metrics]
    (name,) = figure.metrics
    each = [(value, name, {figure.by: value}) for value in _values(figure, scene, figure.by)]
    return [(EVERYTHING, name, {}), *each]


def _values(figure: CurveFigure, scene: Scene, dimension: str) -> list[str]:
    """The values of a dimension that items of the metrics have, in their natural order."""
    carried = {scene.card.metrics[name].rests_on or name for name in figure.metrics}
    found = {
        part[0][1]
        for place, metric, part in scene.gathered.tallies
        if place in scene.places and metric in carried and len(part) == 1 and part[0][0] == dimension
    }
    return sorted(found, key=natural)


def _steps(scene: Scene, metric: str, along: str, columns: list[str], fixed: dict[str, str]) -> tuple[Step | None, ...]:
    labels = ({along: column, **fixed} for column in columns)
    return tuple(_step(scene, metric, part_of(of, of)) for of in labels)


def _step(scene: Scene, name: str, part: Part) -> Step | None:
    """On the gate's items; if they do not carry the metric, on calibration items."""
    tallies = scene.gathered.tallies
    place = next((p for p in scene.places if valued(tallies, p, scene.card, name, part) is not None), scene.gate)
    found = valued(tallies, place, scene.card, name, part)
    if found is None:
        return None
    tally = tallies.get((place, name, part))
    bounds = _bounds(scene.card.metrics[name], tally, found)
    interval = "" if bounds is None else "–".join(share(end) for end in bounds)
    return Step(found.value, bounds, found.text, interval, found.counted)


def _bounds(metric: Metric, tally: Tally | None, found: Valued) -> tuple[float, float] | None:
    """A 95 % interval: exact of a share, by Student's t of a mean of values that were measured."""
    if found.bounds is not None:
        return found.bounds.low, found.bounds.high
    return None if tally is None or metric.rests_on is not None else mean_interval(tally, metric)


def mean_interval(tally: Tally, metric: Metric) -> tuple[float, float] | None:
    """The 95 % interval of the mean of a tally by Student's t, within the range; None of fewer than two values.

    For people to read: it takes the values for independent, and their mean for normal.

    >>> tally = Tally(scored=4, total=2.0, squares=1.5)
    >>> some = Metric(title="", type="report_only", unit="", range=(0, 1), better="higher")
    >>> low, high = mean_interval(tally, some)
    >>> round(low, 3), round(high, 3)
    (0.0, 1.0)
    """
    n = tally.scored
    if n < 2 or (tally.failed and metric.type != "report_only"):
        return None
    mean = tally.total / n
    variance = max(tally.squares - n * mean * mean, 0.0) / (n - 1)
    half = float(stdtrit(n - 1, 1 - TWO_SIDED)) * sqrt(variance / n)
    low, high = metric.range
    return max(mean - half, low), min(mean + half, high)


def _means(scene: Scene, figure: CurveFigure) -> bool:
    kinds = (scene.card.metrics[name] for name in figure.metrics)
    return not all(_is_share(scene, name, metric) for name, metric in zip(figure.metrics, kinds, strict=True))


def _is_share(scene: Scene, name: str, metric: Metric) -> bool:
    return metric.type == "bernoulli" or (metric.type == "thresholded" and scene.cut(name) is not None)


def _unit(scene: Scene, figure: CurveFigure) -> str:
    if not _means(scene, figure):
        return "share"
    units = dict.fromkeys(scene.card.metrics[name].unit for name in figure.metrics)
    return f"mean, {shortened(', '.join(units), MOST_TITLE)}"


def _domain(scene: Scene, figure: CurveFigure, lines: tuple[Walk, ...]) -> tuple[float, float]:
    """From 0 to 1 for shares; of means a part of the range that holds them all."""
    if not _means(scene, figure):
        return 0.0, 1.0
    steps = [step for line in lines for step in line.steps if step is not None]
    ends = [x for step in steps for x in (step.value, *(step.bounds or ())) if x is not None]
    if not ends:
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    pad = max((high - low) * 0.08, 1e-6)
    return low - pad, high + pad


def _said(line: Walk, columns: list[str]) -> str:
    steps = (f"{column} {step.text}" for column, step in zip(columns, line.steps, strict=True) if step is not None)
    return f"{line.label}: {', '.join(steps)}."
