"""The vectorised runs are the gate's own tests, run by run."""

from __future__ import annotations

import numpy as np
import pytest

from releasegate.decision.estimating import Rule, judge_share
from releasegate.decision.slices import Slice
from releasegate.intervals import Side, settles
from releasegate.sequential import Claim, settle
from tests.simulations import runs
from tests.simulations.runs import refuting, sequential_means, sequential_shares, shown
from tests.tiny_methods import RIGHT, Trial, eval_card, pooled


@pytest.mark.parametrize(
    ("side", "limit", "wrong_rate"), [("at_least", 0.9, 0.04), ("at_most", 0.3, 0.29), ("at_least", 0.9, 0.2)]
)
def test_runs_of_shares_are_those_of_the_test(
    side: Side, limit: float, wrong_rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BATCH", 60)
    claim = Claim("share", side, limit, 0.1)
    stops, looks = sequential_shares(claim, wrong_rate, 200, 60, np.random.default_rng(4))
    wrong = np.random.default_rng(4).random((60, 200), dtype=np.float32) < wrong_rate
    assert (looks[:, -1] == wrong.sum(axis=1)).all()
    for met, violated, used, run in zip(*stops, wrong, strict=True):
        found = settle(claim, np.where(run, claim.hurts, 1 - claim.hurts))
        assert (found.met_at is not None, found.violated_at is not None, found.used) == (met, violated, used)


@pytest.mark.parametrize("limit", [0.5, 0.7, 0.9])
def test_runs_of_means_are_those_of_the_test(limit: float) -> None:
    claim = Claim("mean", "at_least", limit, 0.1)
    values = np.random.default_rng(5).beta(7, 3, (60, 80))
    for met, violated, used, run in zip(*sequential_means(claim, values), values, strict=True):
        found = settle(claim, run)
        assert (found.met_at is not None, found.violated_at is not None, found.used) == (met, violated, used)


@pytest.mark.parametrize(("side", "limit"), [("at_least", 0.9), ("at_most", 0.3)])
def test_refutations_are_those_of_the_decision(side: Side, limit: float) -> None:
    """The fewest wrong items of 200 that refute a limit: of so many, every later one counted for it."""
    fewest = refuting(200, limit, side, 0.05)
    card = eval_card({"right": RIGHT})
    bad = 1.0 if side == "at_most" else 0.0
    part = Slice({}, (0,), 200)
    for wrong, refuted in ((fewest - 1, False), (fewest, True)):
        trial = Trial(card, "right", {side: limit}, pooled([bad] * wrong + [None] * (200 - wrong)))
        (columns,) = trial.evidence(trial.plan).columns.values()
        assert judge_share("right", part, columns, Rule(side, limit, 0.05, 0.02)).refuted == refuted


def test_runs_at_a_fixed_n_are_those_of_the_test() -> None:
    wrong = np.arange(60)
    assert shown(wrong, 300, 0.9, "at_least", 0.05).tolist() == [
        settles(300 - w, 300, 0.9, "at_least", 0.05) for w in range(60)
    ]
