"""How often a model exactly at its limit is released, though it must not be: at a nominal 5 %, ours and the naive way.

Each row simulates the functions that a decision is made of, not whole runs of the gate. "Naive" is what people do without
a gate; its figures show that the simulation would see a broken guarantee.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import betaincinv, ndtr, ndtri

from releasegate.evidence import Cell
from releasegate.intervals import Side, effective_alpha, paired_difference
from releasegate.noisy import Answers, moved_limit
from releasegate.sequential import Claim
from releasegate.stopping import stopping
from releasegate.thresholds import rank_of
from tests.simulations.runs import allowed, clustered, sequential_means, sequential_shares, shown
from tests.simulations.table import RUNS, Rate, Record, rate
from tests.tiny_gates import share
from tests.tiny_methods import KEPT, RIGHT, Trial, by_turns, eval_card

pytestmark = pytest.mark.slow

PART = "false release at the limit, nominal 5 %"
ALPHA = 0.05
MANY = 200_000
ATTEMPTS = 20
FIRST = effective_alpha(ALPHA, 1, 1)


def assert_kept(found: Rate, alpha: float = ALPHA) -> None:
    assert found.share <= alpha + 3 * found.error


def assert_about(found: Rate, share: float, off: float = 0.01) -> None:
    assert abs(found.share - share) <= off + 3 * found.error


@pytest.mark.parametrize(("limit", "n"), [(0.99, 268), (0.99, 1000), (0.99, 2546), (0.8, 400)])
def test_a_fixed_number_of_items(limit: float, n: int, record: Record) -> None:
    rng = np.random.default_rng([1, n])
    wrong = rng.binomial(n, 1 - limit, MANY)
    z, share = ndtri(1 - ALPHA), 1 - wrong / n
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    wilson = (middle - half) / (1 + z**2 / n) >= limit
    ours = rate(shown(wrong, n, limit, "at_least", ALPHA))
    record(PART, "fixed n (naive: Wilson)", f"at least {limit:g}, {n:,} items", ours, rate(wilson))
    assert_kept(ours)


def test_looking_every_10_items(record: Record) -> None:
    n, claim = 5000, Claim("share", "at_least", 0.99, ALPHA)
    stops, looks = sequential_shares(claim, 0.01, n, RUNS, np.random.default_rng(2))
    naive = rate((looks <= [allowed(k, 0.99, "at_least", ALPHA) for k in range(10, n + 1, 10)]).any(axis=1))
    ours = rate(stops.met)
    exact = float(stopping(claim, 0.99, n).met[-1])
    record(PART, "peeking (naive: every 10; ours: every item)", "at least 0.99, to 5,000 items", ours, naive, exact)
    assert_about(naive, 0.227)
    assert_about(ours, exact, 0)
    assert_kept(ours)


def test_looking_at_means(record: Record) -> None:
    """Values of two kinds with the mean at the limit: spread evenly, or nearly all right and a few very wrong."""
    n, rng = 1000, np.random.default_rng(3)
    claim = Claim("mean", "at_least", 0.8, ALPHA)
    even = sequential_means(claim, rng.beta(4, 1, (RUNS, n)))
    few = sequential_means(claim, np.where(rng.random((RUNS, n)) < 0.1, 0.0, 8 / 9))
    for name, stops in (("spread evenly", even), ("a few very wrong", few)):
        ours = rate(stops.met)
        record(PART, "peeking at a bounded mean, every item", f"at least 0.8, to 1,000 items, {name}", ours)
        assert_kept(ours)


def test_twenty_attempts_with_new_weights(record: Record) -> None:
    n, rng = 1000, np.random.default_rng(4)
    wrong = rng.binomial(n, 0.01, (RUNS * 5, ATTEMPTS))
    naive = rate(shown(wrong, n, 0.99, "at_least", ALPHA).any(axis=1))
    limits = [allowed(n, 0.99, "at_least", effective_alpha(ALPHA, j, 1)) for j in range(1, ATTEMPTS + 1)]
    ours = rate((wrong <= limits).any(axis=1))
    record(PART, "twenty retries, new weights", "at least 0.99, 1,000 items each", ours, naive)
    assert_about(naive, 0.441)
    assert_about(ours, 0.036, 0)
    assert_kept(ours)


def test_twenty_attempts_of_a_sequential_test(record: Record) -> None:
    rng = np.random.default_rng(5)
    met = np.zeros(RUNS, dtype=bool)
    exact = 1.0
    for j in range(1, ATTEMPTS + 1):
        claim = Claim("share", "at_least", 0.95, effective_alpha(ALPHA, j, 1))
        met |= sequential_shares(claim, 0.05, 500, RUNS, rng)[0].met
        exact *= 1 - float(stopping(claim, 0.95, 500).met[-1])
    ours = rate(met)
    record(PART, "twenty retries, sequential", "at least 0.95, to 500 items each", ours, exact=1 - exact)
    assert_about(ours, 1 - exact, 0)
    assert_kept(ours)


def test_twenty_attempts_with_one_digest(record: Record) -> None:
    """Naive: all items so far are pooled and judged again. Ours: each attempt is judged on its fresh items alone."""
    n, rng = 1000, np.random.default_rng(6)
    wrong = rng.binomial(n, 0.01, (RUNS * 5, ATTEMPTS))
    pooled = [allowed(n * j, 0.99, "at_least", ALPHA) for j in range(1, ATTEMPTS + 1)]
    naive = rate((wrong.cumsum(axis=1) <= pooled).any(axis=1))
    limits = [allowed(n, 0.99, "at_least", effective_alpha(ALPHA, j, 1)) for j in range(1, ATTEMPTS + 1)]
    ours = rate((wrong <= limits).any(axis=1))
    record(PART, "one digest, twenty times (naive: pooled)", "at least 0.99, 1,000 items each", ours, naive)
    assert naive.share > 2 * ALPHA
    assert_kept(ours)


@pytest.mark.parametrize(("icc", "published"), [(0.01, 0.064), (0.05, 0.13), (0.1, 0.20), (0.2, 0.255)])
def test_clusters(icc: float, published: float, record: Record) -> None:
    hits = clustered(0.8, icc, 40, 25, RUNS, np.random.default_rng([7, int(1000 * icc)]))
    naive = rate(shown(1000 - hits.sum(axis=1), 1000, 0.8, "at_least", ALPHA))
    ours = rate(sequential_means(Claim("mean", "at_least", 0.8, ALPHA), hits / 25).met)
    record(PART, f"clusters, ICC {icc:g} (naive: Clopper-Pearson)", "at least 0.8, 40 x 25 items", ours, naive)
    assert_about(naive, published, 0.02)
    assert_kept(ours)


def test_two_routes_and_the_strip(record: Record) -> None:
    """Misuse, a safeguard and a removal, each at its limit: three chances for one capability, among 2 x 2 shares."""
    rng = np.random.default_rng(8)
    n, chances = 5000, ((0.2, "at_most"), (0.99, "at_least"), (0.2, "at_most"))
    wrongs = [rng.binomial(n, limit if side == "at_most" else 1 - limit, MANY) for limit, side in chances]

    def released(*alphas: float) -> Rate:
        tests = zip(wrongs, chances, alphas, strict=True)
        return rate(np.any([shown(w, n, limit, _side(side), alpha) for w, (limit, side), alpha in tests], axis=0))

    share = effective_alpha(ALPHA, 1, 4)
    ours, naive = released(share, share, share), released(ALPHA, ALPHA, ALPHA)
    record(PART, "two routes and the strip", "three chances, 5,000 items each", ours, naive)
    record(PART, "  (naive: routes at alpha / 2, strip at alpha)", "", ours, released(ALPHA / 2, ALPHA / 2, ALPHA))
    record(PART, "  (naive: each at alpha / 3)", "", ours, released(*[ALPHA / 3] * 3))
    assert naive.share > 2 * ALPHA
    assert_kept(ours)


def test_two_artefacts(record: Record) -> None:
    """Weights and paper carry one capability each, both at the limit; either going out is a false release."""
    rng = np.random.default_rng(18)
    n, chances = 5000, ((0.2, "at_most"), (0.99, "at_least"))
    wrongs = [rng.binomial(n, limit if side == "at_most" else 1 - limit, MANY) for limit, side in chances]

    def either(alpha: float) -> Rate:
        tests = zip(wrongs, chances, strict=True)
        return rate(np.any([shown(w, n, limit, _side(side), alpha) for w, (limit, side) in tests], axis=0))

    ours, naive = either(effective_alpha(ALPHA, 1, 2)), either(ALPHA)
    record(PART, "two artefacts (naive: each at alpha)", "one capability each, 5,000 items", ours, naive)
    assert naive.share > 1.5 * ALPHA
    assert_kept(ours)


def test_everything_at_once(record: Record) -> None:
    """Two routes and the strip, twenty attempts, sequential: whichever chance comes off first."""
    rng = np.random.default_rng(9)
    met = np.zeros(RUNS, dtype=bool)
    for j in range(1, ATTEMPTS + 1):
        claim = Claim("share", "at_least", 0.8, effective_alpha(ALPHA, j, 4))
        for _ in range(3):
            met |= sequential_shares(claim, 0.2, 200, RUNS, rng)[0].met
    ours = rate(met)
    record(PART, "two routes, the strip, twenty retries, peeking", "at least 0.8, to 200 items each", ours)
    assert_kept(ours)


def _side(text: str) -> Side:
    return "at_most" if text == "at_most" else "at_least"


@pytest.mark.parametrize("labels", ["even", "as they come"])
def test_a_noisy_judge(labels: str, record: Record) -> None:
    """Truth at the limit .20; the judge is right in 95 % of either kind; naive: the rate is corrected as if that were sure."""
    n, limit, right, rng = 5000, 0.2, 0.95, np.random.default_rng(10)
    positives = np.full(RUNS, 500) if labels == "even" else rng.binomial(1000, limit, RUNS)
    yes, false_yes = rng.binomial(positives, right), rng.binomial(1000 - positives, 1 - right)
    reported = rng.binomial(n, limit * right + (1 - limit) * (1 - right), RUNS)
    se, f = yes / positives, false_yes / (1000 - positives)
    upper = 1 - betaincinv(n - reported, reported + 1, ALPHA)
    naive = rate((upper - f) / (se - f) <= limit)
    moved = np.array(
        [
            moved_limit(limit, "at_most", Answers(y, p), Answers(w, 1000 - p), ALPHA)
            for y, w, p in zip(yes.tolist(), false_yes.tolist(), positives.tolist(), strict=True)
        ]
    )
    ours = rate(1 - betaincinv(n - reported, reported + 1, ALPHA / 2) <= moved)
    record(PART, "a noisy judge (naive: corrected)", f"at most 0.2, 5,000 items, 1,000 labels, {labels}", ours, naive)
    assert naive.share > 2 * ALPHA
    assert_kept(ours)


@pytest.mark.parametrize("truth", [0.99, 0.98])
def test_items_that_fail_when_they_are_misses(truth: float, record: Record) -> None:
    """Four misses of five time out. Naive: they are dropped. Ours: they count as misses."""
    n, rng = 2000, np.random.default_rng([11, int(1000 * truth)])
    misses = rng.binomial(n, 1 - truth, RUNS)
    seen = rng.binomial(misses, 0.2)
    scored = n - misses + seen
    naive = rate(betaincinv(scored - seen, seen + 1, ALPHA) >= 0.99)
    ours = rate(shown(misses, n, 0.99, "at_least", ALPHA))
    record(PART, f"failing items that are misses, truth {truth:g}", "at least 0.99, 2,000 items", ours, naive)
    assert naive.share > 0.9
    assert_kept(ours)


def test_items_that_are_reused_and_patched(record: Record) -> None:
    """After each attempt the author repairs exactly the items that failed; the truth on all others stays at the limit.

    Naive: the next attempt uses the same 299 items. Ours: fresh items.
    """
    n, rng = 299, np.random.default_rng(12)
    broken = rng.binomial(n, 0.01, RUNS)
    naive = np.zeros(RUNS, dtype=bool)
    ours = np.zeros(RUNS, dtype=bool)
    for j in range(1, ATTEMPTS + 1):
        naive |= shown(broken, n, 0.99, "at_least", ALPHA)
        broken = np.zeros(RUNS, dtype=np.int64)
        ours |= shown(rng.binomial(1000, 0.01, RUNS), 1000, 0.99, "at_least", effective_alpha(ALPHA, j, 1))
    found = rate(ours)
    record(
        PART, "items reused and patched, twenty attempts", "at least 0.99, 299 items (fresh: 1,000)", found, rate(naive)
    )
    assert rate(naive).share == 1
    assert_kept(found)


def test_an_author_who_grinds_a_thousand_digests(record: Record) -> None:
    """The author measures 1,000 digests offline and opens an attempt with the best. Naive: items derive from the digest.

    Ours: a nonce is drawn after the digest is fixed, so that the gate's items are others than those that were tried.
    """
    n, digests, rng = 1000, 1000, np.random.default_rng(13)
    best = np.concatenate([rng.binomial(n, 0.01, (200, digests)).min(axis=1) for _ in range(RUNS // 200)])
    naive = rate(shown(best, n, 0.99, "at_least", FIRST))
    ours = rate(shown(rng.binomial(n, 0.01, RUNS), n, 0.99, "at_least", FIRST))
    record(PART, "a thousand digests tried offline", "at least 0.99, 1,000 items", ours, naive)
    assert naive.share == 1
    assert_kept(ours)
    tries = math.log(0.5) / math.log1p(-(0.985**299))
    assert round(tries) == 63


def test_a_quality_floor_tested_on_noise(record: Record) -> None:
    """An attack that the watermark does not survive is excused if it ruins the sound: here exactly at the floor.

    Naive: excused when the quality seen is below the floor. Ours: when it is shown to be, at alpha / 2; the detection rate,
    itself at its limit, is judged at the other half, since either of the two lets the attack pass.
    """
    n, rng = 1000, np.random.default_rng(14)
    good, missed = rng.binomial(n, 0.5, MANY), rng.binomial(n, 0.01, MANY)
    naive = rate((good < n / 2) | shown(missed, n, 0.99, "at_least", ALPHA))
    unsplit = rate(shown(good, n, 0.5, "at_most", ALPHA) | shown(missed, n, 0.99, "at_least", ALPHA))
    ours = rate(shown(good, n, 0.5, "at_most", ALPHA / 2) | shown(missed, n, 0.99, "at_least", ALPHA / 2))
    record(PART, "a quality floor tested on noise", "floor at the share 0.5, 1,000 clips", ours, naive)
    record(PART, "  (naive: excused at alpha, detected at alpha)", "", ours, unsplit)
    assert naive.share > 0.4
    assert unsplit.share > ALPHA
    assert_kept(ours)


def test_an_excuse_decided_by_the_gate(record: Record) -> None:
    """One of two attacks, its detection and its quality both exactly at their limits, through `decide`. Naive: as above."""
    n, rng = 100, np.random.default_rng(141)
    good, missed = rng.binomial(n, 0.5, MANY), rng.binomial(n, 0.1, MANY)
    pairs, places = np.unique(np.stack([good, missed]), axis=1, return_inverse=True)
    released = [_released_with_excuse(n, int(kept), int(lost)) for kept, lost in pairs.T]
    ours = rate(np.asarray(released)[places.ravel()])
    naive = rate((good < n / 2) | shown(missed, n, 0.9, "at_least", FIRST))
    record(PART, "an excuse through the gate, first attempt", "floor at 0.5, at least 0.9, 100 items each", ours, naive)
    assert naive.share > 0.4
    assert ours.share > 0
    assert_kept(ours, FIRST)


def _released_with_excuse(n: int, kept: int, missed: int) -> bool:
    names = [{"attack": "none"}, {"attack": "noise"}]
    limit = {"at_least": 0.9, "slices": ["attack"], "excused": {"metric": "tested/kept", "at_most": 0.5}}
    trial = Trial(
        eval_card({"right": RIGHT, "kept": KEPT}),
        "right",
        limit,
        by_turns([share(n, n), share(n - missed, n)]),
        [(0, outcome) for outcome in share(kept, n)],
        labels=names,
        calibration_cells=[Cell(labels={"attack": "noise"}, metrics=("kept",), n=n)],
    )
    return trial.decide().verdict == "release"


@pytest.mark.parametrize("side", ["at_least", "at_most"])
def test_a_threshold_at_1_percent(side: Side, record: Record) -> None:
    """What is detected at a false-positive rate of 1 %, exactly at its limit 0.9; misuse: accepted, exactly at 0.2.

    Naive: the empirical 1 % quantile of 1,000 negatives as if it were exact. The rate above the r-th largest of n negatives
    is Beta(r, n - r + 1); scores are normal.
    """
    n, q, limit, rng = 1000, 0.01, 0.9 if side == "at_least" else 0.2, np.random.default_rng([15, len(side)])
    shift = ndtri(limit) - ndtri(q)

    def released(rank: int, alpha: float) -> tuple[Rate, Rate]:
        false_rate = rng.beta(rank, n - rank + 1, MANY)
        flagged = rng.binomial(n, ndtr(shift - ndtri(1 - false_rate)))
        wrong = n - flagged if side == "at_least" else flagged
        beyond = false_rate > q if side == "at_least" else false_rate < q
        return rate(shown(wrong, n, limit, side, alpha)), rate(beyond)

    naive, naive_beyond = released(10, ALPHA)
    ours, beyond = released(rank_of(n, q, side, ALPHA), ALPHA / 2)
    record(PART, f"a threshold at 1 % ({side})", "1,000 negatives, 1,000 items", ours, naive)
    record(PART, "  threshold on the wrong side", "", beyond, naive_beyond)
    assert naive.share > 2 * ALPHA
    assert_kept(beyond, ALPHA / 2)
    assert_kept(ours)


@pytest.mark.parametrize("gain", [0.0, 0.05])
def test_a_margin_between_pairs(gain: float, record: Record) -> None:
    """Kept utility worse by exactly the margin: losses minus gains is .03. Naive: the normal interval of paired shares."""
    n, margin, rng = 500, 0.03, np.random.default_rng([16, int(100 * gain)])
    losses, gains, _ = rng.multinomial(n, [margin + gain, gain, 1 - margin - 2 * gain], RUNS).T
    difference = (losses - gains) / n
    spread = np.sqrt(((losses + gains) / n - difference**2) / n)
    naive = rate(difference + ndtri(1 - ALPHA) * spread <= margin)
    high = {
        pair: paired_difference(*pair, n, ALPHA).high for pair in set(zip(losses.tolist(), gains.tolist(), strict=True))
    }
    ours = rate([high[pair] <= margin for pair in zip(losses.tolist(), gains.tolist(), strict=True)])
    record(PART, f"a margin of 0.03, gains {gain:g} (naive: Wald)", "500 pairs", ours, naive)
    assert_kept(ours)
    values = rng.choice([-1.0, 1.0, 0.0], (RUNS, n), p=[margin + gain, gain, 1 - margin - 2 * gain])
    betting = rate(sequential_means(Claim("mean", "at_least", -margin, ALPHA, (-1.0, 1.0)), values).met)
    record(PART, "  the same by betting, every pair", "to 500 pairs", betting)
    assert_kept(betting)
