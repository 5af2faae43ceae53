from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional

from releasegate.attacks import FAMILIES, Given, find_attack
from releasegate.attacks.warping import ATTACKS, ratio
from releasegate.audio.packages import package
from releasegate.audio.stretching import stretch
from tests.measured_sound import lag, level_db, loudest_hz, tone
from tests.voices import voice, voices

RATE = 16000
NOT_AT_ALL = {"speed": 1.0, "stretch": 1.0, "pitch": 0.0}
SOME = {"speed": 1.1, "stretch": 0.9, "pitch": 1.0}
every = pytest.mark.parametrize("name", sorted(SOME))


def through(name, audio, strength, rate=RATE):
    return find_attack(name).apply(Given(audio, rate, tuple(range(len(audio)))), strength)


def middle(audio):
    return audio[len(audio) // 4 : -len(audio) // 4]


def buzz(hz, seconds):
    """float32 [t], harmonics of `hz` up to 5 kHz, each as much weaker as it is higher."""
    sound = sum(tone(k * hz, seconds, loudness=1 / k) for k in range(1, int(5000 / hz) + 1))
    return 0.5 * sound / sound.abs().max()


def rest_db(audio, hz):
    """dB of what is left of `audio` once the harmonics of `hz` are fitted and taken out of it."""
    turns = 2 * torch.pi * hz * torch.arange(len(audio), dtype=torch.float64)[:, None] / RATE
    harmonics = turns * torch.arange(1, int(7900 / hz) + 1)
    basis = torch.cat([harmonics.sin(), harmonics.cos()], 1)  # [t, 2k]
    fitted = basis @ torch.linalg.lstsq(basis, audio.double()[:, None]).solution
    return level_db(audio - fitted[:, 0], audio)


def test_the_family_is_the_one_that_is_listed():
    assert tuple(ATTACKS) == FAMILIES["warping"]
    assert {name: attack.aligned for name, attack in ATTACKS.items()} == {
        "speed": False,
        "stretch": False,
        "pitch": True,
    }


@every
def test_not_at_all_is_the_clip_itself(name):
    audio = voices(2, 1.0)
    assert torch.allclose(through(name, audio, NOT_AT_ALL[name]), audio, atol=1e-6)


@pytest.mark.parametrize("strength", [0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0])
def test_speed_divides_the_length_and_multiplies_the_frequency(strength):
    attacked = through("speed", tone(440, 1.5)[None], strength)[0]
    assert len(attacked) == pytest.approx(24000 / strength, abs=1)
    assert loudest_hz(middle(attacked)) == pytest.approx(440 * strength, rel=1e-4)
    assert rest_db(middle(attacked), 440 * float(ratio(strength))) < -50


@pytest.mark.parametrize("strength", [0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0])
def test_a_stretch_multiplies_the_length_and_keeps_pitch_and_loudness(strength):
    attacked = through("stretch", buzz(120, 1.5)[None], strength)[0]
    assert len(attacked) == pytest.approx(24000 * strength, abs=1)
    assert loudest_hz(middle(attacked)) == pytest.approx(120, rel=1e-4)
    assert rest_db(middle(attacked), 120) < -40
    rms = float(middle(attacked).square().mean().sqrt() / middle(buzz(120, 1.5)).square().mean().sqrt())
    assert rms == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("semitones", [-12, -4, -2, -1, -0.5, 0.5, 1, 2, 4, 12])
def test_pitch_is_shifted_by_semitones_and_the_length_is_kept(semitones):
    attacked = through("pitch", buzz(150, 1.5)[None], semitones)[0]
    assert len(attacked) == 24000
    higher = 2 ** (semitones / 12)
    assert loudest_hz(middle(attacked)) == pytest.approx(150 * higher, rel=1e-3)
    assert rest_db(middle(attacked), 150 * float(ratio(higher))) < -35


@pytest.mark.parametrize(
    ("name", "strength", "expected"), [("pitch", 2, 2 ** (2 / 12)), ("stretch", 1.25, 1), ("speed", 1.2, 1.2)]
)
def test_the_pitch_of_a_voice_goes_where_that_of_a_tone_goes(name, strength, expected):
    pytest.importorskip("pyworld")
    before, after = (median_pitch(clip) for clip in (voice(2.0, 5), through(name, voice(2.0, 5)[None], strength)[0]))
    assert after / before == pytest.approx(expected, rel=0.02)


def median_pitch(clip):
    f0, _ = package("pyworld").dio(clip.double().numpy(), RATE)
    return float(np.median(f0[f0 > 0]))


@pytest.mark.parametrize("semitones", [-4, -1, -0.5, 0.5, 1, 4])
def test_shifted_speech_keeps_its_place_in_time_to_five_milliseconds(semitones):
    audio = voices(3, 2.0)
    attacked = through("pitch", audio, semitones)
    for late, early in zip(loudness(attacked), loudness(audio), strict=True):
        assert abs(lag(late, early)) <= 80
    for late, early in zip(loudness(attacked[:, -16000:]), loudness(audio[:, -16000:]), strict=True):
        assert abs(lag(late, early)) <= 80


def loudness(audio):
    """float [n, t], the mean magnitude around each sample, less its own mean."""
    smooth = functional.avg_pool1d(audio.abs()[:, None], 321, 1, 160)[:, 0]
    return smooth - smooth.mean(1, keepdim=True)


@pytest.mark.parametrize(("name", "strength"), [("stretch", 0.8), ("stretch", 1.25), ("pitch", -2), ("pitch", 2)])
def test_speech_stays_as_loud_and_gets_no_clicks(name, strength):
    audio = voices(3, 2.0)
    for attacked, clip in zip(through(name, audio, strength), audio, strict=True):
        assert 10 * np.log10(float(attacked.square().mean() / clip.square().mean())) == pytest.approx(0, abs=0.5)
        assert float(attacked.diff().diff().abs().max()) < 1.6 * float(clip.diff().diff().abs().max())


@every
def test_a_clip_comes_out_the_same_alone_in_a_batch_and_in_any_order(name):
    audio = voices(4, 1.0)
    together = through(name, audio, SOME[name])
    assert torch.allclose(together.flip(0), through(name, audio.flip(0), SOME[name]), atol=1e-5)
    for row, clip in zip(together, audio, strict=True):
        assert torch.allclose(row, through(name, clip[None], SOME[name])[0], atol=1e-5)


@every
def test_silence_short_clips_and_full_scale_come_out_finite(name):
    low, high = find_attack(name).domain
    for strength in (low, SOME[name], high):
        assert float(through(name, torch.zeros(2, 2000), strength).abs().max()) == 0
        for clip in (torch.full((1, 1), 0.5), voice(0.1, 0)[None], torch.ones(1, 3200), tone(440, 0.2)[None].sign()):
            attacked = through(name, clip, strength)
            assert attacked.shape[1] >= 1
            assert attacked.dtype == torch.float32
            assert bool(torch.isfinite(attacked).all())
            assert 0.01 * float(clip.abs().max()) < float(attacked.abs().max()) <= 1


def test_clips_of_many_samples_are_stretched_in_parts_that_do_not_show(monkeypatch):
    audio = voices(3, 0.5)
    whole = stretch(audio, Fraction(6, 5), RATE)
    monkeypatch.setattr("releasegate.audio.stretching.AT_ONCE", 1)
    assert torch.allclose(stretch(audio, Fraction(6, 5), RATE), whole, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_stretch_is_the_same_at_any_sample_rate(rate):
    attacked = through("stretch", tone(440, 1.0, rate)[None], 1.2, rate)[0]
    assert len(attacked) == pytest.approx(1.2 * rate, abs=1)
    assert loudest_hz(middle(attacked), rate) == pytest.approx(440, rel=1e-4)


@every
def test_it_computes_on_the_device_of_the_audio(name):
    """On `meta` nothing is computed, but what is made on another device cannot be combined with it."""
    assert through(name, torch.zeros(2, 4000, device="meta"), SOME[name]).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@every
def test_a_gpu_computes_what_a_cpu_does(name):
    audio = voices(2, 1.0)
    on_gpu = through(name, audio.cuda(), SOME[name])
    assert on_gpu.device.type == "cuda"
    assert torch.allclose(on_gpu.cpu(), through(name, audio, SOME[name]), atol=1e-4)
