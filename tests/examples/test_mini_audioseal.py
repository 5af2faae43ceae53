"""The small AudioSeal in `examples/`: its checkpoint, its envelope, its attacks, and a few steps of its training."""

from __future__ import annotations

import importlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.examples.loading import on_the_path

os.environ.setdefault("NO_TORCH_COMPILE", "1")  # read when audioseal is imported, which importorskip does
for package in ("audioseal", "librosa", "soundfile", "av"):
    pytest.importorskip(package)

# torch's optimisers import its compiler, which uses what torch itself has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

EXAMPLE = Path(__file__).parents[2] / "examples" / "mini_audioseal"
CHECKPOINT = EXAMPLE / "checkpoint"
MODULES = ("augment", "codec", "crops", "envelope", "loss", "model", "speech", "train", "warp")
RATE = 16000


@pytest.fixture(scope="module", autouse=True)
def _example_on_the_path() -> Iterator[None]:
    """The example's modules by their own names, which other examples use too (`train`, `augment`)."""
    with on_the_path(EXAMPLE, MODULES):
        yield


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def voice(seconds: float, pitch: float, seed: int) -> np.ndarray:
    """Something like a voice: a buzz at a pitch that wavers, in syllables, with breath."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time))) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20))
    loud = 0.15 + np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1)
    return (0.05 * loud * (buzz + 0.2 * random.standard_normal(len(time)))).astype(np.float32)


def rms_by_definition(signal: np.ndarray, window: int) -> list[float]:
    ends = [signal[0]] * (window // 2) + list(signal) + [signal[-1]] * (window // 2)
    return [
        max(1e-5, math.sqrt(sum(v * v for v in ends[i : i + window]) / window)) for i in range(len(signal))
    ]  # the window of sample i begins window/2 before it


def test_the_local_rms_is_what_its_docstring_says() -> None:
    signal = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    found = example("envelope").local_rms(torch.from_numpy(signal)[None, None], 8)
    np.testing.assert_allclose(found[0, 0].numpy(), rms_by_definition(signal.astype(float), 8), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_the_envelope_holds_the_signal_to_noise_ratio_whatever_the_scale_of_the_residual(scale: float) -> None:
    speech = torch.from_numpy(voice(1, 140, 0))[None, None]
    residual = scale * torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0))
    added = example("envelope").embed(speech, residual, 24.0, 640) - speech
    for start in range(0, RATE - 4000, 4000):
        span = slice(start, start + 4000)
        ratio = 10 * math.log10(float(speech[..., span].square().sum() / added[..., span].square().sum()))
        assert ratio == pytest.approx(24, abs=1.5)


def test_silence_gets_no_mark_to_speak_of() -> None:
    silence = torch.zeros(1, 1, 4000)
    residual = torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    assert float(example("envelope").embed(silence, residual, 24.0, 640).abs().max()) < 1e-5


def test_the_committed_tensors_fill_the_packages_classes_and_the_sizes_are_the_recipes() -> None:
    model = example("model")
    config = json.loads((CHECKPOINT / "config.json").read_text())
    expected_config = json.loads(json.dumps(model.make_config()))
    assert config.keys() == expected_config.keys()
    assert config["envelope"].keys() == expected_config["envelope"].keys()  # its loudness is the weights' own
    assert {**config, "envelope": None} == {**expected_config, "envelope": None}
    generator, detector = model.build(config)
    expected = {f"generator.{k}": v.shape for k, v in generator.state_dict().items()}
    expected |= {f"detector.{k}": v.shape for k, v in detector.state_dict().items()}
    tensors = load_file(CHECKPOINT / "model.safetensors")
    assert {k: v.shape for k, v in tensors.items()} == expected
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert tensors["detector.detector.1.weight"].shape[0] == 2 + config["nbits"]
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) < 8_000_000


def marked_and_clean() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean probabilities of a mark of clean and of marked clips, shape [4], the bits read, and those written."""
    model, envelope = example("model"), example("envelope")
    generator, detector, config = model.read_checkpoint(CHECKPOINT)
    speech = torch.stack([torch.from_numpy(voice(2, pitch, pitch))[None] for pitch in (110, 150, 190, 230)])
    message = torch.randint(0, 2, (4, config["nbits"]), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        marked = envelope.embed(speech, generator.get_watermark(speech, message=message), **config["envelope"])
        (clean_samples, _), (marked_samples, bits) = detector(speech), detector(marked)
    return clean_samples[:, 1].mean(dim=-1), marked_samples[:, 1].mean(dim=-1), bits, message


def test_the_committed_detector_tells_marked_from_clean() -> None:
    clean, found, _, _ = marked_and_clean()
    assert float(found.min()) > float(clean.max()) + 0.3


def test_the_committed_detector_reads_the_message() -> None:
    _, _, bits, message = marked_and_clean()
    assert float(((bits > 0.5) == message.bool()).float().mean()) > 0.8


def test_every_attack_keeps_labels_beside_the_audio_and_the_gradient_alive() -> None:
    augment = example("augment")
    draw = augment.Draw(torch.Generator().manual_seed(0), torch.from_numpy(voice(0.5, 120, 3))[None, None])
    speech = torch.stack([torch.from_numpy(voice(0.5, pitch, pitch))[None] for pitch in (110, 200)])
    for name, attack in augment.ATTACKS.items():
        wave = speech.clone().requires_grad_()
        heard, labels = attack(wave, torch.ones_like(speech), draw)
        assert heard.shape == labels.shape, name
        heard.square().sum().backward()
        assert heard.isfinite().all(), name
        assert wave.grad is not None, name
        assert wave.grad.isfinite().all(), name
        assert float(wave.grad.abs().max()) > 0, name


@pytest.mark.parametrize("semitones", [-2.0, 1.0])
def test_a_pitch_shift_moves_a_tone_by_its_semitones_and_keeps_its_length(semitones: float) -> None:
    tone = torch.sin(2 * math.pi * 500 * torch.arange(RATE) / RATE)[None, None]
    shifted = example("warp").shift_pitch(tone, semitones, 1024)
    assert shifted.shape == tone.shape
    peak = float(torch.fft.rfft(shifted[0, 0]).abs().argmax())  # in Hz, since the clip lasts one second
    assert peak == pytest.approx(500 * 2 ** (semitones / 12), abs=2)


def test_speed_moves_the_labels_with_the_audio() -> None:
    wave = torch.zeros(1, 1, 8000)
    wave[..., 4000:6000] = torch.sin(2 * math.pi * 440 * torch.arange(2000) / RATE)
    heard, labels = example("warp").change_speed(wave, (wave != 0).float(), 1.25)
    assert heard.shape[-1] == 6400
    energy = heard.square()
    assert float((energy * labels).sum() / energy.sum()) > 0.95


def test_a_few_steps_of_training_lower_the_losses_and_a_seed_repeats_them() -> None:
    train, crops = example("train"), example("crops")
    voices = {f"voice_{pitch}": voice(4, pitch, pitch) for pitch in (110, 170)}

    def run(steps: int) -> list[dict[str, float]]:
        trainer = train.Trainer(train.Recipe(sizes=((0.0, 2, 4000),)), crops.Crops(voices, 0), seed=0)
        return [trainer.step(0.02) for _ in range(steps)]

    losses = run(40)
    first, last = (
        {name: np.mean([each[name] for each in part]) for name in part[0]} for part in (losses[:10], losses[-10:])
    )
    assert last["detection"] < first["detection"] - 0.1
    assert last["alike"] < first["alike"]
    assert run(3) == losses[:3]


def test_a_step_with_attacks_changes_both_networks() -> None:
    train, crops = example("train"), example("crops")
    voices = {f"voice_{pitch}": voice(4, pitch, pitch) for pitch in (110, 170)}
    trainer = train.Trainer(train.Recipe(sizes=((0.0, 4, 8000),)), crops.Crops(voices, 0), seed=0)
    before = [[value.clone() for value in network.parameters()] for network in trainer.networks]
    found = trainer.step(0.9)
    assert all(math.isfinite(value) for value in found.values())
    for network, values in zip(trainer.networks, before, strict=True):
        assert any(not torch.equal(now, then) for now, then in zip(network.parameters(), values, strict=True))
