"""The figures and the curve of an eval card: what may stand in them, and what is refused with its place."""

from __future__ import annotations

import pytest

from releasegate.cardcheck import parse_card
from releasegate.errors import DocumentError
from releasegate.evalcard import EvalCard
from releasegate.figures import (
    CurveFigure,
    HeatmapFigure,
    SpreadFigure,
    TableFigure,
    TimelineFigure,
    TradeoffFigure,
)

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
  loud: {title: Loud, type: report_only, unit: dB, range: [-90, 9], better: higher}
  part: {title: Part, type: report_only, unit: share, range: [0, 1], better: higher, quotient: {of: wide, by: clean}}
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
        "  - {kind: curve, metrics: [tpr, auc], along: strength}\n"
        "  - {kind: curve, metrics: [tpr], along: strength, by: attack}\n"
        "  - {kind: spread, metrics: [tpr, fpr, clean]}\n"
    )
    card = parse_card(HEAD + text, "eval.yaml").record
    kinds = (HeatmapFigure, TradeoffFigure, TimelineFigure, TableFigure, CurveFigure, CurveFigure, SpreadFigure)
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
        ("{kind: curve, metrics: [gone], along: strength}", "figures.0.metrics: no metric 'gone'"),
        ("{kind: curve, metrics: [tpr], along: ink}", "figures.0.along: no dimension 'ink'"),
        ("{kind: curve, metrics: [tpr], along: strength, by: ink}", "figures.0.by: no dimension 'ink'"),
        ("{kind: curve, metrics: [tpr], along: strength, by: strength}", "figures.0.by: is the dimension that is walked along"),
        (
            "{kind: curve, metrics: [tpr, fpr], along: strength, by: attack}",
            "figures.0.metrics: `by` draws the lines of one metric",
        ),
        ("{kind: curve, metrics: [tpr, tpr], along: strength}", "figures.0.metrics: names a metric twice"),
        ("{kind: curve, metrics: [tpr, loud], along: strength}", "figures.0.metrics: have different ranges"),
        ("{kind: curve, metrics: [], along: strength}", "figures.0.metrics: must not be empty"),
        ("{kind: spread, metrics: [tpr, gone]}", "figures.0.metrics: no metric 'gone'"),
        ("{kind: spread, metrics: [tpr, tpr]}", "figures.0.metrics: names a metric twice"),
        ("{kind: spread, metrics: [tpr, wide]}", "figures.0.metrics: have different ranges"),
        ("{kind: spread, metrics: [tpr, part]}", "figures.0.metrics: no item carries part"),
        (
            "{kind: pie, rows: attack}",
            'figures.0: kind: must be one of heatmap, tradeoff, timeline, table, curve, spread; got "pie"',
        ),
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


def metric(name: str, threshold: str) -> str:
    return (
        f"  {name}: {{title: T, type: thresholded, unit: s, range: [0, 1], better: higher, threshold: {threshold}}}\n"
    )


MARKED = (
    "  marked: {title: Marked, type: report_only, unit: score, range: [0, 1], better: higher}\n"
    "  faint: {title: Faint, type: report_only, unit: score, range: [0, 1], better: higher}\n"
    "  other: {title: Clean too, type: report_only, unit: score, range: [0, 1], better: higher}\n"
)
ONE = "{negatives: other, positives: marked, rate: 0.01}"


@pytest.mark.parametrize(
    "second",
    [
        "{negatives: other, positives: marked, rate: 0.97}",
        "{negatives: other, positives: faint, rate: 0.01}",
        "{negatives: other, rate: 0.01}",
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_scores_of_one_detector_are_frozen_at_one_threshold(second: str, place: int) -> None:
    """Random scores would be met on both sides: most flagged where few negatives are looked at, few where many are."""
    thresholds = (ONE, second)[:: 1 - 2 * place]
    text = MARKED + metric("found", thresholds[0]) + metric("flagged", thresholds[1])
    with pytest.raises(DocumentError) as caught:
        parse_card(HEAD + text, "eval.yaml")
    (problem,) = caught.value.problems
    assert problem.what == "metrics.flagged.threshold: is set on other like that of found, and differs from it"
    assert problem.fix == "write what found has: the two are judged at one threshold"
    line = (HEAD + text).splitlines().index(metric("flagged", thresholds[1]).rstrip()) + 1
    assert problem.where.startswith(f"eval.yaml:{line}:")


def test_two_thresholds_of_one_detector_are_told_once_though_a_curve_shares_them() -> None:
    text = MARKED + metric("found", ONE) + metric("flagged", ONE.replace("0.01", "0.97"))
    curve = (AUC % "flagged").replace("positives: tpr", "positives: found")
    figure = "figures: [{kind: tradeoff, positives: found, negatives: flagged}]\n"
    assert problems(text + curve + figure) == [
        "metrics.flagged.threshold: is set on other like that of found, and differs from it"
    ]


def test_a_curve_or_a_trade_off_of_two_thresholds_is_refused_whatever_negatives_they_are_set_on() -> None:
    text = MARKED + metric("other_fpr", "{negatives: other, rate: 0.1}")
    refused = "negatives: other_fpr has another threshold than tpr"
    assert problems(text + AUC % "other_fpr") == [f"metrics.auc.curve.{refused}"]
    figure = "figures: [{kind: tradeoff, positives: tpr, negatives: other_fpr}]\n"
    assert problems(text + figure) == [f"figures.0.{refused}"]


def test_thresholds_of_known_rates_and_equal_frozen_ones_stand_beside_each_other() -> None:
    text = MARKED + metric("strict", "{negatives: clean, rate: 0.01}") + metric("found", ONE) + metric("flagged", ONE)
    assert parse_card(HEAD + text, "eval.yaml").record.metrics["strict"].threshold is not None


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ("{type: report_only, quotient: {of: gone, by: clean}}", "quotient.of: no metric 'gone'"),
        ("{type: report_only, quotient: {of: clean, by: part}}", "quotient.by: is carried by no item"),
        ("{type: report_only, quotient: {of: clean, by: loud}}", "quotient.by: may be negative"),
        ("{type: bounded_mean, quotient: {of: clean, by: wide}}", "quotient: only a report_only metric is a quotient of sums"),
        (
            "{type: report_only, quotient: {of: clean, by: wide}, curve: {positives: tpr, negatives: fpr}}",
            "quotient: is the area under a curve already",
        ),
    ],
)  # fmt: skip
def test_a_quotient_of_anything_but_two_counts_is_refused(metric: str, what: str) -> None:
    line = "  share: " + metric.replace("{type", "{title: T, unit: s, range: [0, 1], better: higher, type", 1) + "\n"
    assert problems(line) == [f"metrics.share.{what}"]
