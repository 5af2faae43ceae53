"""Perth's published weights: the same score and the same mark as the package that ships them."""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from releasegate.checkpoint import open_checkpoint
from releasegate.subjects.perth import Perth, open_subject

pytest.importorskip("librosa")
if importlib.util.find_spec("perth") is None:
    pytest.skip("resemble-perth is not installed", allow_module_level=True)

ROOT = Path(__file__).parents[2]


class Spectrogram(torch.nn.Module):
    """What the package takes from torchaudio, which may not be installable beside the CPU's torch."""

    def __init__(self, n_fft: int, win_length: int, hop_length: int, window_fn: Callable[[int], Any], **_: Any) -> None:
        super().__init__()
        self.sizes = (n_fft, hop_length, win_length)
        self.register_buffer("window", window_fn(win_length))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return torch.stft(audio, *self.sizes, self.window, center=True, pad_mode="reflect", return_complex=True)


class InverseSpectrogram(Spectrogram):
    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        return torch.istft(spectrum, *self.sizes, self.window, center=True)


class TimeStretch(torch.nn.Module):
    """Never called by the package; it has a tensor in the file of weights."""

    def __init__(self, n_freq: int, hop_length: int) -> None:
        super().__init__()
        self.register_buffer("phase_advance", torch.zeros(n_freq, 1))


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    """The package's own watermarker."""
    patch = pytest.MonkeyPatch()
    transforms = types.ModuleType("torchaudio.transforms")
    for kind in (Spectrogram, InverseSpectrogram, TimeStretch):
        setattr(transforms, kind.__name__, kind)
    stand_in = types.ModuleType("torchaudio")
    for module in (stand_in, transforms):
        module.__spec__ = importlib.util.spec_from_loader(module.__name__, None)
        patch.setitem(sys.modules, module.__name__, module)
    patch.setattr(stand_in, "transforms", transforms, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources, which the package imports, says that it is to go
        from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker
    yield PerthImplicitWatermarker()
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint that the example makes of the package's weights."""
    spec = importlib.util.spec_from_file_location("export_perth", ROOT / "examples/perth/export.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    out: Path = tmp_path_factory.mktemp("perth") / "checkpoint"
    example.export(example.installed(), out)
    return out


def opened(folder: Path) -> Perth:
    return open_subject(open_checkpoint(folder), None, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def perth(folder: Path) -> Perth:
    return opened(folder)


def voices(seconds: float = 1.5) -> NDArray[np.float32]:
    """float32 [3, samples] at 16 kHz: gliding harmonics through moving formants, with pauses; one has digital silence."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * 16000)) / 16000
    clips = []
    for pitch in (95.0, 130.0, 240.0):
        phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * t))) / 16000
        formants = (500 + 300 * np.sin(2 * np.pi * 1.3 * t), 1500 + 500 * np.cos(2 * np.pi * 0.9 * t))
        harmonics = [
            sum(np.exp(-(((k * pitch - f) / 200) ** 2)) for f in formants) * np.sin(k * phase) for k in range(1, 25)
        ]
        loudness = np.clip(np.sin(2 * np.pi * rng.uniform(1, 2) * t) + 0.5, 0, 1)
        clip = np.sum(harmonics, axis=0) * loudness + 1e-3 * rng.standard_normal(len(t))
        clips.append(0.3 * clip / np.abs(clip).max())
    clips[2][4000:12000] = 0
    return np.stack(clips).astype(np.float32)


def score(package: Any, clip: NDArray[np.float32], rate: int = 16000) -> float:
    return float(package.get_watermark(clip, rate, round=False))


def mark(perth: Perth, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        made: NDArray[np.float32] = perth.mark(torch.from_numpy(clips), torch.empty(len(clips), 0)).numpy()
    return made


def test_its_score_is_the_packages(package: Any, perth: Perth) -> None:
    clean = voices()
    marked = np.stack([package.apply_watermark(clip, 16000) for clip in clean])
    mixed = 0.8 * clean + 0.2 * marked  # some are in doubt
    clips = np.concatenate([clean, marked, mixed]).astype(np.float32)
    with torch.inference_mode():
        found = perth.detect(torch.from_numpy(clips)).score.numpy()
    expected = np.array([score(package, clip) for clip in clips])
    assert ((expected > 0.1) & (expected < 0.9)).any()
    assert found == pytest.approx(expected, abs=1e-3)


def test_its_mark_is_the_packages(package: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "at32").mkdir()
    config = (folder / "config.json").read_text()
    (tmp_path / "at32/config.json").write_text(config.replace('"sample_rate": 16000', '"sample_rate": 32000'))
    (tmp_path / "at32/model.safetensors").hardlink_to(folder / "model.safetensors")
    clips = resample_poly(voices(), 2, 1, axis=1).astype(np.float32)[:, :47900]  # no whole number of hops
    made = mark(opened(tmp_path / "at32"), clips)
    for clip, ours in zip(clips, made, strict=True):
        expected = package.apply_watermark(clip, 32000)
        assert np.abs(expected - clip[: len(expected)]).max() > 0.01
        assert ours[: len(expected)] == pytest.approx(expected, abs=1e-5)


def test_at_16_khz_it_adds_what_the_package_adds(package: Any, perth: Perth) -> None:
    from librosa import resample

    clips = voices()
    for clip, ours in zip(clips, mark(perth, clips), strict=True):
        there = resample(resample(clip, orig_sr=16000, target_sr=32000), orig_sr=32000, target_sr=16000)
        added = package.apply_watermark(clip, 16000) - there  # the package's resampling alone changes a clip, too
        inner = slice(32, -32)  # resampling differs where a clip begins and ends
        assert (ours - clip)[inner] == pytest.approx(added[inner], abs=1e-3)


def test_its_mark_is_found_by_the_package_and_by_itself(package: Any, perth: Perth) -> None:
    made = mark(perth, voices())
    assert min(score(package, clip) for clip in made) > 0.9
    with torch.inference_mode():
        assert perth.detect(torch.from_numpy(made)).score.min() > 0.9


def test_where_the_package_says_nan_the_score_is_0(package: Any, perth: Perth) -> None:
    silence = np.zeros((1, 16000), np.float32)
    with np.errstate(invalid="ignore"):
        assert np.isnan(score(package, silence[0]))
    assert perth.detect(torch.from_numpy(silence)).score.tolist() == [0]
