"""What every attack by signal processing promises, whatever it does."""

from __future__ import annotations

import pytest
import torch

from releasegate.attacks import FAMILIES, Given, find_attack
from releasegate.errors import UsageError
from tests.audio_attacks.signals import RATE, attacked, lag, rms_decibels
from tests.voices import voices

STRENGTHS = {
    "highpass": (50, 1500, 3500),
    "lowpass": (500, 4000),
    "bandpass": (100, 300, 1000),
    "equalise": (6, 12),
    "smooth": (3, 8, 22),
    "median": (3, 7),
    "white_noise": (0, 20, 40),
    "pink_noise": (0, 20),
    "music": (0, 20),
    "gain": (-20, 20),
    "polarity": (0,),
    "compress": (4, 20),
    "limit": (-20, -12),
    "clip": (0.1, 0.5),
    "resample": (8000, 11025, 44100),
    "requantise": (2, 8),
    "shift": (10, 500),
    "crop": (10, 500),
    "pad": (10, 500),
    "dropout": (20, 100),
    "echo": (20, 250),
    "reverb": (100, 800),
}
CASES = [(name, float(strength)) for name, strengths in STRENGTHS.items() for strength in strengths]
NEEDS_LENGTH = ("crop", "dropout")


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    return voices(4, 1.5)


def test_every_attack_of_these_families_is_tried():
    families = ("filtering", "adding", "levelling", "sampling", "cutting", "reflecting")
    assert list(STRENGTHS)
    assert set(STRENGTHS) == {name for family in families for name in FAMILIES[family]}
    for family in families:
        for name in FAMILIES[family]:
            assert (find_attack(name).name, find_attack(name).family) == (name, family)


def test_strengths_in_use_lie_inside_the_domain_and_nonsense_outside():
    for name, strengths in STRENGTHS.items():
        low, high = find_attack(name).domain
        assert low <= min(strengths)
        assert max(strengths) <= high
    for name, nonsense in [
        ("highpass", 0),
        ("lowpass", -1),
        ("clip", 0),
        ("requantise", 1),
        ("compress", 0.5),
        ("pad", 0),
    ]:
        assert find_attack(name).domain[0] > nonsense


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_what_comes_out_is_audio_and_what_went_in_is_left_alone(speech, name, strength):
    before = speech.clone()
    out = attacked(name, strength, speech)
    assert torch.equal(speech, before)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    assert out.abs().max() <= 1
    assert (rms_decibels(out) > rms_decibels(speech) - 40).all()
    assert out.shape != speech.shape or not torch.allclose(out, speech, atol=1e-4)


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_a_clip_comes_out_the_same_in_any_batch_and_order(speech, name, strength):
    seeds = [11, 2**62 + 5, 7, 11]
    together = attacked(name, strength, speech, seeds=seeds)
    backwards = attacked(name, strength, speech.flip(0), seeds=seeds[::-1]).flip(0)
    alone = torch.cat([attacked(name, strength, speech[i : i + 1], seeds=seeds[i : i + 1]) for i in range(4)])
    assert (together - alone).abs().max() < 1e-5
    assert (together - backwards).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "strength"),
    [c for c in CASES if c[0] in ("equalise", "white_noise", "pink_noise", "music", "dropout", "reverb")],
)
def test_chance_comes_from_the_seed_of_the_clip(speech, name, strength):
    same = speech[:1].expand(3, -1)
    out = attacked(name, strength, same, seeds=[5, 6, 5])
    assert torch.equal(out[0], out[2])
    assert (out[0] - out[1]).abs().max() > 1e-3


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_an_aligned_attack_leaves_each_sample_in_its_place(speech, name, strength):
    out = attacked(name, strength, speech)
    lags = [lag(given, got) for given, got in zip(speech, out, strict=True)]
    if find_attack(name).aligned:
        assert out.shape[1] >= speech.shape[1]
        assert lags == [0] * 4
    else:
        assert lags == [round(strength * RATE / 1000) * (1 if name == "shift" else -1)] * 4


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_silence_stays_silent(name, strength):
    out = attacked(name, strength, torch.zeros(2, RATE))
    assert torch.isfinite(out).all()
    assert out.abs().max() < 1e-6


@pytest.mark.parametrize("samples", [1, 2, 1600])
@pytest.mark.parametrize(("name", "strength"), CASES)
def test_short_clips_are_attacked_too_or_refused(speech, name, strength, samples):
    clip = speech[:, 8000 : 8000 + samples]
    try:
        out = attacked(name, strength, clip)
    except UsageError:
        assert name in NEEDS_LENGTH
        assert strength * RATE / 1000 > samples / 6
    else:
        assert torch.isfinite(out).all()
        assert out.abs().max() <= 1
        assert out.shape[1] >= (0.1 * samples if name == "crop" else samples)
        assert samples < 1600 or (rms_decibels(out) > rms_decibels(clip) - 30).all()


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_clips_at_full_scale_stay_within_it(name, strength):
    generator = torch.Generator().manual_seed(3)
    square = torch.sign(torch.randn(2, RATE, generator=generator))
    square[1] = torch.sign(torch.sin(torch.arange(RATE) * 0.05 + 1e-3))
    out = attacked(name, strength, square)
    assert torch.isfinite(out).all()
    assert out.abs().max() <= 1
    assert (rms_decibels(out) > -40).all()


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize(("name", "strength"), CASES)
def test_clips_at_other_rates_are_attacked_too(name, strength, rate):
    clips = voices(1, 0.8, rate)
    out = attacked(name, strength, clips, rate)
    assert torch.isfinite(out).all()
    assert rms_decibels(out) > rms_decibels(clips) - 40
    # A wide moving average turns bands upside down, which correlation takes for a lag; its impulse response is tested.
    if find_attack(name).aligned and name != "smooth":
        assert abs(lag(clips[0], out[0])) <= rate // 20000  # at 44.1 kHz a median shows a broad peak


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", [name for name in STRENGTHS if name not in NEEDS_LENGTH])
def test_no_strength_of_the_domain_silences_speech(speech, name, end):
    out = attacked(name, find_attack(name).domain[end], speech[:2])
    assert torch.isfinite(out).all()
    assert (rms_decibels(out) > rms_decibels(speech[:2]) - 45).all()


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_it_computes_on_the_device_of_the_audio(name, strength):
    """On `meta` nothing is computed, but whatever is made on another device cannot be combined with it."""
    out = attacked(name, strength, torch.zeros(2, RATE, device="meta"))
    assert out.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("name", "strength"), CASES)
def test_a_gpu_gives_what_a_cpu_gives(speech, name, strength):
    attack = find_attack(name)
    on_gpu = attack.apply(Given(speech.cuda(), RATE, range(4)), strength)
    assert on_gpu.is_cuda
    assert (on_gpu.cpu() - attack.apply(Given(speech, RATE, range(4)), strength)).abs().max() < 1e-3
