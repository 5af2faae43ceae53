"""How often a model that comfortably keeps its limit is released with the planned items, and how many it takes.

A gate that never releases is not a gate. Planned: the items that have a power of 90 % at the comfortable truth.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaincinv

from releasegate.intervals import effective_alpha, items_for_power, power
from releasegate.noisy import Answers, moved_limit
from releasegate.sequential import Claim
from releasegate.stopping import stopping
from tests.simulations.runs import clustered, sequential_means, sequential_shares, shown
from tests.simulations.table import RUNS, Rate, Record, rate

pytestmark = pytest.mark.slow

PART = "release at a comfortable truth"
STOPS = "items to stop, at least 0.99 at alpha 0.05, at most 5,000"
ALPHA = 0.05
ENOUGH = 0.85


def assert_released(found: Rate) -> None:
    assert found.share >= ENOUGH


@pytest.mark.parametrize(("attempt", "name"), [(1, "first attempt"), (5, "fifth new digest")])
def test_a_fixed_number_of_items(attempt: int, name: str, record: Record) -> None:
    alpha = effective_alpha(ALPHA, attempt, 1)
    n = items_for_power(0.99, "at_least", alpha, 0.999, 0.9)
    assert n is not None
    wrong = np.random.default_rng([21, attempt]).binomial(n, 0.001, RUNS)
    ours = rate(shown(wrong, n, 0.99, "at_least", alpha))
    exact = power(n, 0.99, "at_least", alpha, 0.999)
    record(PART, f"fixed n, {name}", f"0.999 for at least 0.99, {n} items", ours, exact=exact)
    assert_released(ours)


@pytest.mark.parametrize(("attempt", "name"), [(1, "first attempt"), (5, "fifth new digest")])
def test_a_sequential_test(attempt: int, name: str, record: Record) -> None:
    claim = Claim("share", "at_least", 0.99, effective_alpha(ALPHA, attempt, 1))
    planned = stopping(claim, 0.999, 5000)
    n = planned.items_for_power(0.9)
    assert n is not None
    stops, _ = sequential_shares(claim, 0.001, n, RUNS, np.random.default_rng([22, attempt]))
    ours = rate(stops.met)
    setup = f"0.999 for at least 0.99, to {n} items, {stops.used.mean():.0f} on average"
    record(PART, f"sequential, {name}", setup, ours, exact=float(planned.met[n]))
    assert_released(ours)


@pytest.mark.parametrize("shares", [1, 3])
@pytest.mark.parametrize("icc", [0.05, 0.2])
def test_clusters(icc: float, shares: int, record: Record) -> None:
    claim = Claim("mean", "at_least", 0.8, effective_alpha(ALPHA, 1, shares))
    hits = clustered(0.95, icc, 40, 25, RUNS, np.random.default_rng([23, int(100 * icc), shares]))
    ours = rate(sequential_means(claim, hits / 25).met)
    record(PART, f"clusters, ICC {icc:g}, alpha {claim.alpha:.4f}", "0.95 for at least 0.8, 40 x 25 items", ours)
    if shares == 1:
        assert_released(ours)


def test_the_published_release_rate_of_clusters(record: Record) -> None:
    claim = Claim("mean", "at_least", 0.8, effective_alpha(ALPHA, 1, 3))
    hits = clustered(0.97, 0.2, 40, 25, RUNS, np.random.default_rng(24))
    ours = rate(sequential_means(claim, hits / 25).met)
    record(PART, f"clusters, ICC 0.2, alpha {claim.alpha:.4f}", "0.97 for at least 0.8, 40 x 25 items", ours)
    assert abs(ours.share - 0.968) < 0.003 + 3 * ours.error


def test_the_second_route(record: Record) -> None:
    """The first route is out of reach (truth 0.5 for at most 0.2); the second holds."""
    alpha, rng = effective_alpha(ALPHA, 1, 2), np.random.default_rng(25)
    n = items_for_power(0.99, "at_least", alpha, 0.999, 0.9)
    assert n is not None
    first = shown(rng.binomial(n, 0.5, RUNS), n, 0.2, "at_most", alpha)
    ours = rate(first | shown(rng.binomial(n, 0.001, RUNS), n, 0.99, "at_least", alpha))
    record(PART, "second route true", f"0.999 for at least 0.99, {n} items", ours)
    assert_released(ours)


@pytest.mark.parametrize("labels", ["even", "as they come"])
def test_a_noisy_judge(labels: str, record: Record) -> None:
    """Se = Sp = .95 on 1,000 labels; as they come, about 20 of them are positives, and Se is hardly known."""
    alpha, right, truth, limit, rng = effective_alpha(ALPHA, 1, 1), 0.95, 0.02, 0.2, np.random.default_rng(26)
    says_yes = truth * right + (1 - truth) * (1 - right)
    expected = 500 if labels == "even" else 20
    planned = items_for_power(_cautious_limit(limit, right, expected, alpha), "at_most", alpha / 2, says_yes, 0.9)
    assert planned is not None
    positives = np.full(RUNS, 500) if labels == "even" else rng.binomial(1000, truth, RUNS)
    yes, false_yes = rng.binomial(positives, right), rng.binomial(1000 - positives, 1 - right)
    reported = rng.binomial(planned, says_yes, RUNS)
    upper = 1 - betaincinv(planned - reported, reported + 1, alpha / 2)
    released = []
    for y, w, p, bound in zip(yes.tolist(), false_yes.tolist(), positives.tolist(), upper.tolist(), strict=True):
        try:
            released.append(bound <= moved_limit(limit, "at_most", Answers(y, p), Answers(w, 1000 - p), alpha))
        except ValueError:
            released.append(False)
    ours = rate(released)
    record(PART, "a noisy judge", f"0.02 for at most 0.2, {planned} items, 1,000 labels, {labels}", ours)
    assert_released(ours)


def _cautious_limit(limit: float, right: float, positives: int, alpha: float) -> float:
    """The moved limit to plan with: if the labels come out a standard deviation worse than expected, of either kind."""
    negatives = 1000 - positives
    yes = right * positives - np.sqrt(positives * right * (1 - right))
    false_yes = (1 - right) * negatives - np.sqrt(negatives * right * (1 - right))
    return moved_limit(limit, "at_most", Answers(int(yes), positives), Answers(int(false_yes), negatives), alpha)


@pytest.mark.parametrize(("truth", "items"), [(0.995, 1946), (0.999, 525), (1.0, 403)])
def test_items_until_it_is_met(truth: float, items: int, record: Record) -> None:
    claim = Claim("share", "at_least", 0.99, ALPHA)
    stops, _ = sequential_shares(claim, 1 - truth, 5000, RUNS, np.random.default_rng([27, int(1000 * truth)]))
    exact = stopping(claim, truth, 5000)
    mean, error = stops.used.mean(), stops.used.std() / np.sqrt(RUNS)
    met = stops.used[stops.met]
    setup = f"met {stops.met.mean():.4f}, then after {met.mean():.0f} on average"
    record(STOPS, f"truth {truth:g}", setup, f"{mean:.1f} ± {error:.1f}", exact=exact.mean_items)
    assert abs(mean - exact.mean_items) <= 4 * error + 1e-9
    assert mean <= 1.03 * items


def test_items_until_a_clear_violator_is_found(record: Record) -> None:
    claim = Claim("share", "at_least", 0.99, ALPHA)
    stops, _ = sequential_shares(claim, 0.1, 1000, RUNS, np.random.default_rng(28))
    mean, error = stops.used.mean(), stops.used.std() / np.sqrt(RUNS)
    setup = f"violated by item 100: {(stops.violated & (stops.used <= 100)).mean():.4f}, by 200: {(stops.used <= 200).mean():.4f}"
    exact = stopping(claim, 0.9, 1000).mean_items
    record(STOPS, "truth 0.9", setup, f"{mean:.1f} ± {error:.1f}", exact=exact)
    assert stops.violated.all()
    assert mean + 4 * error < 100
