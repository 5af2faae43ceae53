"""The suite that ships: every attack there is, each doing something to speech and leaving speech behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.suite import NAMES, parse_suite
from tests.watermarked import given, lag

for package in ("av", "pyworld"):
    pytest.importorskip(package)

FILE = Path(__file__).parents[2] / "evals" / "audio_watermark" / "suite.yaml"
SUITE = parse_suite(FILE.read_text(), FILE.name).record
CELLS = list(SUITE.cells())
REMADE = {"world", "griffin_lim", "pitch"}
"""Attacks after which every sound is in its place, and no wave is."""
TELEPHONES = {"amr", "gsm"}
"""Coders of speech at 8 kHz, where a sample of 16 kHz is half of one: they place a wave no more exactly than that."""


def loudness(audio: Tensor) -> Tensor:
    """float [t], the mean magnitude of the 20 ms around each sample, less its mean."""
    smooth = functional.avg_pool1d(audio.abs()[None], 321, 1, 160)[0]
    return smooth - smooth.mean()


def test_every_attack_stands_in_it():
    assert [entry.attack for entry in SUITE.attacks if entry.attack not in NAMES] == []
    assert {entry.attack for entry in SUITE.attacks} == set(NAMES)
    labels = [attack.label(strength) for attack, strength in CELLS]
    assert len(set(labels)) == len(labels)
    assert labels[0] == "none"


@pytest.mark.parametrize(("attack", "strength"), CELLS, ids=[attack.label(strength) for attack, strength in CELLS])
def test_it_changes_speech_and_leaves_speech(attack, strength):
    clips = given(2, 2.1, attack)
    made = attack.apply(clips, strength or 0.0)
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    assert made.abs().max() <= 1
    for row, (before, after) in enumerate(zip(clips.audio, made, strict=True)):
        assert attack.name == "none" or not torch.equal(before, after), row
        assert after.square().mean() > 1e-3 * before.square().mean(), row
        if not attack.aligned:
            continue
        kept = after[: len(before)]
        assert len(kept) == len(before)
        if attack.name in REMADE:
            assert abs(lag(loudness(before), loudness(kept))) <= 80, "5 ms"
            continue
        similarity = float(torch.corrcoef(torch.stack([before, kept]))[0, 1])
        assert abs(similarity) > 0.3, row
        late = lag(before, kept if similarity > 0 else -kept)
        assert abs(late) <= (1 if attack.name in TELEPHONES else 0), row
