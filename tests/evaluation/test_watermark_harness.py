"""The harness of the audio watermark evals against watermarks that break their promises, and attacks that do nothing."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from releasegate.evaluation.importing import import_file
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.repository import GateRepository
from releasegate.subjects import Detection
from tests.spread_spectrum import SpreadSpectrum
from tests.watermark_gate import SPEAKERS, WatermarkGate

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("soundfile", "av", "pesq", "pystoi", "speechmos")),
    reason="the packages of the extra `audio` are not installed",
)


class Bench:
    """The shipped harness on two voices: what it makes, and what it yields for a subject."""

    def __init__(self, root: Path) -> None:
        self.gates = WatermarkGate(root)
        self.harness: Any = import_file(root / "evals" / "audio_watermark" / "harness.py")
        card = GateRepository(root).read_eval("audio_watermark").card
        few = {"thorough": 1, "glance": 1, "limits": 1, "messages": 1, "quality": 1}
        self.params = {**card.params, "clips": few, "calibrating": 2, "judging": 1}

    def items(self, *attacks: dict[str, Any], role: str = "items", **params: Any) -> list[Item]:
        self.gates._suite(list(attacks))
        made = getattr(self.harness, role)({**self.params, **params}, np.random.default_rng(5))
        return [replace(item, number=n, seed=77 + n) for n, item in enumerate(made)]

    def measured(self, subject: object, items: Sequence[Item]) -> list[tuple[Item, Reading | Failed]]:
        tools = Tools(self.params, torch.device("cpu"), {}, lambda data, ext: f"{len(data):064x}.{ext}")
        found = {r.item: r for r in self.harness.measure(subject, items, tools)}
        return [(item, found[item.number]) for item in items]

    def module(self, name: str) -> Any:
        return sys.modules[self.harness.measure.__module__.rpartition(".")[0] + "." + name]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("harness") / "gates"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELEASEGATE_SPEECH", str(root))
        yield Bench(root)


NONE = {"attack": "none"}


def detections(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.metrics in (("tpr",), ("fpr",))]


class Marks(SpreadSpectrum):
    """Gives what its test says for a marked clip."""

    def __init__(self, spoil: Any) -> None:
        super().__init__()
        self.spoil = spoil

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        made: Tensor = self.spoil(super().mark(audio, messages))
        return made


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda a: a[0], "`mark` gave a shape of [48000] for audio of [1, 48000]"),
        (lambda a: torch.cat([a, a[:, -1:]], 1), "`mark` gave a shape of [1, 48001] for audio of [1, 48000]"),
        (lambda a: (100 * a).long(), "`mark` gave torch.int64, which is no audio: it must be floating point"),
        (lambda a: a.index_fill(1, torch.tensor([7]), torch.nan), "`mark` gave samples that are not numbers"),
        (lambda a: a.index_fill(1, torch.tensor([7]), -50.0), "a sample is 50, which no file can hold"),
        (lambda a: a.index_fill(1, torch.tensor([7]), 1.00001), "a sample is 1.00001, which no file can hold"),
        (lambda a: a.tolist(), "`mark` gave list, and no tensor"),
    ],
)
def test_a_clip_that_is_not_marked_as_promised_fails_and_clean_ones_do_not(bench: Bench, spoil: Any, why: str) -> None:
    for item, reading in bench.measured(Marks(spoil), detections(bench.items(NONE))):
        if item.content["marked"]:
            assert isinstance(reading, Failed)
            assert why in reading.error
        else:
            assert isinstance(reading, Reading)


def test_rounding_may_take_a_marked_sample_out_of_range_by_a_millionth(bench: Bench) -> None:
    subject = Marks(lambda a: a.index_fill(1, torch.tensor([7]), 1 + 5e-7))
    assert all(isinstance(r, Reading) for _, r in bench.measured(subject, detections(bench.items(NONE))))


class Says(SpreadSpectrum):
    """Gives what its test says for a detection."""

    def __init__(self, spoil: Any) -> None:
        super().__init__()
        self.spoil = spoil

    def detect(self, audio: Tensor) -> Detection:
        made: Detection = self.spoil(super().detect(audio))
        return made


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda d: d._replace(score=d.score[:, None]), "a score of shape [4, 1], which must be [4]"),
        (lambda d: d._replace(score=d.score[:1]), "a score of shape [1], which must be [4]"),
        (lambda d: d._replace(presence=d.score), "a presence of shape [4], which must be [4, 48000]"),
        (lambda d: d._replace(bits=d.bits[:, :1]), "bits of shape [4, 1], which must be [4, 8]"),
        (lambda d: d._replace(score=(d.score > 0.5)), "a score of torch.bool, which must be floating point"),
        (lambda d: d._replace(score=d.score + 7), "in its score, which must be in [0, 1]"),
        (lambda d: d._replace(presence=d.presence.where(d.presence > 0.5, torch.nan)), "nan in its presence"),
        (lambda d: d._replace(bits=1000 * d.bits - 500), "in its bits, which must be in [0, 1]"),
        (lambda d: (d.score, d.presence), "`detect` gave tuple, and no score, presence and bits"),
    ],
)
def test_a_detection_that_is_not_as_promised_is_not_read(bench: Bench, spoil: Any, why: str) -> None:
    for _, reading in bench.measured(Says(spoil), detections(bench.items(NONE))):
        assert isinstance(reading, Failed)
        assert why in reading.error


def test_a_strange_value_fails_its_own_clip_alone(bench: Bench) -> None:
    strange = Says(lambda d: d._replace(score=d.score.index_fill(0, torch.tensor([1]), 1.5)))
    kinds = [type(r) for _, r in bench.measured(strange, detections(bench.items(NONE)))]
    assert sorted(kinds, key=str) == [Failed, Reading, Reading, Reading]


@dataclass
class Equal(SpreadSpectrum):
    """Compares equal to every other, has no hash, and marks in its own way."""

    name: str = "equal"

    def __post_init__(self) -> None:
        super().__init__(key=0)
        self.shift = 0.0
        self.asked = 0

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        self.asked += 1
        return super().mark(audio, messages) + self.shift


def test_subjects_that_compare_equal_have_marks_of_their_own(bench: Bench) -> None:
    items = [item for item in detections(bench.items(NONE)) if item.content["marked"]]
    first, second = Equal(), Equal()
    second.shift = 9.0
    assert first == second
    assert all(isinstance(r, Reading) for _, r in bench.measured(first, items))
    assert all(isinstance(r, Failed) for _, r in bench.measured(second, items))
    assert all(isinstance(r, Reading) for _, r in bench.measured(first, items))


def test_marked_clips_are_remembered_as_long_as_their_subject_lives(bench: Bench) -> None:
    marking = bench.module("watermark_marking")
    items = [item for item in detections(bench.items(NONE)) if item.content["marked"]]
    subject = Equal()
    for _ in range(2):
        bench.measured(subject, items)
    assert subject.asked == len(items) > 0
    gc.collect()
    before, place = len(marking._REMEMBERED), id(subject)
    assert place in marking._REMEMBERED
    del subject
    gc.collect()
    assert place not in marking._REMEMBERED
    assert len(marking._REMEMBERED) == before - 1


class Short(SpreadSpectrum):
    bits = 3


class Mute(SpreadSpectrum):
    """Carries no message."""

    def __init__(self) -> None:
        super().__init__()
        self.bits = 0

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        assert tuple(messages.shape) == (len(audio), 0)
        return super().mark(audio, torch.zeros(len(audio), 8, dtype=torch.int64))

    def detect(self, audio: Tensor) -> Detection:
        found = super().detect(audio)
        return found._replace(bits=found.bits[:, :0])


def test_a_watermark_of_few_bits_is_detected_and_read(bench: Bench) -> None:
    items = [item for item in bench.items(NONE) if item.content["do"] in ("detect", "read")]
    readings = bench.measured(Short(), items)
    assert all(isinstance(reading, Reading) for _, reading in readings)
    named = [r for item, r in readings if item.metrics == ("named_unmarked",) and isinstance(r, Reading)]
    assert len(named) == len(SPEAKERS)
    assert all(r.values == {"named_unmarked": 1.0} for r in named), "whatever is read is one of all eight messages"
    told = [r for item, r in readings if "attributed" in item.metrics and isinstance(r, Reading)]
    assert all(r.detail["message"].endswith(" of 8") for r in told)
    assert all(r.values["attributed"] == 1 for r in told)


def test_a_watermark_without_bits_is_detected_and_names_nobody(bench: Bench) -> None:
    items = [item for item in bench.items(NONE) if item.content["do"] in ("detect", "read")]
    for item, reading in bench.measured(Mute(), items):
        assert isinstance(reading, Failed if item.content["do"] == "read" else Reading)


def test_unmarked_clips_are_read_and_nobody_is_named_for_them_where_no_message_is_near(bench: Bench) -> None:
    """The detector reads what is registered of no message, and of one: the harness tells the two apart."""
    items = [item for item in bench.items(NONE) if item.metrics == ("named_unmarked",)]
    assert {item.labels["speaker"] for item in items} == set(SPEAKERS)
    registered = bench.module("watermark_messages").registered
    books = [registered(item.seed, 16, 8) for item in items]
    assert len(set(books)) == len(items), "each item has a book of its own: one for all would be one draw of them all"
    words = [tuple(map(int, f"{n:08b}")) for n in range(256)]
    for item, book in zip(items, books, strict=True):
        far = next(w for w in words if min(sum(a != b for a, b in zip(w, m, strict=True)) for m in book) > 1)
        for word, named in ((far, 0.0), (book[0], 1.0)):
            reads = Says(lambda d, w=word: d._replace(bits=torch.tensor(w, dtype=torch.float32).expand_as(d.bits)))
            ((_, found),) = bench.measured(reads, [replace(item, number=0)])
            assert isinstance(found, Reading)
            assert found.values == {"named_unmarked": named}


class WithoutGradient(SpreadSpectrum):
    @torch.no_grad()
    def detect(self, audio: Tensor) -> Detection:
        return super().detect(audio)


class Breaks(SpreadSpectrum):
    """Cannot be asked where gradients are wanted."""

    def detect(self, audio: Tensor) -> Detection:
        if audio.requires_grad:
            raise KeyError("a bug of its author's")
        return super().detect(audio)


DESCENT = {"attack": "pgd_remove", "strengths": [30]}


def test_a_detector_without_a_gradient_fails_the_attacks_that_need_one_alone(bench: Bench) -> None:
    for item, reading in bench.measured(WithoutGradient(), detections(bench.items(DESCENT, NONE))):
        if item.labels["kind"] == "pgd_remove":
            assert isinstance(reading, Failed)
            assert "no gradient of the detector's score could be followed" in reading.error
        else:
            assert isinstance(reading, Reading)


def test_what_a_detector_raises_under_descent_comes_after_every_other_reading(bench: Bench) -> None:
    items = detections(bench.items(DESCENT, NONE, {"attack": "polarity"}, {"attack": "square", "strengths": [20]}))
    tools = Tools(bench.params, torch.device("cpu"), {}, lambda data, ext: f"{len(data):064x}.{ext}")
    yielded: list[int] = []
    with pytest.raises(KeyError):
        yielded.extend(_numbers(bench.harness.measure(Breaks(), items, tools), yielded))
    assert set(yielded) == {item.number for item in items if item.labels["kind"] != "pgd_remove"}


def _numbers(readings: Iterator[Reading | Failed], into: list[int]) -> list[int]:
    for reading in readings:
        into.append(reading.item)
    return []


@pytest.mark.parametrize(
    "entry",
    [
        {"attack": "gain", "strengths": [0]},
        {"attack": "resample", "strengths": [16000]},
        {"attack": "speed", "strengths": [1]},
        {"attack": "clip", "strengths": [1]},
        {"attack": "limit", "strengths": [0]},
    ],
)
def test_an_attack_that_changes_nothing_shows_nothing(bench: Bench, entry: dict[str, Any]) -> None:
    for item, reading in bench.measured(SpreadSpectrum(), detections(bench.items(NONE, entry))):
        if item.labels["kind"] == "none":
            assert isinstance(reading, Reading)
        else:
            assert isinstance(reading, Failed)
            assert reading.error == "the attack changed nothing: that the mark survives it says nothing"


def test_a_silenced_clip_is_of_no_use_and_has_no_measures(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from releasegate.attacks import levelling

    silent = replace(levelling.ATTACKS["polarity"], apply=lambda given, strength: given.audio * 1e-5)
    monkeypatch.setitem(levelling.ATTACKS, "polarity", silent)  # type: ignore[index]
    made = bench.items(NONE, {"attack": "polarity"}, role="calibration")
    items = [i for i in made if i.labels.get("attack") == "polarity"]
    assert {i.metrics for i in items} == {("usable",), ("pesq", "stoi", "si_snr")}
    for item, reading in bench.measured(SpreadSpectrum(), items):
        if item.metrics == ("usable",):
            assert isinstance(reading, Reading)
            assert reading.values == {"usable": 0.0}
        else:
            assert isinstance(reading, Failed)


def test_what_an_attack_leaves_is_measured_where_it_keeps_time(bench: Bench) -> None:
    attacks = {"attack": "white_noise", "strengths": [20]}, {"attack": "speed", "strengths": [1.1]}
    made = bench.items(NONE, *attacks, role="calibration", measuring=2)
    items = [i for i in made if i.content["do"] == "gauge" and i.labels["attack"] != "none"]
    assert [i.labels["attack"] for i in items] == ["white_noise_20dB"] * 2 * len(SPEAKERS)
    for _, reading in bench.measured(SpreadSpectrum(), items):
        assert isinstance(reading, Reading)
        assert reading.values["si_snr"] == pytest.approx(20, abs=0.5)
        assert 1 < reading.values["pesq"] < 4.6
        assert 0.7 < reading.values["stoi"] < 1


def test_all_calibration_items_name_their_speaker(bench: Bench) -> None:
    items = bench.items(NONE, {"attack": "polarity"}, role="calibration", judging=3)
    assert {i.labels["speaker"] for i in items if "usable" in i.metrics} == set(SPEAKERS)
    assert all("speaker" in item.labels for item in items)
    assert sum("usable" in i.metrics for i in items) == 2 * 3 * len(SPEAKERS)


def test_whether_a_clip_is_marked_is_not_asked_after_it_was_marked_again(bench: Bench) -> None:
    items = bench.items(
        {"attack": "overwrite"}, {"attack": "average_removal", "strengths": [16]}, messages=["overwrite"]
    )
    asked = {(i.labels["kind"], i.metrics[0]) for i in items if "kind" in i.labels}
    assert asked == {("overwrite", "bit_accuracy"), ("average_removal", "tpr")}


@pytest.mark.parametrize("answer", [0.0, 0.5, 1.0])
def test_a_detector_that_treats_a_lone_clip_differently_fails_calibration(bench: Bench, answer: float) -> None:
    def alone(found: Detection) -> Detection:
        return found._replace(score=torch.full_like(found.score, answer)) if len(found.score) == 1 else found

    items = [i for i in bench.items(NONE, role="calibration") if i.content["do"] == "detect"]
    assert json.dumps(sorted({i.metrics[0] for i in items})) == '["clean_score", "marked_score"]'
    for _, reading in bench.measured(Says(alone), items):
        assert isinstance(reading, Failed)
        assert "`detect` answers a clip alone in another way" in reading.error
    assert all(isinstance(r, Reading) for _, r in bench.measured(SpreadSpectrum(), items))


def test_clips_that_freeze_the_threshold_are_detected_alone(bench: Bench) -> None:
    """Their score is that of the call with one clip; a difference within rounding tells which was taken."""
    nudge = 5e-5

    def alone(found: Detection) -> Detection:
        return found._replace(score=found.score + nudge) if len(found.score) == 1 else found

    items = [i for i in bench.items(NONE, role="calibration") if i.metrics == ("clean_score",)]
    for (_, plain), (_, nudged) in zip(
        bench.measured(SpreadSpectrum(), items), bench.measured(Says(alone), items), strict=True
    ):
        assert isinstance(plain, Reading)
        assert isinstance(nudged, Reading)
        assert nudged.values["clean_score"] - plain.values["clean_score"] == pytest.approx(nudge, abs=1.1e-6)
