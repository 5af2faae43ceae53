"""Strips on items of their own: two chances in place of 2^k, where nothing that judges the strip is of the source's evidence."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from releasegate.decision import decide
from releasegate.decision.continuing import continuing
from releasegate.evidence import Evidence
from releasegate.gate import gate
from releasegate.intervals import effective_alpha
from releasegate.plan import SOURCE, Plan
from tests.tiny_gates import OPENED
from tests.tiny_repository import Silent, Tiny
from tests.tiny_strips_of_three import NAMES, cards, decided, plan_of_three, three

N = 400
POOL = {"items": {"kind": "public_pool", "n": 100, "source": "found"}}
SPEAKERS = {"slices": {"speaker": {"title": "Speaker"}}}
JUDGED = {
    "metrics": {
        "seen": {
            "title": "Seen",
            "type": "bernoulli",
            "unit": "share",
            "range": [0, 1],
            "better": "higher",
            "judged_by": "judge",
        }
    },
    "instruments": {"judge": {"title": "Judge", "files": ["judge.bin"], "source": "made"}},
}


def judged(**items: Any) -> dict[str, Any]:
    return {**JUDGED, "items": {"kind": "generated", "n": 100, "calibration": 50, "source": "made", **items}}


def test_three_strips_are_two_chances_and_a_policy_of_one_has_two_as_before() -> None:
    plan = plan_of_three(three(), N)
    assert (plan.policy.shares, plan.chances) == (8, 2)
    assert plan.alpha == plan.effective_alpha(plan.policy) == effective_alpha(0.05, 1, 2)
    own = {(m.eval, m.checkpoint == SOURCE): m.own for m in plan.measurements}
    assert own == {(e, s): True if e in NAMES and not s else None for e in (*NAMES, "kept") for s in (True, False)}
    before = plan_of_three(three(), N, own_items=False)
    assert (before.chances, before.alpha) == (None, effective_alpha(0.05, 1, 8))


STAY: dict[str, Mapping[str, Any]] = {
    "a pool": {"two": POOL},
    "a pool of what must be kept": {"kept": POOL},
    "sampled clusters": {"one": {**SPEAKERS, "clusters": {"key": "speaker", "population": "sampled"}}},
    "calibration that others share": {"three": judged()},
}


@pytest.mark.parametrize("changes", STAY.values(), ids=STAY)
def test_every_strip_stays_a_chance_where_something_may_be_of_the_sources_evidence(
    changes: Mapping[str, Mapping[str, Any]],
) -> None:
    plan = plan_of_three(three(), N, cards(**changes))
    assert plan.chances is None
    assert plan.alpha == effective_alpha(0.05, 1, 8)
    assert all(m.own is None for m in plan.measurements)


def test_every_strip_stays_a_chance_where_a_route_is_judged_on_what_must_be_kept() -> None:
    of = three()
    one = of.capabilities[0]
    assert one.keep is not None
    kept = one.keep[0].model_copy(update={"metric": "two/seen"})
    changed = one.model_copy(update={"keep": (kept,)})
    plan = plan_of_three(of.model_copy(update={"capabilities": (changed, *of.capabilities[1:])}), N)
    assert plan.chances is None


def test_a_strip_has_calibration_items_of_its_own_where_they_are_made_anew() -> None:
    plan = plan_of_three(three(), N, cards(one=judged(calibration_kind="generated"), two=SPEAKERS))
    assert plan.chances == 2
    for strip in plan.strips:
        m = plan.find("one", strip.name, "calibration")
        assert m is not None
        assert m.own
        assert plan.find_calibration("one", strip.name) == m
        assert plan.seed_of(m, 0) != plan.seed_of(plan.find_calibration("one", SOURCE) or m, 0)


def test_a_plan_that_claims_two_chances_without_the_items_for_it_is_refused() -> None:
    plan = plan_of_three(three(), N)
    pooled = plan_of_three(three(), N, cards(two=POOL))
    shared = [m.model_copy(update={"own": None}) for m in plan.measurements]
    for forged, what in (
        (pooled.model_copy(update={"chances": 2}), "its strips are more"),
        (plan.model_copy(update={"chances": 1}), "its strips are more"),
        (plan.model_copy(update={"measurements": tuple(shared)}), "on items of the source"),
    ):
        with pytest.raises(ValidationError, match=what):
            Plan.from_text(forged.text())


def test_only_the_strip_that_the_sources_evidence_chose_goes_out() -> None:
    """A strip that takes more away shows no less, and would be a second chance all the same."""
    plan, source = plan_of_three(three(), N), {"one": 300, "two": 10, "three": 10, "kept": 390}
    stripped = {"one": 0, "two": 10, "three": 10, "kept": 390}
    assert decided(plan, source, stripped).verdict == "release_stripped"
    other = decided(plan, source, stripped, ("one", "two"))
    assert (other.verdict, other.awaiting_strip) == ("incomplete", ("one",))
    before = plan_of_three(three(), N, own_items=False)
    assert decided(before, source, stripped, ("one", "two")).verdict == "release_stripped"


def test_nothing_goes_on_where_other_evidence_could_choose_another_strip() -> None:
    plan = plan_of_three(three(), N)
    found = continuing(plan, decide(plan.policy, plan, Evidence({}, "sha256:" + "0" * 64), None, OPENED))
    assert (found.measurements, len(found.refused)) == ((), 1)


@pytest.mark.usefixtures("quick_report")
def test_the_gate_measures_a_strip_on_its_own_items_and_what_is_kept_pair_by_pair(made: Tiny) -> None:
    made.change(made.root / "evals" / "naming" / "eval.yaml", "kind: public_pool", "kind: generated")
    made.change(made.harness("naming"), "range(200)", "range(100)")
    evals = made.root / "evals"
    shutil.copytree(evals / "naming", evals / "sketching")
    made.change(evals / "sketching" / "eval.yaml", "id: naming", "id: sketching")
    made.change(evals / "drawing" / "eval.yaml", "naming/right, at_least: 0.3", "sketching/right, at_least: 0.3")
    text = made.policy.read_text()
    second = text[text.index("  - id: drawing") : text.index("  - id: naming")]
    for old, new in (("id: drawing", "id: reading"), ("weak", "weak2"), ("gone", "gone2"), ("kept", "kept2")):
        second = second.replace(old, new)
    second = second.replace("at_most: 0.20}\n    otherwise", "at_most: 0.90}\n    otherwise")
    made.policy.write_text(text.replace("  - id: naming", second + "  - id: naming"))
    made.able(drawing=0.5, sketching=0.95)
    found = gate(made.call(), Silent())
    plan = made.run.read_plan()
    assert (plan.chances, found.verdict, found.alpha) == (2, "release_stripped", effective_alpha(0.05, 1, 2))
    assert found.strip is not None
    assert found.strip.name == "stripped:drawing"
    for eval_id, seeds in (("naming", 1), ("drawing", 2), ("sketching", 2)):
        both = [plan.find(eval_id, name) for name in (SOURCE, found.strip.name)]
        assert len({plan.seed_of(m, 3) for m in both if m is not None}) == seeds
    assert gate(made.call(), Silent()) == found
