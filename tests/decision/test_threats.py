"""The threat set of a requirement: which items it gates, and what is said of all the others."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.decision import Finding
from releasegate.evidence import Cell
from tests.tiny_gates import WEAK, Gate, Outcome, capability, finding, policy, share

INKS = ("red", "blue", "green")


def drawn(*counts: int, digits: tuple[str, ...] = ("0",), **keys: Any) -> Gate:
    """`WEAK` on fifty items for each digit and ink, of which so many are legible; cells run ink by ink."""
    cells = tuple(Cell(labels={"digit": d, "ink": ink}, metrics=("legible",), n=50) for d in digits for ink in INKS)
    outcomes: list[Outcome] = [outcome for hits in counts for outcome in share(hits, 50)]
    gated = policy(capability("drawing", misuse=[{**WEAK, **keys}]))
    return Gate(gated, {("drawing", "source"): outcomes}, cells={"drawing": cells})


def weak(gate: Gate) -> Finding:
    return finding(gate.decide(), "weak")


def parts(found: Finding) -> list[tuple[dict[str, str], str]]:
    return sorted(((s.labels, s.status) for s in found.slices), key=str)


def test_each_listed_value_is_a_slice_and_no_other() -> None:
    gate = drawn(0, 0, 50, slices=["ink"], values={"ink": ["red", "blue"]})
    found = weak(gate)
    assert gate.decide().verdict == "release"
    assert parts(found) == [({"ink": "blue"}, "met"), ({"ink": "red"}, "met")]
    assert [(s.labels, s.status) for s in found.outside] == [({"ink": "green"}, "violated")]
    assert found.values == {"ink": ("red", "blue")}


def test_pooled_items_are_exactly_those_with_listed_values() -> None:
    found = weak(drawn(1, 2, 50, values={"ink": ["red", "blue"]}))
    (pooled,) = found.slices
    assert (pooled.labels, pooled.estimate.planned, pooled.estimate.hits) == ({}, 100, 3)
    assert found.status == "met"
    assert [(s.labels, s.estimate.hits) for s in found.outside] == [({"ink": "green"}, 50)]


@pytest.mark.parametrize("slices", [None, ["ink"], ["digit"], [["digit", "ink"]]])
def test_a_listed_value_that_no_item_has_wants_evidence(slices: Any) -> None:
    """However the requirement is sliced: the threat set never shrinks to what was planned."""
    keys = {"slices": slices} if slices else {}
    gate = drawn(0, 0, 0, values={"ink": ["red", "gold"]}, **keys)
    found = weak(gate)
    assert gate.decide().verdict == "incomplete"
    assert found.reason == "want_of_evidence"
    assert "no planned item carries drawing/legible for " in found.sentence
    assert "ink gold" in found.sentence
    assert found.slices[0].estimate.planned == 0


def test_of_cells_every_combination_of_listed_values_is_gated() -> None:
    values = {"digit": ["0", "1"], "ink": ["red", "blue"]}
    gate = drawn(0, 0, 50, 0, 0, 50, digits=("0", "1"), slices=[["digit", "ink"]], values=values)
    found = weak(gate)
    assert len(found.slices) == 4
    assert found.status == "met"
    assert sorted(s.labels["digit"] for s in found.outside) == ["0", "1"]
    assert {s.labels["ink"] for s in found.outside} == {"green"}


def test_a_listed_combination_that_no_item_has_wants_evidence() -> None:
    cells = tuple(
        Cell(labels={"digit": d, "ink": i}, metrics=("legible",), n=50)
        for d, i in (("0", "red"), ("0", "blue"), ("1", "red"))
    )
    values = {"digit": ["0", "1"], "ink": ["red", "blue"]}
    asked = {**WEAK, "slices": [["digit", "ink"]], "values": values}
    gated = policy(capability("drawing", misuse=[asked]))
    found = weak(Gate(gated, {("drawing", "source"): share(0, 150)}, cells={"drawing": cells}))
    assert found.reason == "want_of_evidence"
    assert found.slices[0].labels == {"digit": "1", "ink": "blue"}


def test_of_cells_with_one_dimension_fixed_the_others_are_what_was_planned() -> None:
    gate = drawn(0, 0, 50, 0, 0, 50, digits=("0", "1"), slices=[["digit", "ink"]], values={"ink": ["red"]})
    found = weak(gate)
    assert parts(found) == [({"digit": "0", "ink": "red"}, "met"), ({"digit": "1", "ink": "red"}, "met")]
    assert len(found.outside) == 4


def test_a_slice_of_another_dimension_holds_only_items_of_the_threat_set() -> None:
    found = weak(drawn(0, 50, 50, 0, 50, 50, digits=("0", "1"), slices=["digit"], values={"ink": ["red"]}))
    assert found.status == "met"
    assert [s.estimate.planned for s in found.slices] == [50, 50]
    assert len(found.outside) == 4


def test_inside_and_outside_together_are_all_items() -> None:
    for keys in ({}, {"slices": ["ink"]}, {"slices": ["digit"]}, {"slices": [["digit", "ink"]]}):
        found = weak(drawn(*[0] * 6, digits=("0", "1"), values={"ink": ["red"], "digit": ["0"]}, **keys))
        inside = sum(s.estimate.planned for s in found.slices)
        assert inside == 50
        assert inside + sum(s.estimate.planned for s in found.outside) == 300


def test_items_without_the_label_lie_outside_unless_they_are_listed() -> None:
    cells = (Cell(labels={"ink": "red"}, metrics=("legible",), n=50), Cell(labels={}, metrics=("legible",), n=50))
    for listed, status in ((["red"], "met"), (["red", "(none)"], "violated")):
        asked = {**WEAK, "slices": ["ink"], "values": {"ink": listed}}
        gated = policy(capability("drawing", misuse=[asked]))
        outcomes = [*share(0, 50), *share(50, 50)]
        found = weak(Gate(gated, {("drawing", "source"): outcomes}, cells={"drawing": cells}))
        assert found.status == status
        assert [s.labels for s in found.outside] == ([{"ink": "(none)"}] if status == "met" else [])


@pytest.mark.parametrize("lost", ["failed", None])
def test_what_lies_outside_changes_neither_status_nor_reason_nor_what_would_settle_it(lost: Outcome) -> None:
    keys: dict[str, Any] = {"slices": ["ink"], "values": {"ink": ["red", "blue"]}}
    good = drawn(0, 10, 0, **keys)
    bad = drawn(0, 10, 50, **keys)
    gone = drawn(0, 10, 0, **keys)
    gone.outcomes["drawing", "source"][100:] = [lost] * 50
    found = [weak(gate) for gate in (good, bad, gone)]
    assert len({(f.status, f.reason, f.settle, f.sentence) for f in found}) == 1
    assert found[0].reason == "unsettled"
    assert [f.outside[0].status for f in found] == ["met", "violated", "not_shown"]


def test_the_decision_says_what_would_not_be_met_outside() -> None:
    keys: dict[str, Any] = {"slices": ["ink"], "values": {"ink": ["red", "blue"]}}
    decision = drawn(0, 0, 21, **keys).decide()
    assert decision.verdict == "release"
    assert decision.outside == (
        "weak on source, outside the threat set: ink green: 42.0 % (28.7–56.2), would not be met",
    )
    assert drawn(0, 0, 0, **keys).decide().outside == ()
    missing = drawn(0, 0, 0, **keys)
    missing.outcomes["drawing", "source"][100:] = [None] * 50
    assert missing.decide().outside == (
        "weak on source, outside the threat set: ink green: nothing scored, not measured to the end",
    )


def test_old_evidence_shows_nothing_outside_either() -> None:
    from datetime import timedelta

    gate = drawn(0, 0, 0, slices=["ink"], values={"ink": ["red"]})
    gate.today += timedelta(days=91)
    assert {s.reason for s in weak(gate).outside} == {"want_of_evidence"}


def test_named_clusters_are_gated_one_by_one_within_the_threat_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import tiny_gates

    named = tiny_gates.card("drawing", "legible", clusters={"key": "digit", "population": "named"})
    monkeypatch.setitem(tiny_gates.CARDS, "drawing", named)
    values = {"ink": ["red", "blue"]}
    found = weak(drawn(0, 0, 50, 0, 50, 50, digits=("0", "1"), slices=["ink"], values=values))
    assert len(found.slices) == 4
    assert [s.labels for s in found.slices if s.status == "violated"] == [{"ink": "blue", "digit": "1"}]
    assert [s.labels for s in found.outside] == [{"ink": "green", "digit": "0"}, {"ink": "green", "digit": "1"}]


def test_a_share_is_never_rounded_onto_or_across_its_limit() -> None:
    from releasegate.decision.explaining import measured_text

    slices = weak(drawn(0, 10, 0, slices=["ink"])).slices
    red = next(s for s in slices if s.labels == {"ink": "blue"})
    near = red.estimate.model_copy(update={"value": 0.19996, "low": 0.07, "high": 0.20001})
    text = measured_text(red.model_copy(update={"estimate": near}), 0.2)
    assert text == "ink blue: 19.996 % (7.0–20.001)"
