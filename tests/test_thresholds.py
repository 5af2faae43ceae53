"""Thresholds on the side that hurts the release: published ranks, exact guarantees, ties and failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from releasegate.intervals import Side
from releasegate.thresholds import Threshold, frozen_threshold, negatives_needed, rank_of, threshold

SIDES: tuple[Side, Side] = ("at_least", "at_most")


def test_the_published_ranks_of_1000_negatives_at_1_percent() -> None:
    assert rank_of(1000, 0.01, "at_least", 0.05) == 4
    assert rank_of(1000, 0.01, "at_most", 0.05) == 18


def test_the_empirical_quantile_exceeds_its_rate_nearly_half_of_the_time() -> None:
    assert stats.beta.sf(0.01, 10, 991) == pytest.approx(0.46, abs=0.005)


@pytest.mark.parametrize("alpha", [0.05, 0.0304, 0.0101])
@pytest.mark.parametrize(("n", "rate"), [(400, 0.05), (1000, 0.01), (5000, 0.001), (20_000, 0.01), (60, 0.5)])
def test_the_rate_is_on_the_wrong_side_with_probability_at_most_half_of_alpha(
    n: int, rate: float, alpha: float
) -> None:
    """The rate above the r-th largest of n is Beta(r, n - r + 1); the next rank would do for neither side."""
    if (1 - rate) ** n > alpha / 2:
        for side in SIDES:
            with pytest.raises(ValueError, match="cannot support"):
                rank_of(n, rate, side, alpha)
        return
    rank = rank_of(n, rate, "at_least", alpha)
    assert stats.beta.sf(rate, rank, n - rank + 1) <= alpha / 2 < stats.beta.sf(rate, rank + 1, n - rank)
    rank = rank_of(n, rate, "at_most", alpha)
    assert stats.beta.cdf(rate, rank, n - rank + 1) <= alpha / 2 < stats.beta.cdf(rate, rank - 1, n - rank + 2)


@pytest.mark.parametrize("levels", [2, 7, 60, 10_000])
@pytest.mark.parametrize("side", SIDES)
def test_ties_never_help(side: Side, levels: int) -> None:
    """Scores are levels, drawn with known chances: the true rate at the threshold is exact."""
    rng = np.random.default_rng(7)
    chances = rng.dirichlet(np.full(levels, 0.5))
    above = chances[::-1].cumsum()[::-1]  # P(score >= level)
    wrong, runs, n, rate, alpha = 0, 2000, 200, 0.1, 0.1
    for _ in range(runs):
        found = threshold(rng.choice(levels, n, p=chances), rate, side, alpha)
        level = int(found.value)
        true = above[level] - chances[level] if side == "at_least" else above[level]
        wrong += bool(true > rate + 1e-12 if side == "at_least" else true < rate - 1e-12)
    assert wrong / runs <= alpha / 2 + 3 * math.sqrt(alpha / 2 / runs)


def test_a_score_that_ties_with_the_threshold_counts_against_the_release() -> None:
    assert Threshold(0.5, 1, 10, "at_least").flags([0.4, 0.5, 0.6]).tolist() == [False, False, True]
    assert Threshold(0.5, 1, 10, "at_most").flags([0.4, 0.5, 0.6]).tolist() == [False, True, True]


@given(st.lists(st.floats(-5, 5), min_size=120, max_size=200), st.data(), st.sampled_from(SIDES))
@settings(max_examples=100, deadline=None)
def test_a_negative_that_failed_never_helps(scores: list[float], data: st.DataObject, side: Side) -> None:
    lost = data.draw(st.integers(0, 1))
    place = data.draw(st.integers(0, len(scores) - 1))
    rest = scores[:place] + scores[place + lost :]
    whole = threshold(scores, 0.05, side, 0.05)
    found = threshold(rest, 0.05, side, 0.05, failed=lost)
    assert found.n == whole.n
    assert found.value >= whole.value if side == "at_least" else found.value <= whole.value


def test_too_many_failed_negatives_leave_no_threshold() -> None:
    assert threshold(np.arange(997), 0.01, "at_least", 0.05, failed=3).value == 996
    with pytest.raises(
        ValueError, match=r"4 of 1000 negatives failed: no score is left for a threshold at a rate of 0\.01"
    ):
        threshold(np.arange(996), 0.01, "at_least", 0.05, failed=4)
    with pytest.raises(ValueError, match="990 of 1000 negatives failed"):
        threshold(np.arange(10), 0.01, "at_most", 0.05, failed=990)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [0.05, 0.0101])
def test_so_few_negatives_are_refused_and_no_more_than_these(side: Side, rate: float, alpha: float) -> None:
    n = negatives_needed(rate, side, alpha)
    rank = rank_of(n, rate, side, alpha)
    assert rank == 1 if side == "at_least" else stats.beta.cdf(rate, rank, n - rank + 1) <= alpha / 2
    if n > 1:
        with pytest.raises(ValueError, match=f"{n - 1} negatives cannot support a rate of {rate:g}: needs {n}"):
            rank_of(n - 1, rate, side, alpha)
    with pytest.raises(ValueError, match="0 negatives cannot support"):
        rank_of(0, rate, side, alpha)


def test_a_rate_that_misuse_is_judged_at_is_refused_where_so_few_strangers_say_nothing_of_it() -> None:
    """Forty strangers have a second highest score, and nobody knows whether one in a thousand reaches it, or one in ten."""
    for rate, needed in ((0.001, 5286), (0.01, 527), (0.05, 104)):
        with pytest.raises(ValueError, match=f"40 negatives cannot support a rate of {rate:g}: needs {needed}"):
            threshold(np.arange(40), rate, "at_most", 0.0101)
    assert threshold(np.arange(40), 0.2, "at_most", 0.0101).n == 40


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_a_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="a score is not a number"):
        threshold([*range(999), score], 0.01, "at_least", 0.05)
    with pytest.raises(ValueError, match="a score is not a number"):
        Threshold(0.5, 1, 10, "at_least").flags([score])


@pytest.mark.parametrize(("rate", "alpha"), [(0.0, 0.05), (1.0, 0.05), (math.nan, 0.05), (0.1, 0.0), (0.1, math.nan)])
def test_a_rate_or_alpha_that_is_none_is_refused(rate: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="no threshold for a rate"):
        rank_of(1000, rate, "at_least", alpha)


SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(SCORES, SCORES, st.sampled_from([0.01, 0.05, 0.2]))
def test_a_frozen_threshold_lets_few_negatives_pass_and_lies_no_higher_than_that_or_the_middle_asks(
    negatives: list[float], positives: list[float], rate: float
) -> None:
    cut = frozen_threshold(negatives, positives, rate, "at_least").value
    middle = (float(np.median(negatives)) + float(np.median(positives))) / 2
    assert sum(score > cut for score in negatives) <= rate * len(negatives)
    assert cut == middle or (cut > middle and cut in negatives)


@pytest.mark.parametrize(
    ("negatives", "positives", "expected"),
    [
        ([0.0, 0.2], [0.6, 1.0], 0.45),
        ([0.5], [0.5], 0.5),
        ([0.9], [0.1], 0.9),
        ([*[0.0] * 99, 0.9], [0.8], 0.4),
        ([*[0.0] * 98, 0.9, 0.9], [0.8], 0.9),
        ([0.0] * 9, [*[1.0] * 8, 0.3], 0.5),
    ],
)
def test_where_a_frozen_threshold_stands(negatives: list[float], positives: list[float], expected: float) -> None:
    assert frozen_threshold(negatives, positives, 0.01, "at_most").value == pytest.approx(expected)


def test_without_scores_of_both_kinds_nothing_is_frozen() -> None:
    for negatives, positives in (([], [1.0]), ([1.0], [])):
        with pytest.raises(ValueError, match="no threshold between"):
            frozen_threshold(negatives, positives, 0.01, "at_least")
    with pytest.raises(ValueError, match="not a number"):
        frozen_threshold([math.nan], [1.0], 0.01, "at_least")
