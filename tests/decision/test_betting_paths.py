"""The path of a sequential test ends where its finding does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from releasegate.decision.betting_paths import BettingPath, betting_path
from releasegate.evidence import Cell
from releasegate.sequential import BLOCK, settle
from tests.decision.test_methods import CHOSEN, labels, said
from tests.tiny_gates import Outcome, finding
from tests.tiny_methods import QUALITY, RIGHT, Trial, by_turns, eval_card, pooled

RNG = np.random.default_rng(7)
YES_NO: list[Outcome] = [float(x) for x in RNG.random(900) < 0.93]


def path_of(trial: Trial, number: int = 0) -> BettingPath:
    found = finding(trial.decide(), "tested")
    path = betting_path(found, found.slices[number], trial.plan, trial.evidence(trial.plan))
    assert path is not None
    return path


def share(outcomes: list[Outcome], **limit: object) -> Trial:
    return Trial(eval_card({"right": RIGHT}), "right", {"sequential": True, **limit}, pooled(outcomes))


def test_a_claim_that_is_met_ends_above_its_line_and_was_below_it_before() -> None:
    trial = share(YES_NO, at_least=0.85)
    path, estimate = path_of(trial), trial.found.slices[0].estimate
    line = -math.log(estimate.alpha)
    assert trial.found.status == "met"
    assert len(path.towards) == estimate.used
    assert path.towards[-1] >= line
    assert (path.towards[:-1] < line).all()
    assert (path.against < line).all()


def test_a_claim_that_is_violated_ends_above_the_line_of_its_violation() -> None:
    trial = share([1.0, 0.0] * 200, at_least=0.85)
    path, estimate = path_of(trial), trial.found.slices[0].estimate
    assert trial.found.status == "violated"
    assert path.against[-1] >= -math.log(estimate.alpha) > path.against[-2]
    assert len(path.against) == estimate.used


def test_the_ends_are_those_of_the_test_to_the_last_digit() -> None:
    values: list[Outcome] = [float(x) for x in RNG.random(BLOCK + 700) < 0.9]
    trial = share(values, at_least=0.897)
    path = path_of(trial)
    outcome = settle(path.claim, path.values)
    assert len(path.values) > BLOCK
    assert (path.towards[-1], path.against[-1]) == (outcome.log_e, outcome.log_e_violated)


def test_failed_items_stand_against_the_claim_and_for_it_where_it_is_refuted() -> None:
    trial = share([0.0] * 20 + ["failed"] + [0.0] * 20, at_least=0.85)
    path = path_of(trial)
    assert trial.found.slices[0].refuted
    assert path.against[-1] >= -math.log(path.claim.alpha)
    lost = share(["failed", *YES_NO], at_least=0.85)
    assert path_of(lost).towards[0] < 0


def test_a_mean_and_a_margin_have_paths_of_their_own() -> None:
    mean = Trial(eval_card({"quality": QUALITY}), "quality", {"at_least": 20.0}, pooled([40.0] * 60))
    assert mean.found.status == "met"
    assert path_of(mean).towards[-1] >= -math.log(path_of(mean).claim.alpha)
    kept = Trial(
        eval_card({"quality": QUALITY}), "quality", {"margin": 6.0}, pooled([30.0] * 200), base=pooled([30.5] * 200)
    )
    path = path_of(kept)
    assert path.unit == "pair"
    assert path.values[0] == pytest.approx(0.5)
    assert (kept.found.status == "met") == (path.towards[-1] >= -math.log(path.claim.alpha))


def test_a_slice_has_the_path_of_its_own_items() -> None:
    labels = ({"attack": "none"}, {"attack": "noise"})
    trial = Trial(
        eval_card({"right": RIGHT}),
        "right",
        {"at_least": 0.85, "sequential": True, "slices": ["attack"]},
        by_turns([[1.0] * 200, [0.0] * 200]),
        labels=labels,
    )
    worst = trial.found.slices[0]
    assert worst.labels == {"attack": "noise"}
    assert set(path_of(trial).values) == {0.0}
    assert set(path_of(trial, 1).values) == {1.0}


def test_scores_are_taken_as_what_the_threshold_made_of_them() -> None:
    gate: list[Outcome] = [9.0] * 300
    clean = pooled([i / 100 for i in range(200)])
    cells = (Cell(labels={}, metrics=("clean",), n=200),)
    limit = {"at_least": 0.8, "sequential": True}
    trial = Trial(eval_card({"caught": {}}), "caught", limit, pooled(gate), clean, calibration_cells=cells)
    path = path_of(trial)
    assert set(path.values) == {1.0}
    assert path.claim.alpha == trial.found.slices[0].estimate.alpha


def test_a_fixed_number_of_items_has_no_path() -> None:
    trial = Trial(eval_card({"right": RIGHT}), "right", {"at_least": 0.5}, pooled([1.0] * 60))
    found = trial.found
    assert betting_path(found, found.slices[0], trial.plan, trial.evidence(trial.plan)) is None


EARLY = {name: trial for name, (trial, method, _) in CHOSEN.items() if method.split("_")[-1] in ("process", "betting")}


@pytest.mark.parametrize("name", sorted(EARLY))
def test_every_way_to_look_early_has_a_path_that_agrees_with_its_finding(name: str) -> None:
    trial = EARLY[name]
    path, found = path_of(trial), trial.found.slices[0]
    line = -math.log(found.estimate.alpha)
    assert len(path.values) == (found.estimate.used or found.estimate.clusters)
    assert (found.status == "met") == bool(path.towards[-1] >= line)
    assert (found.status == "violated") == bool(path.against[-1] >= line)


@pytest.mark.parametrize(("hits", "status"), [(95, "violated"), (20, "not_shown"), (0, "met")])
def test_a_path_is_tested_at_the_limit_that_the_errors_of_a_judge_moved(hits: int, status: str) -> None:
    outcomes: list[Outcome] = [float((i + 1) * hits // 100 - i * hits // 100) for i in range(100)]
    trial = said(outcomes, labels((180, 190)), at_most=0.2, sequential=True)
    path, found = path_of(trial), trial.found.slices[0]
    assert found.status == status
    assert path.claim.limit == (found.tested_limit if found.refuting_limit is None else found.refuting_limit) != 0.2
    assert (status == "violated") == bool(path.against[-1] >= -math.log(path.claim.alpha))
