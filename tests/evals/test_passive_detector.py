"""The passive detector: what it promises of a score, what it refuses, and from whom it learned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("pyworld")

from evals.recordings import at_level
from evals.voice_authentication import training_sounds
from evals.voice_authentication.detector import WINDOW, Detector, pictures, windows_of
from evals.voice_authentication.train_detector import train
from evals.voice_authentication.training_sounds import CODECS, Sound, teachers
from evals.voice_routes import ROUTES
from evals.voices import clips
from evals.world_frames import analysed
from releasegate.errors import NotScorable
from tests.voices import voice

WEIGHTS = Path(training_sounds.__file__).with_name("detector.safetensors")
LOUD = voice(3.0, 0)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.read(WEIGHTS)


def test_the_weights_are_small_enough_to_lie_in_the_repository() -> None:
    assert WEIGHTS.stat().st_size < 8_000_000


def test_level_and_polarity_change_nothing(detector: Detector) -> None:
    score = detector.score(LOUD)
    for gain in (-1.0, 1e-3, 1.9):
        assert detector.score(LOUD * gain) == pytest.approx(score, abs=2e-3)


def test_a_score_is_the_same_whatever_was_asked_before(detector: Detector) -> None:
    alone = detector.score(LOUD)
    detector.score(voice(2.5, 9))
    assert detector.score(LOUD) == alone
    assert 0 <= alone <= 1


def test_a_window_has_the_same_answer_in_any_company(detector: Detector) -> None:
    windows = windows_of(torch.cat([voice(4.0, seed) for seed in range(3)]))
    with torch.inference_mode():
        together = detector(pictures(windows))
        alone = torch.cat([detector(pictures(window[None])) for window in windows])
    assert torch.allclose(together, alone, atol=1e-4)


def test_silence_after_the_speech_is_not_listened_to(detector: Detector) -> None:
    padded = torch.cat([LOUD[:WINDOW], torch.zeros(4 * WINDOW)])
    assert len(windows_of(padded)) == 2  # that of speech, and the one that begins in it


@pytest.mark.parametrize(
    ("audio", "what"),
    [
        (torch.zeros(WINDOW), "is silent"),
        (torch.full((WINDOW,), torch.nan), "not numbers"),
        (torch.cat([LOUD, torch.tensor([torch.inf])]), "not numbers"),
        (LOUD[:7999], r"is 0\.50 s long"),
        (torch.zeros(0), "s long"),
        (LOUD[None], "no sound of one channel"),
        ((LOUD * 32767).to(torch.int16), "no sound of one channel"),
    ],
)
def test_what_is_no_clip_has_no_score(detector: Detector, audio: Tensor, what: str) -> None:
    with pytest.raises(NotScorable, match=what):
        detector.score(audio)


@pytest.mark.parametrize("samples", [8000, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 17])
def test_every_sample_of_a_clip_of_any_length_is_in_a_window(samples: int) -> None:
    audio = 0.1 + torch.arange(samples) / samples
    windows = windows_of(audio)
    assert windows.shape[1] == WINDOW
    assert set(audio.tolist()) <= set(windows.flatten().tolist())


def test_a_quiet_hum_of_one_pitch_has_pictures_that_are_numbers() -> None:
    hum = 1e-4 * torch.sin(torch.arange(WINDOW) * 0.05)
    assert bool(pictures(hum[None]).isfinite().all())


def test_weights_come_back_from_a_file_to_half_precision(tmp_path: Path, detector: Detector) -> None:
    file = tmp_path / "again.safetensors"
    detector.write(file)
    assert Detector.read(file).score(LOUD) == detector.score(LOUD)


def test_nobody_whom_a_gate_measures_taught_it() -> None:
    measured = {voice.speaker for voice in clips("real")}
    assert len(measured) == 5
    assert not measured & set(teachers())
    assert len(teachers()) >= 4


def test_neither_the_route_kept_apart_nor_amr_is_among_what_it_learns_from() -> None:
    own, other = (analysed(at_level(voice(1.5, seed))) for seed in (0, 3))
    rng = np.random.default_rng(0)
    heard = [sound for _ in range(4) for sound in training_sounds._of_one(own, [other], "a", "b", rng)]
    routes = Counter(sound.route for sound in heard)
    learned = {name for name, route in ROUTES.items() if route.learned}
    assert set(routes) == learned | {"recorded", "smoothed"}
    assert all(sound.made == (sound.route != "recorded") for sound in heard)
    assert "amr" not in {name for name, _ in CODECS}
    assert {sound.speaker for sound in heard if sound.route == "recorded"} == {"a"}


def test_it_learns_to_tell_two_kinds_of_sound_apart() -> None:
    def sound(seed: int, *, made: bool) -> Sound:
        audio = voice(2.0, seed)
        if made:
            audio = torch.cat([audio[:80], audio[:-80]]) + audio  # a comb
        return Sound((at_level(audio) * 32767).to(torch.int16), made, "comb" if made else "recorded", str(seed))

    heard = [sound(seed, made=made) for seed in range(6) for made in (False, True)]
    learned = train(heard, np.random.default_rng(0), steps=12)
    fresh = {made: [learned.score(sound(seed, made=made).audio / 32767) for seed in (7, 8)] for made in (False, True)}
    assert min(fresh[True]) > max(fresh[False])
