"""A metric by two dimensions, as cells whose colour is stronger the higher they are."""

from __future__ import annotations

from releasegate.evalcard import EvalCard, Metric
from releasegate.figures import HeatmapFigure
from releasegate.reporting.figures.standing import Scene
from releasegate.reporting.figures.valued import Valued, valued
from releasegate.reporting.gathered.dimensions import natural, part_of
from releasegate.reporting.views.figures import HeatCell, Heatmap, HeatRow
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened

LEVELS = 10
MOST_ROWS = 60
MOST_COLUMNS = 24
"""Cells of a row that are shown."""

Grid = dict[str, dict[str, Valued]]


def heatmap(figure: HeatmapFigure, scene: Scene) -> Heatmap | None:
    """The heat map on one checkpoint, worst row first; None where nothing was planned for it."""
    card = scene.card
    grid = _grid(figure, scene)
    if not grid:
        return None
    shared = _shared(grid)
    every = sorted({name for row in grid.values() for name in row}, key=natural)
    columns = every[:MOST_COLUMNS] if shared else []
    longest = len(every) if shared else max(len(row) for row in grid.values())
    metric = card.metrics[figure.metric]
    sign = 1 if scene.high_is_bad(figure.metric) else -1
    worst = {
        name: max((sign * v.value for v in row.values() if v.value is not None), default=float("inf"))
        for name, row in grid.items()
    }
    order = sorted(grid, key=lambda name: (-worst[name], natural(name)))
    rows = tuple(
        HeatRow(name, scene.standing(figure.rows, name), _cells(grid[name], columns, metric))
        for name in order[:MOST_ROWS]
    )
    kinds = {v.kind for row in grid.values() for v in row.values()}
    title = shortened(metric.title, MOST_TITLE)
    return Heatmap(
        kind="heatmap",
        title=f"{title}: score" if "score" in kinds else title,
        where=scene.where,
        rows_title=_title(card, figure.rows),
        columns_title=_title(card, figure.columns),
        columns=tuple(columns),
        width=max(len(row.cells) for row in rows),
        rows=rows,
        hidden=len(order) - len(rows),
        hidden_columns=max(longest - MOST_COLUMNS, 0),
        legend="Stronger colour is higher.",
    )


def _grid(figure: HeatmapFigure, scene: Scene) -> Grid:
    """By row and column, what was measured there on the gate's items; if they do not carry the metric, on calibration items."""
    metric = scene.card.metrics[figure.metric]
    carried = metric.rests_on or figure.metric
    found: Grid = {}
    for place in scene.places:
        for (where, name, part), _ in scene.gathered.tallies.items():
            labels = dict(part)
            if (where, name) != (place, carried) or labels.keys() != {figure.rows, figure.columns}:
                continue
            cell = valued(scene.gathered.tallies, place, scene.card, figure.metric, part_of(labels, labels))
            if cell is not None:
                found.setdefault(labels[figure.rows], {})[labels[figure.columns]] = cell
        if found:
            break
    return found


def _shared(grid: Grid) -> bool:
    """Whether one set of columns fits all rows: at least half of its cells have items."""
    columns = {name for row in grid.values() for name in row}
    return sum(len(row) for row in grid.values()) * 2 >= len(columns) * len(grid)


def _cells(row: dict[str, Valued], columns: list[str], metric: Metric) -> tuple[HeatCell | None, ...]:
    names = columns or sorted(row, key=natural)[:MOST_COLUMNS]
    return tuple(_cell(name, row[name], metric) if name in row else None for name in names)


def _cell(label: str, found: Valued, metric: Metric) -> HeatCell:
    share_of_items = metric.type in ("bernoulli", "thresholded") and found.kind != "score"
    low, high = (0.0, 1.0) if share_of_items else metric.range
    level = 0 if found.value is None else round(LEVELS * min(max((found.value - low) / (high - low), 0.0), 1.0))
    return HeatCell(label, found.text.removeprefix("score "), found.counted, level)


def _title(card: EvalCard, dimension: str) -> str:
    return shortened(card.slices[dimension].title, MOST_TITLE)
