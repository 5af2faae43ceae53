"""The chance that one slice is shown: held against figures worked out otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from releasegate.decision.chances import PlannedTest, halfway, planned_tests
from releasegate.evidence import Cell
from releasegate.intervals import clopper_pearson, power
from releasegate.plan import EvalCode, Plan, PlannedModel, SubjectRef, make_plan
from releasegate.policy import Requirement
from releasegate.sequential import Claim, settle
from tests.tiny_gates import OPENED, capability, card, manifest, policy, requirement

ALPHA = 0.05 * 6 / math.pi**2
SHARE = {"title": "Share", "type": "bernoulli", "unit": "share", "range": [0, 1], "better": "higher"}


def slices_tested(
    asked: dict[str, Any], cells: tuple[Cell, ...], calibration: tuple[Cell, ...] = (), **changes: Any
) -> list[PlannedTest]:
    """The slices of one `misuse` requirement on `drawing/legible`, at the first attempt of a policy with one route."""
    made = policy(capability("draws", misuse=[asked]))
    plan = planned(made, cells, calibration, **changes)
    ((section, _, stated),) = made.capabilities[0].sections()
    return planned_tests(plan, stated, section, plan.alpha)


def planned(of: Any, cells: tuple[Cell, ...], calibration: tuple[Cell, ...] = (), **changes: Any) -> Plan:
    """The plan of a policy on the eval `drawing`."""
    code = EvalCode(
        card=card("drawing", "legible", **changes),
        harness=manifest("harness").digest(),
        instruments={},
        subject=SubjectRef(id="tiny", code="1", dtype="float32", deterministic=True),
        cells={"gate": cells, "calibration": calibration},
    )
    recipes = {str(c.recipe): manifest("recipe").digest() for c in of.capabilities if c.recipe}
    model = PlannedModel(layout="tiny-hf", manifest=manifest("source"))
    return make_plan(of, {"drawing": code}, recipes, model, OPENED.isoformat())


def drawn(n: int, **labels: str) -> Cell:
    return Cell(labels=labels, metrics=("legible",), n=n)


@pytest.mark.parametrize(
    ("kind", "range_", "keys", "truth"),
    [
        ("bernoulli", (0, 1), {"at_least": 0.95}, 0.975),
        ("bernoulli", (0, 1), {"at_most": 0.2}, 0.1),
        ("bounded_mean", (0, 3), {"at_most": 0.2}, 0.1),
        ("bounded_mean", (1, 5), {"at_least": 4.0}, 4.5),
        ("thresholded", (-50, 0), {"at_most": 0.05}, 0.025),
    ],
)
def test_the_truth_is_half_way_between_the_limit_and_the_ideal(
    kind: str, range_: tuple[float, float], keys: dict[str, float], truth: float
) -> None:
    metric = card("drawing", "legible", metrics={"legible": {**SHARE, "type": kind, "range": range_}}).metrics[
        "legible"
    ]
    assert halfway(Requirement(id="r", metric="drawing/legible", **keys), metric) == pytest.approx(truth)


def test_a_fixed_number_of_items_has_the_exact_chance_of_the_binomial_test() -> None:
    (test,) = slices_tested(requirement("r", "drawing/legible", at_most=0.2), (drawn(60),))
    shown = [hits for hits in range(61) if clopper_pearson(hits, 60, ALPHA).high <= 0.2]
    by_hand = sum(math.comb(60, hits) * 0.1**hits * 0.9 ** (60 - hits) for hits in shown)
    assert test.chance == pytest.approx(by_hand)
    peak = test.test.next_peak(60)
    assert peak is not None
    assert clopper_pearson(len(shown), peak, ALPHA).high <= 0.2 < clopper_pearson(len(shown), peak - 1, ALPHA).high


def test_the_number_for_a_chance_has_it_and_no_smaller_one_does() -> None:
    (test,) = slices_tested(requirement("r", "drawing/legible", at_most=0.2), (drawn(60),))
    needed = test.test.items_for(0.9)
    assert needed is not None
    assert test.test.chance(needed) >= 0.9
    assert all(test.test.chance(n) < 0.9 for n in range(1, needed))


def test_a_test_that_looks_early_has_the_chance_that_runs_of_it_have() -> None:
    (test,) = slices_tested(requirement("r", "drawing/legible", at_most=0.2, sequential=True), (drawn(150),))
    rng = np.random.default_rng(5)
    claim = Claim("share", "at_most", 0.2, ALPHA)
    runs = [settle(claim, (rng.random(150) < 0.1).astype(float)).met_at is not None for _ in range(2000)]
    assert test.chance == pytest.approx(np.mean(runs), abs=4 * math.sqrt(0.25 / 2000))


def test_what_is_kept_is_lost_on_no_item() -> None:
    gone = requirement("gone", "drawing/legible", at_most=0.2)
    kept = requirement("kept", "drawing/legible", margin=0.03)
    keys = {"otherwise": "strip", "recipe": "tiny-hf/drawing", "removal": [gone], "keep": [kept]}
    made = policy(capability("draws", misuse=[gone], **keys))
    stated = {r.id: (section, r) for section, _, r in made.capabilities[0].sections()}
    section, r = stated["kept"]
    for n, chance in ((160, 0.0), (161, 1.0)):
        plan = planned(made, (drawn(n),))
        (test,) = planned_tests(plan, r, section, plan.alpha)
        assert (test.chance, test.test.items_for(0.9)) == (chance, 161)


JUDGED: dict[str, Any] = {
    "metrics": {
        "legible": {**SHARE, "judged_by": "judge"},
        "right_yes": {**SHARE, "of_instrument": "judge", "shows": "sensitivity"},
        "right_no": {**SHARE, "of_instrument": "judge", "shows": "specificity"},
    },
    "instruments": {"judge": {"title": "Judge", "files": ["judge"], "source": "made"}},
    "items": {"kind": "generated", "n": 100, "calibration": 400, "source": "made"},
}


def labelled(n: int) -> tuple[Cell, ...]:
    return (Cell(labels={}, metrics=("right_yes",), n=n), Cell(labels={"ink": "red"}, metrics=("right_no",), n=n))


def test_few_labels_of_a_judge_move_the_limit_and_cost_power() -> None:
    asked = requirement("r", "drawing/legible", at_most=0.2)
    (few,), (many,) = (slices_tested(asked, (drawn(150),), labelled(n), **JUDGED) for n in (60, 2000))
    low = clopper_pearson(60, 60, ALPHA / 4).low
    assert few.test.limit == pytest.approx(0.2 * low)
    assert few.chance == pytest.approx(power(150, 0.2 * low, "at_most", ALPHA / 2, 0.1))
    assert few.chance < many.chance < power(150, 0.2, "at_most", ALPHA, 0.1)


def test_a_judge_that_is_expected_to_err_reports_another_rate() -> None:
    metrics = {**JUDGED["metrics"]}
    metrics["right_yes"] = {**metrics["right_yes"], "expected": 0.9}
    metrics["right_no"] = {**metrics["right_no"], "expected": 0.95}
    asked = requirement("r", "drawing/legible", at_most=0.2)
    (test,) = slices_tested(asked, (drawn(400),), labelled(400), **{**JUDGED, "metrics": metrics})
    assert test.test.truth == pytest.approx(0.1 * 0.9 + 0.9 * 0.05)
    low, false_low = clopper_pearson(360, 400, ALPHA / 4).low, clopper_pearson(20, 400, ALPHA / 4).low
    assert test.test.limit == pytest.approx(0.2 * low + 0.8 * false_low)


def test_a_judge_without_labels_can_show_nothing() -> None:
    (test,) = slices_tested(requirement("r", "drawing/legible", at_most=0.2), (drawn(400),), **JUDGED)
    assert test.test.kind == "impossible"
    assert (test.chance, test.test.items_for(0.5)) == (0.0, None)
    assert test.test.problem is not None


SCORED: dict[str, Any] = {
    "metrics": {
        "legible": {**SHARE, "type": "thresholded", "threshold": {"negatives": "clean", "rate": 0.01}},
        "clean": {**SHARE, "type": "report_only", "instead": "drawing/legible"},
    },
    "items": {"kind": "generated", "n": 100, "calibration": 400, "source": "made"},
}


def test_a_threshold_takes_half_of_alpha_and_enough_negatives() -> None:
    asked = requirement("r", "drawing/legible", at_most=0.2)
    (few,) = slices_tested(asked, (drawn(200),), (Cell(labels={}, metrics=("clean",), n=100),), **SCORED)
    assert few.test.problem == "100 negatives cannot support a rate of 0.01: needs 417"
    (enough,) = slices_tested(asked, (drawn(200),), (Cell(labels={}, metrics=("clean",), n=500),), **SCORED)
    assert enough.chance == power(200, 0.2, "at_most", ALPHA / 2, 0.1)


def test_of_new_clusters_each_is_all_right_or_all_wrong() -> None:
    asked = requirement("r", "drawing/legible", at_most=0.2)
    cells = tuple(drawn(50, digit=f"s{number}") for number in range(100))
    clusters = {"key": "digit", "population": "sampled"}
    (test,) = slices_tested(asked, cells, clusters=clusters)
    assert test.n == 100
    (more,) = slices_tested(asked, (*cells, *(drawn(50, digit=f"t{i}") for i in range(200))), clusters=clusters)
    assert test.chance < more.chance


def test_a_slice_without_items_has_no_chance() -> None:
    asked = requirement("r", "drawing/legible", at_most=0.2, slices=["digit"], values={"digit": ["1", "2"]})
    tests = slices_tested(asked, (drawn(400, digit="1"),))
    assert sorted(test.chance > 0 for test in tests) == [False, True]
