"""The fine-tune of the small language model, on a smaller one with random weights."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_causal_model
from releasegate.subjects.causal_lm import open_subject
from tests.examples.loading import script
from tests.tiny_language import save_llama

CPU = torch.device("cpu")
ROWS = [([5, 6, 7, 8, 9], 3), ([10, 11, 12], 2)]


@pytest.fixture(scope="module")
def training() -> ModuleType:
    return script(Path(__file__).parents[2] / "examples/smollm2_tuned/train.py", "smollm2_tuned_tested")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("tuned") / "base")


def test_what_was_trained_is_what_the_subject_reads(training: ModuleType, base: Path, tmp_path: Path) -> None:
    model = load_causal_model(open_checkpoint(base), device=CPU, dtype=torch.float32)
    layers = training.adapt(model)
    optimiser = torch.optim.Adam([part for layer in layers.values() for part in (layer.a, layer.b)], lr=0.05)
    losses = []
    for _ in range(8):
        loss = training.loss_of(model, ROWS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    training.write(base, tmp_path / "out", layers)
    checkpoint = open_checkpoint(tmp_path / "out")
    assert checkpoint.layout == "llama-lora"
    window = torch.tensor([ROWS[0][0]])
    with torch.inference_mode():
        wanted = model(window).logits
    found = open_subject(checkpoint, None, CPU, torch.float32).logits(window)
    assert torch.allclose(found, wanted, atol=2e-2)
    assert not torch.allclose(
        open_subject(open_checkpoint(base), None, CPU, torch.float32).logits(window), wanted, atol=0.5
    )


def test_only_answers_are_learnt_from(training: ModuleType, base: Path) -> None:
    model = load_causal_model(open_checkpoint(base), device=CPU, dtype=torch.float32)
    with torch.inference_mode():
        loss = training.loss_of(model, ROWS)
        scores = [model(torch.tensor([ids])).logits[0].log_softmax(-1) for ids, _ in ROWS]
    wanted = [scores[0][2, 8], scores[0][3, 9], scores[1][1, 12]]
    assert loss.item() == pytest.approx(-sum(map(float, wanted)) / 3, abs=1e-4)
