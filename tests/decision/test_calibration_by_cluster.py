"""Calibration items that belong together: what the card says of them, and what is concluded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from releasegate.cardcheck import parse_card
from releasegate.decision import decide
from releasegate.decision.capacity import capacity
from releasegate.errors import DocumentError
from releasegate.evidence import Cell
from tests.simulations.calibrated import speakers
from tests.tiny_gates import OPENED, finding
from tests.tiny_methods import POOL, RIGHT, SAMPLED, Placed, Trial, by_turns, eval_card, pooled

CARD = Path(__file__).parents[2] / "evals" / "image_generation" / "eval.yaml"
UNLABELLED = (Cell(labels={}, metrics=("sensitive",), n=200), Cell(labels={}, metrics=("specific",), n=200))


def judged(cells: tuple[Cell, ...], calibration: Any = SAMPLED, *, right: float = 1.0, **changes: Any) -> Trial:
    """A judge that is right of all its items, and 200 items of which it calls none."""
    known: list[Placed] = [(number, right) for number, cell in enumerate(cells) for _ in range(cell.n)]
    card = eval_card({"said": {}}, calibration=calibration, **changes)
    return Trial(card, "said", {"at_most": 0.2}, pooled([0.0] * 200), known, calibration_cells=cells)


def of(count: int, each: int) -> tuple[Cell, ...]:
    return (*speakers(count, each, "sensitive"), *speakers(count, each, "specific"))


def test_one_item_a_cluster_counts() -> None:
    """As if there had been forty items in all, whether each cluster has one or fifty."""
    few, many = judged(of(40, 1)), judged(of(40, 50))
    assert few.found.status == many.found.status == "met"
    assert few.found.slices[0].tested_limit == many.found.slices[0].tested_limit


def test_the_item_that_counts_is_the_first_in_the_planned_order() -> None:
    cells = of(40, 3)
    firsts = by_turns([[1.0, 0.0, 0.0] for _ in cells])
    lasts = by_turns([[0.0, 0.0, 1.0] for _ in cells])
    assert judged(cells).with_items(calibration=firsts).found.status == "met"
    assert judged(cells).with_items(calibration=lasts).found.reason == "want_of_evidence"


def test_a_judge_known_from_three_speakers_shows_nothing_and_the_plan_says_so() -> None:
    trial = judged(of(3, 100))
    assert trial.found.reason == "want_of_evidence"
    assert "the judge cannot decide" in trial.found.sentence
    warned = capacity(trial.plan, next(iter(trial.policy.requirements)), "misuse").warning
    assert warned == "judge is calibrated on 3 and 3 of dimension speaker: too few to show that it can decide"


def test_a_lost_first_item_loses_its_cluster() -> None:
    cells = of(40, 3)
    lost = by_turns([["failed", 1.0, 1.0] if i % 2 else [1.0, 1.0, 1.0] for i in range(len(cells))])
    whole, fewer = judged(cells).found, judged(cells).with_items(calibration=lost).found
    assert whole.slices[0].tested_limit is not None
    assert fewer.slices[0].tested_limit is None or fewer.slices[0].tested_limit < whole.slices[0].tested_limit


def test_items_without_a_cluster_show_nothing() -> None:
    found = judged(UNLABELLED).found
    assert found.sentence == "calibration items without a speaker belong to no cluster"
    assert (found.reason, found.settle) == ("want_of_evidence", "label every item with its cluster")


@pytest.mark.parametrize("metric", ["said", "caught"])
def test_a_card_that_does_not_say_shows_nothing(metric: str) -> None:
    trial = judged(UNLABELLED, None)
    if metric == "caught":
        card = eval_card({"caught": {}}, calibration=None)
        cells = (Cell(labels={}, metrics=("clean",), n=200),)
        trial = Trial(
            card, "caught", {"at_most": 0.5}, pooled([0.0] * 200), pooled([5.0] * 200), calibration_cells=cells
        )
    assert trial.found.reason == "want_of_evidence"
    assert trial.found.sentence == "the card of tested does not say what the clusters of its calibration items are"
    assert trial.found.settle is not None
    assert trial.found.settle.startswith("state `calibration`")


def test_a_stored_plan_decides_as_it_did() -> None:
    for trial in (judged(UNLABELLED, None), judged(UNLABELLED)):
        stored = trial.plan.model_copy(update={"by_cluster": None})
        found = finding(decide(trial.policy, stored, trial.evidence(stored), None, OPENED), "tested")
        assert found.status == "met"
    assert "by_cluster" not in stored.plain()


@pytest.mark.parametrize("population", ["named", "unknown"])
def test_a_claim_about_new_clusters_does_not_rest_on_a_pool(population: str) -> None:
    stated = POOL if population == "unknown" else {**SAMPLED, "population": "named"}
    trial = judged(UNLABELLED, stated, clusters={"key": "speaker", "population": "sampled"})
    assert trial.found.reason == "want_of_evidence"
    assert "claims something of every speaker, and its calibration items are of" in trial.found.sentence


def test_a_pool_of_unknown_clusters_is_leant_on_by_name() -> None:
    said = judged(UNLABELLED, POOL)
    assert said.found.status == "met"
    leant = [line for line in said.decide().leans_on if "calibrated" in line]
    assert leant == [
        "tested: calibrated on this pool (400 items), not others, as its clusters are unknown: made by hand"
    ]


def test_named_clusters_are_leant_on_and_count_item_by_item() -> None:
    named = judged(of(3, 100), {**SAMPLED, "population": "named"})
    assert named.found.status == "met"
    assert "tested: calibrated on 3 of dimension speaker: these, not others" in named.decide().leans_on


@pytest.mark.parametrize("sampled", [True, False])
def test_nothing_excuses_a_slice_of_sampled_clusters(sampled: bool) -> None:  # noqa: FBT001
    kept = Cell(labels={"attack": "hard", "speaker": "s000"}, metrics=("kept",), n=200)
    changes: dict[str, Any] = {"clusters": {"key": "speaker", "population": "sampled"}} if sampled else {}
    stated = SAMPLED if sampled else {**SAMPLED, "population": "named"}
    card = eval_card({"right": RIGHT, "kept": RIGHT}, calibration=stated, **changes)
    labels = [{"attack": a, "speaker": f"t{i:03d}"} for a in ("none", "hard") for i in range(100)]
    gate = [(number, 1.0 if number < 100 else 0.0) for number in range(200)]
    limit = {"at_least": 0.9, "slices": ["attack"], "excused": {"metric": "tested/kept", "at_most": 0.1}}
    trial = Trial(card, "right", limit, gate, pooled([0.0] * 200), labels=labels, calibration_cells=(kept,))
    hard = next(s for s in trial.found.slices if s.labels.get("attack") == "hard")
    assert hard.status == ("violated" if sampled else "excused")


def test_an_excuse_counts_one_item_a_cluster() -> None:
    cells = tuple(
        Cell(labels={**c.labels, "attack": "hard"}, metrics=c.metrics, n=c.n) for c in speakers(4, 50, "kept")
    )
    card = eval_card({"right": RIGHT, "kept": RIGHT}, calibration=SAMPLED)
    limit = {"at_least": 0.9, "slices": ["attack"], "excused": {"metric": "tested/kept", "at_most": 0.1}}
    known: list[Placed] = [(number, 0.0) for number in range(4) for _ in range(50)]
    gate: list[Placed] = [(0, 1.0)] * 200 + [(1, 0.0)] * 200
    labels = [{"attack": "none"}, {"attack": "hard"}]
    trial = Trial(card, "right", limit, gate, known, labels=labels, calibration_cells=cells)
    assert {s.labels["attack"]: s.status for s in trial.found.slices} == {"none": "met", "hard": "violated"}
    warned = capacity(trial.plan, next(iter(trial.policy.requirements)), "safeguards").warning
    assert warned is not None
    assert "4 calibration items cannot show it" in warned


@pytest.mark.parametrize(("of", "planned"), [("model", 2), ("instrument", 1)])
def test_scores_of_the_model_are_calibrated_on_every_checkpoint(of: str, planned: int) -> None:
    card = eval_card({"caught": {}}, calibration={**POOL, "of": of})
    cells = (Cell(labels={}, metrics=("clean",), n=200),)
    trial = Trial(card, "caught", {"at_most": 0.5}, pooled([0.0]), calibration_cells=cells, stripping=True)
    found = [m.checkpoint for m in trial.plan.measurements if (m.eval, m.role) == ("tested", "calibration")]
    assert found == ["source", "stripped:talking"][:planned]
    rests_on = trial.plan.find_calibration("tested", "stripped:talking")
    assert rests_on is not None
    assert rests_on.checkpoint == found[-1]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("key: scan", "key: writer", "no such dimension"),
        ("population: unknown", "population: sampled", "only unknown clusters want a `reason`"),
        ("  key: scan\n", "", None),
        ("instruments:", "clusters: {key: digit, population: sampled}\ninstruments:", "is no sample of clusters"),
        ("instruments:", "clusters: {key: digit, population: named}\ninstruments:", None),
        ("  calibration: 720\n", "  calibration: 0\n", "there are no calibration items"),
    ],
)
def test_what_a_card_cannot_say_of_its_calibration_items_is_refused(old: str, new: str, what: str | None) -> None:
    text = CARD.read_text("utf-8")
    assert text.count(old) >= 1
    changed = text.replace(old, new, 1)
    if what is None:
        parse_card(changed, "eval.yaml")
        return
    with pytest.raises(DocumentError) as caught:
        parse_card(changed, "eval.yaml")
    assert any(what.replace("is no sample", "are no sample") in p.what for p in caught.value.problems)
