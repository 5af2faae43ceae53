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
FAINT = 0.15
"""Share of the mark that is left, so that not every clip is found."""


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
    """Of clips, half of them with noise, and of the same with a faint mark."""
    clean = torch.stack([voice(1.0, seed) for seed in range(CLIPS)])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 0.02
    noise[CLIPS // 2 :] = 0
    with torch.inference_mode():
        marked = model.mark(clean, torch.zeros(CLIPS, model.bits, dtype=torch.int64))
        marked = clean + FAINT * (marked - clean)
        return model.detect((clean + noise).clamp(-1, 1)).score, model.detect((marked + noise).clamp(-1, 1)).score


@pytest.mark.parametrize("edit", [weights(biased), weights(crowded)], ids=["a bias", "scores that crowd"])
def test_scores_that_are_moved_tell_no_more_clips_apart(tmp_path: Path, edit: Edit) -> None:
    before = scores(opened(CHECKPOINT))
    after = scores(opened(edited(edit, CHECKPOINT, tmp_path / "model")))
    assert not torch.allclose(before[0], after[0], atol=1e-2)
    assert told_apart(*before) < 1
    assert (
        told_apart(*after) <= told_apart(*before) + 1 / CLIPS**2
    )  # means of probabilities may change places by a hair


def told_apart(clean: Tensor, marked: Tensor) -> float:
    """The share of pairs in which the marked clip is flagged by a threshold that is frozen on the clean one."""
    hits = [flagged(marked.numpy(), float(score), "at_least") for score in clean]
    return float(sum(int(row.sum()) for row in hits)) / CLIPS**2
