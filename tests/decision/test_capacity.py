"""What a plan says it can show, held against the figures that are known."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.decision.capacity import Capacity, capacity
from releasegate.evidence import Cell
from releasegate.plan import EvalCode, PlannedModel, SubjectRef, make_plan
from tests.tiny_gates import OPENED, WEAK, capability, card, manifest, policy, requirement


def found(
    asked: dict[str, Any],
    cells: tuple[Cell, ...],
    *,
    section: str = "misuse",
    calibrated: tuple[Cell, ...] = (),
    **changes: Any,
) -> Capacity:
    """The capacity of one requirement on `drawing/legible` in a plan of its own, with one route."""
    guards = {"safeguards": {"s": [{**asked, "enforced_by": "weights"}]}}
    made = policy(capability("draws", **(guards if section == "safeguards" else {"misuse": [asked]})))
    code = EvalCode(
        card=card("drawing", "legible", **changes),
        harness=manifest("harness").digest(),
        instruments={},
        subject=SubjectRef(id="tiny", code="1", dtype="float32", deterministic=True),
        cells={"gate": cells, "calibration": calibrated},
    )
    model = PlannedModel(layout="tiny-hf", manifest=manifest("source"))
    plan = make_plan(made, {"drawing": code}, {}, model, OPENED.isoformat())
    ((_, _, stated),) = made.capabilities[0].sections()
    return capacity(plan, stated, section)  # type: ignore[arg-type]


def drawn(n: int, **labels: str) -> Cell:
    return Cell(labels=labels, metrics=("legible",), n=n)


def test_a_fixed_number_of_items_bears_as_many_misses_as_the_exact_bound_allows() -> None:
    shown = found(requirement("r", "drawing/legible", at_least=0.99), (drawn(348),))
    assert (shown.may_go_wrong, shown.needs, shown.warning) == (0, 348, None)
    assert shown.power == 1
    short = found(requirement("r", "drawing/legible", at_least=0.99), (drawn(347),))
    assert short.may_go_wrong is None
    assert short.warning == "347 items cannot show it: 348 are needed without a miss"


def test_the_next_attempt_needs_more() -> None:
    shown = found(requirement("r", "drawing/legible", at_least=0.99), (drawn(500),))
    assert shown.needs_next is not None
    assert shown.needs is not None
    assert shown.needs_next > shown.needs


def test_power_is_planned_for_the_truth_that_the_policy_assumes() -> None:
    shown = found(requirement("r", "drawing/legible", at_least=0.99, assume=0.999), (drawn(532),))
    assert shown.truth == 0.999
    assert shown.power == pytest.approx(0.9, abs=0.01)


def test_the_smallest_slice_counts() -> None:
    cells = (drawn(50, digit="1"), drawn(20, digit="2"))
    shown = found(requirement("r", "drawing/legible", at_most=0.2, slices=["digit"]), cells)
    assert (shown.slices, shown.items) == (2, 20)


def test_a_sequential_test_says_how_many_items_it_expects() -> None:
    shown = found(requirement("r", "drawing/legible", at_least=0.99, sequential=True), (drawn(2000),))
    assert shown.mean_items is not None
    assert shown.needs is not None
    assert 403 <= shown.needs <= 520
    assert shown.mean_items == pytest.approx(shown.needs)
    short = found(requirement("r", "drawing/legible", at_least=0.99, sequential=True), (drawn(300),))
    assert short.warning == "300 items cannot show it, whatever they show"


def test_few_sampled_clusters_cannot_show_a_high_limit_however_many_items() -> None:
    cells = tuple(drawn(1000, digit=f"s{number}") for number in range(14))
    clusters = {"key": "digit", "population": "sampled"}
    shown = found(requirement("r", "drawing/legible", at_least=0.9), cells, clusters=clusters)
    assert shown.clusters == 14
    assert shown.ceiling is not None
    assert shown.ceiling < 0.05 ** (1 / 14)
    assert shown.warning is not None
    assert "however many items" in shown.warning
    assert shown.needs_clusters is not None
    assert shown.needs == 1000 * shown.needs_clusters, "as many items each as now"
    said = f"{shown.needs_clusters} values of digit with 1000 items each, {shown.needs} items, could show it"
    assert said in shown.warning
    enough = tuple(drawn(1000, digit=f"s{number}") for number in range(shown.needs_clusters))
    assert found(requirement("r", "drawing/legible", at_least=0.9), enough, clusters=clusters).warning is None
    short = found(requirement("r", "drawing/legible", at_least=0.9), enough[1:], clusters=clusters)
    assert short.warning is not None
    assert (short.needs_clusters, short.needs) == (shown.needs_clusters, shown.needs)
    assert short.needs_next is not None
    assert short.needs_next > shown.needs


def test_nothing_planned_is_a_warning() -> None:
    assert found(WEAK, ()).warning == "nothing is planned that could show it"


# Threat sets and excuses.

ATTACKED = (drawn(400, digit="1"), drawn(50, digit="2"), drawn(400, digit="3"))


def test_only_the_threat_set_counts() -> None:
    asked = requirement("r", "drawing/legible", at_least=0.95, slices=["digit"])
    assert (found(asked, ATTACKED).slices, found(asked, ATTACKED).items) == (3, 50)
    inside = found({**asked, "values": {"digit": ["1", "3"]}}, ATTACKED)
    assert (inside.slices, inside.items, inside.warning) == (2, 400, None)
    pooled = requirement("r", "drawing/legible", at_least=0.95, values={"digit": ["1", "2"]})
    assert (found(pooled, ATTACKED).slices, found(pooled, ATTACKED).items) == (1, 450)


@pytest.mark.parametrize("keys", [{}, {"slices": ["digit"]}])
def test_a_listed_value_that_no_item_has_is_a_warning(keys: dict[str, Any]) -> None:
    asked = requirement("r", "drawing/legible", at_least=0.95, values={"digit": ["1", "7", "8"]}, **keys)
    assert found(asked, ATTACKED).warning == "no planned item has digit 7; digit 8: it cannot be met"


def test_clusters_are_those_of_the_threat_set() -> None:
    cells = tuple(drawn(10, digit=f"s{i}", ink="red" if i < 14 else "blue") for i in range(100))
    clusters = {"key": "digit", "population": "sampled"}
    asked = requirement("r", "drawing/legible", at_least=0.9)
    assert found(asked, cells, clusters=clusters).clusters == 100
    assert found({**asked, "values": {"ink": ["red"]}}, cells, clusters=clusters).clusters == 14


EXCUSED = {"metric": "drawing/kept", "at_most": 0.1}
KEPT_METRIC = {"title": "Kept", "type": "bernoulli", "unit": "share", "range": [0, 1], "better": "higher"}


def excusing(calibration: tuple[Cell, ...], **keys: Any) -> Capacity:
    """A safeguard with an excuse, for one digit of 400 items."""
    asked = requirement("r", "drawing/legible", at_least=0.99, slices=["digit"], excused=EXCUSED, **keys)
    metrics = {"legible": KEPT_METRIC, "kept": KEPT_METRIC}
    items = {"kind": "generated", "n": 100, "calibration": 100, "source": "made"}
    cells = (drawn(500, digit="1"),)
    stated = {"of": "model", "population": "named", "key": "digit"}
    asking = {"metrics": metrics, "items": items, "calibration": stated}
    return found(asked, cells, section="safeguards", calibrated=calibration, **asking)


def test_an_excuse_halves_alpha() -> None:
    shown = excusing((Cell(labels={"digit": "1"}, metrics=("kept",), n=60),))
    bare = found(requirement("r", "drawing/legible", at_least=0.99, slices=["digit"]), (drawn(500, digit="1"),))
    assert shown.alpha == bare.alpha / 2
    assert (shown.needs, bare.needs, shown.warning) == (417, 348, None)


def test_an_excuse_that_no_slice_can_have_is_a_warning() -> None:
    few = excusing((Cell(labels={"digit": "1"}, metrics=("kept",), n=39),))
    assert few.warning == "nothing can be excused: 39 calibration items cannot show it, 40 are needed"
    for cells in (
        (),
        (Cell(labels={}, metrics=("kept",), n=60),),
        (Cell(labels={"digit": "2"}, metrics=("kept",), n=60),),
    ):
        warning = "nothing can be excused: no calibration item carries drawing/kept with the labels of a slice"
        assert excusing(cells).warning == warning
