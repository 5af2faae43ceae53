"""The pool of voices: who stands in which split, what its list must hold, and prompts of a given length."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
import torch

from evals import recording_list, speech, voices
from evals.recordings import LEVEL, RATE
from evals.voices import Split, clips
from releasegate.errors import DocumentError, NotFound

ROOT = Path(__file__).parents[2]
EVERY = [voice for split in get_args(Split) for voice in clips(split)]
MEASURED = {"june_fr", "ivr_ru", "carlo_it", "novy_cs", "fillets_cs_v"}
SEEN = {"june_fr", "ivr_ru", "fillets_cs_v"}


def there() -> bool:
    try:
        return bool(voices.find(clips("prompt")[0]))
    except NotFound:
        return False


needs_recordings = pytest.mark.skipif(not there(), reason="no recordings here: make speech")


def speakers(split: Split) -> set[str]:
    return {voice.speaker for voice in clips(split)}


def test_those_who_are_measured_have_what_evals_need_and_two_were_never_learned_from() -> None:
    for split, least in (("enrolment", 12), ("prompt", 40), ("rehearsal", 12), ("real", 64), ("calibration", 40)):
        assert set(voices.by_speaker(split, 12)) >= MEASURED
        counts = Counter(voice.speaker for voice in clips(split))
        assert all(counts[speaker] == least for speaker in MEASURED), split
    assert MEASURED & speakers("training") == SEEN
    assert speakers("adaptation") == {"carlo_it"}
    assert speakers("source") == speakers("source_rehearsal") == {"allison_en"}


def test_no_recording_stands_in_two_splits() -> None:
    assert max(Counter(voice.sha256 for voice in EVERY).values()) == 1
    assert max(Counter((voice.package, voice.path) for voice in EVERY).values()) == 1


def test_what_is_listed_is_fetched_and_its_licence_told() -> None:
    fetched = {clip.package for split in get_args(speech.Split) for clip in speech.clips(split)}
    told = (ROOT / "evals" / "voices.md").read_text()
    for package in {voice.package for voice in EVERY}:
        assert package in fetched
        assert package in told or package.replace("asterisk-core-sounds", "") in told
    for speaker in {voice.speaker for voice in EVERY}:
        assert speaker in told
    for split in get_args(Split):
        assert f"| {split} |" in told
    assert f"names {len(EVERY):,} recordings" in told


@pytest.mark.parametrize("text", ["", "...", "[beep]"])
def test_a_source_without_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    listed = tmp_path / "voices.csv"
    rows = [
        f"somebody,en,source,p,a.wav,{'0a' * 32},studio,Press one.",
        f"somebody,en,source,p,b.wav,{'0b' * 32},studio,{text}",
        f"somebody,en,real,p,c.wav,{'0c' * 32},studio,",
    ]
    listed.write_text("\n".join([",".join(voices.Voice.__dataclass_fields__), *rows]) + "\n")
    monkeypatch.setattr(voices, "LIST", listed)
    recording_list._listed.cache_clear()
    for read in (lambda: clips("source"), lambda: voices.by_speaker("source", 1)):
        with pytest.raises(DocumentError) as caught:
            read()
        (problem,) = caught.value.problems
        assert problem.where == "voices.csv"
        assert problem.what == "b.wav is a source and has no text"
        assert problem.fix == "write down what is said in it, word for word"
    assert [voice.path for voice in clips("real")] == ["c.wav"]


@needs_recordings
@pytest.mark.parametrize("seconds", [1.0, 2.0, 10.0])
def test_a_prompt_is_as_long_as_is_asked_and_begins_with_the_first_recording(seconds: float) -> None:
    chosen = clips("prompt", "june_fr")[:8]
    made = voices.prompt(chosen, seconds)
    assert made.shape == (round(seconds * RATE),)
    assert float(made.abs().max()) <= 0.99 + 1e-6
    assert float(made.square().mean().sqrt()) <= LEVEL * 1.001
    first = voices.read(chosen[0])[: RATE // 2]
    assert float(torch.corrcoef(torch.stack([made[: RATE // 2], first]))[0, 1]) > 0.999


@needs_recordings
def test_a_prompt_longer_than_what_there_is_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 60 s together"):
        voices.prompt(clips("prompt", "june_fr")[:2], 60.0)


@needs_recordings
def test_what_is_read_may_be_written_to() -> None:
    voice = clips("prompt", "june_fr")[0]
    voices.read(voice).zero_()
    assert float(voices.read(voice).abs().max()) > 0
