"""Echoes come when they should, and rooms die away as fast as they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.audio_attacks.signals import RATE, attacked, decibels, impulse, rms_decibels
from tests.voices import voice, voices


@pytest.mark.parametrize(("milliseconds", "samples"), [(1, 16), (50, 800), (250, 4000)])
def test_an_echo_comes_after_its_delay_at_minus_6_decibels(milliseconds, samples):
    out = attacked("echo", milliseconds, impulse(1.0, at=0.1))[0]
    assert torch.nonzero(out)[:, 0].tolist() == [1600, 1600 + samples]
    assert 20 * np.log10(float(out[1600 + samples] / out[1600])) == pytest.approx(-6, abs=0.01)


def test_an_echo_that_overloads_turns_the_clip_down_without_clipping():
    given = torch.ones(1, 1000)
    out = attacked("echo", 10, given)[0]
    assert out.max() == pytest.approx(1)
    assert 20 * np.log10(float(out[500] / out[0])) == pytest.approx(20 * np.log10(1 + 10**-0.3), abs=0.01)


def test_an_echo_of_a_clip_shorter_than_its_delay_changes_nothing():
    given = voices(1, 0.1)
    assert torch.equal(attacked("echo", 200, given), given)


@pytest.mark.parametrize("reverberation", [200, 500, 1000])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_room_dies_away_by_60_decibels_in_its_time(reverberation, seed):
    """By backward integration (M. R. Schroeder, 1965), fitted from -5 to -25 dB and extrapolated, as ISO 3382 does."""
    out = attacked("reverb", reverberation, impulse(2.0, at=0), seeds=[seed])[0].double()
    late = out[40:]
    left = decibels(late.flip(0).square().cumsum(0).flip(0))
    left = left - left[0]
    fitted = (left < -5) & (left > -25)
    slope = np.polyfit(np.nonzero(fitted.numpy())[0] / RATE, left[fitted].numpy(), 1)[0]
    assert -60 / slope * 1000 == pytest.approx(reverberation, rel=0.1)


@pytest.mark.parametrize("reverberation", [50, 500])
def test_the_direct_sound_comes_first_and_is_as_strong_as_the_room(reverberation):
    out = attacked("reverb", reverberation, impulse(1.0, at=0.25))[0]
    assert decibels(out[:3999].abs().max().square()) < -120
    assert out.argmax() == 4000
    assert decibels(out[4001:4031].abs().max().square()) < -120
    direct, room = out[4000].square(), out[4032:].square().sum()
    assert decibels(direct / room) == pytest.approx(0, abs=0.1)
    assert direct + room == pytest.approx(0.25, rel=0.01)


def test_reverberation_is_that_of_numpys_convolution():
    given = voice(0.3, 0)[None] / 4
    heard = attacked("reverb", 80, impulse(0.3, at=0), seeds=[4])[0].double().numpy() / 0.5
    expected = np.convolve(given[0].double().numpy(), heard)[: given.shape[1]]
    assert attacked("reverb", 80, given, seeds=[4])[0].numpy() == pytest.approx(expected, abs=1e-5)


def test_reverberation_keeps_length_and_level_and_fills_pauses():
    given = voices(3, 1.5)
    out = attacked("reverb", 500, given)
    assert out.shape == given.shape
    assert (rms_decibels(out) - rms_decibels(given)).tolist() == pytest.approx([0] * 3, abs=2)
    quiet = given.unfold(1, 400, 400).square().mean(2) < 1e-6
    assert out.unfold(1, 400, 400).square().mean(2)[quiet].median() > 1e-5


def test_no_sound_comes_back_from_the_end_of_a_clip_to_its_start():
    out = attacked("reverb", 1000, impulse(1.0, at=0.99))[0]
    assert out[:15000].abs().max() < 1e-6
