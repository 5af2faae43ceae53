"""The area under a curve from histograms, held to its definition; the curve itself; the order of names."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.evalcard import Metric
from releasegate.reporting.figures.roc import area_under, curve_of, equal_error_rate
from releasegate.reporting.gathered.tallying import BINS, Tally

SCORE = Metric(title="Found", type="thresholded", unit="score", range=(-2.0, 3.0), better="higher")


def histogram(scores: list[float]) -> np.ndarray:
    tally = Tally()
    for score in scores:
        tally.score(score, SCORE, None)
    assert tally.bins is not None
    return tally.bins


def by_definition(positives: list[float], negatives: list[float]) -> float:
    """The share of pairs in which the positive scores higher, ties counted half."""
    wins = [1.0 if p > n else 0.5 if p == n else 0.0 for p, n in product(positives, negatives)]
    return sum(wins) / len(wins)


scores = st.lists(st.floats(-2.0, 3.0), min_size=1, max_size=30)


@given(scores, scores)
def test_the_area_differs_from_its_definition_by_its_slack_at_most(
    positives: list[float], negatives: list[float]
) -> None:
    area = area_under(histogram(positives), histogram(negatives))
    assert area is not None
    assert abs(area.value - by_definition(positives, negatives)) <= area.slack + 1e-12


on_grid = st.lists(st.integers(0, BINS - 1).map(lambda i: -2.0 + 5.0 * (i + 0.5) / BINS), min_size=1, max_size=30)


@given(on_grid, on_grid)
def test_scores_of_one_bin_are_ties_and_the_area_is_exact(positives: list[float], negatives: list[float]) -> None:
    area = area_under(histogram(positives), histogram(negatives))
    assert area is not None
    assert area.value == pytest.approx(by_definition(positives, negatives), abs=1e-12)


def test_of_many_scores_the_area_is_right_to_three_digits() -> None:
    rng = np.random.default_rng(1)
    positives, negatives = rng.normal(1.0, 0.5, 400).tolist(), rng.normal(0.5, 0.5, 300).tolist()
    area = area_under(histogram(positives), histogram(negatives))
    assert area is not None
    assert area.value == pytest.approx(by_definition(positives, negatives), abs=5e-4)


def test_without_items_of_both_kinds_there_is_no_area() -> None:
    assert area_under(np.zeros(BINS, dtype=np.int64), histogram([0.0])) is None


def test_the_ends_of_the_range_lie_in_the_first_and_the_last_bin() -> None:
    bins = histogram([-2.0, 3.0])
    assert (bins[0], bins[-1], bins.sum()) == (1, 1, 2)


@given(scores, scores)
def test_a_curve_rises_from_nothing_to_everything_and_holds_its_area(
    positives: list[float], negatives: list[float]
) -> None:
    counts = histogram(positives), histogram(negatives)
    points = curve_of(*counts, SCORE.range)
    assert points[0] == (0.0, 0.0, 3.0)
    assert points[-1][:2] == (1.0, 1.0)
    for (x, y, cut), (x2, y2, cut2) in pairwise(points):
        assert x2 >= x
        assert y2 >= y
        assert cut2 < cut
    area = area_under(*counts)
    assert area is not None
    trapezia = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    assert trapezia == pytest.approx(area.value)


def test_each_point_of_a_curve_is_what_its_threshold_flags() -> None:
    positives, negatives = [-1.0, 0.4, 1.2, 2.9], [-1.5, 0.1, 0.5]
    for false, true, cut in curve_of(histogram(positives), histogram(negatives), SCORE.range):
        assert true == sum(p >= cut - 1e-9 for p in positives) / 4
        assert false == sum(n >= cut - 1e-9 for n in negatives) / 3


def errors_by_definition(positives: list[float], negatives: list[float]) -> float:
    """Where misses equal false alarms, on straight lines between what every score gives as a threshold."""
    points = [(0.0, 1.0)]
    for cut in sorted({*positives, *negatives}, reverse=True):
        alarms = sum(score >= cut for score in negatives) / len(negatives)
        points.append((alarms, sum(score < cut for score in positives) / len(positives)))
    for (a0, m0), (a1, m1) in pairwise(points):
        if a1 >= m1:
            return a0 + (m0 - a0) / (m0 - a0 + a1 - m1) * (a1 - a0)
    raise AssertionError("at the last threshold all are flagged")


@given(scores, scores)
def test_the_equal_error_rate_differs_from_its_definition_by_its_slack_at_most(
    positives: list[float], negatives: list[float]
) -> None:
    found = equal_error_rate(histogram(positives), histogram(negatives))
    assert found is not None
    assert abs(found.value - errors_by_definition(positives, negatives)) <= found.slack + 1e-9
    assert 0 <= found.value <= 1


def test_a_detector_that_says_the_same_of_everything_errs_half_of_the_time() -> None:
    found = equal_error_rate(histogram([0.5] * 3), histogram([0.5] * 7))
    assert found is not None
    assert (found.value, found.slack) == (0.5, 0.5)


def test_kinds_that_are_told_apart_have_no_equal_errors_and_swapped_ones_have_nothing_else() -> None:
    low, high = histogram([0.0, 0.1]), histogram([0.9])
    assert equal_error_rate(high, low) == (0.0, 0.0)
    assert equal_error_rate(low, high) == (1.0, 0.0)


def test_one_kind_alone_has_no_equal_error_rate() -> None:
    assert equal_error_rate(histogram([0.2]), np.zeros(BINS, np.int64)) is None
