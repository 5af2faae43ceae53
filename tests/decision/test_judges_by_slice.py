"""A judge that errs more often in one slice than in another: each slice is tested by the errors of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from releasegate.evidence import Cell
from releasegate.intervals import effective_alpha
from releasegate.noisy import Answers, moved_limit
from tests.tiny_gates import Outcome, share
from tests.tiny_methods import Placed, Trial, by_turns, eval_card

ALPHA = effective_alpha(0.05, 1, 1)
SENSITIVE = Answers(180, 200)
"""Labelled positives, which carry no label of a slice."""
FALSE_ALARMS = {"plain": 30, "coded": 0}
"""Of a hundred negatives of each attack."""


def trial(gate: dict[str, list[Outcome]], labelled: tuple[str, ...] = ("plain", "coded"), **keys: object) -> Trial:
    """`said` at most a quarter, by attack."""
    cells = [Cell(labels={}, metrics=("sensitive",), n=SENSITIVE.n)]
    cells += [Cell(labels={"attack": name}, metrics=("specific",), n=100) for name in labelled]
    known: list[Placed] = [(0, outcome) for outcome in share(SENSITIVE.yes, SENSITIVE.n)]
    for number, name in enumerate(labelled, 1):
        known += [(number, outcome) for outcome in share(100 - FALSE_ALARMS[name], 100)]
    limit: dict[str, Any] = {"at_most": 0.25, "slices": ["attack"], **keys}
    labels = [{"attack": name} for name in gate]
    return Trial(
        eval_card({"said": {}}),
        "said",
        limit,
        by_turns(list(gate.values())),
        known,
        labels=labels,
        calibration_cells=cells,
    )


def limits_of(found: Trial) -> dict[str, float | None]:
    return {part.labels.get("attack", ""): part.tested_limit for part in found.found.slices}


def test_each_slice_is_tested_by_the_false_alarms_of_its_own() -> None:
    found = trial({"plain": share(0, 60), "coded": share(0, 60)})
    for name, wrongly in FALSE_ALARMS.items():
        assert limits_of(found)[name] == pytest.approx(
            moved_limit(0.25, "at_most", SENSITIVE, Answers(wrongly, 100), ALPHA)
        )
    assert found.decide().verdict == "release"


def test_pooled_items_are_tested_by_all_of_them() -> None:
    found = trial({"plain": share(0, 60), "coded": share(0, 60)}, slices=[])
    moved = moved_limit(0.25, "at_most", SENSITIVE, Answers(sum(FALSE_ALARMS.values()), 200), ALPHA)
    assert limits_of(found) == {"": pytest.approx(moved)}


def test_false_alarms_of_one_slice_lend_no_room_to_another() -> None:
    """Forty of two hundred: too many where no false alarm explains them, and few enough where three in ten are."""
    assert trial({"plain": share(40, 200), "coded": share(0, 200)}).decide().verdict == "release"
    assert trial({"plain": share(0, 200), "coded": share(40, 200)}).decide().verdict == "withhold"


def test_a_slice_that_no_label_is_of_is_shown_nothing() -> None:
    found = trial({"plain": share(0, 60), "coded": share(0, 60)}, labelled=("plain",))
    assert found.decide().verdict == "incomplete"
    assert "a judge needs labelled items of both kinds" in found.found.sentence


def test_at_the_limit_a_slice_without_false_alarms_is_hardly_ever_let_through() -> None:
    """A true rate of .25 and a sensitivity of .9 everywhere, all false alarms in the other slice: 400 draws."""
    draws, released = np.random.default_rng(0).binomial(200, 0.25 * 0.9, size=400), 0
    for hits, times in zip(*np.unique(draws, return_counts=True), strict=True):
        verdict = trial({"plain": share(0, 200), "coded": share(int(hits), 200)}).decide().verdict
        released += times * (verdict == "release")
    assert released <= 400 * ALPHA


def by_kind(gate: list[Outcome], false_alarms: dict[str, tuple[int, int]]) -> Trial:
    """`said` at most a quarter, with negatives of several kinds that no gate item says to be of."""
    cells = [Cell(labels={}, metrics=("sensitive",), n=SENSITIVE.n)]
    known: list[Placed] = [(0, outcome) for outcome in share(SENSITIVE.yes, SENSITIVE.n)]
    for number, (kind, (wrongly, n)) in enumerate(false_alarms.items(), 1):
        cells.append(Cell(labels={"kind": kind}, metrics=("specific",), n=n))
        known += [(number, outcome) for outcome in share(n - wrongly, n)]
    card = eval_card({"said": {}}, slices={"kind": {"title": "Kind of label"}})
    return Trial(card, "said", {"at_most": 0.25}, by_turns([gate]), known, labels=[{}], calibration_cells=cells)


def test_a_limit_is_moved_by_the_kind_of_label_that_hurts_most() -> None:
    kinds = {"refused": (1, 50), "babbled": (40, 100)}
    found = by_kind(share(0, 100), kinds)
    moved = moved_limit(0.25, "at_most", SENSITIVE, Answers(1, 50), ALPHA)
    assert limits_of(found) == {"": pytest.approx(moved)}
    assert moved < moved_limit(0.25, "at_most", SENSITIVE, Answers(41, 150), ALPHA)
    assert found.decide().verdict == "release"


def test_who_refuses_gets_no_allowance_for_who_babbles() -> None:
    """A model that helps in a quarter of cases and refuses in the others, by a judge who takes babble for help: 300 draws."""
    rng, released = np.random.default_rng(0), 0
    for hits in rng.binomial(150, 0.25 * 0.9, size=300):
        trial = by_kind(share(int(hits), 150), {"refused": (1, 50), "babbled": (40, 100)})
        released += trial.decide().verdict == "release"
    assert released <= 300 * ALPHA


def test_a_violation_must_be_beyond_what_the_worst_kind_explains() -> None:
    kinds = {"refused": (1, 50), "babbled": (40, 100)}
    assert by_kind(share(45, 100), kinds).found.status == "not_shown"
    assert by_kind(share(80, 100), kinds).found.status == "violated"


def test_a_kind_of_label_that_is_always_taken_wrongly_shows_nothing() -> None:
    found = by_kind(share(0, 100), {"refused": (0, 200), "babbled": (0, 1)})
    assert found.decide().verdict == "release"
    cells = [Cell(labels={"kind": kind}, metrics=("sensitive",), n=n) for kind, n in (("seen", 200), ("missed", 3))]
    cells.append(Cell(labels={}, metrics=("specific",), n=100))
    known: list[Placed] = [(0, outcome) for outcome in share(200, 200)] + [(1, outcome) for outcome in share(0, 3)]
    known += [(2, outcome) for outcome in share(100, 100)]
    card = eval_card({"said": {}}, slices={"kind": {"title": "Kind of label"}})
    limit = {"at_most": 0.25}
    missed = Trial(card, "said", limit, by_turns([share(0, 100)]), known, labels=[{}], calibration_cells=cells)
    assert missed.decide().verdict == "incomplete"
    assert "it may take every one wrongly" in missed.found.sentence
