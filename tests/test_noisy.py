"""Moved limits for noisy judges: the formula, what is refused, and labels that never help by being lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from releasegate.intervals import Side
from releasegate.noisy import Answers, moved_limit

SIDES: tuple[Side, Side] = ("at_least", "at_most")
GOOD = Answers(475, 500), Answers(25, 500)


def low(k: int, n: int, alpha: float) -> float:
    return float(stats.beta.ppf(alpha, k, n - k + 1)) if k else 0.0


def test_the_limit_is_moved_by_bounds_at_a_quarter_of_alpha() -> None:
    expected = 0.2 * low(475, 500, 0.0125) + 0.8 * low(25, 500, 0.0125)
    assert moved_limit(0.2, "at_most", *GOOD, 0.05) == pytest.approx(expected)
    expected = 0.9 * (1 - low(25, 500, 0.0125)) + 0.1 * (1 - low(475, 500, 0.0125))
    assert moved_limit(0.9, "at_least", *GOOD, 0.05) == pytest.approx(expected)


def test_a_judge_that_never_erred_on_many_labels_hardly_moves_the_limit() -> None:
    sure = Answers(10**6, 10**6), Answers(0, 10**6)
    for side in SIDES:
        assert moved_limit(0.3, side, *sure, 0.05) == pytest.approx(0.3, abs=1e-5)


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from(SIDES), st.floats(0.05, 0.95), st.floats(0.001, 0.1))
@settings(max_examples=200, deadline=None)
def test_a_moved_limit_is_on_the_side_that_hurts(yes: int, wrong: int, side: Side, limit: float, alpha: float) -> None:
    try:
        moved = moved_limit(limit, side, Answers(yes, 200), Answers(wrong, 200), alpha)
    except ValueError:
        return
    as_estimated = limit * yes / 200 + (1 - limit) * wrong / 200
    assert moved <= as_estimated if side == "at_most" else moved >= as_estimated


@given(st.integers(130, 200), st.integers(0, 60), st.booleans(), st.sampled_from(SIDES))
@settings(max_examples=200, deadline=None)
def test_a_label_without_an_answer_never_helps(yes: int, wrong: int, positive: bool, side: Side) -> None:  # noqa: FBT001
    lost = (Answers(yes - 1, 200, 1), Answers(wrong, 200)) if positive else (Answers(yes, 200), Answers(wrong, 200, 1))
    was_no = (Answers(yes - 1, 200), Answers(wrong, 200)) if positive else (Answers(yes, 200), Answers(wrong, 200))
    was_yes = (Answers(yes, 200), Answers(wrong, 200)) if positive else (Answers(yes, 200), Answers(wrong + 1, 200))
    try:
        moved = moved_limit(0.4, side, *lost, 0.05)
    except ValueError:
        return
    for known in (was_no, was_yes):
        answered = moved_limit(0.4, side, *known, 0.05)
        assert moved <= answered if side == "at_most" else moved >= answered


@pytest.mark.parametrize("side", SIDES)
def test_a_judge_that_cannot_decide_is_refused(side: Side) -> None:
    with pytest.raises(
        ValueError, match=r"the judge cannot decide: Se \+ Sp - 1 may be as low as 0\.\d+, at least 0\.2"
    ):
        moved_limit(0.2, side, Answers(130, 200), Answers(70, 200), 0.05)
    with pytest.raises(ValueError, match="the judge cannot decide"):
        moved_limit(0.2, side, Answers(5, 5), Answers(0, 5), 0.05)
    with pytest.raises(ValueError, match="the judge cannot decide"):
        moved_limit(0.2, side, Answers(0, 200), Answers(200, 200), 0.05)


def test_a_judge_without_labels_of_both_kinds_is_refused() -> None:
    for answers in ((Answers(0, 0), Answers(0, 10)), (Answers(10, 10), Answers(0, 0))):
        with pytest.raises(ValueError, match="labelled items of both kinds"):
            moved_limit(0.2, "at_most", *answers, 0.05)


@pytest.mark.parametrize("limit", [0.0, 1.0, math.nan, -0.2])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="no limit of"):
        moved_limit(limit, "at_most", *GOOD, 0.05)
