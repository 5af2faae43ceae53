"""The plain loop that the watermark's benchmark is held against does what it says: it is no straw man."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from releasegate.attacks import Attack, Given
from tests.voices import voice

pytest.importorskip("soundfile")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def loops() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("watermark_loops", BENCHMARKS / "watermark_loops.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "strength", "alike"), [("mp3", 64.0, 0.95), ("opus", 16.0, 0.8), ("g722", None, 0.9), ("mulaw", None, 0.9)]
)
def test_a_clip_comes_back_from_ffmpeg_as_long_and_alike_but_not_the_same(
    loops: Any, name: str, strength: float | None, alike: float
) -> None:
    if not loops.encodes(name):
        pytest.skip(f"ffmpeg has no encoder for {name}")
    clip = voice(1.0, 0).numpy()
    came = loops.through_ffmpeg(name, strength, clip)
    assert came.shape == clip.shape
    assert came.dtype == np.float32
    spectra = np.fft.rfft(came, 2 * len(clip)) * np.fft.rfft(clip, 2 * len(clip)).conj()
    found = np.fft.irfft(spectra).max() / np.linalg.norm(came) / np.linalg.norm(clip)  # at whatever delay
    assert alike < found < 0.99999


@needs_ffmpeg
def test_a_lower_rate_of_bits_loses_more(loops: Any) -> None:
    clip = voice(1.0, 1).numpy()
    lost = [_error(clip, loops.through_ffmpeg("mp3", rate, clip)) for rate in (16.0, 64.0)]
    assert lost[0] > 2 * lost[1]


def _error(clip: Any, came: Any) -> float:
    """The share of the spectrum's magnitude that differs; a delay of some samples matters little."""
    before, after = (np.abs(np.fft.rfft(x.reshape(-1, 2000), axis=1)) for x in (clip, came))
    return float(np.abs(before - after).sum() / before.sum())


def test_other_attacks_are_those_of_the_suite_as_a_batch_of_one(loops: Any) -> None:
    def louder(given: Given, strength: float) -> torch.Tensor:
        assert given.audio.shape == (1, 8000)
        assert given.seeds == [7]
        return given.audio * strength

    attack = Attack("louder", "Louder", "x", "levelling", louder, aligned=True, domain=(0.1, 4.0))
    clip = voice(0.5, 0).numpy()
    assert np.array_equal(loops.attacked(attack, 1.5, clip, 7), clip * np.float32(1.5))
