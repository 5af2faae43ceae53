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

from releasegate.errors import PartAbsent
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
CLIPS = {"prompt": 2, "real": 2, "rehearsal": 2, "calibration": 2, "enrolment": 2}
WORDS = {"source": 3, "source_rehearsal": 3}
PARAMS = {
    "clips": {"real": 2, "subject": 3, "routes": 1},
    "rehearsal_clips": {"real": 1, "subject": 1, "routes": 1},
    "calibrating": 2,
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
                text = "something" if split in WORDS else ""
                rows.writerow([speaker, "en", split, "voices", path.name, digest, "studio", text])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("authentication") / "gates"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELEASEGATE_SPEECH", str(root))
        yield Bench(root)


def uncoded(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.labels["codec"] == "none"]


def test_every_sound_goes_through_every_codec(bench: Bench) -> None:
    for role, of_person in (("items", 2 + 3 + 5), ("rehearsal", 1 + 1 + 5), ("calibration", 2)):
        made = bench.items(role)
        assert len(made) == len(PERSONS) * of_person * len(CODECS)
        assert set(Counter(item.labels["codec"] for item in made).items()) == {
            (codec, len(PERSONS) * of_person) for codec in CODECS
        }


def test_what_is_to_be_flagged_has_a_route_and_what_is_not_has_none(bench: Bench) -> None:
    for item in bench.items():
        assert item.metrics == (("tpr",) if "route" in item.labels else ("fpr",))
        assert item.labels["speaker"] in PERSONS


def test_no_recording_of_the_gate_is_heard_in_calibration_or_rehearsal_but_what_a_person_is_known_by(
    bench: Bench,
) -> None:
    def heard(role: str) -> set[str]:
        found = set()
        for item in bench.items(role):
            if "request" in item.content:
                found |= {item.content["request"].words.path, *(v.path for v in item.content["request"].prompts)}
            else:
                found.add((item.content.get("recording") or item.content["made"].said).path)
        return found

    gate, calibration, rehearsal = (heard(role) for role in ("items", "calibration", "rehearsal"))
    assert gate
    assert not gate & calibration
    assert not gate & rehearsal
    assert not calibration & rehearsal


def test_each_clip_has_a_score_and_the_first_of_each_kind_a_sound(bench: Bench) -> None:
    subject = Higher()
    items = bench.items()
    for item, reading in bench.measured(subject, uncoded(items)):
        assert isinstance(reading, Reading), reading
        assert 0 <= reading.values[item.metrics[0]] <= 1
        assert bool(reading.outputs) == item.content["keep"]
    assert subject.batches == [2, 1, 1] * 2  # two and one of a person, the first of each once more, alone
    assert set(bench.written) == {"flac"}


def test_a_clip_scores_the_same_alone_and_with_the_others(bench: Bench) -> None:
    subject = Higher()
    items = [item for item in bench.items() if item.labels["codec"] in ("none", "gsm")]
    together = {item.number: reading for item, reading in bench.measured(subject, items)}
    for item in items[::7]:
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


def test_the_card_plans_as_many_items_as_the_shipped_list_gives() -> None:
    root = Path(__file__).parents[2]
    harness: Any = import_file(root / "evals" / "voice_authentication" / "harness.py")
    card = GateRepository(root).read_eval("voice_authentication").card
    for role, count in (
        ("items", card.items.n),
        ("rehearsal", card.items.rehearsal),
        ("calibration", card.items.calibration),
    ):
        assert len(getattr(harness, role)(card.params, np.random.default_rng(0))) == count
