"""Attacks that ruin the material: proven, they need not be survived; not proven, nothing is excused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from releasegate.decision import SliceFinding, decide
from releasegate.evidence import Cell
from releasegate.intervals import clopper_pearson, effective_alpha
from tests.tiny_gates import OPENED, Outcome, share
from tests.tiny_methods import CAUGHT, KEPT, RIGHT, Placed, Trial, by_turns, eval_card

ALPHA = effective_alpha(0.05, 1, 1)
EXCUSED = {"metric": "tested/kept", "at_most": 0.1}
PERFECT = share(50, 50)


def attacked(
    gate: Mapping[str, Sequence[Outcome]], kept: Mapping[str, Sequence[Outcome]], *, planned: int = 60, **keys: Any
) -> Trial:
    """`right` at least 0.8 under each attack, fifty items each; `kept` of calibration items with the same labels."""
    limit = {"at_least": 0.8, "slices": ["attack"], "excused": EXCUSED, **keys}
    cells = [Cell(labels={"attack": name}, metrics=("kept",), n=planned) for name in kept]
    calibration: list[Placed] = [(i, o) for i, outcomes in enumerate(kept.values()) for o in outcomes]
    return Trial(
        eval_card({"right": RIGHT, "kept": KEPT}),
        "right",
        limit,
        by_turns(list(gate.values())),
        calibration,
        labels=[{"attack": name} for name in gate],
        calibration_cells=cells,
    )


def part(trial: Trial, attack: str) -> SliceFinding:
    return next(s for s in (*trial.found.slices, *trial.found.outside) if s.labels == {"attack": attack})


def ruined(kept: Sequence[Outcome] = tuple(share(0, 60)), **keys: Any) -> Trial:
    """The watermark survives `none`, and not `noise`, of which so many clips keep their quality."""
    return attacked({"none": PERFECT, "noise": share(0, 50)}, {"none": share(60, 60), "noise": kept}, **keys)


def test_an_attack_that_is_shown_to_ruin_the_material_need_not_be_survived() -> None:
    trial = ruined()
    assert trial.decide().verdict == "release"
    noise = part(trial, "noise")
    assert (noise.status, noise.reason) == ("excused", None)
    proof = noise.excused
    assert proof is not None
    assert (proof.metric, proof.side, proof.limit, proof.labels) == ("tested/kept", "at_most", 0.1, {"attack": "noise"})
    assert (proof.estimate.planned, proof.estimate.scored, proof.estimate.failed, proof.estimate.hits) == (60, 60, 0, 0)
    assert proof.estimate.alpha == pytest.approx(ALPHA / 2)
    assert proof.estimate.high == clopper_pearson(0, 60, ALPHA / 2).high


def test_every_slice_is_tested_at_the_other_half_of_alpha() -> None:
    assert {s.estimate.alpha for s in ruined().found.slices} == {ALPHA / 2}


def test_the_finding_names_what_is_excused_and_the_decision_leans_on_it() -> None:
    proof = "attack noise (tested/kept at most 0.1: 0 of 60, upper bound 0.067 at half of the effective alpha, 0.0152)"
    trial = ruined()
    assert trial.found.sentence == (
        "at least 0.8 is shown for attack none: 50 of 50, lower bound 0.920 at half of the effective alpha, 0.0152; "
        f"excused: {proof}"
    )
    assert f"excused attacks of tested on source: {proof}" in trial.decide().leans_on
    assert trial.found.settle is None


def test_the_worst_slice_is_never_one_that_is_excused() -> None:
    assert [s.status for s in ruined().found.slices] == ["met", "excused"]


@pytest.mark.parametrize("kept", [1, 2, 6, 30, 60])
def test_what_is_not_shown_to_ruin_it_is_tested(kept: int) -> None:
    excused = clopper_pearson(kept, 60, ALPHA / 2).high <= 0.1
    trial = ruined(share(kept, 60))
    assert part(trial, "noise").status == ("excused" if excused else "violated")
    assert trial.decide().verdict == ("release" if excused else "withhold")


def test_calibration_items_that_are_lost_count_as_if_quality_had_been_kept() -> None:
    """One of 90 that is lost counts like one that kept its quality."""
    for lost in (share(1, 90), share(0, 90, failed=1), share(0, 90, missing=1)):
        trial = attacked({"none": PERFECT, "noise": share(0, 50)}, {"none": share(90, 90), "noise": lost}, planned=90)
        proof = part(trial, "noise").excused
        assert proof is not None
        assert proof.estimate.high == clopper_pearson(1, 90, ALPHA / 2).high


@pytest.mark.parametrize("lost", [share(0, 60, failed=3), share(0, 60, missing=3), share(0, 60, missing=60)])
def test_too_few_calibration_items_excuse_nothing_and_the_slice_wants_evidence(lost: list[Outcome]) -> None:
    trial = ruined(lost)
    noise = part(trial, "noise")
    assert (noise.status, noise.reason, noise.excused) == ("not_shown", "want_of_evidence", None)
    assert trial.decide().verdict == "incomplete"
    number = sum(o is None or o == "failed" for o in lost)
    assert trial.found.sentence == (
        f"{number} of 60 calibration items for attack noise failed or are missing, and without them nobody knows whether "
        "it is excused"
    )
    assert trial.found.settle == "measure all planned calibration items"


def test_lost_calibration_items_do_not_matter_where_the_others_refuse_the_excuse() -> None:
    trial = ruined(share(30, 60, failed=2))
    assert part(trial, "noise").status == "violated"
    assert trial.decide().verdict == "withhold"


def test_without_any_calibration_a_slice_that_is_met_is_met() -> None:
    trial = attacked({"none": PERFECT}, {"none": share(0, 60, missing=60)})
    assert trial.decide().verdict == "release"


def test_a_slice_that_is_met_needs_no_excuse() -> None:
    trial = attacked({"none": PERFECT}, {"none": share(0, 60)})
    assert part(trial, "none").status == "met"
    assert trial.decide().verdict == "release"
    assert not [line for line in trial.decide().leans_on if "excused" in line]


def test_a_requirement_all_of_whose_slices_are_excused_shows_nothing() -> None:
    trial = attacked({"noise": share(0, 50)}, {"noise": share(0, 60)})
    assert trial.decide().verdict == "incomplete"
    assert (trial.found.status, trial.found.reason) == ("not_shown", "want_of_evidence")
    assert trial.found.sentence.startswith(
        "every slice is excused, which shows nothing: attack noise (tested/kept at most"
    )
    assert trial.found.settle == "gate what leaves the material usable as well"
    assert not [line for line in trial.decide().leans_on if "excused" in line]


def test_no_attack_is_excused_by_what_another_one_does() -> None:
    gate = {"none": PERFECT, "noise": share(0, 50)}
    trial = attacked(gate, {"none": share(60, 60), "speed": share(0, 60)})
    assert part(trial, "noise").status == "violated"


def test_calibration_items_without_a_label_of_the_slice_excuse_nothing() -> None:
    trial = attacked({"none": PERFECT, "noise": share(0, 50)}, {"noise": share(0, 60)})
    bare = Trial(trial.card, "right", trial.limit, trial.gate, trial.calibration, labels=trial.labels)
    bare.calibration_cells = [Cell(labels={}, metrics=("kept",), n=60)]
    assert part(bare, "noise").status == "violated"
    assert bare.decide().verdict == "withhold"


def test_a_cell_is_excused_by_the_dimensions_that_calibration_items_carry() -> None:
    labels = [{"attack": a, "speaker": s} for a in ("none", "noise") for s in ("f", "m")]
    cells = [Cell(labels={"attack": a}, metrics=("kept",), n=60) for a in ("none", "noise")]
    calibration: list[Placed] = [*[(0, 1.0)] * 60, *[(1, 0.0)] * 60]
    limit = {"at_least": 0.8, "slices": [["attack", "speaker"]], "excused": EXCUSED}
    card = eval_card({"right": RIGHT, "kept": KEPT})
    gate = by_turns([PERFECT, PERFECT, share(0, 50), share(0, 50)])
    trial = Trial(card, "right", limit, gate, calibration, labels=labels, calibration_cells=cells)
    assert trial.found.status == "met"
    assert sorted(s.labels["speaker"] for s in trial.found.slices if s.status == "excused") == ["f", "m"]
    lesser = Trial(
        card,
        "right",
        {**limit, "slices": ["attack", "speaker"]},
        gate,
        calibration,
        labels=labels,
        calibration_cells=cells,
    )
    assert [s.labels for s in lesser.found.slices if s.status == "violated"] == [{"speaker": "f"}, {"speaker": "m"}]


def test_only_calibration_items_of_the_threat_set_excuse() -> None:
    """Of speaker f: usable under what is gated, ruined by what is not."""
    labels = [{"attack": "none", "speaker": s} for s in ("f", "m")]
    cells = [
        Cell(labels={"attack": a, "speaker": "f"}, metrics=("kept",), n=n) for a, n in (("none", 10), ("noise", 590))
    ]
    calibration: list[Placed] = [*[(0, 1.0)] * 10, *[(1, 0.0)] * 590]
    limit = {"at_least": 0.8, "slices": ["speaker"], "excused": EXCUSED}
    card = eval_card({"right": RIGHT, "kept": KEPT})
    gate = by_turns([share(0, 50), PERFECT])
    made = [
        Trial(card, "right", {**limit, **keys}, gate, calibration, labels=labels, calibration_cells=cells)
        for keys in ({}, {"values": {"attack": ["none"]}})
    ]
    assert [trial.found.status for trial in made] == ["met", "violated"]


def test_the_share_of_ruined_material_may_be_stated_instead() -> None:
    excused = {"metric": "tested/kept", "at_least": 0.9}
    assert part(ruined(share(60, 60), excused=excused), "noise").status == "excused"
    lost = part(ruined(share(57, 60, failed=3), excused=excused), "noise")
    assert (lost.status, lost.reason) == ("not_shown", "want_of_evidence")
    assert part(ruined(share(0, 60), excused=excused), "noise").status == "violated"


def test_outside_the_threat_set_a_ruined_attack_would_be_excused() -> None:
    trial = ruined(values={"attack": ["none"]})
    assert trial.found.status == "met"
    assert [(s.labels, s.status) for s in trial.found.outside] == [({"attack": "noise"}, "excused")]
    assert trial.decide().outside == ()


def test_old_evidence_excuses_nothing() -> None:
    trial = ruined()
    plan = trial.plan
    later = decide(trial.policy, plan, trial.evidence(plan), None, OPENED + timedelta(days=91))
    assert later.verdict == "incomplete"
    (found,) = later.capabilities[0].findings
    assert {(s.reason, s.excused) for s in found.slices} == {("want_of_evidence", None)}


def test_a_safeguard_that_does_not_count_has_no_excuse() -> None:
    trial = ruined()
    plain = trial.policy.plain()
    plain["capabilities"][0]["safeguards"]["marked"][0]["enforced_by"] = "server"
    other = type(trial.policy).model_validate_json(json.dumps(plain))
    decision = decide(other, trial.plan, trial.evidence(trial.plan), None, OPENED)
    (found,) = decision.capabilities[0].findings
    assert {(s.reason, s.excused) for s in found.slices} == {("does_not_count", None)}
    assert not [line for line in decision.leans_on if "excused" in line]


def test_a_threshold_takes_half_of_what_the_excuse_leaves() -> None:
    card = eval_card({"caught": CAUGHT, "kept": KEPT}, rate=0.1)
    cells = [Cell(labels={}, metrics=("clean",), n=200), Cell(labels={"attack": "noise"}, metrics=("kept",), n=60)]
    calibration: list[Placed] = [*[(0, i / 100) for i in range(200)], *[(1, 0.0)] * 60]
    gate = by_turns([[9.0] * 50, [0.0] * 50])
    limit = {"at_least": 0.8, "slices": ["attack"], "excused": EXCUSED}
    labels = [{"attack": "none"}, {"attack": "noise"}]
    trial = Trial(card, "caught", limit, gate, calibration, labels=labels, calibration_cells=cells)
    assert [s.status for s in trial.found.slices] == ["met", "excused"]
    assert {s.estimate.alpha for s in trial.found.slices} == {ALPHA / 4}
    proof = trial.found.slices[1].excused
    assert proof is not None
    assert proof.estimate.alpha == ALPHA / 2
    assert "at a quarter of the effective alpha, 0.0076; excused: attack noise" in trial.found.sentence
