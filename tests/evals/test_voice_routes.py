"""Routes to a clone that need no model: each gives a whole sound, moves what it says it moves, and refuses what is no speech."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("pyworld")

from evals.mel_waves import from_mels, mel_bank
from evals.recordings import at_level
from evals.voice_routes import ROUTES, Asked, cloned
from evals.world_frames import Spoken, analysed, synthesised
from releasegate.errors import NotScorable
from tests.voices import voice

CONVERTING = [name for name, route in ROUTES.items() if not route.anew]


@lru_cache(maxsize=8)
def heard(seed: int, seconds: float = 1.5) -> Spoken:
    return analysed(at_level(voice(seconds, seed)))


@lru_cache(maxsize=8)
def clone(name: str, seed: int = 1) -> Tensor:
    return cloned(ROUTES[name], Asked(heard(0), (heard(3), heard(4)), seed))


@pytest.mark.parametrize("name", ROUTES)
def test_a_clone_is_as_long_as_what_was_said_and_fits_into_a_file(name: str) -> None:
    made = clone(name)
    assert made.shape == heard(0).audio.shape
    assert made.dtype == torch.float32
    assert bool(made.isfinite().all())
    assert 0.01 < float(made.abs().max()) <= 1
    assert not torch.allclose(made, heard(0).audio, atol=1e-3)


@pytest.mark.parametrize("name", ROUTES)
def test_the_same_request_gives_the_same_clone(name: str) -> None:
    assert torch.equal(clone(name), cloned(ROUTES[name], Asked(heard(0), (heard(3), heard(4)), 1)))


def test_phases_are_drawn_from_the_seed_alone() -> None:
    assert not torch.equal(clone("mel_anew", 1), clone("mel_anew", 2))


@pytest.mark.parametrize("name", CONVERTING)
def test_a_converted_voice_has_the_pitch_of_the_person(name: str) -> None:
    def pitch(spoken: Spoken) -> float:
        return float(np.median(spoken.frames.pitch[spoken.frames.voiced]))

    said, person = heard(0), heard(3, 3.0)
    assert abs(np.log2(pitch(person) / pitch(said))) > 0.15  # else there is nothing to show
    made = analysed(cloned(ROUTES[name], Asked(said, (person,), 1)))
    assert abs(np.log2(pitch(made) / pitch(person))) < 0.5 * abs(np.log2(pitch(said) / pitch(person)))


@pytest.mark.parametrize("name", CONVERTING)
def test_a_converted_voice_comes_nearer_to_the_timbre_of_the_person(name: str) -> None:
    def timbre(spoken: Spoken) -> np.ndarray:
        loud = spoken.frames.cepstra[:, 0] > spoken.frames.cepstra[:, 0].max() - 6
        return np.asarray(spoken.frames.cepstra[loud, 1:20].mean(0))

    dark = torch.cumsum(torch.randn(24000, generator=torch.Generator().manual_seed(0)), 0)  # falls by 6 dB an octave
    coloured = torch.from_numpy(np.convolve(voice(1.5, 3).numpy(), [0.5, 0.5, 0.5, 0.3, 0.2], "same")).float()
    person = analysed(at_level(coloured + 1e-7 * dark))
    made = analysed(cloned(ROUTES[name], Asked(heard(0), (person,), 1)))
    before, after = (np.linalg.norm(timbre(x) - timbre(person)) for x in (heard(0), made))
    assert after < 0.8 * before


def test_one_route_is_kept_from_the_detector_and_three_are_not() -> None:
    assert [name for name, route in ROUTES.items() if not route.learned] == ["residual_swap"]
    assert len(ROUTES) >= 4
    assert all(name == route.name for name, route in ROUTES.items())


@pytest.mark.parametrize(
    ("audio", "what"),
    [
        (torch.zeros(16000), "no voice sounds in it"),
        (torch.full((16000,), torch.nan), "not numbers"),
        (torch.zeros(0), "no voice sounds in it"),
        (1e-4 * torch.randn(8000, generator=torch.Generator().manual_seed(1)), "no voice sounds in it"),
    ],
)
def test_what_is_no_speech_is_not_taken_apart(audio: Tensor, what: str) -> None:
    with pytest.raises(NotScorable, match=what):
        analysed(audio)


@pytest.mark.parametrize("name", CONVERTING)
def test_a_person_of_whom_there_is_no_recording_is_not_cloned(name: str) -> None:
    with pytest.raises(NotScorable, match="no recording"):
        cloned(ROUTES[name], Asked(heard(0), (), 1))


@pytest.mark.parametrize("name", CONVERTING)
def test_a_person_heard_for_a_quarter_of_a_second_is_enough_to_make_a_sound(name: str) -> None:
    short = analysed(at_level(voice(1.5, 4)[4000:8000]))
    assert bool(cloned(ROUTES[name], Asked(heard(0), (short,), 1)).isfinite().all())


def test_frames_that_are_left_as_they_are_say_the_same() -> None:
    said = heard(0)
    again = analysed(synthesised(replace(said.frames), len(said.audio)))
    both = said.frames.voiced & again.frames.voiced
    assert np.median(np.abs(np.log2(again.frames.pitch[both] / said.frames.pitch[both]))) < 0.01


def test_every_bin_of_a_spectrum_but_the_ends_is_in_some_band() -> None:
    assert mel_bank().shape == (80, 513)
    assert bool((mel_bank().sum(0)[2:-2] > 0).all())


def test_mel_spectra_keep_the_loudness_over_time() -> None:
    audio = heard(0).audio
    made = from_mels(audio, 5)

    def loudness(x: Tensor) -> Tensor:
        return x[: len(x) // 800 * 800].reshape(-1, 800).square().mean(1).sqrt()

    together = torch.stack([loudness(audio), loudness(made)])
    assert float(torch.corrcoef(together)[0, 1]) > 0.95
