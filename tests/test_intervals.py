"""The bounds that a gate rests on: published figures, brute force, and coverage by exact enumeration."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from releasegate.intervals import (
    Side,
    clopper_pearson,
    effective_alpha,
    items_to_settle,
    most_hits,
    paired_difference,
    power,
    settles,
)

FIRST = effective_alpha(0.05, 1, 1)


# The figures that the method is held to.


@pytest.mark.parametrize(
    ("limit", "misses", "items"),
    [
        (0.95, 0, 59),
        (0.95, 1, 93),
        (0.95, 2, 124),
        (0.99, 0, 299),
        (0.99, 1, 473),
        (0.99, 2, 628),
        (0.999, 0, 2995),
        (0.999, 1, 4742),
        (0.999, 2, 6294),
    ],
)
def test_so_many_items_show_a_rate_with_so_few_misses(limit: float, misses: int, items: int) -> None:
    assert settles(items - misses, items, limit, "at_least", 0.05)
    assert not settles(items - 1 - misses, items - 1, limit, "at_least", 0.05)
    assert most_hits(items, limit, "at_least", 0.05) == misses
    assert most_hits(items - 1, limit, "at_least", 0.05) == (misses - 1 if misses else None)


@pytest.mark.parametrize(("limit", "items"), [(1e-3, 2995), (1e-4, 29956)])
def test_so_many_clean_negatives_show_a_false_positive_rate(limit: float, items: int) -> None:
    assert items_to_settle(0.0, limit, "at_most", 0.05) == items


@pytest.mark.parametrize(("shares", "items"), [(1, 348), (2, 417), (3, 457)])
def test_items_for_99_percent_at_the_first_attempt(shares: int, items: int) -> None:
    assert items_to_settle(1.0, 0.99, "at_least", effective_alpha(0.05, 1, shares)) == items


@pytest.mark.parametrize(("attempt", "items"), [(20, 1054), (365, 1631)])
def test_items_for_99_percent_at_later_attempts_with_three_routes(attempt: int, items: int) -> None:
    assert items_to_settle(1.0, 0.99, "at_least", effective_alpha(0.05, attempt, 3)) == items


def test_the_published_bound_of_967_in_1000() -> None:
    assert round(clopper_pearson(967, 1000, 0.05).low, 5) == 0.95612


@pytest.mark.parametrize(("alpha", "pairs"), [(0.05, 122), (effective_alpha(0.05, 1, 3), 174)])
def test_so_many_pairs_without_a_difference_show_a_margin_of_3_percent(alpha: float, pairs: int) -> None:
    assert paired_difference(0, 0, pairs, alpha).high <= 0.03
    assert paired_difference(0, 0, pairs - 1, alpha).high > 0.03
    assert items_to_settle(0.0, 0.03, "at_most", alpha / 2) == pairs


@pytest.mark.parametrize(("truth", "items"), [(0.995, 2697), (0.999, 481)])
def test_so_many_items_have_90_percent_power_for_99_percent(truth: float, items: int) -> None:
    assert power(items, 0.99, "at_least", 0.05, truth) >= 0.9


# Against other arithmetic.


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.0304, 0.005, 1e-5])
@pytest.mark.parametrize("n", [1, 2, 7, 100, 4742])
def test_the_bounds_are_those_of_the_beta_distribution(n: int, alpha: float) -> None:
    for hits in sorted({0, 1, n // 2, n - 1, n}):
        bounds = clopper_pearson(hits, n, alpha)
        low = stats.beta.ppf(alpha, hits, n - hits + 1) if hits else 0.0
        high = stats.beta.ppf(1 - alpha, hits + 1, n - hits) if hits < n else 1.0
        assert bounds.low == pytest.approx(low, rel=1e-9, abs=1e-15)
        assert bounds.high == pytest.approx(high, rel=1e-9, abs=1e-15)


@given(st.integers(1, 60), st.data(), st.floats(1e-6, 0.1))
@settings(max_examples=150, deadline=None)
def test_at_a_bound_the_tail_is_exactly_alpha(n: int, data: st.DataObject, alpha: float) -> None:
    hits = data.draw(st.integers(0, n))
    bounds = clopper_pearson(hits, n, alpha)
    pmf = lambda k, p: math.comb(n, k) * p**k * (1 - p) ** (n - k)  # noqa: E731
    if hits:
        assert math.fsum(pmf(k, bounds.low) for k in range(hits, n + 1)) == pytest.approx(alpha, rel=1e-6)
    if hits < n:
        assert math.fsum(pmf(k, bounds.high) for k in range(hits + 1)) == pytest.approx(alpha, rel=1e-6)
    assert 0 <= bounds.low <= hits / n <= bounds.high <= 1


@given(st.integers(1, 3000), st.data(), st.floats(1e-6, 0.1))
@settings(max_examples=150, deadline=None)
def test_bounds_rise_with_the_hits_and_are_mirrored(n: int, data: st.DataObject, alpha: float) -> None:
    hits = data.draw(st.integers(0, n))
    bounds, mirrored = clopper_pearson(hits, n, alpha), clopper_pearson(n - hits, n, alpha)
    assert bounds.low == pytest.approx(1 - mirrored.high, abs=1e-12)
    assert bounds.high == pytest.approx(1 - mirrored.low, abs=1e-12)
    if hits < n:
        more = clopper_pearson(hits + 1, n, alpha)
        assert more.low > bounds.low or (more.low == bounds.low == 0)
        assert more.high > bounds.high


def test_without_hits_the_lower_bound_is_0_and_without_misses_the_upper_is_1() -> None:
    for n in (1, 5, 10_000_000):
        assert clopper_pearson(0, n, 0.05).low == 0
        assert clopper_pearson(n, n, 0.05).high == 1


@pytest.mark.parametrize(
    ("hits", "n", "alpha"),
    [
        (0, 0, 0.05),
        (-1, 5, 0.05),
        (6, 5, 0.05),
        (1, 5, 0.0),
        (1, 5, 0.5),
        (1, 5, -1.0),
        (1, 5, math.nan),
        (0, -1, 0.05),
    ],
)
def test_there_is_no_bound_without_items_or_without_an_alpha(hits: int, n: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="no bound for"):
        clopper_pearson(hits, n, alpha)


# Coverage, by enumeration of every outcome.


def false_met(n: int, limit: float, side: Side, alpha: float, truth: float) -> float:
    """The probability that `n` items show a limit which the truth does not keep."""
    hits = np.arange(n + 1)
    met = np.array([settles(int(k), n, limit, side, alpha) for k in hits])
    return float(stats.binom.pmf(hits, n, truth)[met].sum())


@pytest.mark.parametrize(("n", "alpha"), list(product([5, 20, 59, 93, 150, 299, 473], [0.05, FIRST, 0.0101])))
def test_a_limit_that_is_not_kept_is_shown_with_probability_at_most_alpha(n: int, alpha: float) -> None:
    for limit in (0.01, 0.1, 0.2, 0.5, 0.9, 0.95, 0.99):
        for beyond in (1e-9, 0.005, 0.05):
            assert false_met(n, limit, "at_least", alpha, max(limit - beyond, 0)) <= alpha
            assert false_met(n, limit, "at_most", alpha, min(limit + beyond, 1)) <= alpha


@pytest.mark.parametrize("rates", [(0.5, 0.9), (0.0, 0.4), (0.7, 0.72)])
def test_strata_with_different_rates_do_not_break_the_bound(rates: tuple[float, float]) -> None:
    """Items are drawn stratum by stratum, so that hits are no binomial variable: the pooled rate is still covered."""
    half, alpha = 60, 0.05
    mass = np.convolve(*(stats.binom.pmf(np.arange(half + 1), half, rate) for rate in rates))
    limit = sum(rates) / 2
    for side in ("at_least", "at_most"):
        met = np.array([settles(k, 2 * half, limit, side, alpha) for k in range(2 * half + 1)])
        assert mass[met].sum() <= alpha


def false_margin(n: int, margin: float, alpha: float, loss: float, gain: float) -> float:
    """The probability that `n` pairs show a margin, by enumeration of every (losses, gains)."""
    total = 0.0
    for losses in range(n + 1):
        left = stats.binom.pmf(losses, n, loss)
        if left < 1e-12:
            continue
        rest = n - losses
        gains = np.arange(rest + 1)
        met = np.array([paired_difference(losses, int(g), n, alpha).high <= margin for g in gains])
        share = gain / (1 - loss) if loss < 1 else 0.0
        total += left * float(stats.binom.pmf(gains, rest, min(share, 1.0))[met].sum())
    return total


@pytest.mark.parametrize("n", [40, 122, 160])
@pytest.mark.parametrize(("margin", "gain"), [(0.03, 0.0), (0.03, 0.02), (0.03, 0.2), (0.1, 0.05), (0.2, 0.4)])
def test_a_margin_that_is_not_kept_is_shown_with_probability_at_most_alpha(n: int, margin: float, gain: float) -> None:
    assert false_margin(n, margin, 0.05, loss=min(margin + gain, 1 - gain), gain=gain) <= 0.05


def test_a_pair_that_is_a_loss_widens_against_the_release_and_a_gain_does_not() -> None:
    bounds = paired_difference(3, 5, 200, 0.05)
    assert paired_difference(4, 5, 200, 0.05).high > bounds.high
    assert paired_difference(3, 6, 200, 0.05).high <= bounds.high
    assert bounds.low < (3 - 5) / 200 < bounds.high


def test_attempts_and_shares_never_spend_more_than_alpha() -> None:
    for shares in (1, 2, 6):
        spent = math.fsum(shares * effective_alpha(0.05, j, shares) for j in range(1, 20_000))
        assert 0.0499 < spent <= 0.05


# What would settle it.


def brute_items(rate: float, limit: float, side: Side, alpha: float, most: int) -> int | None:
    for n in range(1, most + 1):
        hits = math.ceil(rate * n - 1e-9) if side == "at_most" else math.floor(rate * n + 1e-9)
        if settles(hits, n, limit, side, alpha):
            return n
    return None


@pytest.mark.parametrize("alpha", [0.05, FIRST])
def test_items_to_settle_are_the_fewest(alpha: float) -> None:
    for rate, limit in product([0, 0.01, 0.05, 0.1, 1 / 3, 0.45, 0.55, 0.7, 0.9, 0.99, 1], [0.02, 0.2, 0.5, 0.9, 0.98]):
        for side in ("at_most", "at_least"):
            expected = brute_items(rate, limit, side, alpha, 1500)
            if expected is not None:
                assert items_to_settle(rate, limit, side, alpha) == expected, (rate, limit, side)


def test_no_number_of_items_settles_a_rate_on_the_wrong_side() -> None:
    assert items_to_settle(0.2, 0.2, "at_most", 0.05) is None
    assert items_to_settle(0.99, 0.99, "at_least", 0.05) is None
    assert items_to_settle(0.5, 0.4999999, "at_most", 0.05) is None
    assert items_to_settle(0.5, 0.5000001, "at_most", 0.05) is None, "more than ten million items"


@pytest.mark.parametrize("side", ["at_most", "at_least"])
def test_most_hits_is_the_last_number_that_settles(side: Side) -> None:
    for n, limit in product([0, 1, 10, 58, 59, 300], [0.05, 0.5, 0.95]):
        wrong = [w for w in range(n + 1) if n and settles(w if side == "at_most" else n - w, n, limit, side, 0.05)]
        assert most_hits(n, limit, side, 0.05) == (max(wrong) if wrong else None)


@pytest.mark.parametrize("side", ["at_most", "at_least"])
def test_power_is_the_probability_of_the_outcomes_that_settle(side: Side) -> None:
    for n, limit, truth in product([5, 59, 200], [0.1, 0.5, 0.9], [0.02, 0.5, 0.98]):
        assert power(n, limit, side, 0.05, truth) == pytest.approx(false_met(n, limit, side, 0.05, truth), abs=1e-12)
