"""The figures that cards ask for, eval by eval and checkpoint by checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

from releasegate.decision import Decision
from releasegate.figures import (
    CurveFigure,
    Figure,
    HeatmapFigure,
    SpreadFigure,
    TableFigure,
    TimelineFigure,
    TradeoffFigure,
)
from releasegate.plan import SOURCE, Plan
from releasegate.reporting.figures.curves import curve
from releasegate.reporting.figures.heatmaps import heatmap
from releasegate.reporting.figures.spreads import spread
from releasegate.reporting.figures.standing import Scene, scene_of
from releasegate.reporting.figures.timelines import timeline
from releasegate.reporting.figures.tradeoffs import tradeoff
from releasegate.reporting.figures.valuetables import value_table
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.views.figures import FigureGroup, FigureView
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened


def figure_groups(gathered: Gathered, plan: Plan, decision: Decision, outputs: Path) -> tuple[FigureGroup, ...]:
    """The figures of every eval whose card asks for some, on every checkpoint that was measured: the source first."""
    return tuple(_groups(gathered, plan, decision, outputs))


def _groups(gathered: Gathered, plan: Plan, decision: Decision, outputs: Path) -> Iterator[FigureGroup]:
    for eval_id, card in plan.cards.items():
        measured = {place[2] for place, _, _ in gathered.tallies if place[:2] == (eval_id, "gate")}
        for number, name in enumerate(sorted(measured, key=lambda c: (c != SOURCE, c)), 1):
            scene = scene_of(card, name, gathered, plan, decision)
            asked = [f for f in card.figures or () if plan.policy.shows_samples or not isinstance(f, TimelineFigure)]
            drawn = [_drawn(figure, scene, outputs) for figure in asked]
            shown = tuple(figure for figure in drawn if figure is not None)
            if shown:
                title = shortened(card.title, MOST_TITLE)
                yield FigureGroup(f"figures-{eval_id}-{number}", title, scene.where, shown)


def _drawn(figure: Figure, scene: Scene, outputs: Path) -> FigureView | None:
    match figure:
        case HeatmapFigure():
            return heatmap(figure, scene)
        case TradeoffFigure():
            return tradeoff(figure, scene)
        case TimelineFigure():
            return timeline(figure, scene, outputs)
        case TableFigure():
            return value_table(figure, scene)
        case CurveFigure():
            return curve(figure, scene)
        case SpreadFigure():
            return spread(figure, scene)
        case _:
            assert_never(figure)
