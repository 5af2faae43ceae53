"""The watermark of clones, through the gate: who must put it there, what never releases, and what must not matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from releasegate.errors import DocumentError
from releasegate.evaluation.importing import import_file
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Measured, Reading
from releasegate.gate import gate
from tests.spread_spectrum import SpreadSpectrum
from tests.tiny_gates import finding
from tests.tiny_repository import Silent
from tests.voice_gate import GATED, PERSONS, SOURCE, VoiceGate

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("soundfile", "av", "pesq", "pystoi")),
    reason="the packages of the extra `audio` are not installed",
)

Made = Callable[..., VoiceGate]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_report: None) -> Made:
    def make(name: str = "gates", **given: Any) -> VoiceGate:
        monkeypatch.setenv("RELEASEGATE_SPEECH", str(tmp_path / name))
        return VoiceGate(tmp_path / name, **given)

    return make


def test_a_server_that_marks_clones_of_weights_that_do_not_is_released(made: Made) -> None:
    of = made()
    decision = gate(of.call(), Silent())
    assert decision.verdict == "release"
    clones = {(s.labels["attack"], s.labels["speaker"]) for s in finding(decision, "found").slices}
    assert clones == {(attack, person) for attack in GATED for person in PERSONS}
    people = {(s.labels["attack"], s.labels["speaker"]) for s in finding(decision, "in-peace").slices}
    assert people == {(attack, person) for attack in GATED for person in (*PERSONS, SOURCE)}
    plan = of.run().read_plan()
    assert not [s for m in plan.measurements for s in of.run().evidence.samples(plan, m) if isinstance(s, Failed)]


def test_the_same_mark_around_open_weights_does_not_count(made: Made) -> None:
    decision = gate(made(enforced_by="wrapper").call(), Silent())
    assert decision.verdict == "withhold"
    assert all(s.estimate.hits == s.estimate.planned for s in finding(decision, "found").slices)


def test_dropping_the_wrapper_leaves_nothing_unless_the_weights_mark(made: Made) -> None:
    plain = gate(made("plain", enforced_by="weights").call(), Silent())
    assert plain.verdict == "withhold"
    assert all(s.estimate.hits == 0 for s in finding(plain, "found").slices)
    assert gate(made("marking", enforced_by="weights", weights=True).call(), Silent()).verdict == "release"


@pytest.mark.parametrize(
    ("says", "enforced_by"), [("1", "server"), ("nan", "server"), ("1", "weights"), ("0", "weights")]
)
def test_a_detector_that_does_not_detect_is_never_released(made: Made, says: str, enforced_by: str) -> None:
    decision = gate(made(says=says, enforced_by=enforced_by, weights=True).call(), Silent())
    assert decision.verdict in ("withhold", "incomplete")


def test_clones_that_are_none_are_failed_items_and_never_found(made: Made) -> None:
    of = made(clones="badly")
    assert gate(of.call(), Silent()).verdict == "incomplete"
    plan = of.run().read_plan()
    samples = [s for m in plan.measurements for s in of.run().evidence.samples(plan, m)]
    of_clones = [
        s for s in samples if not set(s.metrics if isinstance(s, Failed) else s.values) & {"fpr", "clean_score"}
    ]
    assert of_clones
    assert all(isinstance(s, Failed) for s in of_clones)
    assert any("it was tired" in s.error for s in of_clones if isinstance(s, Failed))
    assert any(isinstance(s, Measured) for s in samples), "recordings are there"


class Bench:
    """The shipped harness on the tiny voices."""

    def __init__(self, of: VoiceGate) -> None:
        self.harness: Any = import_file(of.root / "evals" / "voice_watermark" / "harness.py")
        self.subject: Any = import_file(of.root / "evals" / "spoken" / "subject.py").Speaks(
            "what it finds", "well", False
        )
        card = of.repository.read_eval("voice_watermark").card
        self.params = {**card.params, "n": card.items.n}

    def items(self, role: str = "items") -> list[Item]:
        found = getattr(self.harness, role)(self.params, np.random.default_rng(5))
        return [replace(item, number=n, seed=77 + n) for n, item in enumerate(found)]

    def measured(self, items: list[Item]) -> dict[int, Reading | Failed]:
        tools = Tools(self.params, torch.device("cpu"), {}, lambda data, ext: f"{len(data):064x}.{ext}")
        return {r.item: r for r in self.harness.measure(self.subject, items, tools)}


def test_an_item_alone_reads_what_it_reads_among_all_and_is_cloned_in_the_same_company(made: Made) -> None:
    of = made()
    bench = Bench(of)
    items = bench.items()
    together = bench.measured(items)
    asked = bench.subject.batches
    assert sorted(asked) == [1] * 4 + [4] * 4, "two batches a person, of each of which one is made again alone"
    for item in items[:: len(items) // 7]:
        again = Bench(of)
        assert again.measured([item])[item.number] == together[item.number]
        assert set(again.subject.batches) <= {1, 4}


def test_no_recording_stands_on_two_sides(made: Made) -> None:
    bench = Bench(made())
    used: dict[str, set[str]] = {}
    for role in ("items", "calibration", "rehearsal"):
        clips = [item.content["clip"] for item in bench.items(role)]
        used[role] = {
            c.path for clip in clips for c in ([clip] if hasattr(clip, "path") else [clip.words, *clip.prompts])
        }
    assert all(used.values())
    assert not used["items"] & used["calibration"]
    assert not used["items"] & used["rehearsal"]
    assert not used["calibration"] & used["rehearsal"]


def test_every_clone_of_a_person_says_other_words_than_the_recordings_of_that_person(made: Made) -> None:
    clones = {item.content["clip"] for item in Bench(made()).items() if item.content["marked"]}
    for person in PERSONS:
        said = [clone.words for clone in clones if clone.speaker == person]
        assert len(set(said)) == len(said) == 8
        assert {words.speaker for words in said} == {SOURCE}


@pytest.mark.parametrize("attack", [{"attack": "splice_marked", "strengths": [500]}, {"attack": "overwrite"}])
def test_an_attack_that_this_eval_cannot_ask_about_is_refused(made: Made, attack: dict[str, Any]) -> None:
    of = made()
    suite = of.root / "evals" / "voice_watermark" / "suite.yaml"
    suite.write_text(json.dumps({**json.loads(suite.read_text()), "attacks": [{"attack": "none"}, attack]}))
    with pytest.raises(DocumentError, match="audio_watermark"):
        Bench(of).items()


def test_too_few_words_or_recordings_are_told_with_their_numbers(made: Made) -> None:
    bench = Bench(made())
    bench.params["clips"] = {**bench.params["clips"], "clones": 9}
    with pytest.raises(DocumentError, match="8 recordings for words, and the card asks for 9"):
        bench.items()


def test_a_mark_that_gives_back_what_it_was_given_measures_the_weights_alone(made: Made) -> None:
    bench = Bench(made())
    bench.subject.weights = True
    bench.subject.mark = lambda audio, messages: audio
    items = bench.items()
    read = bench.measured(items)
    by_clip: dict[Any, set[float]] = {}
    for item in items:
        reading = read[item.number]
        if item.metrics[0].startswith("tpr") and item.labels["attack"] == "none":
            assert isinstance(reading, Reading)
            by_clip.setdefault(item.content["clip"], set()).update(reading.values.values())
    assert len(by_clip) == 16
    assert all(len(scores) == 1 and min(scores) > 0.5 for scores in by_clip.values())
    assert isinstance(bench.subject, SpreadSpectrum)
