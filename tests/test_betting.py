"""The martingales under every sequential test: published figures, expectation by enumeration, and plain arithmetic."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.betting import (
    EVEN,
    INFORMATION,
    TOWARDS_RELEASE,
    TOWARDS_VIOLATION,
    Floats,
    Mixture,
    log_e,
    log_e_of_counts,
    log_wealth,
    log_wealths,
    lower_bound,
    share_mixture,
)

MIXTURES = {
    "even": lambda mean: EVEN,
    "towards release": lambda mean: share_mixture(mean, TOWARDS_RELEASE),
    "towards violation": lambda mean: share_mixture(mean, TOWARDS_VIOLATION),
}
unit = st.floats(0, 1)
inside = st.floats(0.001, 0.999)


def published_draws() -> Floats:
    return (np.random.default_rng(0).random(1000) < 0.97).astype(float)


def plug_in_bets(values: Floats, alpha: float, mean: float) -> Floats:
    """The predictable plug-in rule of Waudby-Smith and Ramdas: a check of the arithmetic, not what the gate bets."""
    t = np.arange(1, len(values) + 1)
    means = (1 / 2 + np.cumsum(values)) / (t + 1)
    spread = (1 / 4 + np.cumsum((values - means) ** 2)) / (t + 1)
    before = np.r_[1 / 4, spread[:-1]]
    return np.minimum(np.sqrt(2 * np.log(1 / alpha) / (before * t * np.log1p(t))), 1 / (2 * mean))


# The figures that the method is held to.


def test_the_published_martingale_of_967_in_1000() -> None:
    draws = published_draws()
    assert draws.sum() == 967
    assert round(float(log_wealth(draws, 0.9, plug_in_bets(draws, 0.05, 0.9))[-1]), 4) == 14.8596


def test_the_published_lower_confidence_sequence_of_967_in_1000() -> None:
    draws = published_draws()
    final = lower_bound(lambda m: float(log_wealth(draws, m, plug_in_bets(draws, 0.05, m))[-1]), 0.05)
    kept = lower_bound(lambda m: float(log_wealth(draws, m, plug_in_bets(draws, 0.05, m)).max()), 0.05)
    assert round(final, 5) == 0.94387
    assert round(kept, 5) == 0.94387


# What makes them martingales.


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("mean", [0.01, 0.2, 0.5, 0.8, 0.99])
def test_at_the_mean_that_is_bet_against_the_expected_wealth_stays_1(name: str, mean: float) -> None:
    mixture = MIXTURES[name](mean)
    total = 0.0
    for outcome in product([0.0, 1.0], repeat=8):
        chance = math.prod(mean if x else 1 - mean for x in outcome)
        total += chance * math.exp(log_e(log_wealths(np.array(outcome), mean, mixture), mixture)[-1])
    assert total == pytest.approx(1, rel=1e-9)


@given(st.lists(st.tuples(unit, st.floats(0.01, 1)), min_size=1, max_size=6), inside, st.sampled_from(sorted(MIXTURES)))
@settings(max_examples=200, deadline=None)
def test_at_any_lower_mean_no_item_is_expected_to_raise_the_wealth(
    atoms: list[tuple[float, float]], mean: float, name: str
) -> None:
    mixture = MIXTURES[name](mean)
    values = np.array([x for x, _ in atoms])
    chances = np.array([p for _, p in atoms]) / sum(p for _, p in atoms)
    if values @ chances > mean:
        values = values * mean / (values @ chances)
    for c in mixture.stakes:
        assert chances @ np.exp([log_wealth([x], mean, c / mean)[0] for x in values]) <= 1 + 1e-9


def test_ones_and_zeros_make_a_mixture_of_likelihood_ratios() -> None:
    mean, mixture = 0.99, share_mixture(0.99, TOWARDS_RELEASE)
    for ones, zeros in [(0, 0), (403, 0), (500, 1), (700, 9)]:
        ratio = 0.0
        for c, share in zip(mixture.stakes, mixture.shares, strict=True):
            other = mean + c * (1 - mean)
            ratio += share * (other / mean) ** ones * ((1 - other) / (1 - mean)) ** zeros
        assert float(log_e_of_counts(ones, zeros, mean, mixture)) == pytest.approx(math.log(ratio), abs=1e-9)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=200), inside, st.sampled_from(sorted(MIXTURES)))
@settings(max_examples=100, deadline=None)
def test_the_order_of_ones_and_zeros_does_not_matter_to_the_last_wealth(
    values: list[float], mean: float, name: str
) -> None:
    mixture = MIXTURES[name](mean)
    last = float(log_e(log_wealths(np.array(values), mean, mixture), mixture)[-1])
    ones = sum(values)
    assert last == pytest.approx(float(log_e_of_counts(ones, len(values) - ones, mean, mixture)), abs=1e-6)


def test_wealths_of_many_runs_are_those_of_each() -> None:
    runs = np.random.default_rng(3).random((4, 3, 30))
    together = log_e(log_wealths(runs, 0.4, EVEN), EVEN)
    for i, j in product(range(4), range(3)):
        assert together[i, j] == pytest.approx(log_e(log_wealths(runs[i, j], 0.4, EVEN), EVEN))


# The mixtures.


@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.2, 0.5, 0.8, 0.99, 0.9999, 1 - 1e-9])
def test_the_alternatives_tell_a_quarter_less_each(mean: float) -> None:
    stakes = np.array(share_mixture(mean, TOWARDS_RELEASE).stakes)
    assert ((stakes > 0) & (stakes < 1)).all()
    truths = mean + stakes * (1 - mean)
    told = truths * np.log(truths / mean) + (1 - truths) * np.log1p(-stakes)
    assert told / -np.log(mean) == pytest.approx(INFORMATION, rel=2e-3)


def test_every_mixture_is_one_wealth_split_up() -> None:
    for shares in (TOWARDS_RELEASE, TOWARDS_VIOLATION, EVEN.shares):
        assert math.fsum(shares) == pytest.approx(1, abs=1e-12)
        assert min(shares) > 0
    assert EVEN.stakes == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)


# Inverting them.


@given(st.lists(unit, max_size=60), inside, inside, st.sampled_from(sorted(MIXTURES)))
@settings(max_examples=200, deadline=None)
def test_the_wealth_against_a_higher_mean_is_never_more(
    values: list[float], one: float, other: float, name: str
) -> None:
    mixture = MIXTURES[name](0.7)
    low, high = sorted((one, other))
    against_low = log_e(log_wealths(np.array(values), low, mixture), mixture)
    against_high = log_e(log_wealths(np.array(values), high, mixture), mixture)
    assert (against_high <= against_low + 1e-9).all()


def test_a_lower_bound_is_the_largest_mean_that_is_refuted() -> None:
    against = lambda m: float(log_e_of_counts(290, 10, m, EVEN))  # noqa: E731
    found = lower_bound(against, 0.05)
    assert against(found) >= math.log(20) > against(found + 1e-9)
    assert lower_bound(against, 0.01) < found < 290 / 300


def test_a_lower_bound_of_nothing_refuted_is_0() -> None:
    assert lower_bound(lambda m: 0.0, 0.05) == 0
    assert lower_bound(lambda m: float(log_e_of_counts(0, 50, m, Mixture((0.5,), (1.0,)))), 0.05) == 0
