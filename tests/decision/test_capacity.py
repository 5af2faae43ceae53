"""What a plan says it can show, held against the figures that are known."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.decision.capacity import Capacity, capacity
from releasegate.evidence import Cell
from releasegate.plan import EvalCode, PlannedModel, SubjectRef, make_plan
from tests.tiny_gates import OPENED, WEAK, capability, card, manifest, policy, requirement


def found(asked: dict[str, Any], cells: tuple[Cell, ...], *, section: str = "misuse", **changes: Any) -> Capacity:
    """The capacity of one requirement on `drawing/legible` in a plan of its own, with one route."""
    made = policy(capability("draws", misuse=[asked]))
    code = EvalCode(
        card=card("drawing", "legible", **changes),
        harness=manifest("harness").digest(),
        instruments={},
        subject=SubjectRef(id="tiny", code="1", dtype="float32", deterministic=True),
        cells={"gate": cells},
    )
    model = PlannedModel(layout="tiny-hf", manifest=manifest("source"))
    plan = make_plan(made, {"drawing": code}, {}, model, OPENED.isoformat())
    return capacity(plan, made.capabilities[0].misuse[0], section)  # type: ignore[index, arg-type]


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


def test_nothing_planned_is_a_warning() -> None:
    assert found(WEAK, ()).warning == "nothing is planned that could show it"
