"""The passive detector: what it promises of a score, what it refuses, and from whom it learned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

pytest.importorskip("pyworld")

from evals.recordings import at_level
from evals.voice_authentication import training_sounds
from evals.voice_authentication.detector import WINDOW, Detector, pictures, score, windows_of
from evals.voice_authentication.train_detector import heard_without, train
from evals.voice_authentication.training_sounds import Sound, measured
from evals.voice_routes import ROUTES, Asked, cloned
from evals.voices import clips, read
from evals.world_frames import analysed
from releasegate.errors import NotFound, NotScorable
from tests.voices import voice

FOLDER = Path(training_sounds.__file__).parent
WEIGHTS = sorted(FOLDER.glob("*.safetensors"))
LOUD = voice(3.0, 0)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.read(WEIGHTS[0])


def test_the_weights_are_small_enough_to_lie_in_the_repository() -> None:
    assert 0 < sum(file.stat().st_size for file in WEIGHTS) < 8_000_000


def test_level_and_polarity_change_nothing(detector: Detector) -> None:
    logit = detector.logit(LOUD)
    for gain in (-1.0, 1e-3, 1.9):
        assert detector.logit(LOUD * gain) == pytest.approx(logit, abs=1e-2)


def test_an_answer_is_the_same_whatever_was_asked_before(detector: Detector) -> None:
    alone = detector.logit(LOUD)
    detector.logit(voice(2.5, 9))
    assert detector.logit(LOUD) == alone


def test_a_score_says_how_far_a_clip_lies_beyond_what_the_person_is_known_by() -> None:
    assert score([0.0]) == score([-1.0, 1.0]) == 0.5
    assert score([1.0, 2.0]) == score([1.5]) > score([1.4])
    assert [score([far]) for far in (-1e9, 1e9)] == [0, 1]


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
        detector.logit(audio)


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
    again = Detector.read(file)
    assert again.logit(LOUD) == detector.logit(LOUD)
    assert again.heard == detector.heard


def test_weights_that_do_not_say_whom_they_heard_are_not_read(tmp_path: Path, detector: Detector) -> None:
    save_file(detector.state_dict(), tmp_path / "mute.safetensors")
    with pytest.raises(KeyError, match="heard"):
        Detector.read(tmp_path / "mute.safetensors")


def test_each_person_who_is_measured_has_a_detector_that_never_heard_them() -> None:
    people = {voice.speaker for voice in clips("real")}
    heard = [Detector.read(file).heard for file in WEIGHTS]
    assert len(people) == 5
    for person in people:
        assert any(person not in one for one in heard)
    assert [file.name for file in WEIGHTS] == [f"without_{person}.safetensors" for person in measured()]
    assert all(len(one) >= 6 for one in heard)
    assert all(person not in one for person, one in zip(measured(), heard, strict=True))


def test_what_anything_of_a_person_went_into_is_left_out_for_that_person() -> None:
    sounds = [
        Sound(torch.zeros(0, dtype=torch.int16), True, "world_moments", "a", frozenset({"a", "b"})),
        Sound(torch.zeros(0, dtype=torch.int16), False, "recorded", "c", frozenset({"c"})),
    ]
    assert heard_without("b", sounds) == sounds[1:]
    assert heard_without("d", sounds) == sounds


def test_the_route_kept_apart_is_not_among_what_it_learns_from() -> None:
    own, other = (analysed(at_level(voice(1.5, seed))) for seed in (0, 3))
    rng = np.random.default_rng(0)
    heard = [sound for _ in range(4) for sound in training_sounds._of_one(own, [other], "a", "b", rng)]
    routes = Counter(sound.route for sound in heard)
    learned = {name for name, route in ROUTES.items() if route.learned}
    assert set(routes) == learned | {"recorded", "smoothed"}
    assert all(sound.made == (sound.route != "recorded") for sound in heard)
    for sound in heard:
        assert sound.speaker in sound.heard
        assert sound.heard == ({"a", "b"} if sound.route in ("world_moments", "world_affine") else {"a"})


def test_it_learns_to_tell_two_kinds_of_sound_apart() -> None:
    def sound(seed: int, *, made: bool) -> Sound:
        audio = voice(2.0, seed)
        if made:
            audio = torch.cat([audio[:80], audio[:-80]]) + audio  # a comb
        return Sound(
            (at_level(audio) * 32767).to(torch.int16), made, "comb" if made else "recorded", str(seed), frozenset()
        )

    heard = [sound(seed, made=made) for seed in range(6) for made in (False, True)]
    learned = train(heard, np.random.default_rng(0), cycles=(12,))
    fresh = {made: [learned.logit(sound(seed, made=made).audio / 32767) for seed in (7, 8)] for made in (False, True)}
    assert min(fresh[True]) > max(fresh[False])


@pytest.mark.parametrize("person", ["june_fr", "fillets_cs_v"])
def test_words_of_a_person_made_anew_from_mel_spectra_lie_beyond_every_recording_of_theirs(person: str) -> None:
    try:
        recordings = [read(voice) for voice in clips("rehearsal", person)[:5]]
    except NotFound:
        pytest.skip("the recordings are not here: make speech")
    judges = [one for one in map(Detector.read, WEIGHTS) if person not in one.heard]
    anew = [cloned(ROUTES["mel_anew"], Asked(analysed(one), (), 1)) for one in recordings]
    for judge in judges:
        assert min(map(judge.logit, anew)) > max(map(judge.logit, recordings))
