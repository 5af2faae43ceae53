import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from releasegate.attacks import FAMILIES, Given, find_attack
from releasegate.attacks.regenerating import ATTACKS
from releasegate.audio.packages import package
from releasegate.errors import NotFound
from tests.measured_sound import lag, level_db, snr_db, tone
from tests.voices import voice, voices

pytest.importorskip("pyworld")

RATE = 16000
MIDDLE = {"world": 5.0, "griffin_lim": 8.0, "denoise": 12.0}
every = pytest.mark.parametrize("name", sorted(MIDDLE))


def through(name, audio, strength=None, rate=RATE, seeds=None):
    given = Given(audio, rate, tuple(range(len(audio))) if seeds is None else seeds)
    return find_attack(name).apply(given, MIDDLE[name] if strength is None else strength)


def loudness(audio):
    """float [n, t], the mean magnitude around each sample."""
    return functional.avg_pool1d(audio.abs()[:, None], 321, 1, 160)[:, 0]


def spectra(audio):
    """float64 [bins, f], magnitudes in frames of 50 ms."""
    window = torch.hann_window(800, dtype=torch.float64)
    return torch.stft(audio.double(), 800, 200, window=window, return_complex=True).abs()


def unlike_db(attacked, audio):
    """dB of the difference of the magnitudes over the magnitudes (spectral convergence): lower is nearer."""
    return float(20 * torch.log10((spectra(attacked) - spectra(audio)).norm() / spectra(audio).norm()))


def noisy(audio, snr):
    noise = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0))
    return audio + noise * (audio.norm() / noise.norm()) * 10 ** (-snr / 20)


def test_the_family_is_the_one_that_is_listed():
    assert tuple(ATTACKS) == FAMILIES["regenerating"]
    assert all(attack.family == "regenerating" and attack.aligned for attack in ATTACKS.values())


@every
def test_a_clip_comes_out_the_same_alone_in_a_batch_and_in_any_order(name):
    audio = voices(4, 0.8)
    seeds = (5, 6, 7, 8)
    together = through(name, audio, seeds=seeds)
    assert torch.allclose(together.flip(0), through(name, audio.flip(0), seeds=seeds[::-1]), atol=1e-5)
    for row, clip, seed in zip(together, audio, seeds, strict=True):
        assert torch.allclose(row, through(name, clip[None], seeds=(seed,))[0], atol=1e-5)


@every
def test_silence_short_clips_and_full_scale_come_out_finite_and_as_long(name):
    low, high = find_attack(name).domain
    for strength in (low, MIDDLE[name], min(high, 40)):
        assert float(through(name, torch.zeros(2, 2000), strength).abs().max()) < 1e-6
        for clip in (torch.full((1, 1), 0.5), voice(0.1, 0)[None], torch.ones(1, 3200), tone(440, 0.3)[None].sign()):
            attacked = through(name, clip, strength)
            assert attacked.shape == clip.shape
            assert attacked.dtype == torch.float32
            assert bool(torch.isfinite(attacked).all())
            assert float(attacked.abs().max()) <= 1


@pytest.mark.parametrize("rate", [8000, 24000, 44100])
@every
def test_speech_of_any_rate_keeps_its_length_loudness_and_place_in_time(name, rate):
    audio = voice(1.5, 1, rate)[None]
    attacked = through(name, audio, rate=rate)
    assert attacked.shape == audio.shape
    assert level_db(attacked[0], audio[0]) == pytest.approx(0, abs=3)
    late, early = (loudness(clip)[0] - loudness(clip).mean() for clip in (attacked, audio))
    assert abs(lag(late, early)) <= 0.008 * rate


@pytest.mark.parametrize(("name", "strength"), [("world", 5), ("world", 10), ("griffin_lim", 32)])
def test_a_voice_made_anew_sounds_alike_at_its_pitch_and_is_another_wave(name, strength):
    pyworld = package("pyworld")
    audio = voice(2.0, 5)
    attacked = through(name, audio[None], strength)[0]
    before, after = (pyworld.dio(clip.double().numpy(), RATE)[0] for clip in (audio, attacked))
    assert np.median(after[after > 0]) == pytest.approx(np.median(before[before > 0]), rel=0.02)
    assert unlike_db(attacked, audio) < -5
    assert snr_db(attacked, audio) < 1
    assert abs(lag(loudness(attacked[None])[0], loudness(audio[None])[0])) <= 0.008 * RATE


def test_world_loses_what_changes_faster_than_its_frames():
    clock = torch.arange(RATE) / RATE
    noise = 0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    beating = noise * (1 + 0.9 * torch.sin(2 * torch.pi * 45 * clock))

    def depth(audio):
        power = functional.avg_pool1d(audio.square()[None, None], 81, 1, 40)[0, 0]
        return float((power * torch.exp(-2j * torch.pi * 45 * clock)).mean().abs() / power.mean())

    often, seldom = (depth(through("world", beating[None], strength)[0]) for strength in (3, 30))
    assert often > 0.5 * depth(beating)
    assert seldom < 0.5 * often


def test_griffin_lim_comes_nearer_to_the_magnitudes_with_each_iteration_and_never_to_the_wave():
    audio = voice(1.0, 2)
    made = [through("griffin_lim", audio[None], strength)[0] for strength in (1, 8, 64)]
    first, middle, last = (unlike_db(attacked, audio) for attacked in made)
    assert first > middle + 3 > last + 6
    assert last < -15
    assert all(snr_db(attacked, audio) < 1 for attacked in made)
    assert level_db(made[-1], audio) == pytest.approx(0, abs=0.2)


def test_griffin_lim_starts_from_the_phases_of_each_seed():
    audio = voice(0.5, 0).repeat(2, 1)
    one, other = through("griffin_lim", audio, seeds=(1, 2))
    assert float((one - other).abs().max()) > 0.1
    assert torch.equal(through("griffin_lim", audio[:1], seeds=(2,))[0], other)


@pytest.mark.parametrize("reduction", [3, 6, 10, 20])
def test_denoising_turns_noise_down_by_its_strength_and_leaves_speech_alone(reduction):
    audio = voice(3.0, 0)
    hissing = noisy(audio, 10)
    attacked = through("denoise", hissing[None], reduction)[0]
    pauses = loudness(audio[None])[0] < 2e-3
    assert 0.1 < float(pauses.double().mean()) < 0.5
    assert level_db(attacked[pauses], hissing[pauses]) == pytest.approx(-reduction, abs=1)
    loud = loudness(audio[None])[0] > 0.05
    assert level_db(attacked[loud], audio[loud]) == pytest.approx(0, abs=0.5)
    assert snr_db(attacked, audio) > 11.5
    assert lag(attacked, audio) == 0


def test_denoising_takes_the_noise_from_frames_that_were_recorded():
    hissing = noisy(voice(3.0, 0), 10)
    padded = functional.pad(hissing, (8000, 8000))
    attacked = through("denoise", padded[None])[0, 8000:-8000]
    assert snr_db(attacked[2000:-2000], through("denoise", hissing[None])[0, 2000:-2000]) > 20


def test_a_missing_vocoder_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(NotFound, match="package pyworld: pyworld is not installed") as raised:
        through("world", voice(0.1, 0)[None])
    assert raised.value.problems[0].fix == "pip install 'releasegate[audio]'"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@every
def test_a_gpu_comes_as_near_to_the_magnitudes_as_a_cpu_does(name):
    audio = voices(2, 1.0)
    on_gpu = through(name, audio.cuda())
    assert on_gpu.device.type == "cuda"
    for one, other, clip in zip(on_gpu.cpu(), through(name, audio), audio, strict=True):
        assert unlike_db(one, clip) == pytest.approx(unlike_db(other, clip), abs=1)
