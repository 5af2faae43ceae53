"""How often what must not go out does, under declared attempts, extensions and strips on items of their own.

Every figure is of the real tests of one requirement at 10,000 runs, and of all of `decide` at the first 500 on the same draws,
which must agree run by run. The lower 99 % bound of each rate is not above alpha; what each rule prevents is shown beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from releasegate.decision import decide
from releasegate.evidence import MEASURED, Cell, Columns, Evidence, evidence_digest
from releasegate.intervals import clopper_pearson, effective_alpha
from releasegate.plan import Plan
from releasegate.sequential import Claim
from releasegate.spending import SERIES, Spending, divided
from releasegate.stopping import stopping
from releasegate.thresholds import rank_of
from tests.simulations.runs import allowed, sequential_shares, shown
from tests.simulations.table import Rate, Record
from tests.tiny_gates import OPENED, Gate, capability, plan_of, policy, requirement, share
from tests.tiny_strips_of_three import LIMIT, NAMES, decided, plan_of_three, three

pytestmark = pytest.mark.slow

PART = "false release under schedules and extensions, nominal 5 %"
ALPHA = 0.05
RUNS, DECIDED, ATTEMPTS, EXTENSIONS = 10_000, 500, 20, 20
Bools = NDArray[np.bool_]


def rate(happened: Bools) -> Rate:
    return Rate(float(happened.mean()), happened.size)


def lowest(found: Rate) -> float:
    """The exact lower 99 % bound of a rate."""
    return clopper_pearson(round(found.share * found.runs), found.runs, 0.01).low


def assert_kept(found: Rate, alpha: float = ALPHA) -> None:
    assert lowest(found) <= alpha


# Twenty attempts.

EVEN = tuple(Spending(attempts=ATTEMPTS).part(j) for j in range(1, ATTEMPTS + 1))


def _changed() -> tuple[float, ...]:
    """Ten attempts of twenty, then what is left over five more, then five of the series, begun anew on what is left."""
    first = Spending(attempts=ATTEMPTS)
    second = divided([first], 10, 16)
    assert second is not None
    third = divided([first, second], 15, None)
    assert third is not None
    rules = [first] * 10 + [second] * 5 + [third] * 5
    return tuple(rule.part(j) for j, rule in enumerate(rules, 1))


SCHEDULES: Mapping[str, tuple[float, ...]] = {
    "evenly": EVEN,
    "changed twice": _changed(),
    "the series": tuple(SERIES.part(j) for j in range(1, ATTEMPTS + 1)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_twenty_attempts_at_the_limit(name: str, record: Record) -> None:
    """Each with new weights at a share of .2 that must be lower. Naive: each at alpha."""
    n, parts, rng = 400, SCHEDULES[name], np.random.default_rng([31, len(name)])
    hits = rng.binomial(n, LIMIT, (RUNS, ATTEMPTS))
    most = [allowed(n, LIMIT, "at_most", ALPHA * part) for part in parts]
    ours, naive = (hits <= most).any(axis=1), shown(hits, n, LIMIT, "at_most", ALPHA).any(axis=1)
    whole = np.array([any(_goes_out(n, int(h), p) for h, p in zip(row, parts, strict=True)) for row in hits[:DECIDED]])
    record(PART, f"twenty attempts, {name}", "at most 0.2, 400 items each", rate(ours), rate(naive))
    record(PART, "  through decide", "", rate(whole))
    assert (whole == ours[:DECIDED]).all()
    assert lowest(rate(naive)) > 5 * ALPHA
    assert_kept(rate(ours))
    assert_kept(rate(whole))


@cache
def _goes_out(n: int, hits: int, part: float) -> bool:
    """Whether an attempt with this part of alpha publishes the model."""
    of = policy(capability("drawing", misuse=[requirement("weak", "drawing/legible", at_most=LIMIT)]))
    spending = Spending(attempts=1, left=part)
    release = of.release.model_copy(update={"attempts": 1})
    of = of.model_copy(update={"release": release})
    made = Gate(of, {("drawing", "source"): share(hits, n)}, n=n)
    plan = made.plan.model_copy(update={"spending": spending})
    evidence = Evidence(
        {plan.identity(m): _columns(m.cells, np.arange(n) < hits, plan) for m in plan.measurements}, evidence_digest(())
    )
    return decide(of, plan, evidence, None, OPENED).verdict == "release"


def _columns(cells: tuple[Cell, ...], hits: NDArray[np.bool_], plan: Plan) -> Columns:
    n = len(hits)
    cell = np.repeat(np.arange(len(cells)), [c.n for c in cells]).astype(np.int32)
    return Columns(cells, cell, np.full(n, MEASURED, np.uint8), {"legible": hits.astype(float)}, (), plan.source)


# Twenty extensions.

FIRST, MORE = 100, 100


def test_twenty_extensions_at_the_limit(record: Record) -> None:
    """One attempt that goes on whenever it is unsettled. Naive: a test on all items so far at each extension, at alpha."""
    n, alpha = FIRST + EXTENSIONS * MORE, effective_alpha(ALPHA, 1, 1)
    claim, rng = Claim("share", "at_most", LIMIT, alpha), np.random.default_rng(33)
    stops, looks = sequential_shares(claim, LIMIT, n, RUNS, rng)
    sizes = np.arange(FIRST, n + 1, MORE)
    most = [allowed(int(k), LIMIT, "at_most", alpha) for k in sizes]
    naive = (looks[:, FIRST // 10 - 1 :: MORE // 10] <= most).any(axis=1)
    exact = float(stopping(claim, LIMIT, n).met[-1])
    draws = _draws(n)
    whole = np.array([_extended(row) for row in draws])
    record(
        PART,
        "twenty extensions of one attempt",
        f"at most 0.2, {FIRST} + 20 x {MORE}",
        rate(stops.met),
        rate(naive),
        exact,
    )
    record(PART, "  through decide", "", rate(whole))
    assert (whole == stops.met[:DECIDED]).all()
    assert lowest(rate(naive)) > alpha
    assert_kept(rate(stops.met), alpha)
    assert_kept(rate(whole), alpha)


def _draws(n: int) -> Bools:
    """The first draws of `sequential_shares`, again."""
    rng = np.random.default_rng(33)
    return np.asarray(rng.random((1000, n), dtype=np.float32) < LIMIT)[:DECIDED]


def _extended(hits: Bools) -> bool:
    """Whether an attempt goes out, at its opening or in some extension."""
    for number in range(EXTENSIONS + 1):
        plan = _going_on(number)
        (m,) = plan.measurements
        evidence = Evidence({plan.identity(m): _columns(m.cells, hits[: m.items], plan)}, evidence_digest(()))
        found = decide(plan.policy, plan, evidence, None, OPENED)
        if found.verdict == "release":
            return True
        if found.capabilities[0].findings[0].reason != "unsettled":
            return False  # violated: it does not go on
    return False


@cache
def _going_on(number: int) -> Plan:
    """The plan of an attempt that went on so often."""
    weak = requirement("weak", "drawing/legible", at_most=LIMIT, sequential=True)
    cells = {"drawing": (Cell(labels={}, metrics=("legible",), n=FIRST + number * MORE),)}
    plan = plan_of(policy(capability("drawing", misuse=[weak])), cells=cells)
    if not number:
        return plan
    (m,) = plan.measurements
    parts = (FIRST, *(MORE for _ in range(number)))
    further = tuple(f"{j:064x}" for j in range(1, number + 1))
    gone_on = m.model_copy(update={"parts": parts, "before": "sha256:" + "0" * 64})
    return plan.model_copy(update={"measurements": (gone_on,), "further": further})


# Strips on items of their own.


def test_three_capabilities_at_the_limit_and_strips_on_items_of_their_own(record: Record) -> None:
    """Whichever is lucky on the source stays in. Naive: two chances, and the strip is judged on the items of the source again."""
    n, rng = 2000, np.random.default_rng(34)
    first, fresh = rng.binomial(n, LIMIT, (RUNS, 3)), rng.binomial(n, LIMIT, (RUNS, 3))
    alpha, split = effective_alpha(ALPHA, 1, 2), effective_alpha(ALPHA, 1, 8)
    ours, naive, before = _out(first, fresh, n, alpha), _out(first, first, n, alpha), _out(first, first, n, split)
    plan, old = plan_of_three(three(), n), plan_of_three(three(), n, own_items=False)
    whole = np.array([_left_in(plan, s, t) for s, t in zip(first[:DECIDED], fresh[:DECIDED], strict=True)])
    eight = np.array([_left_in(old, s, s) for s in first[:DECIDED]])
    bound = effective_alpha(ALPHA, 1, 1)
    record(
        PART, "k = 3, own items, 2 chances (naive: the source's)", f"at most 0.2, {n} items", rate(ours), rate(naive)
    )
    record(PART, "  through decide", "", rate(whole))
    record(PART, "k = 3, the source's items, 8 chances", "", rate(before))
    record(PART, "  through decide", "", rate(eight))
    assert (whole == ours[:DECIDED]).all()
    assert (eight == before[:DECIDED]).all()
    assert lowest(rate(naive)) > bound
    for found in (ours, before, whole, eight):
        assert_kept(rate(found), bound)


def _out(source: NDArray[np.int64], stripped: NDArray[np.int64], n: int, alpha: float) -> Bools:
    """Whether a model goes out with a capability that is at its limit; what was stripped is gone."""
    stays = source <= allowed(n, LIMIT, "at_most", alpha)
    again = stripped <= allowed(n, LIMIT, "at_most", alpha)
    return np.asarray(stays.any(axis=1) & (stays.all(axis=1) | (~stays | again).all(axis=1)))


def _left_in(plan: Plan, source: NDArray[np.int64], stripped: NDArray[np.int64]) -> bool:
    """Whether a model goes out with a capability that is at its limit, through all of `decide`; what was stripped is gone."""
    n = plan.measurements[0].items
    seen = dict(zip(NAMES, source.tolist(), strict=True)) | {"kept": n}
    most = allowed(n, LIMIT, "at_most", plan.alpha)
    away = [c for c in NAMES if seen[c] > most]
    after = {c: 0 if c in away else h for c, h in zip(NAMES, stripped.tolist(), strict=True)} | {"kept": n}
    found = decided(plan, seen, after)
    return found.verdict in ("release", "release_stripped") and len(away) < len(NAMES)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9, 1.0])
def test_draws_from_one_pool_overlap(overlap: float, record: Record) -> None:
    """Two chances where strip and source draw from one pool, so that a share of their items is the same."""
    n, rng = 2000, np.random.default_rng([35, int(10 * overlap)])
    same = int(overlap * n)
    common, own, other = rng.binomial(same, LIMIT, (RUNS, 3)), *rng.binomial(n - same, LIMIT, (2, RUNS, 3))
    found = rate(_out(common + own, common + other, n, effective_alpha(ALPHA, 1, 2)))
    record(PART, f"k = 3, 2 chances, {overlap:.0%} of items the same", f"at most 0.2, {n} items", found)
    bound = effective_alpha(ALPHA, 1, 1)
    if overlap == 1:
        assert lowest(found) > bound
    if overlap == 0:
        assert_kept(found, bound)


@pytest.mark.parametrize("shared", [True, False])
def test_a_threshold_that_source_and_strip_share(*, shared: bool, record: Record) -> None:
    """Scores of three detectors, each at its limit; the strip has fresh items, and the source's threshold or one of its own.

    The threshold is set by 1,000 calibration negatives, as in `test_a_threshold_at_1_percent`. The proof asks that the strip,
    given what the source showed, passes with probability alpha at most: here where one of the three was lucky and stays in.
    """
    n, labels, q, rng = 20_000, 1000, 0.01, np.random.default_rng(36)
    alpha, shift = effective_alpha(ALPHA, 1, 2), ndtri(LIMIT) - ndtri(q)
    rank = rank_of(labels, q, "at_most", alpha)

    def met(false_rate: NDArray[np.float64]) -> Bools:
        flagged = rng.binomial(n, ndtr(shift - ndtri(1 - false_rate)))
        return np.asarray(flagged <= allowed(n, LIMIT, "at_most", alpha / 2))

    first, other = rng.beta(rank, labels - rank + 1, (2, RUNS, 3))
    stays, again = met(first), met(first if shared else other)
    lucky = stays.any(axis=1) & ~stays.all(axis=1)
    found = rate((~stays | again).all(axis=1)[lucky])
    name = "the source's" if shared else "its own"
    record(
        PART,
        f"k = 3, the strip passes given a lucky source, threshold {name}",
        f"{labels} calibration negatives",
        found,
    )
    assert lucky.sum() > 100
    if shared:
        assert lowest(found) > alpha
    else:
        assert_kept(found, alpha)
