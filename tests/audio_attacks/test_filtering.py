"""The filters pass and stop what their names say, measured on impulses and tones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import butter, freqs, medfilt

from releasegate.attacks import Given, find_attack
from releasegate.errors import UsageError
from tests.audio_attacks.signals import RATE, attacked, decibels, impulse, response, rms_decibels, tone
from tests.voices import voice


def gain_at(name: str, strength: float, frequency: float) -> float:
    """The gain in dB of a steady tone, away from the ends of the clip."""
    given = tone(frequency, 2.0)
    middle = slice(RATE // 2, -RATE // 2)
    return float(rms_decibels(attacked(name, strength, given)[:, middle]) - rms_decibels(given[:, middle]))


@pytest.mark.parametrize("cut", [300, 1500, 3500])
@pytest.mark.parametrize(("name", "kind"), [("highpass", "highpass"), ("lowpass", "lowpass")])
def test_the_magnitude_is_scipys_butterworth_of_fourth_order(name, kind, cut):
    frequencies, gains = response(name, cut)
    _, expected = freqs(*butter(4, 2 * np.pi * cut, kind, analog=True), worN=2 * np.pi * frequencies.numpy())
    expected = 20 * np.log10(np.abs(expected) + 1e-12)
    heard = expected > -80
    assert gains.numpy()[heard] == pytest.approx(expected[heard], abs=0.05)
    assert (gains.numpy()[~heard] < -79).all()


@pytest.mark.parametrize("cut", [50, 1500, 3000])
def test_a_highpass_takes_3_db_at_the_cut_off_and_24_an_octave_below(cut):
    assert gain_at("highpass", cut, cut) == pytest.approx(-3.01, abs=0.05)
    assert gain_at("highpass", cut, cut / 2) == pytest.approx(-24.1, abs=0.2)
    assert gain_at("highpass", cut, cut / 4) == pytest.approx(-48.2, abs=0.5)
    assert gain_at("highpass", cut, 2.2 * cut) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("cut", [500, 1500])
def test_a_lowpass_takes_3_db_at_the_cut_off_and_24_an_octave_above(cut):
    assert gain_at("lowpass", cut, cut) == pytest.approx(-3.01, abs=0.05)
    assert gain_at("lowpass", cut, 2 * cut) == pytest.approx(-24.1, abs=0.2)
    assert gain_at("lowpass", cut, 4 * cut) == pytest.approx(-48.2, abs=0.5)
    assert gain_at("lowpass", cut, cut / 2.2) == pytest.approx(0, abs=0.05)


def test_a_bandpass_passes_from_its_edge_to_that_of_the_telephone():
    assert gain_at("bandpass", 300, 300) == pytest.approx(-3.01, abs=0.05)
    assert gain_at("bandpass", 300, 3400) == pytest.approx(-3.01, abs=0.05)
    assert gain_at("bandpass", 300, 1000) == pytest.approx(0, abs=0.05)
    assert gain_at("bandpass", 300, 75) == pytest.approx(-48.2, abs=0.5)
    assert gain_at("bandpass", 300, 6800) == pytest.approx(-24.1, abs=0.2)


@pytest.mark.parametrize(
    ("name", "strength"),
    [("highpass", 20), ("highpass", 1500), ("lowpass", 200), ("bandpass", 300), ("equalise", 12), ("smooth", 40)],
)
def test_a_filter_answers_an_impulse_alike_before_and_after(name, strength):
    out = attacked(name, strength, impulse(1.0625))[0]
    place = int(0.5 * 17000)
    assert out[place - 4000 : place] == pytest.approx(out[place + 1 : place + 4001].flip(0), abs=1e-6)


@pytest.mark.parametrize(("name", "strength"), [("highpass", 20), ("lowpass", 200), ("bandpass", 20), ("equalise", 24)])
def test_the_end_of_a_clip_does_not_wrap_into_its_start(name, strength):
    out = attacked(name, strength, impulse(1.0, at=0.999))[0]
    assert decibels(out[:4000].abs().max().square() / out.abs().max().square()) < -60
    assert out[-800:].abs().max() > 1e-3


def test_the_equaliser_raises_or_cuts_each_octave_by_its_strength():
    signs = set()
    for seed in range(4):
        frequencies, gains = response("equalise", 9, seed)
        centres = [float(gains[(frequencies - 125 * 2**k).abs().argmin()]) for k in range(6)]
        assert [abs(gain) for gain in centres] == pytest.approx([9] * 6, abs=0.1)
        assert gains[(frequencies > 40)].abs().max() < 9.1
        signs.add(tuple(gain > 0 for gain in centres))
    assert len(signs) == 4


def test_the_equaliser_turns_a_clip_down_rather_than_clipping_it():
    loud = 2 * voice(1.0, 1)[None]
    quiet = loud / 64
    raised, same = attacked("equalise", 24, loud), attacked("equalise", 24, quiet)
    assert raised.abs().max() == pytest.approx(1, abs=1e-6)
    assert raised / raised.abs().max() == pytest.approx(same / same.abs().max(), abs=1e-5)


@pytest.mark.parametrize("window", [3, 7])
def test_smoothing_is_the_mean_of_the_samples_around_each(window):
    audio = voice(0.05, 2)[None]
    samples, half = audio[0].tolist(), window // 2
    around = [samples[max(i - half, 0) : i + half + 1] for i in range(len(samples))]
    assert attacked("smooth", window, audio)[0].tolist() == pytest.approx([sum(s) / len(s) for s in around], abs=1e-6)


@pytest.mark.parametrize("window", [8, 10, 16])
def test_smoothing_stops_the_tone_of_which_one_period_fills_the_window(window):
    assert gain_at("smooth", window, RATE / window) < -60
    assert gain_at("smooth", window, RATE / window / 2) == pytest.approx(20 * np.log10(2 / np.pi), abs=0.3)


@pytest.mark.parametrize("window", [3, 7, 31])
def test_the_median_is_scipys_and_takes_clicks_out(window):
    audio = voice(0.2, 2)[None]
    clicked = audio.clone()
    clicked[0, 100:3000:100] = 0.9
    out = attacked("median", window, clicked)
    inside = slice(window, -window)
    assert out[0, inside].numpy() == pytest.approx(medfilt(clicked[0].double().numpy(), window)[inside], abs=1e-7)
    assert out.max() < 0.6


def test_the_median_of_many_clips_in_groups_is_that_of_each(monkeypatch):
    audio = torch.stack([voice(0.1, seed) for seed in range(5)])
    whole = attacked("median", 5, audio)
    monkeypatch.setattr("releasegate.attacks.filtering.MOST_WINDOWED", 2 * audio.shape[1] * 5)
    assert torch.equal(attacked("median", 5, audio), whole)


@pytest.mark.parametrize(
    ("name", "strength", "rate", "fix"),
    [
        ("median", 4, RATE, "give an odd whole number"),
        ("median", 3.5, RATE, "give an odd whole number"),
        ("smooth", 3.5, RATE, "give a whole number"),
        ("highpass", 4000, 8000, "give a strength of at most 3600 Hz, or clips at a higher rate"),
        ("bandpass", 2500, 4000, "give a strength of at most 1800 Hz, or clips at a higher rate"),
    ],
)
def test_a_strength_that_these_clips_cannot_have_is_refused_with_its_remedy(name, strength, rate, fix):
    with pytest.raises(UsageError) as refused:
        find_attack(name).apply(Given(torch.zeros(1, 4000), rate, [0]), strength)
    problem = refused.value.problems[0]
    assert (problem.where, problem.fix) == (f"attack {name}", fix)
