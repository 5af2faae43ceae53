"""Thresholds that are frozen between calibration negatives and positives: both rates are judged on fresh items."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.evidence import Cell
from releasegate.intervals import effective_alpha
from tests.tiny_gates import Outcome
from tests.tiny_methods import Placed, Trial, eval_card, pooled

ALPHA = effective_alpha(0.05, 1, 1)


def frozen(gate: list[float], negatives: list[Outcome], positives: list[Outcome], **limit: Any) -> Trial:
    """Scores of the gate beside calibration items of both kinds."""
    cells = (
        Cell(labels={}, metrics=("clean",), n=len(negatives)),
        Cell(labels={}, metrics=("marked",), n=len(positives)),
    )
    calibration: list[Placed] = [(0, o) for o in negatives] + [(1, o) for o in positives]
    card = eval_card({"caught": {}}, rate=0.01, frozen=True)
    stated = limit or {"at_least": 0.9}
    return Trial(card, "caught", stated, pooled(list(gate)), calibration, calibration_cells=cells)


def test_a_frozen_threshold_stands_between_the_two_kinds_and_takes_no_alpha() -> None:
    trial = frozen([5.1] * 45, [1.0, 2.0, 3.0], [7.0, 8.0, 9.0])
    assert trial.found.slices[0].threshold == 5.0
    assert trial.found.slices[0].estimate.alpha == ALPHA
    assert trial.found.status == "met"
    assert frozen([4.9] * 45, [1.0, 2.0, 3.0], [7.0, 8.0, 9.0]).found.status == "violated"


def test_what_is_flagged_wrongly_is_judged_at_the_same_frozen_threshold() -> None:
    for score, status in ((4.9, "met"), (5.1, "violated")):
        trial = frozen([score] * 45, [1.0, 2.0, 3.0], [7.0, 8.0, 9.0], at_most=0.1)
        assert trial.found.slices[0].threshold == 5.0
        assert trial.found.status == status


@pytest.mark.parametrize("lost", ["failed", None])
@pytest.mark.parametrize("kind", [0, 1])
def test_a_lost_calibration_item_leaves_no_frozen_threshold(lost: Outcome, kind: int) -> None:
    """It would move the threshold, in a direction that may help."""
    kinds: list[list[Outcome]] = [[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]]
    kinds[kind][0] = lost
    trial = frozen([9.0] * 45, *kinds)
    assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")
    assert trial.found.sentence == "1 of 6 calibration items failed or are missing, so there is no threshold"
    assert trial.decide().verdict == "incomplete"


@pytest.mark.parametrize("always", [0.0, 5.0, 10.0])
def test_a_detector_that_says_the_same_of_everything_is_never_released(always: float) -> None:
    """Always yes flags clean audio, always no misses marked audio: one of the two requirements is violated, or both."""
    calibration: list[Outcome] = [always] * 50
    found = [
        frozen([always] * 45, calibration, calibration, **limit).found
        for limit in ({"at_least": 0.9}, {"at_most": 0.1})
    ]
    assert "violated" in {f.status for f in found}
