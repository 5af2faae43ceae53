"""The figures and the curve of an eval card: what may stand in them, and what is refused with its place."""

from __future__ import annotations

import pytest

from releasegate.errors import DocumentError
from releasegate.evalcard import EvalCard, parse_card
from releasegate.figures import HeatmapFigure, TableFigure, TimelineFigure, TradeoffFigure

HEAD = """\
schema: releasegate/eval/v1
id: marks
title: Marks
description: Marks
needs: []
items: {kind: generated, n: 4, calibration: 3, source: made}
slices: {attack: {title: Attack}, strength: {title: Strength}}
metrics:
  tpr: {title: Found, type: thresholded, unit: score, range: [0, 1], better: higher, threshold: {negatives: clean, rate: 0.1}}
  fpr: {title: Flagged, type: thresholded, unit: score, range: [0, 1], better: higher, threshold: {negatives: clean, rate: 0.1}}
  wide: {title: Wide, type: thresholded, unit: score, range: [0, 9], better: higher, threshold: {negatives: clean, rate: 0.1}}
  clean: {title: Clean, type: report_only, unit: score, range: [0, 1], better: higher}
"""
AUC = "  auc: {title: Area, type: report_only, unit: s, range: [0, 1], better: higher, curve: {positives: tpr, negatives: %s}}\n"


def problems(text: str) -> list[str]:
    """What is wrong, without the places."""
    with pytest.raises(DocumentError) as caught:
        parse_card(HEAD + text, "eval.yaml")
    return [problem.what for problem in caught.value.problems]


def test_every_kind_of_figure_is_read() -> None:
    text = AUC % "fpr" + (
        "figures:\n"
        "  - {kind: heatmap, metric: auc, rows: attack, columns: strength}\n"
        "  - {kind: tradeoff, positives: tpr, negatives: fpr}\n"
        "  - {kind: timeline, output: timeline}\n"
        "  - {kind: table, rows: attack, columns: [tpr, auc]}\n"
    )
    card = parse_card(HEAD + text, "eval.yaml").record
    kinds = (HeatmapFigure, TradeoffFigure, TimelineFigure, TableFigure)
    assert tuple(type(figure) for figure in card.figures or ()) == kinds
    assert EvalCard.from_text(card.text()) == card


def test_a_card_without_figures_or_curve_keeps_its_digest() -> None:
    plain = parse_card(HEAD, "eval.yaml").record.plain()
    assert "figures" not in plain
    assert not any("curve" in metric for metric in plain["metrics"].values())


@pytest.mark.parametrize(
    ("figure", "what"),
    [
        ("{kind: heatmap, metric: gone, rows: attack, columns: strength}", "figures.0.metric: no metric 'gone'"),
        ("{kind: heatmap, metric: tpr, rows: ink, columns: strength}", "figures.0.rows: no dimension 'ink'"),
        ("{kind: heatmap, metric: tpr, rows: attack, columns: ink}", "figures.0.columns: no dimension 'ink'"),
        ("{kind: heatmap, metric: tpr, rows: attack, columns: attack}", "figures.0.columns: is the dimension of the rows"),
        ("{kind: tradeoff, positives: tpr, negatives: gone}", "figures.0.negatives: no metric 'gone'"),
        ("{kind: tradeoff, positives: clean, negatives: fpr}", "figures.0.positives: is not thresholded: it has no scores"),
        ("{kind: tradeoff, positives: tpr, negatives: wide}", "figures.0.negatives: has another range than the positives"),
        ("{kind: table, rows: ink, columns: [tpr]}", "figures.0.rows: no dimension 'ink'"),
        ("{kind: table, rows: attack, columns: [tpr, gone]}", "figures.0.columns: no metric 'gone'"),
        ("{kind: table, rows: attack, columns: []}", "figures.0.columns: must not be empty"),
        ("{kind: table, rows: attack, columns: [tpr], sort: up}", "figures.0.sort: unknown key"),
        ("{kind: pie, rows: attack}", 'figures.0: kind: must be one of heatmap, tradeoff, timeline, table; got "pie"'),
        ("{rows: attack}", "figures.0: kind: missing"),
    ],
)  # fmt: skip
def test_a_figure_that_cannot_be_drawn_is_refused(figure: str, what: str) -> None:
    assert problems(f"figures:\n  - {figure}\n") == [what]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (AUC % "gone", "metrics.auc.curve.negatives: no metric 'gone'"),
        (AUC % "clean", "metrics.auc.curve.negatives: is not thresholded: it has no scores"),
        (AUC % "wide", "metrics.auc.curve.negatives: has another range than the positives"),
        (
            (AUC % "fpr").replace("report_only", "bounded_mean"),
            "metrics.auc.curve: only a report_only metric is the area under a curve",
        ),
    ],
)
def test_a_curve_of_anything_but_two_kinds_of_scores_is_refused(line: str, what: str) -> None:
    assert problems(line) == [what]
