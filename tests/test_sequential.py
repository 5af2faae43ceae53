"""Sequential tests: a slow reference, planned order, failures, bounds that agree, and never a gain from worse evidence."""

from __future__ import annotations

import math
import time
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate import sequential
from releasegate.intervals import Side
from releasegate.sequential import Claim, Outcome, SequentialTest, anytime_bounds, in_order, log_e_path, settle

SIDES: tuple[Side, Side] = ("at_least", "at_most")
SHARE = Claim("share", "at_least", 0.99, 0.05)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    of: Literal["share", "mean"] = draw(st.sampled_from(("share", "mean")))
    side, limit = draw(st.sampled_from(SIDES)), draw(st.sampled_from([0.05, 0.3, 0.5, 0.8, 0.95]))
    alpha = draw(st.sampled_from([0.3, 0.05, 0.0101]))
    span = (0.0, 1.0) if of == "share" else draw(st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (-3.0, 5.0)]))
    return Claim(of, side, span[0] + limit * (span[1] - span[0]), alpha, span, draw(st.sampled_from([None, 0.1])))


@st.composite
def evidence(draw: st.DrawFn) -> tuple[Claim, list[float]]:
    claim = draw(claims())
    low, high = claim.span
    often = draw(st.sampled_from([low, high]))
    value = st.sampled_from([low, high]) if claim.of == "share" else st.floats(low, high)
    return claim, draw(st.lists(st.one_of(st.just(often), st.just(often), value), max_size=150))


def slow_settle(claim: Claim, values: list[float]) -> tuple[int | None, int | None]:
    """The same test in plain Python, bet by bet."""
    towards, against = claim.bets
    low, high = claim.span
    ahead, behind = [1.0] * len(towards.stakes), [1.0] * len(against.stakes)
    for n, value in enumerate(values, 1):
        x = (value - low) / (high - low) if claim.side == "at_least" else (high - value) / (high - low)
        ahead = [w * (1 - c + c * x / claim.mean) for w, c in zip(ahead, towards.stakes, strict=True)]
        behind = [w * (1 - c + c * (1 - x) / (1 - claim.mean)) for w, c in zip(behind, against.stakes, strict=True)]
        if math.fsum(w * s for w, s in zip(ahead, towards.shares, strict=True)) >= 1 / claim.alpha:
            return n, None
        if math.fsum(w * s for w, s in zip(behind, against.shares, strict=True)) >= 1 / claim.against:
            return None, n
    return None, None


def decided(outcome: Outcome) -> tuple[int | None, int | None]:
    return outcome.met_at, outcome.violated_at


# What it decides.


@given(evidence())
@settings(max_examples=300, deadline=None)
def test_the_outcome_is_that_of_a_slow_reference(given: tuple[Claim, list[float]]) -> None:
    claim, values = given
    outcome = settle(claim, values)
    assert decided(outcome) == slow_settle(claim, values)
    assert outcome.used == (outcome.met_at or outcome.violated_at or len(values))
    assert outcome.decided == (decided(outcome) != (None, None))


@given(evidence(), st.lists(st.integers(1, 40), max_size=8), st.sampled_from([1, 7, 16_384]))
@settings(max_examples=150, deadline=None)
def test_it_does_not_matter_how_the_values_come_in(
    given: tuple[Claim, list[float]], cuts: list[int], block: int
) -> None:
    claim, values = given
    whole = settle(claim, values)
    test, rest = SequentialTest(claim), list(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequential, "BLOCK", block)
        for cut in cuts:
            test.take(rest[:cut])
            rest = rest[cut:]
        in_pieces = test.take(rest)
    assert in_pieces[:3] == whole[:3]
    assert in_pieces[3:] == pytest.approx(whole[3:], abs=1e-9)


@given(evidence())
@settings(max_examples=100, deadline=None)
def test_at_most_is_at_least_seen_in_a_mirror(given: tuple[Claim, list[float]]) -> None:
    claim, values = given
    low, high = claim.span
    other: Side = "at_most" if claim.side == "at_least" else "at_least"
    mirrored = Claim(claim.of, other, low + high - claim.limit, claim.alpha, claim.span, claim.alpha_violated)
    assert decided(settle(mirrored, [low + high - v for v in values])) == decided(settle(claim, values))


@given(evidence(), st.data())
@settings(max_examples=300, deadline=None)
def test_worse_values_never_bring_a_claim_closer(given: tuple[Claim, list[float]], data: st.DataObject) -> None:
    claim, values = given
    hurt = list(values)
    for place in data.draw(st.lists(st.integers(0, max(len(values) - 1, 0)), max_size=5)):
        if place < len(hurt):
            hurt[place] = claim.hurts
    before, after = settle(claim, values), settle(claim, hurt)
    assert (after.met_at or 10**6) >= (before.met_at or 10**6)
    assert (log_e_path(claim, hurt) <= log_e_path(claim, values) + 1e-9).all()


def test_what_follows_a_decision_is_ignored() -> None:
    test = SequentialTest(SHARE)
    assert test.take(np.ones(404)).met_at == 404
    assert test.take([math.nan, 7.0]) == test.outcome
    assert test.outcome.used == 404


def test_without_values_nothing_is_decided() -> None:
    assert settle(SHARE, []) == Outcome(None, None, 0, 0.0, 0.0)
    assert anytime_bounds(SHARE, []) == (0.0, 1.0)


def test_one_wrong_item_never_ends_a_test_of_99_percent() -> None:
    for alpha in (0.05, 0.0304, 0.0101):
        assert settle(Claim("share", "at_least", 0.99, alpha), [0.0]).violated_at is None


# Planned order.


def test_items_after_a_gap_are_not_consumed_however_good_they_are() -> None:
    values, recorded = np.ones(1000), np.ones(1000, dtype=bool)
    recorded[100] = False
    assert len(in_order(SHARE, values, recorded, ~recorded & False)) == 100
    assert settle(SHARE, in_order(SHARE, values, recorded, np.zeros(1000, dtype=bool))).met_at is None


@pytest.mark.parametrize(("side", "hurts"), [("at_least", -1.0), ("at_most", 3.0)])
def test_a_failed_item_enters_at_the_end_that_hurts_and_the_sequence_goes_on(side: Side, hurts: float) -> None:
    claim = Claim("mean", side, 1.0, 0.05, (-1.0, 3.0))
    failed = np.array([False, True, False])
    taken = in_order(claim, np.array([1.0, math.nan, 2.0]), np.ones(3, dtype=bool), failed)
    assert taken.tolist() == [1.0, hurts, 2.0]


# What it refuses.


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.001, 1.001, 0.5])
def test_a_value_that_is_none_of_a_share_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="a value"):
        settle(SHARE, [1.0, value])


@pytest.mark.parametrize("value", [math.nan, -math.inf, -1.001, 5.001])
def test_a_value_outside_the_range_of_a_mean_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a number from"):
        settle(Claim("mean", "at_most", 0.5, 0.05, (-1.0, 5.0)), [value])


@pytest.mark.parametrize(
    ("limit", "alpha", "span"),
    [
        (0.0, 0.05, (0.0, 1.0)),
        (1.0, 0.05, (0.0, 1.0)),
        (math.nan, 0.05, (0.0, 1.0)),
        (0.5, 0.0, (0.0, 1.0)),
        (0.5, 1.0, (0.0, 1.0)),
        (0.5, math.nan, (0.0, 1.0)),
        (0.5, 0.05, (1.0, 0.0)),
    ],
)
def test_a_claim_that_nothing_could_test_is_refused(limit: float, alpha: float, span: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no test"):
        Claim("mean", "at_least", limit, alpha, span)


def test_a_share_lies_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Claim("share", "at_least", 0.5, 0.05, (0.0, 2.0))


# Bounds.


@given(evidence())
@settings(max_examples=300, deadline=None)
def test_bounds_agree_with_the_outcome(given: tuple[Claim, list[float]]) -> None:
    claim, values = given
    bounds, outcome = anytime_bounds(claim, values), settle(claim, values)
    assert claim.span[0] <= bounds.low <= bounds.high <= claim.span[1]
    if claim.side == "at_least":
        assert (bounds.low >= claim.limit) == (outcome.met_at is not None)
        assert (bounds.high < claim.limit) == (outcome.violated_at is not None)
    else:
        assert (bounds.high <= claim.limit) == (outcome.met_at is not None)
        assert (bounds.low > claim.limit) == (outcome.violated_at is not None)


@given(evidence())
@settings(max_examples=150, deadline=None)
def test_bounds_hold_the_mean_of_what_was_seen_and_widen_with_less_alpha(given: tuple[Claim, list[float]]) -> None:
    claim, values = given
    stopped = values[: settle(claim, values).used]
    wide, narrow = (
        anytime_bounds(Claim(claim.of, claim.side, claim.limit, alpha, claim.span), stopped) for alpha in (0.001, 0.2)
    )
    assert wide.low <= narrow.low + 1e-9
    assert wide.high >= narrow.high - 1e-9
    if stopped:
        assert wide.low - 1e-9 <= np.mean(stopped) <= wide.high + 1e-9


def test_rounding_very_many_values_only_widens_the_bounds() -> None:
    claim = Claim("mean", "at_least", 0.2, 0.05)
    values = np.random.default_rng(5).beta(2, 6, 3000)
    exact = anytime_bounds(claim, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequential, "FINEST", 1000)
        rounded = anytime_bounds(claim, values)
    assert exact.low - 0.0021 < rounded.low <= exact.low
    assert exact.high <= rounded.high < exact.high + 0.0021


@pytest.mark.parametrize("of", ["share", "mean"])
def test_the_truth_is_refuted_no_more_often_than_alpha_though_one_stops_when_one_likes(
    of: Literal["share", "mean"],
) -> None:
    """The stop is where E against the truth is largest: the lower bound there is as high as it ever gets."""
    truth, runs, n = 0.9, 4000, 300
    rng = np.random.default_rng(11)
    claim = Claim(of, "at_least", 0.9, 0.1)
    wrong = 0
    for _ in range(runs):
        values = (rng.random(n) < truth).astype(float) if of == "share" else rng.beta(18, 2, n)
        wrong += bool(log_e_path(claim, values).max() >= math.log(10))
    assert wrong / runs <= 0.1 + 3 * math.sqrt(0.09 / runs)


@pytest.mark.slow
@pytest.mark.parametrize(("of", "limit"), [("share", 0.99), ("mean", 0.8)])
def test_a_million_items_are_tested_in_about_a_second(of: Literal["share", "mean"], limit: float) -> None:
    rng = np.random.default_rng(1)
    values = (rng.random(1_000_000) < limit).astype(float) if of == "share" else rng.beta(8, 2, 1_000_000)
    claim = Claim(of, "at_least", limit, 1e-9)
    start = time.process_time()
    assert settle(claim, values).used == 1_000_000
    assert time.process_time() - start < 2


def test_every_limit_and_side_has_its_bets() -> None:
    for side, limit, of in product(SIDES, (0.001, 0.2, 0.5, 0.8, 0.999), ("share", "mean")):
        claim = Claim(of, side, limit, 0.05)  # type: ignore[arg-type]
        good, bad = (1.0, 0.0) if side == "at_least" else (0.0, 1.0)
        assert settle(claim, np.full(20_000, good)).met_at is not None
        assert settle(claim, np.full(20_000, bad)).violated_at is not None
