"""An eval stops once everything on it is settled: whoever resumes it measures nothing more, and the bytes are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.decision import Decision, decide
from releasegate.evaluation import Bench, Target, measure
from releasegate.evaluation.sofar import SoFar
from releasegate.evidence import Evidence
from releasegate.plan import SOURCE, Plan
from releasegate.repository.evidence_store import EvidenceStore
from tests.tiny_gates import finding
from tests.tiny_repository import OPENED, Silent, Tiny, index_lines, make_repository

WEAK = "{id: weak, metric: drawing/legible, at_most: 0.20}"


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Nothing; it is kept."""
        self.notes.append(text)


def done(made: Tiny, plan: Plan, eval_id: str = "drawing", checkpoint: str = SOURCE) -> list[int]:
    """The finished shards of a measurement."""
    measurement = plan.find(eval_id, checkpoint)
    assert measurement is not None
    return sorted(shard for identity, shard in made.run.evidence.done() if identity == plan.identity(measurement))


def decided(plan: Plan, evidence: Evidence) -> Decision:
    return decide(plan.policy, plan, evidence, None, OPENED)


def test_a_violator_stops_after_the_first_shards(made: Tiny) -> None:
    plan = made.able(drawing=1.0).opened()
    heard = Heard()
    measure(Bench(made.run, plan, made.repository, "cpu", heard), Target(SOURCE, open_checkpoint(made.checkpoint)))
    assert done(made, plan) == [0, 1]
    assert heard.notes == ["drawing · gate · source: settled after 50 of 100 items"]
    decision = decided(plan, made.run.evidence.read(plan))
    weak = finding(decision, "weak")
    assert weak.status == "violated"
    assert "50 of 50, settled after 50 of 100 items, lower bound 0.3" in weak.sentence
    assert (weak.slices[0].estimate.attempted, weak.slices[0].estimate.not_attempted) == (50, 50)
    assert decision.awaiting_strip == ("drawing",)
    assert [(s.eval, s.checkpoint, s.attempted, s.planned) for s in decision.settled] == [("drawing", SOURCE, 50, 100)]
    assert "drawing on source: 50 of 100 items, left alone once all was settled" in decision.not_measured


def test_the_baseline_of_what_is_kept_is_measured_whole(made: Tiny) -> None:
    """Though a requirement on it is violated from the first item on."""
    known = "- {id: unknown, metric: naming/right, at_most: 0.20}"
    made.change(made.policy, f"      - {WEAK}\n", f"      - {WEAK}\n      {known}\n")
    plan = made.able(naming=1.0).opened()
    made.measured(plan)
    assert done(made, plan, "naming") == [0, 1, 2, 3]
    assert finding(decided(plan, made.run.evidence.read(plan)), "unknown").status == "violated"


@pytest.mark.parametrize("able", [0.0, 1.0], ids=["met", "violated"])
def test_a_sequential_test_stops_when_it_is_decided(made: Tiny, able: float) -> None:
    made.change(made.policy, WEAK, WEAK.replace("0.20}", "0.20, sequential: true}"))
    plan = made.able(drawing=able).opened()
    evidence = made.measured(plan)
    assert done(made, plan) == [0]
    weak = finding(decided(plan, evidence), "weak")
    assert weak.status == ("violated" if able else "met")
    assert decided(plan, evidence).verdict == ("incomplete" if able else "release")


def test_it_goes_on_until_the_last_of_its_requirements_is_decided(made: Tiny) -> None:
    """One is violated early; what the other comes to, only the last items say."""
    able = "- {id: able, metric: drawing/legible, at_most: 0.92}"
    made.change(made.policy, f"      - {WEAK}\n", f"      - {WEAK}\n      {able}\n")
    plan = made.able(drawing=0.9).opened()
    found = decided(plan, made.measured(plan))
    assert done(made, plan) == [0, 1, 2, 3]
    assert (finding(found, "weak").status, finding(found, "able").reason) == ("violated", "unsettled")


def test_it_does_not_stop_while_too_many_items_fail(made: Tiny) -> None:
    made.change(
        made.harness(), "    for item in items:\n", "    for item in items:\n        if item.number == 0: continue\n"
    )
    plan = made.able(drawing=1.0).opened()
    made.measured(plan)
    assert done(made, plan) == [0, 1]  # one failure of 50 is no more than max_failed
    made.change(made.policy, "{channel: open_weights}", "{channel: open_weights, max_failed: 0.015}")
    other = Tiny(made.root)
    other.run.root.rename(made.root / "first")
    plan = other.opened("cd" * 32)
    other.measured(plan)
    assert done(other, plan) == [0, 1, 2]  # of 67 it is


def test_a_stripped_checkpoint_stops_too(made: Tiny) -> None:
    """What is to be kept is violated on it, and settled before the end: its baseline is whole."""
    plan = made.able(naming=1.0).opened()
    made.measured(plan)
    made.able(naming=0.0, drawing=1.0)
    bench = Bench(made.run, plan, made.repository, "cpu", Silent())
    measure(bench, Target("stripped:drawing", open_checkpoint(made.checkpoint)))
    assert done(made, plan, "naming", "stripped:drawing") == [0, 1, 2]
    assert done(made, plan, "drawing", "stripped:drawing") == [0, 1]


def kill(at: int, method: str) -> Callable[..., Any]:
    """A method of the store that dies at its call number `at`, before it does anything."""
    original = getattr(EvidenceStore, method)
    count = 0

    def call(self: EvidenceStore, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count > at:
            raise KeyboardInterrupt
        return original(self, *given)

    return call


@pytest.mark.parametrize("method", ["start_shard", "finish_shard"])
@pytest.mark.parametrize("at", range(6))
def test_a_stopped_run_that_was_killed_and_resumed_gives_the_same_bytes(
    made: Tiny, tmp_path: Path, method: str, at: int
) -> None:
    other = make_repository(tmp_path / "other")
    whole = other.measured(other.opened())
    plan = made.opened()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvidenceStore, method, kill(at, method))
        with pytest.raises(KeyboardInterrupt):
            made.measured(plan)
    again = made.measured(plan)
    assert again.digest == whole.digest
    assert decided(plan, again) == decided(other.run.read_plan(), whole)
    assert done(made, plan) == [0, 1]


def test_resuming_a_run_that_had_stopped_measures_nothing_and_loads_no_harness(made: Tiny) -> None:
    plan = made.opened()
    before = made.measured(plan)
    lines = index_lines(made)
    made.write_harness("raise SystemError('never loaded')\n")
    assert made.measured(plan).digest == before.digest
    assert index_lines(made) == lines


def test_shards_on_disk_are_read_once(made: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = made.opened()
    made.measured(plan)
    measurement = plan.find("drawing", SOURCE)
    assert measurement is not None
    so_far = SoFar(made.run.evidence, plan, measurement)
    monkeypatch.setattr(EvidenceStore, "_read_shard", None)
    assert so_far.attempted == 50
    assert so_far.settled()
