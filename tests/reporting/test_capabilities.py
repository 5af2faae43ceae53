"""Capability by capability: routes with their own status, the worst slice first, judges, and how tests went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from releasegate.decision import Decision
from releasegate.decision.betting_paths import betting_path
from releasegate.reporting.findings.distances import bars, worst_first
from releasegate.reporting.findings.finding import anchor
from releasegate.reporting.findings.wagered import POINTS, e_processes
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.gathered.wagers import key_of
from releasegate.reporting.views.charts import EProcess
from releasegate.reporting.views.report import CapabilityView
from tests.decision.test_methods import labels, said
from tests.reporting.example_run import Example, Words, example, rendered, viewed
from tests.reporting.sequential_run import trial_run
from tests.tiny_gates import Outcome, finding
from tests.tiny_methods import RIGHT, Trial, by_turns, eval_card, pooled

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def stripped(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("capabilities") / "run")


@pytest.fixture(scope="module")
def drawing(stripped: Example) -> CapabilityView:
    return viewed(stripped).capabilities[0]


def process_of(trial: Trial) -> EProcess:
    found = finding(trial.decide(), "tested")
    path = betting_path(found, found.slices[0], trial.plan, trial.evidence(trial.plan))
    assert path is not None
    (shown,) = e_processes(found, trial.card, Gathered(paths={key_of(found): ((found.slices[0], path),)}))
    return shown


def test_the_page_shows_how_the_evidence_of_a_sequential_requirement_grew(tmp_path: Path) -> None:
    card = eval_card({"right": RIGHT}, shard=10_000)
    outcomes: list[Outcome] = [1.0] * 60
    trial = Trial(card, "right", {"at_least": 0.85, "sequential": True}, pooled(outcomes))
    page = rendered(trial_run(tmp_path / "run", trial))
    used = trial.found.slices[0].estimate.used
    assert f"The line was reached after {used} items: met." in page
    assert '<th scope="col">log10 E, met</th>' in page


def early(outcomes: list[Outcome], **limit: float) -> Trial:
    return Trial(eval_card({"right": RIGHT}), "right", {"sequential": True, **limit}, pooled(outcomes))


def test_each_route_says_whether_it_is_open_and_why(drawing: CapabilityView) -> None:
    said = [(group.title, group.mark.tone, group.sentence) for group in drawing.groups]
    assert said == [
        ("Too weak to harm", "violated", "1 of 1 requirement does not hold: weak is violated."),
        (
            "Taken out of the checkpoint, and the rest kept",
            "met",
            "This route is open: 2 requirements hold, and the capability goes out by it.",
        ),
    ]


def test_no_finding_of_a_capability_is_lost_between_its_routes(stripped: Example, drawing: CapabilityView) -> None:
    assert stripped.decision.strip is not None
    wanted = {f.requirement for f in (*stripped.decision.capabilities[0].findings, *stripped.decision.strip.findings)}
    assert {f.requirement for group in drawing.groups for f in group.findings} == wanted


def test_what_a_strip_did_is_drawn_for_what_is_gone_and_for_what_is_kept(drawing: CapabilityView) -> None:
    (effect,) = drawing.effects
    assert [(row.purpose, row.after.value) for row in effect.rows] == [("to be gone", 0.0), ("to be kept", 29 / 30)]
    gone, kept = effect.rows
    assert gone.before.value == pytest.approx(40 / 60)
    assert (gone.limit, kept.limit) == (0.2, pytest.approx(29 / 30 - 0.4))
    assert gone.after.bounds is not None
    assert gone.after.text in effect.description


def test_hostile_titles_stay_texts_in_the_new_charts(tmp_path: Path) -> None:
    hostile = "</style></svg><script>alert(1)</script>\u202e" + "x" * 3_000
    page = rendered(example(tmp_path / "run", Words(hostile, hostile, hostile, hostile, "y" * 200, hostile)))
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "Before and after the strip" in page


def slices_decided() -> Decision:
    labels = [{"attack": name} for name in ("none", "noise", "pitch", "crop")]
    rates = (1.0, 0.9, 0.9, 0.4)
    cells = [[float(i < rate * 60) for i in range(60)] for rate in rates]
    card = eval_card({"right": RIGHT})
    return Trial(card, "right", {"at_least": 0.8, "slices": ["attack"]}, by_turns(cells), labels=labels).decide()


def test_slices_stand_violated_first_then_not_shown_then_met() -> None:
    found = finding(slices_decided(), "tested")
    ordered = worst_first(found, found.slices)
    assert [s.labels["attack"] for s in ordered] == ["crop", "noise", "pitch", "none"]
    assert [s.status for s in ordered] == ["violated", "not_shown", "not_shown", "met"]
    assert worst_first(found, found.slices[::-1])[0] == ordered[0]


def test_a_bar_shows_the_side_of_the_limit_and_how_far_off_a_slice_is() -> None:
    found = finding(slices_decided(), "tested")
    shown = bars(found, worst_first(found, found.slices))
    assert shown[0] == -1.0
    assert shown[1] is not None
    assert shown[3] is not None
    assert shown[1] < 0 < shown[3] < 1


def test_the_last_point_of_a_path_is_where_the_decision_left_it() -> None:
    trial = early([float(x) for x in RNG.random(700) < 0.93], at_least=0.85)
    shown = process_of(trial)
    estimate = trial.found.slices[0].estimate
    assert shown.reached == (estimate.used, "met")
    assert shown.towards[-1][0] == shown.n == estimate.used
    assert shown.towards[-1][1] >= shown.line
    assert shown.line == pytest.approx(-np.log10(estimate.alpha))
    assert shown.rows[-1].items == str(estimate.used)


def test_a_long_path_is_thinned_and_keeps_its_extremes() -> None:
    values: list[Outcome] = [float(x) for x in RNG.random(9_000) < 0.9]
    trial = early(values, at_least=0.897)
    shown = process_of(trial)
    found = finding(trial.decide(), "tested")
    path = betting_path(found, found.slices[0], trial.plan, trial.evidence(trial.plan))
    assert path is not None
    assert len(shown.towards) <= POINTS + 3
    assert max(e for _, e in shown.towards) == pytest.approx(max(0.0, path.towards.max() / np.log(10)))
    assert [at for at, _ in shown.towards] == sorted(at for at, _ in shown.towards)


def test_a_path_that_falls_without_end_is_cut_and_says_so() -> None:
    falling = process_of(early([float(i % 2) for i in range(4_000)], at_most=0.499))
    assert falling.cut.startswith("the paths go from")
    assert min(e for _, e in falling.against) >= falling.domain[0] >= -2 * falling.line


def test_what_failed_alone_does_not_look_violated() -> None:
    shown = process_of(early(["failed"] * 200, at_least=0.5))
    assert shown.reached is None
    assert shown.ended == "Neither path reached the line in 200 items."


def test_few_failed_items_count_against_a_claim_that_was_found_violated_with_them() -> None:
    outcomes: list[Outcome] = ["failed", *([1.0, 1.0, 0.0, 1.0, 0.0] * 8)]
    trial = Trial(eval_card({"right": RIGHT}), "right", {"sequential": True, "at_least": 0.8}, pooled(outcomes))
    shown = process_of(trial)
    assert (trial.found.status, trial.found.slices[0].refuted) == ("violated", False)
    assert shown.reached is not None
    assert shown.reached[1] == "violated"
    assert shown.reached[0] <= shown.n == 41


def test_evidence_that_shows_nothing_at_this_channel_is_drawn_and_said_not_to_count() -> None:
    trial = early([1.0] * 300, at_least=0.8)
    found = finding(trial.decide(), "tested")
    void = found.slices[0].model_copy(update={"status": "not_shown", "reason": "want_of_evidence"})
    path = betting_path(found.model_copy(update={"slices": (void,)}), void, trial.plan, trial.evidence(trial.plan))
    assert path is not None
    (shown,) = e_processes(found, trial.card, Gathered(paths={key_of(found): ((void, path),)}))
    assert shown.ended.endswith("met. The decision does not count it: want of evidence.")


def test_a_requirement_names_its_judge_with_how_often_it_is_right_and_where_the_page_says_more(tmp_path: Path) -> None:
    outcomes: list[Outcome] = [1.0] * 30 + [0.0] * 70
    trial = said(outcomes, labels((180, 190)), at_most=0.2)
    trial = replace(trial, card=trial.card.model_copy(update={"shard": 10_000}))
    made = trial_run(tmp_path / "run", trial)
    (judge,) = viewed(made).capabilities[0].groups[0].findings[0].instruments
    assert [(rate.name, rate.text) for rate in judge.rates] == [
        ("sensitivity", "0.900 [0.850, 0.938], 180 of 200"),
        ("specificity", "0.950 [0.910, 0.976], 190 of 200"),
    ]
    assert judge.moved.startswith("its errors moved the limit from 0.2 to ")
    page = rendered(made)
    assert f'href="#{judge.anchor}"' in page
    assert f'id="{judge.anchor}"' in page


def test_an_instrument_that_was_not_measured_says_so(stripped: Example, drawing: CapabilityView) -> None:
    kept = drawing.groups[1].findings[1]
    assert kept.instruments == ()
    (judge,) = drawing.groups[0].findings[0].instruments
    assert [rate.name for rate in judge.rates] == ["Read right"]


def test_no_two_findings_have_one_place_in_the_page(tmp_path: Path) -> None:
    finding = example(tmp_path / "run").decision.capabilities[0].findings[0]
    ids = ("weak", "weak-api", "weak-title", "weak-api-title")
    channels = (None, "api", "gated_weights")
    found = [finding.model_copy(update={"requirement": i, "channel": c}) for i in ids for c in channels]
    places = [place for f in found for place in (anchor(f), f"{anchor(f)}~title")]
    assert len(set(places)) == len(places)
