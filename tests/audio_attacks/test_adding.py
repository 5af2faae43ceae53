"""What is added has the level and the colour that it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.audio_attacks.signals import RATE, attacked, decibels, rms_decibels
from tests.voices import voices

ADDED = ("white_noise", "pink_noise", "music")


def added(name: str, seconds: float = 4.0, seed: int = 0) -> torch.Tensor:
    """float32 [t], what an attack adds at 30 dB to a clip of steady power."""
    given = torch.full((1, round(seconds * RATE)), 0.5)
    given[0, ::2] = -0.5
    return (attacked(name, 30, given, seeds=[seed]) - given)[0]


def octaves(audio: torch.Tensor) -> np.ndarray:
    """Power in dB of each octave from 62.5 Hz to 8 kHz."""
    spectrum = torch.fft.rfft(audio.double()).abs().square()
    frequencies = torch.fft.rfftfreq(len(audio), 1 / RATE)
    edges = [62.5 * 2**k for k in range(8)]
    within = [spectrum[(frequencies >= low) & (frequencies < 2 * low)].sum() for low in edges[:-1]]
    return np.array([float(decibels(power)) for power in within])


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize("ratio", [5, 10, 20, 40])
def test_the_ratio_is_kept_for_each_clip_of_a_batch(name, ratio):
    given = voices(4, 1.5) * torch.tensor([[1.0], [0.1], [0.03], [0.5]])
    noise = attacked(name, ratio, given) - given
    assert (rms_decibels(given) - rms_decibels(noise)).tolist() == pytest.approx([ratio] * 4, abs=0.05)


def test_white_noise_is_as_strong_at_any_frequency():
    assert np.diff(octaves(added("white_noise"))) == pytest.approx([3.01] * 6, abs=0.6)


def test_pink_noise_is_as_strong_in_any_octave():
    assert np.diff(octaves(added("pink_noise"))) == pytest.approx([0] * 6, abs=1.2)


def test_pink_noise_begins_at_20_hz():
    noise = added("pink_noise")
    spectrum = torch.fft.rfft(noise.double()).abs().square()
    frequencies = torch.fft.rfftfreq(len(noise), 1 / RATE)
    assert decibels(spectrum[frequencies < 19].sum() / spectrum.sum()) < -30


def test_music_is_tonal_where_noise_is_not():
    """Flatness: the geometric over the arithmetic mean of the power spectrum, here of a quarter of a second."""

    def flatness(audio: torch.Tensor) -> float:
        frames = audio.double().unfold(0, RATE // 4, RATE // 4) * torch.hann_window(RATE // 4, dtype=torch.float64)
        power = torch.fft.rfft(frames).abs().square() + 1e-15
        return float((power.log().mean(1).exp() / power.mean(1)).median())

    assert flatness(added("white_noise")) > 0.4
    assert flatness(added("music")) < 0.05


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_notes_of_music_are_those_of_the_equal_tempered_scale(seed):
    music = added("music", 8.0, seed)
    frames = music.double().unfold(0, 4096, 2048) * torch.hann_window(4096, dtype=torch.float64)
    power = torch.fft.rfft(frames, 32768).abs().square()
    band = slice(round(200 * 32768 / RATE), round(900 * 32768 / RATE))
    places = power[:, band].argmax(1) + band.start
    semitones = 12 * np.log2(places.numpy() * RATE / 32768 / 440)
    off = np.abs(semitones - semitones.round())
    assert np.median(off) < 0.15
    assert len(set(semitones.round())) >= 3


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_music_has_a_drum_on_every_other_beat_between_84_and_132_a_minute(seed):
    """The drum is what lies above 5 kHz, where no note reaches."""
    drum = attacked("highpass", 5000, added("music", 12.0, seed)[None])[0].double()
    loudness = drum.unfold(0, 160, 160).square().mean(1).sqrt()  # a hundred a second
    loudness = loudness - loudness.mean()
    similar = torch.fft.irfft(torch.fft.rfft(loudness, 4096).abs().square(), 4096)
    best = max(range(40, 220), key=lambda delay: float(similar[delay]))
    assert 2 * 60 / 132 - 0.02 < best / 100 < 2 * 60 / 84 + 0.02
    assert similar[best] > 0.6 * similar[0]


def test_two_seeds_play_two_pieces():
    first, second = added("music", 4.0, 1), added("music", 4.0, 2)
    assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 0.3
