"""Metrics that are read off a curve: by every value of a dimension, also where only one kind of item has it."""

from __future__ import annotations

from releasegate.cardcheck import parse_card
from releasegate.evalcard import EvalCard
from releasegate.reporting.figures.valued import valued
from releasegate.reporting.gathered.tallying import Tally

CARD = """\
schema: releasegate/eval/v1
id: telling
title: Telling
description: Tells clones from recordings.
needs: []
items: {kind: generated, n: 10, calibration: 1, source: None.}
metrics:
  found:
    title: Found
    type: thresholded
    unit: score
    range: [0, 1]
    better: higher
    threshold: &at {negatives: real, rate: 0.1}
  alarms:
    title: Alarms
    type: thresholded
    unit: score
    range: [0, 1]
    better: lower
    threshold: *at
  auc:
    title: Area
    type: report_only
    unit: share
    range: [0, 1]
    better: higher
    curve: {positives: found, negatives: alarms}
  eer:
    title: Equal errors
    type: report_only
    unit: share
    range: [0, 1]
    better: lower
    curve: {positives: found, negatives: alarms, equal_errors: true}
  real: {title: Real, type: report_only, unit: score, range: [0, 1], better: lower}
slices:
  route: {title: Route}
  codec: {title: Codec}
"""
PLACE = ("telling", "gate", "source")


def card() -> EvalCard:
    return parse_card(CARD, "eval.yaml").record


def tally(name: str, *scores: float) -> Tally:
    made = Tally()
    for score in scores:
        made.score(score, card().metrics[name], None)
    return made


TALLIES = {
    (PLACE, "found", ()): tally("found", 0.1, 0.9, 0.9, 0.9),
    (PLACE, "found", (("route", "easy"),)): tally("found", 0.9, 0.9),
    (PLACE, "found", (("route", "hard"),)): tally("found", 0.1, 0.9),
    (PLACE, "found", (("codec", "gsm"),)): tally("found", 0.9),
    (PLACE, "alarms", ()): tally("alarms", 0.2, 0.2, 0.2, 0.95),
    (PLACE, "alarms", (("codec", "mp3"),)): tally("alarms", 0.2),
}


def value(name: str, *part: tuple[str, str]) -> float | None:
    found = valued(TALLIES, PLACE, card(), name, part)
    return None if found is None else found.value


def test_misses_and_false_alarms_are_read_where_they_are_equal() -> None:
    assert value("eer") == 0.25
    assert value("auc") == 9 / 16


def test_a_value_that_only_clones_have_is_held_against_all_recordings() -> None:
    assert value("auc", ("route", "easy")) == 0.75
    assert value("auc", ("route", "hard")) == 0.375
    assert value("eer", ("route", "easy")) == 0.25


def test_a_value_of_a_dimension_that_both_have_is_held_against_its_own_recordings_alone() -> None:
    assert value("auc", ("codec", "gsm")) is None
    assert value("auc", ("codec", "mp3")) is None
