"""When a sequential test stops: the figures that it is held to, brute force, and exact chances of a false release."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from releasegate.intervals import Side, effective_alpha
from releasegate.sequential import Claim, settle
from releasegate.stopping import stopping, wrong_items_allowed

FIRST = effective_alpha(0.05, 1, 1)


@pytest.mark.parametrize(("truth", "items"), [(0.995, 1994), (0.999, 531), (1.0, 404)])
def test_mean_items_to_stop_for_99_percent(truth: float, items: int) -> None:
    found = stopping(Claim("share", "at_least", 0.99, 0.05), truth, 5000)
    assert round(found.mean_items) == items
    assert found.met[-1] > 0.92


def test_a_clear_violator_stops_within_100_items() -> None:
    for alpha in (0.05, FIRST):
        found = stopping(Claim("share", "at_least", 0.99, alpha), 0.90, 5000)
        assert found.mean_items < 35
        assert found.violated[100] > 0.96
        assert found.violated[200] > 0.999


@pytest.mark.parametrize("side", ["at_least", "at_most"])
@pytest.mark.parametrize("limit", [0.001, 0.05, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("alpha", [0.05, FIRST, 0.0012])
def test_at_the_limit_the_claim_is_met_with_probability_at_most_alpha(side: Side, limit: float, alpha: float) -> None:
    for of in ("share", "mean"):
        claim = Claim(of, side, limit, alpha, alpha_violated=0.1)  # type: ignore[arg-type]
        found = stopping(claim, limit, 4000)
        assert found.met[-1] <= alpha
        assert found.violated[-1] <= 0.1
        assert (np.diff(found.met) >= 0).all()


@pytest.mark.parametrize(("side", "truth"), list(product(["at_least", "at_most"], [0.1, 0.4, 0.7, 1.0])))
def test_the_chances_are_those_of_every_outcome(side: Side, truth: float) -> None:
    claim = Claim("mean", side, 0.4, 0.3)
    met, violated, items = 0.0, 0.0, 0.0
    for outcome in product([0.0, 1.0], repeat=11):
        chance = float(np.prod([truth if x else 1 - truth for x in outcome]))
        found = settle(claim, outcome)
        met += chance * (found.met_at is not None)
        violated += chance * (found.violated_at is not None)
        items += chance * found.used
    exact = stopping(claim, truth, 11)
    assert exact.met[-1] == pytest.approx(met, abs=1e-12)
    assert exact.violated[-1] == pytest.approx(violated, abs=1e-12)
    assert exact.mean_items == pytest.approx(items, abs=1e-9)


def test_the_items_allowed_are_those_that_the_test_allows() -> None:
    for claim in (Claim("share", "at_least", 0.9, 0.05), Claim("share", "at_most", 0.3, 0.05)):
        met, violated = wrong_items_allowed(claim, 120)
        right = 1 - claim.hurts
        for n in range(1, 121):
            for wrong, expected in [(met[n], True), (met[n] + 1, False)]:
                if 0 <= wrong <= n:  # right ones last: if E gets there at all, then at the end
                    found = settle(claim, [claim.hurts] * wrong + [right] * (n - wrong))
                    if found.violated_at is None:
                        assert (found.met_at is not None) == expected
            if violated[n] <= n:
                found = settle(claim, [right] * (n - violated[n]) + [claim.hurts] * violated[n])
                assert found.met_at is not None or found.violated_at is not None


def test_items_for_power_are_the_first_that_have_it() -> None:
    found = stopping(Claim("share", "at_least", 0.99, FIRST), 0.999, 3000)
    n = found.items_for_power(0.9)
    assert n is not None
    assert found.met[n - 1] < 0.9 <= found.met[n]
    assert stopping(Claim("share", "at_least", 0.99, FIRST), 0.99, 3000).items_for_power(0.9) is None


def test_mean_items_when_met_leave_out_those_that_never_were() -> None:
    found = stopping(Claim("share", "at_least", 0.99, 0.05), 0.995, 5000)
    assert found.mean_items_when_met is not None
    assert found.mean_items_when_met < found.mean_items
    assert stopping(Claim("share", "at_least", 0.99, 0.05), 0.0, 50).mean_items_when_met is None


def test_a_truth_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no share or mean"):
        stopping(Claim("share", "at_least", 0.9, 0.05), 1.5, 10)
