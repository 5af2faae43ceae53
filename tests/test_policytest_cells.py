"""Policy tests of many cells: what is given to every case, each combination of labels, and scores stated by hits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from releasegate.decision import Finding
from releasegate.errors import DocumentError
from releasegate.evalcard import Metric
from releasegate.policy import Policy
from releasegate.policytest import StatedCell, outcomes, parse_policy_test, stated_cells
from releasegate.policytestcheck import problems
from releasegate.policytrial import Trial, try_case
from tests.tiny_gates import CARDS, STRIP, WEAK, capability, card, policy, requirement, unconditional

SLICED = policy(capability("drawing", misuse=[{**WEAK, "slices": ["digit"]}]))
SCORES = {
    "title": "",
    "type": "report_only",
    "unit": "score",
    "range": [-2, 3],
    "better": "higher",
    "instead": "found/rate",
}
RATE = {
    "title": "Marked items that are flagged",
    "type": "thresholded",
    "unit": "score",
    "range": [-2, 3],
    "better": "higher",
    "threshold": {"negatives": "clean", "positives": "marked", "rate": 0.01},
}
DETECTING = {
    "found": card(
        "found",
        "rate",
        metrics={"rate": RATE, "clean": SCORES, "marked": SCORES},
        items={"kind": "generated", "n": 100, "calibration": 20, "source": "made"},
        calibration={"of": "model", "population": "sampled", "key": "digit"},
    )
}
FOUND = requirement("found", "found/rate", at_least=0.8, slices=["digit"], enforced_by="weights")
FINDS = policy(capability("finding", safeguards={"detector": [FOUND]}))
CALIBRATED = {"found": [{"n": 20, "values": {"clean": [0.1], "marked": [0.9]}}]}


def cells(hits: int, *digits: str, **keys: Any) -> dict[str, Any]:
    """A stated cell of 100 drawings for each of the digits."""
    return {"each": {"digit": digits}, "n": 100, "hits": {"legible": hits}, **keys}


def a_test(given: Any, *evidence: Any) -> str:
    """A policy test whose cases have this evidence, and expect a release."""
    cases = [{"title": f"case {i}", "evidence": e, "expect": {"verdict": "release"}} for i, e in enumerate(evidence)]
    return json.dumps(
        {"schema": "releasegate/policytest/v1", "policy": "tiny", "given": given, "cases": cases}, indent=1
    )


def tried(text: str, number: int = 0, of: Policy = SLICED, cards: Any = CARDS) -> Trial:
    located = parse_policy_test(text, "t.yaml")
    assert problems(located, of, cards) == []
    return try_case(of, cards, located.record, number)


def judged(trial: Trial) -> Finding:
    (finding,) = trial.decision.capabilities[0].findings
    return finding


def hits_by_digit(trial: Trial) -> dict[str, int | None]:
    return {s.labels["digit"]: s.estimate.hits for s in judged(trial).slices}


def test_each_combination_is_a_cell_of_its_own() -> None:
    cell = StatedCell(each={"digit": ("1", "2"), "ink": ("red", "blue")}, n=3)
    assert [one.labels for one in cell.apart()] == [
        {"digit": digit, "ink": ink} for digit in ("1", "2") for ink in ("red", "blue")
    ]
    assert all((one.n, one.each) == (3, None) for one in cell.apart())
    alone = StatedCell(labels={"digit": "1"}, n=3)
    assert list(alone.apart()) == [alone]


def test_each_adds_to_the_labels() -> None:
    text = a_test({}, {"source": {"drawing": [cells(0, "1", "2", labels={"ink": "red"})]}})
    assert [p.cell.labels for p in stated_cells(parse_policy_test(text, "t.yaml").record, 0, "source")["drawing"]] == [
        {"ink": "red", "digit": "1"},
        {"ink": "red", "digit": "2"},
    ]


def test_what_is_given_stands_in_every_case_and_a_case_replaces_single_cells() -> None:
    given = {"source": {"drawing": [cells(1, "1", "2", "3")]}}
    odd = {"labels": {"digit": "2"}, "n": 50, "hits": {"legible": 40}}
    text = a_test(given, {}, {"source": {"drawing": [odd]}}, {"source": {"drawing": [cells(2, "4")]}})
    assert hits_by_digit(tried(text)) == {"1": 1, "2": 1, "3": 1}
    assert tried(text).passed
    one_odd = tried(text, 1)
    assert hits_by_digit(one_odd) == {"1": 1, "2": 40, "3": 1}
    assert judged(one_odd).slices[0].estimate.planned == 50
    assert one_odd.decision.verdict == "withhold"
    assert hits_by_digit(tried(text, 2)) == {"1": 1, "2": 1, "3": 1, "4": 2}


def test_what_is_given_comes_to_the_same_as_what_is_written_out() -> None:
    cell = cells(4, "1", "2")
    short = tried(a_test({"source": {"drawing": [cell]}}, {}))
    written = [{"labels": {"digit": d}, "n": 100, "hits": {"legible": 4}} for d in ("1", "2")]
    long = tried(a_test({}, {"source": {"drawing": written}}))
    assert short.decision == long.decision


def test_a_test_without_anything_given_keeps_its_digest() -> None:
    """Stored digests of `v1` must not change by a field that nobody used."""
    plain = json.loads(a_test({}, {"source": {"drawing": [{"n": 1, "hits": {"legible": 0}}]}}))
    del plain["given"]
    record = parse_policy_test(json.dumps(plain), "t.yaml").record
    assert record.given is None
    assert "given" not in record.plain()
    assert "each" not in json.dumps(record.plain())


@pytest.mark.parametrize(
    ("given", "own", "what", "fix"),
    [
        (
            {"source": {"drawing": [{**cells(1, "1"), "each": {"digits": ["1", "2"]}}]}},
            {},
            "given.source.drawing.0.each.digits: eval drawing has no dimension 'digits'",
            "did you mean `digit`?",
        ),
        (
            {"source": {"drawing": [cells(1, "1", labels={"digit": "2"})]}},
            {},
            "given.source.drawing.0.each.digit: digit stands under labels as well",
            "state it once",
        ),
        (
            {},
            {"source": {"drawing": [cells(1, "1", "2"), cells(2, "2", "3")]}},
            "cases.0.evidence.source.drawing.1: another cell has these labels",
            "state all of it in one cell",
        ),
        (
            {},
            {"source": {"drawing": [cells(1, "1", "1")]}},
            "cases.0.evidence.source.drawing.0: another cell has these labels",
            "state all of it in one cell",
        ),
        (
            {"source": {"drawing": [cells(101, "1")]}},
            {},
            "given.source.drawing.0.hits.legible: 101 hits in 100 measured items",
            "correct the count",
        ),
        (
            {"source": {"drawin": [cells(1, "1")]}},
            {},
            "given.source.drawin: policy tiny gates nothing of an eval 'drawin'",
            "did you mean `drawing`?",
        ),
        (
            {"stripped": {"drawing": [cells(1, "1")]}},
            {},
            "given.stripped: nothing of this policy comes to strip",
            "remove it",
        ),
    ],
)
def test_a_mistake_in_what_many_cells_share_is_said_once_and_where_it_stands(
    given: Any, own: Any, what: str, fix: str
) -> None:
    located = parse_policy_test(a_test(given, own, {}), "t.yaml")
    found = [(p.what, p.fix) for p in problems(located, SLICED, CARDS)]
    assert found == [(what, fix)]


@pytest.mark.parametrize("each", [{}, {"digit": []}], ids=["no dimension", "no value"])
def test_no_combination_at_all_is_refused(each: Any) -> None:
    text = a_test({}, {"source": {"drawing": [{"each": each, "n": 1, "hits": {"legible": 0}}]}})
    with pytest.raises(DocumentError) as caught:
        parse_policy_test(text, "t.yaml")
    assert all("evidence.source.drawing.0.each" in p.what for p in caught.value.problems)


def test_hits_of_a_score_are_the_ends_of_its_range() -> None:
    score = Metric.model_validate_json(json.dumps(RATE))
    stated = StatedCell(n=4, hits={"rate": 2}, failed=1)
    found = outcomes(stated, None, {"rate": score})
    assert sorted(str(one) for one in found) == ["failed", "{'rate': -2.0}", "{'rate': 3.0}", "{'rate': 3.0}"]


def test_a_score_that_is_stated_by_hits_is_flagged_as_often() -> None:
    source = {"found": [{"each": {"digit": ["1", "2"]}, "n": 100, "hits": {"rate": 97}}]}
    missed = {"found": [{"labels": {"digit": "2"}, "n": 100, "hits": {"rate": 50}}]}
    text = a_test({"calibration": CALIBRATED, "source": source}, {}, {"source": missed})
    assert hits_by_digit(tried(text, 0, FINDS, DETECTING)) == {"1": 97, "2": 97}
    assert tried(text, 0, FINDS, DETECTING).passed
    second = tried(text, 1, FINDS, DETECTING)
    assert hits_by_digit(second) == {"1": 97, "2": 50}
    assert second.decision.verdict == "withhold"


def test_a_lost_calibration_item_of_one_cell_replaces_what_is_given() -> None:
    source = {"found": [{"n": 100, "labels": {"digit": "1"}, "hits": {"rate": 100}}]}
    lost = {"found": [{"n": 20, "failed": 1, "values": {"clean": [0.1], "marked": [0.9]}}]}
    text = a_test({"calibration": CALIBRATED, "source": source}, {}, {"calibration": lost})
    assert tried(text, 0, FINDS, DETECTING).passed
    assert judged(tried(text, 1, FINDS, DETECTING)).reason == "want_of_evidence"


def test_losses_are_counted_against_what_is_given() -> None:
    """A stripped checkpoint may be stated in the case, its source under `given`."""
    strips = policy(capability("drawing", misuse=[WEAK], **STRIP), unconditional("naming"))
    given = {
        "source": {
            "drawing": [{"n": 100, "hits": {"legible": 90}}],
            "naming": [{"n": 100, "hits": {"right": 95}}],
        }
    }
    gone = {"drawing": [{"n": 100, "hits": {"legible": 0}}]}
    few = {"stripped": {**gone, "naming": [{"n": 100, "losses": {"right": 0}}]}}
    many = {"stripped": {**gone, "naming": [{"n": 100, "losses": {"right": 96}}]}}
    assert tried(a_test(given, few), 0, strips).decision.verdict == "release_stripped"
    found = problems(parse_policy_test(a_test(given, many), "t.yaml"), strips, CARDS)
    assert [p.what for p in found] == [
        "cases.0.evidence.stripped.naming.0.losses.right: 96 losses, and at most 95 pairs could be"
    ]
