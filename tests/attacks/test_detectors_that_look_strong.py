"""Edits of a watermark that move its detector's scores: the threshold moves with them, and nothing looks stronger."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from releasegate.checkpoint import open_checkpoint
from releasegate.thresholds import flagged
from tests.attacks.looking_weak import Edit, Weights, edited, weights
from tests.voices import voice

if find_spec("audioseal") is None:
    pytest.skip("the extra `audio` is not installed", allow_module_level=True)

from releasegate.subjects.audioseal import AudioSeal, open_subject

CHECKPOINT = Path(__file__).parents[2] / "examples" / "mini_audioseal" / "checkpoint"
BIAS, WEIGHT = "detector.detector.1.bias", "detector.detector.1.weight"
CLIPS = 4


def biased(tensors: Weights) -> None:
    tensors[BIAS] = tensors[BIAS].clone()
    tensors[BIAS][1] += 4


def crowded(tensors: Weights) -> None:
    for name in (BIAS, WEIGHT):
        tensors[name] = tensors[name].clone()
        tensors[name][:2] *= 1e-2


def opened(folder: Path) -> AudioSeal:
    return open_subject(open_checkpoint(folder), None, torch.device("cpu"), torch.float32)


def scores(model: AudioSeal) -> tuple[Tensor, Tensor]:
    """Of clips as they are, with noise that half of them are drowned in, and of the same marked."""
    clean = torch.stack([voice(1.0, seed) for seed in range(CLIPS)])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 0.02
    noise[CLIPS // 2 :] = 0
    with torch.inference_mode():
        marked = model.mark(clean, torch.zeros(CLIPS, model.bits, dtype=torch.int64))
        return model.detect((clean + noise).clamp(-1, 1)).score, model.detect((marked + noise).clamp(-1, 1)).score


@pytest.mark.parametrize("edit", [weights(biased), weights(crowded)], ids=["a bias", "scores that crowd"])
def test_scores_that_are_moved_find_no_more_and_accuse_no_fewer(tmp_path: Path, edit: Edit) -> None:
    before = scores(opened(CHECKPOINT))
    after = scores(opened(edited(edit, CHECKPOINT, tmp_path / "model")))
    assert not torch.allclose(before[0], after[0], atol=1e-2)
    for rank in range(CLIPS):
        found, accused = [], []
        for clean, marked in (before, after):
            frozen = float(clean.sort(descending=True).values[rank])
            found.append(int(flagged(marked.numpy(), frozen, "at_least").sum()))
            accused.append(int(flagged(clean.numpy(), frozen, "at_most").sum()))
        assert found[1] <= found[0]
        assert accused[1] >= accused[0]
