"""The false release rate under schedules, extensions and own items, worked out exactly, and the decisions that it rests on.

`tests/simulations/test_schedules.py` simulates the same through all of `decide`.
"""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from releasegate.decision import decide
from releasegate.evidence import Evidence, evidence_digest
from releasegate.intervals import effective_alpha, most_hits
from releasegate.sequential import Claim
from releasegate.spending import Spending, divided
from releasegate.stopping import stopping
from tests.tiny_gates import OPENED, Gate, capability, evidence_of, policy, requirement, share
from tests.tiny_strips_of_three import LIMIT, NAMES, decided, plan_of_three, three

ALPHA, N, ATTEMPTS = 0.05, 400, 20


def spent(*changes: tuple[int, int | None]) -> list[float]:
    """The parts of twenty attempts, where after so many attempts what is left was divided up to another last one."""
    rules = [Spending(attempts=ATTEMPTS)]
    for opened, attempts in changes:
        later = divided(rules, opened, attempts)
        assert later is not None
        rules.append(later)
    return [next(r for r in reversed(rules) if r.first <= j).part(j) for j in range(1, ATTEMPTS + 1)]


@pytest.mark.parametrize("changes", [(), ((1, 2),), ((10, 16), (15, None)), ((1, None), (2, 4), (3, None))])
def test_twenty_attempts_at_the_limit_go_out_with_probability_alpha_at_most(
    changes: tuple[tuple[int, int | None], ...],
) -> None:
    most = [most_hits(N, LIMIT, "at_most", ALPHA * part) for part in spent(*changes) if part]
    held = math.prod(1 - binom.cdf(m, N, LIMIT) for m in most if m is not None)
    assert 0 < 1 - held <= ALPHA
    naive = binom.cdf(most_hits(N, LIMIT, "at_most", ALPHA), N, LIMIT)
    assert 1 - (1 - naive) ** ATTEMPTS > 10 * ALPHA


@pytest.mark.parametrize("part", sorted(set(spent((10, 16), (15, None)))))
def test_an_attempt_decides_at_the_part_of_alpha_that_it_has(part: float) -> None:
    of = policy(capability("drawing", misuse=[requirement("weak", "drawing/legible", at_most=LIMIT)]))
    of = of.model_copy(update={"release": of.release.model_copy(update={"attempts": 1})})
    most = most_hits(N, LIMIT, "at_most", ALPHA * part)
    assert most is not None
    for hits, verdict in ((most, "release"), (most + 1, "withhold")):
        made = Gate(of, {("drawing", "source"): share(hits, N)}, n=N)
        plan = made.plan.model_copy(update={"spending": Spending(attempts=1, left=part)})
        (m,) = plan.measurements
        columns = next(iter(evidence_of(made.plan, made.outcomes).columns.values()))
        found = decide(of, plan, Evidence({plan.identity(m): columns}, evidence_digest(())), None, OPENED)
        assert (found.verdict, found.alpha) == (verdict, ALPHA * part)


def test_an_attempt_that_goes_on_twenty_times_goes_out_with_probability_alpha_at_most() -> None:
    alpha = effective_alpha(ALPHA, 1, 1)
    claim = Claim("share", "at_most", LIMIT, alpha)
    met = stopping(claim, LIMIT, 100 + 20 * 100).met
    assert met[100] < met[-1] <= alpha


def test_going_on_shows_more_than_three_fresh_attempts_of_as_many_items() -> None:
    """The figures of ADR 39: a share of .975 against a limit of .95, four chances."""
    claims = [Claim("share", "at_least", 0.95, effective_alpha(ALPHA, j, 4)) for j in (1, 2, 3)]
    one = stopping(claims[0], 0.975, 1500).met
    fresh = [float(stopping(claim, 0.975, 500).met[-1]) for claim in claims]
    together = 1 - math.prod(1 - power for power in fresh)
    assert [round(float(one[600]), 3), round(float(one[-1]), 3), round(together, 2)] == [0.555, 0.951, 0.63]


def test_a_lucky_capability_stays_in_again_on_the_items_of_the_source_and_not_on_others() -> None:
    n = 2000
    plan, old = plan_of_three(three(), n), plan_of_three(three(), n, own_items=False)
    most = most_hits(n, LIMIT, "at_most", plan.alpha)
    assert most is not None
    seen = {"one": most, "two": n // 2, "three": n // 2, "kept": n}
    after = {"two": 0, "three": 0, "kept": n}
    assert decided(plan, seen, {**after, "one": most}).verdict == "release_stripped"
    assert decided(plan, seen, {**after, "one": n // 5}).verdict == "withhold"
    assert decided(old, seen, {**after, "one": most}).verdict == "withhold", "at eight chances it is no luck yet"
    p = float(binom.cdf(most, n, LIMIT))
    bound = effective_alpha(ALPHA, 1, 1)
    assert 1 - (1 - p) ** len(NAMES) > bound > 1 - (1 - p**2) ** len(NAMES)
