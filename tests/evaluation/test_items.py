"""Which items an attempt measures: a stratified draw without replacement, that only the nonce knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from releasegate.errors import HarnessError
from releasegate.evalcard import Curve, Metric, Quotient
from releasegate.evaluation.harness import Harness
from releasegate.evaluation.items import cells_of, planned_items
from releasegate.evidence import Item
from releasegate.plan import item_seed
from tests.tiny_gates import card

CARD = card("drawing", "legible")
ONE, OTHER = "11" * 32, "22" * 32


def harness(make: Callable[[Mapping[str, Any], Generator], object]) -> Harness:
    return cast(Harness, SimpleNamespace(items=make, measure=None, __file__="evals/drawing/harness.py"))


def pool(sizes: Mapping[str, int]) -> Harness:
    items = [Item(("legible",), {"digit": label}, {"i": f"{label}{i}"}) for label, n in sizes.items() for i in range(n)]
    return harness(lambda params, rng: items)


def contents(items: Sequence[Item]) -> list[object]:
    return [item.content["i"] for item in items]


def test_a_pool_is_drawn_without_replacement() -> None:
    drawn = planned_items(pool({"0": 60, "1": 60}), CARD, "gate", 50, ONE)
    assert len(drawn) == len(set(contents(drawn))) == 50


@given(
    st.dictionaries(st.sampled_from("0123456789"), st.integers(1, 40), min_size=1),
    st.data(),
    st.binary(min_size=32, max_size=32),
)
@settings(max_examples=80, deadline=None)
def test_each_stratum_has_its_share_whatever_the_nonce(
    sizes: dict[str, int], data: st.DataObject, nonce: bytes
) -> None:
    total = sum(sizes.values())
    n = data.draw(st.integers(1, total))
    drawn = planned_items(pool(sizes), CARD, "gate", n, nonce.hex())
    assert len(drawn) == n
    counts = Counter(item.labels["digit"] for item in drawn)
    for label, size in sizes.items():
        assert abs(counts[label] - n * size / total) < 1
        assert counts[label] <= size
    assert cells_of(drawn) == cells_of(planned_items(pool(sizes), CARD, "gate", n, ONE))


def test_the_nonce_draws_other_items_in_another_order() -> None:
    one, other = (contents(planned_items(pool({"0": 200}), CARD, "gate", 50, nonce)) for nonce in (ONE, OTHER))
    assert set(one) != set(other)
    assert one == contents(planned_items(pool({"0": 200}), CARD, "gate", 50, ONE))
    every = [contents(planned_items(pool({"0": 50}), CARD, "gate", 50, nonce)) for nonce in (ONE, OTHER)]
    assert set(every[0]) == set(every[1])
    assert every[0] != every[1]


def test_every_item_of_a_pool_is_drawn_equally_often() -> None:
    counts = Counter(
        i for k in range(400) for i in contents(planned_items(pool({"0": 20}), CARD, "gate", 5, f"{k:064x}"))
    )
    assert len(counts) == 20
    assert all(50 < count < 160 for count in counts.values()), counts


def test_numbers_are_the_planned_order_and_seeds_come_from_the_nonce() -> None:
    items = planned_items(pool({"0": 30}), CARD, "gate", 30, ONE)
    assert [item.number for item in items] == list(range(30))
    assert [item.seed for item in items] == [item_seed(ONE, "drawing", i) for i in range(30)]
    others = planned_items(pool({"0": 30}), CARD, "gate", 30, OTHER)
    assert not {i.seed for i in items} & {i.seed for i in others}
    assert all(0 <= item.seed < 2**63 for item in items)


def test_calibration_items_have_seeds_of_their_own() -> None:
    both = SimpleNamespace(
        items=lambda params, rng: [Item(("legible",))] * 5,
        calibration=lambda params, rng: [Item(("legible",))] * 5,
        __file__="harness.py",
    )
    gate = planned_items(cast(Harness, both), CARD, "gate", 5, ONE)
    calibration = planned_items(cast(Harness, both), CARD, "calibration", 5, ONE)
    assert not {i.seed for i in gate} & {i.seed for i in calibration}


def test_a_harness_without_calibration_items_is_named() -> None:
    with pytest.raises(HarnessError, match="no function calibration"):
        planned_items(pool({"0": 5}), CARD, "calibration", 5, ONE)


def test_a_harness_is_told_how_many_and_with_which_parameters() -> None:
    seen: list[Mapping[str, Any]] = []

    def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
        seen.append(params)
        return [Item(("legible",))] * 7

    planned_items(harness(items), CARD.model_copy(update={"params": {"style": "ink", "n": 1}}), "gate", 7, ONE)
    assert seen == [{"style": "ink", "n": 7}]


def raising(error: BaseException) -> Callable[..., object]:
    def items(params: Mapping[str, Any], rng: Generator) -> object:
        raise error

    return items


GOOD = [Item(("legible",), {"digit": "0"})] * 10
MALFORMED: dict[str, tuple[Callable[..., object], str]] = {
    "too few": (lambda params, rng: GOOD[:3], "has 3 items, and 10 are planned"),
    "none": (lambda params, rng: [], "has 0 items, and 10 are planned"),
    "nothing at all": (lambda params, rng: None, "cannot say what to measure (gate): TypeError"),
    "text": (lambda params, rng: "drawing it", "yields str among its items"),
    "dictionaries": (lambda params, rng: [{"i": 1}] * 10, "yields dict among its items"),
    "an unknown metric": (
        lambda params, rng: [Item(("copied",))] * 10,
        "an item names 'copied', which the card does not",
    ),
    "no metric": (lambda params, rng: [Item(())] * 10, "an item has no metric"),
    "a metric twice": (lambda params, rng: [Item(("legible", "legible"))] * 10, "an item names a metric twice"),
    "a metric that is a text": (lambda params, rng: [Item(cast(Any, "legible"))] * 10, "an item is malformed"),
    "an unknown dimension": (
        lambda params, rng: [Item(("legible",), {"speaker": "F03"})] * 10,
        "an item names 'speaker', which the card does not",
    ),
    "a label that is a number": (
        lambda params, rng: [Item(("legible",), cast(Any, {"digit": 3}))] * 10,
        "an item is malformed",
    ),
    "a label that is empty": (lambda params, rng: [Item(("legible",), {"digit": ""})] * 10, "an item is malformed"),
    "labels that are none": (lambda params, rng: [Item(("legible",), cast(Any, None))] * 10, "an item is malformed"),
    "an error": (raising(ValueError("no data")), "cannot say what to measure (gate): ValueError: no data"),
    "an exit": (raising(SystemExit(0)), "cannot say what to measure (gate): SystemExit: 0"),
    "an error of a generator": (
        lambda params, rng: (raising(KeyError("x"))(params, rng) for _ in range(3)),
        "cannot say what to measure (gate): KeyError: 'x'",
    ),
}


@pytest.mark.parametrize(("make", "what"), MALFORMED.values(), ids=MALFORMED)
def test_items_that_are_none_are_an_error_of_the_harness(make: Callable[..., object], what: str) -> None:
    with pytest.raises(HarnessError) as caught:
        planned_items(harness(make), CARD, "gate", 10, ONE)
    assert caught.value.problems[0].what.startswith(what)
    assert caught.value.problems[0].fix


def test_the_users_interrupt_is_no_error_of_the_harness() -> None:
    with pytest.raises(KeyboardInterrupt):
        planned_items(harness(raising(KeyboardInterrupt())), CARD, "gate", 10, ONE)


def test_an_item_that_carries_the_area_under_a_curve_is_an_error_of_the_harness() -> None:
    curve = Curve(positives="legible", negatives="legible")
    area = Metric(title="Area", type="report_only", unit="area", range=(0, 1), better="higher", curve=curve)
    curved = CARD.model_copy(update={"metrics": {**CARD.metrics, "auc": area}})
    with pytest.raises(HarnessError, match="carries 'auc', which is the area under the curve"):
        planned_items(harness(lambda params, rng: [Item(("legible", "auc"))] * 10), curved, "gate", 10, ONE)


def test_an_item_that_carries_a_quotient_is_an_error_of_the_harness() -> None:
    both = Quotient(of="legible", by="legible")
    rate = Metric(title="Rate", type="report_only", unit="share", range=(0, 1), better="lower", quotient=both)
    divided = CARD.model_copy(update={"metrics": {**CARD.metrics, "rate": rate}})
    with pytest.raises(HarnessError, match="carries 'rate', which is a quotient of other metrics"):
        planned_items(harness(lambda params, rng: [Item(("legible", "rate"))] * 10), divided, "gate", 10, ONE)
