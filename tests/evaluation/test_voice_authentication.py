"""The harness of voice_authentication on voices of nobody: what it asks for, and what becomes of cloners that fail."""

from __future__ import annotations

import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from releasegate.errors import DocumentError, PartAbsent
from releasegate.evaluation.importing import import_file
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.repository import GateRepository, scaffold
from releasegate.subjects import NoClone, Utterance
from tests.voices import voice

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("soundfile", "av", "pyworld")),
    reason="the packages of the extra `audio` are not installed",
)

PERSONS = ("anna", "bert")
CLIPS = {"prompt": 2, "real": 2, "rehearsal": 2, "calibration": 2, "enrolment": 2, "training": 2, "detector": 1}
NEGATIVES = 7
WORDS = {"source": 3, "source_rehearsal": 3}
PARAMS = {
    "clips": {"real": 2, "subject": 3, "routes": 1},
    "rehearsal_clips": {"real": 1, "subject": 1, "routes": 1},
    "calibrating": NEGATIVES,
    "prompt_seconds": 2,
    "batch": 2,
}
CODECS = {"none", "mp3_32kbits", "opus_16kbits", "gsm", "mulaw", "amr_12.2kbits"}


class Higher:
    """Says the words a tone higher, or what its test says."""

    rate = 16000

    def __init__(self, spoil: Any = lambda clone: clone) -> None:
        self.spoil = spoil
        self.batches: list[int] = []

    def clone(self, words: Sequence[Utterance], prompts: Sequence[Tensor], seeds: Sequence[int]) -> list[Any]:
        self.batches.append(len(words))
        return [self.spoil(torch.nn.functional.interpolate(w.audio[None, None], scale_factor=0.9)[0, 0]) for w in words]


class Bench:
    """The shipped harness on two voices: what it makes, and what it yields for a subject."""

    def __init__(self, root: Path) -> None:
        scaffold(root)
        folder = root / "evals" / "voice_authentication"
        _record(root)
        self.harness: Any = import_file(folder / "harness.py")
        self.card = GateRepository(root).read_eval("voice_authentication").card
        self.weights = tuple(sorted(folder.glob("*.safetensors")))
        self.written: list[str] = []

    def items(self, role: str = "items") -> list[Item]:
        made = getattr(self.harness, role)(PARAMS, np.random.default_rng(5))
        return [replace(item, number=n, seed=77 + n) for n, item in enumerate(made)]

    def measured(self, subject: object, items: Sequence[Item]) -> list[tuple[Item, Reading | Failed]]:
        def write(data: bytes, ending: str) -> str:
            self.written.append(ending)
            return f"{hashlib.sha256(data).hexdigest()}.{ending}"

        tools = Tools(PARAMS, torch.device("cpu"), {"passive_detector": self.weights}, write)
        found = {r.item: r for r in self.harness.measure(subject, items, tools)}
        return [(item, found[item.number]) for item in items]


def _record(root: Path) -> None:
    """Recordings of nobody, listed as those of a lab would be."""
    soundfile = pytest.importorskip("soundfile")
    seed = 0
    texts = iter(("one", "two", "three", "four", "five", "six"))
    (root / "voices").mkdir()
    with (root / "evals" / "voices.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["speaker", "language", "split", "package", "path", "sha256", "channel", "text"])
        for speaker, counts in [*((person, CLIPS) for person in PERSONS), ("carl", WORDS)]:
            for split in [split for split, count in counts.items() for _ in range(count)]:
                seed += 1
                path = root / "voices" / f"{speaker}-{seed}.wav"
                soundfile.write(path, voice(1.5, seed).numpy(), 16000, subtype="PCM_16")
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                text = next(texts) if split in WORDS else ""
                rows.writerow([speaker, "en", split, "voices", path.name, digest, "studio", text])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("authentication") / "gates"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELEASEGATE_SPEECH", str(root))
        yield Bench(root)


def uncoded(items: Sequence[Item]) -> list[Item]:
    """Recordings as they are, and all clones."""
    return [item for item in items if item.labels["codec"] == "none" or "route" in item.labels]


def sound_of(item: Item) -> Any:
    """The recording that a clip is, or whose words it says."""
    if "request" in item.content:
        return item.content["request"].words.path
    return (item.content.get("recording") or item.content["made"].said).path


def test_a_recording_goes_through_every_codec_and_a_clone_or_a_negative_through_one(bench: Bench) -> None:
    for role, real, made, negatives in (
        ("items", 2, 3 + 5, 0),
        ("rehearsal", 1, 1 + 5, 0),
        ("calibration", 0, 0, NEGATIVES),
    ):
        items = bench.items(role)
        assert Counter(item.metrics for item in items) == Counter(
            {
                ("fpr",): len(PERSONS) * real * len(CODECS),
                ("tpr",): len(PERSONS) * made,
                ("real_score",): len(PERSONS) * negatives,
            }
        )
        assert {item.labels["codec"] for item in items} == CODECS


def test_negatives_are_different_recordings_that_nothing_scores(bench: Bench) -> None:
    negatives = [sound_of(item) for item in bench.items("calibration")]
    assert len(negatives) == len(set(negatives)) == len(PERSONS) * NEGATIVES
    for role in ("items", "rehearsal"):
        assert not set(negatives) & {sound_of(item) for item in bench.items(role)}


@pytest.mark.parametrize(
    ("role", "params", "what"),
    [
        (
            "calibration",
            {"calibrating": 8},
            "anna has 7 recordings for calibration, prompt, training, adaptation and det",
        ),
        (
            "items",
            {"clips": {"real": 2, "subject": 1, "routes": 3}},
            "anna has 2 recordings for real, and the card asks",
        ),
        (
            "items",
            {"clips": {"real": 2, "subject": 4, "routes": 1}},
            "others than anna say 3 different sentences for sou",
        ),
    ],
)
def test_too_few_recordings_for_different_sounds_are_refused(
    bench: Bench, role: str, params: dict[str, Any], what: str
) -> None:
    with pytest.raises(DocumentError, match=what):
        getattr(bench.harness, role)(PARAMS | params, np.random.default_rng(5))


def test_what_is_to_be_flagged_has_a_route_and_what_is_not_has_none(bench: Bench) -> None:
    for item in bench.items():
        assert item.metrics == (("tpr",) if "route" in item.labels else ("fpr",))
        assert item.labels["speaker"] in PERSONS


def test_no_recording_of_the_gate_is_heard_in_rehearsal_but_what_a_person_is_known_by(bench: Bench) -> None:
    def heard(role: str) -> set[str]:
        found = set()
        for item in bench.items(role):
            found.add(sound_of(item))
            if "request" in item.content:
                found |= {prompt.path for prompt in item.content["request"].prompts}
            elif "made" in item.content:
                found |= {voice.path for voice in item.content["made"].person}
        return found

    assert heard("items")
    assert not heard("items") & heard("rehearsal")


def test_each_clip_has_a_score_and_the_first_of_each_kind_a_sound(bench: Bench) -> None:
    subject = Higher()
    items = bench.items()
    for item, reading in bench.measured(subject, uncoded(items)):
        assert isinstance(reading, Reading), reading
        assert 0 <= reading.values[item.metrics[0]] <= 1
        assert bool(reading.outputs) == (item.content["keep"] and item.labels["codec"] == "none")
    assert subject.batches == [2, 1, 1] * 2  # two and one of a person, the first of each once more, alone
    assert set(bench.written) == {"flac"}


def test_a_clip_scores_the_same_alone_and_with_the_others(bench: Bench) -> None:
    subject = Higher()
    items = [item for item in bench.items() if item.labels["codec"] in ("none", "gsm")]
    together = {item.number: reading for item, reading in bench.measured(subject, items)}
    for item in items[::2]:
        ((_, alone),) = bench.measured(Higher(), [item])
        assert alone == together[item.number]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda clone: NoClone("it was tired"), "it was tired"),
        (lambda clone: clone * torch.nan, ""),
        (lambda clone: clone * 0, ""),
        (lambda clone: clone[:0], ""),
        (lambda clone: clone[None], ""),
        (lambda clone: "audio", ""),
    ],
)
def test_what_is_no_clone_fails_and_takes_nothing_else_with_it(bench: Bench, spoil: Any, why: str) -> None:
    items = [item for item in uncoded(bench.items()) if item.labels["speaker"] == "anna"]
    for item, reading in bench.measured(Higher(spoil), items):
        if item.labels.get("route") == "subject":
            assert isinstance(reading, Failed)
            assert why in reading.error
            assert reading.error
        else:
            assert isinstance(reading, Reading)


def test_nobody_is_judged_by_a_detector_that_learned_from_them(bench: Bench, tmp_path: Path) -> None:
    reader = sys.modules[bench.harness.measure.__module__.rpartition(".")[0] + ".detector"]
    for name, heard in (("a", {"anna_fr", "bert"}), ("b", {"anna"})):  # one person, in two languages
        detector = reader.Detector.read(bench.weights[0])
        detector.heard = frozenset(heard)
        detector.write(tmp_path / f"{name}.safetensors")
    tools = Tools(
        PARAMS, torch.device("cpu"), {"passive_detector": tuple(sorted(tmp_path.iterdir()))}, lambda d, e: "x"
    )
    items = [item for item in uncoded(bench.items()) if "recording" in item.content]
    found = {reading.item: reading for reading in bench.harness.measure(Higher(), items, tools)}
    for item in items:
        reading = found[item.number]
        if item.labels["speaker"] == "anna":
            assert isinstance(reading, Failed)
            assert "every detector learned from recordings of this very person" in reading.error
        else:
            assert isinstance(reading, Reading)


def test_a_model_that_lacks_a_part_raises_only_after_all_else_is_measured(bench: Bench) -> None:
    def lacks(clone: Tensor) -> Tensor:
        raise PartAbsent("speaker.safetensors", "is not there", "lend it")

    items = [item for item in uncoded(bench.items()) if item.labels["speaker"] == "anna"]
    tools = Tools(PARAMS, torch.device("cpu"), {"passive_detector": bench.weights}, lambda data, ending: "x.flac")
    found = []
    with pytest.raises(PartAbsent):
        found.extend(bench.harness.measure(Higher(lacks), items, tools))
    # `extend` keeps what came before it was raised
    assert {reading.item for reading in found} == {
        item.number for item in items if item.labels.get("route") != "subject"
    }


@pytest.fixture(scope="module")
def shipped() -> tuple[Any, Any]:
    """The harness and the card, with the shipped list."""
    root = Path(__file__).parents[2]
    harness: Any = import_file(root / "evals" / "voice_authentication" / "harness.py")
    return harness, GateRepository(root).read_eval("voice_authentication").card


@pytest.mark.parametrize("dimension", ["route", "codec"])
def test_no_sound_is_twice_in_what_is_judged_together(shipped: tuple[Any, Any], dimension: str) -> None:
    harness, card = shipped
    cells: dict[tuple[tuple[str, ...], str, str], list[Any]] = {}
    for item in harness.items(card.params, np.random.default_rng(3)):
        if dimension in item.labels:
            cells.setdefault((item.metrics, item.labels[dimension], item.labels["speaker"]), []).append(sound_of(item))
    assert {len(sounds) for (metrics, *_), sounds in cells.items() if metrics == ("tpr",)} == {64}
    assert {len(sounds) for (metrics, *_), sounds in cells.items() if metrics == ("fpr",)} <= {64}
    for sounds in cells.values():
        assert len(set(sounds)) == len(sounds)


def test_the_codecs_of_a_route_are_dealt_in_turn(shipped: tuple[Any, Any]) -> None:
    harness, card = shipped
    made = [item.labels for item in harness.items(card.params, np.random.default_rng(3)) if "route" in item.labels]
    assert set(Counter((m["route"], m["speaker"], m["codec"]) for m in made).values()) == {10, 11}


def test_what_an_item_is_named_and_measured_for_does_not_depend_on_the_draw(shipped: tuple[Any, Any]) -> None:
    harness, card = shipped
    for role in ("items", "rehearsal", "calibration"):
        one, other = (getattr(harness, role)(card.params, np.random.default_rng(seed)) for seed in (1, 2))
        assert [(item.metrics, item.labels) for item in one] == [(item.metrics, item.labels) for item in other]
        assert [sound_of(item) for item in one] != [sound_of(item) for item in other]


def test_the_card_plans_as_many_items_as_the_shipped_list_gives(shipped: tuple[Any, Any]) -> None:
    harness, card = shipped
    for role, count in (
        ("items", card.items.n),
        ("rehearsal", card.items.rehearsal),
        ("calibration", card.items.calibration),
    ):
        assert len(getattr(harness, role)(card.params, np.random.default_rng(0))) == count
