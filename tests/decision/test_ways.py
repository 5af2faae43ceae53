"""The chance that a whole policy is passed, and how many items a wanted chance takes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from releasegate.decision.powers import powers, sizes_for_power
from releasegate.decision.ways import joint, least_power, routes, ways
from releasegate.evidence import Cell
from tests.tiny_gates import (
    GONE,
    KEPT,
    MARKED,
    STRIP,
    WEAK,
    Gate,
    capability,
    plan_of,
    policy,
    requirement,
    unconditional,
)

DIGITS = requirement("by-digit", "drawing/legible", at_most=0.3, slices=["digit"])


def test_slices_of_disjoint_items_multiply() -> None:
    plan = plan_of(policy(capability("draws", misuse=[DIGITS])), n=160)
    (way,) = ways(plan, 1)
    one, other = (test.chance for test in way.tests)
    assert 0 < one < 1
    assert way.power == pytest.approx(one * other)


def test_requirements_on_the_same_items_are_bounded_by_what_each_may_miss() -> None:
    pooled = requirement("pooled", "drawing/legible", at_most=0.25)
    plan = plan_of(policy(capability("draws", misuse=[DIGITS, pooled])), n=160)
    (way,) = ways(plan, 1)
    assert way.power == pytest.approx(1 - sum(1 - test.chance for test in way.tests))
    assert way.power < math.prod(test.chance for test in way.tests)


def test_items_shared_through_a_third_test_make_one_group() -> None:
    pooled = requirement("pooled", "drawing/legible", at_most=0.25)
    plan = plan_of(policy(capability("draws", misuse=[DIGITS, pooled])), n=160)
    (way,) = ways(plan, 1)
    first, second, third = way.tests
    assert joint([first, third, second]) == pytest.approx(way.power)
    assert joint([first, second]) == pytest.approx(first.chance * second.chance)
    assert joint([]) == 1


def test_chance_never_falls_below_nothing() -> None:
    pooled = requirement("pooled", "drawing/legible", at_most=0.25)
    plan = plan_of(policy(capability("draws", misuse=[DIGITS, pooled])), n=20)
    assert least_power(plan, 1) == 0


def test_the_route_with_the_least_chance_counts_and_one_that_does_not_count_at_the_channel_is_none() -> None:
    wrapped = {**MARKED, "id": "wrapped", "enforced_by": "wrapper"}
    guards = {"marks": [MARKED], "wrapper": [wrapped]}
    plan = plan_of(policy(capability("draws", misuse=[WEAK], safeguards=guards)), n=100)
    found = routes(plan, 1)["draws"]
    assert set(found) == {"misuse", "marks"}
    (way,) = ways(plan, 1)
    assert way.power == min(one.power for one in found.values())


def test_a_strip_is_a_way_of_its_own_with_removal_and_keep_and_all_other_capabilities() -> None:
    draws = capability("draws", misuse=[WEAK], **STRIP)
    marks = capability("marks", misuse=[requirement("little", "marking/found", at_most=0.2)])
    plan = plan_of(policy(draws, marks, unconditional("naming")), n=200)
    whole, stripped = ways(plan, 1)
    assert [test.requirement for test in whole.tests] == ["weak", "little"]
    assert (stripped.name, [test.requirement for test in stripped.tests]) == (
        "stripped:draws",
        [GONE["id"], KEPT["id"], "little"],
    )


def test_controls_are_part_of_the_route_by_misuse() -> None:
    of = policy(capability("draws", misuse=[WEAK]))
    plain, controlled = (routes(plan_of(of, n=200, controlled=c), 1)["draws"]["misuse"] for c in (False, True))
    assert len(plain.tests) == 1
    assert [test.requirement for test in controlled.tests] == ["weak", "draws.works.naming.right"]
    assert controlled.power < plain.power


def test_what_is_unconditional_needs_no_chance() -> None:
    assert least_power(plan_of(policy(unconditional("naming"))), 1) is None


def test_later_attempts_have_less() -> None:
    plan = plan_of(policy(capability("draws", misuse=[WEAK])), n=200)
    first, fifth, tenth = (least_power(plan, attempt) for attempt in (1, 5, 10))
    assert first is not None
    assert fifth is not None
    assert tenth is not None
    assert first > fifth > tenth


def test_the_chance_is_how_often_the_gate_says_release_to_such_a_model() -> None:
    """Through the whole of `decide`: two slices and a second capability, every truth half-way."""
    other = requirement("little", "marking/found", at_most=0.3)
    of = policy(capability("draws", misuse=[DIGITS]), capability("marks", misuse=[other]))
    expected = least_power(plan_of(of, n=140), 1)
    assert expected is not None
    rng, runs, released = np.random.default_rng(3), 400, 0
    for _ in range(runs):
        drawn = {name: (rng.random(140) < 0.15).astype(float).tolist() for name in ("drawing", "marking")}
        gate = Gate(of, {(name, "source"): values for name, values in drawn.items()}, n=140)
        released += gate.decide().verdict == "release"
    assert 0.3 < expected < 0.95
    assert released / runs == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / runs))


def test_the_numbers_named_for_all_together_give_that_chance() -> None:
    of = policy(
        capability("draws", misuse=[DIGITS]),
        capability("marks", misuse=[requirement("m", "marking/found", at_most=0.2)]),
    )
    found = {one.requirement: one for one in powers(plan_of(of, n=40)).requirements}
    assert found["by-digit"].needs_for_all is not None
    assert found["m"].needs_for_all is not None
    cells = {
        "drawing": tuple(
            Cell(labels={"digit": str(d)}, metrics=("legible",), n=found["by-digit"].needs_for_all) for d in range(2)
        ),
        "marking": (Cell(labels={}, metrics=("found",), n=found["m"].needs_for_all),),
    }
    power = least_power(plan_of(of, cells=cells), 1)
    assert power is not None
    assert power >= 0.9
    assert found["m"].needs_next is not None
    assert found["m"].needs is not None
    assert found["m"].needs < found["m"].needs_next


def test_sizes_for_power_enlarge_what_is_generated_and_nothing_else() -> None:
    named = requirement("named", "naming/right", at_most=0.3)
    of = policy(capability("draws", misuse=[DIGITS]), capability("names", misuse=[named]))
    sizes = sizes_for_power(plan_of(of, n=40), 0.9)
    assert set(sizes) == {"drawing"}
    assert sizes["drawing"] > 40
    assert sizes_for_power(plan_of(of, n=2000), 0.9) == {"drawing": 2000}


def test_a_number_that_the_policy_states_stands() -> None:
    of = policy(capability("draws", misuse=[{**DIGITS, "n_max": 40}]))
    assert sizes_for_power(plan_of(of, n=40), 0.9) == {}
