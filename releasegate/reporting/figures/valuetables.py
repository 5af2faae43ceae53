"""One line for each value of a dimension, with every metric that was asked for."""

from __future__ import annotations

from releasegate.figures import TableFigure
from releasegate.reporting.figures.standing import Scene
from releasegate.reporting.figures.valued import Valued, valued
from releasegate.reporting.gathered.dimensions import natural
from releasegate.reporting.views.figures import ValueRow, ValueTable
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened

MOST_ROWS = 120


def value_table(figure: TableFigure, scene: Scene) -> ValueTable | None:
    """The table on one checkpoint; None where nothing was planned for it.

    Lines are ordered by the first metric, worst first; those of which all items failed come before all others, and those
    without an item of it last.
    """
    card = scene.card
    values = {
        part[0][1]
        for place, _, part in scene.gathered.tallies
        if place in scene.places and len(part) == 1 and part[0][0] == figure.rows
    }
    found = {value: [_looked_up(scene, name, figure.rows, value) for name in figure.columns] for value in values}
    found = {value: cells for value, cells in found.items() if any(cells)}
    if not found:
        return None
    first = figure.columns[0]
    sign = -1 if scene.high_is_bad(first) else 1

    def worst(value: str) -> tuple[bool, float, object]:
        cell = found[value][0]
        if cell is None:
            return True, 0.0, natural(value)
        return False, float("-inf") if cell.value is None else sign * cell.value, natural(value)

    order = sorted(found, key=worst)
    return ValueTable(
        kind="table",
        title=f"By {shortened(card.slices[figure.rows].title, MOST_TITLE).lower()}",
        where=scene.where,
        rows_title=shortened(card.slices[figure.rows].title, MOST_TITLE),
        order=f"worst first by {shortened(card.metrics[first].title, MOST_TITLE)}",
        columns=tuple(shortened(card.metrics[name].title, MOST_TITLE) for name in figure.columns),
        rows=tuple(
            ValueRow(value, scene.standing(figure.rows, value), tuple(_cell(cell) for cell in found[value]))
            for value in order[:MOST_ROWS]
        ),
        hidden=max(len(order) - MOST_ROWS, 0),
    )


def _looked_up(scene: Scene, metric: str, dimension: str, value: str) -> Valued | None:
    """On the gate's items; if they do not carry the metric, on calibration items."""
    found = (valued(scene.gathered.tallies, place, scene.card, metric, ((dimension, value),)) for place in scene.places)
    return next((one for one in found if one is not None), None)


def _cell(found: Valued | None) -> Pair:
    return Pair("–", "") if found is None else Pair(found.text, found.counted)
