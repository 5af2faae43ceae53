"""XTTS's published files, written here with random weights, become a checkpoint that says the same."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, PickledError
from releasegate.subjects import Utterance
from releasegate.subjects.xtts import open_subject
from tests.examples.loading import script
from tests.tiny_xtts import save_xtts, tiny_tensors, voice

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return script(ROOT / "examples/xtts/convert.py", "convert_xtts")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The folder as published, but for the weights."""
    root = save_xtts(tmp_path / "published")
    (root / "model.safetensors").unlink()
    return root


def said_by(root: Path) -> torch.Tensor:
    (clone,) = open_subject(open_checkpoint(root), None, torch.device("cpu"), torch.float32).clone(
        [Utterance("hello", torch.zeros(1), "en")], [voice()], [1]
    )
    assert isinstance(clone, torch.Tensor)
    return clone


def test_a_trainers_file_becomes_a_checkpoint_of_the_model_alone(
    example: ModuleType, published: Path, tmp_path: Path
) -> None:
    tensors = tiny_tensors()
    spoken = {f"xtts.{name}": tensor for name, tensor in tensors.items()}
    spoken["xtts.gpt.gpt.wte.weight"] = tensors["gpt.mel_embedding.weight"]  # the same storage
    spoken["dvae.codebook.embed"] = torch.ones(3)
    torch.save({"model": spoken, "optimizer": {"state": [torch.ones(2)]}, "step": 7}, published / "best.pth")
    example.convert(published / "best.pth", published, tmp_path / "out")
    assert set(load_file(tmp_path / "out" / "model.safetensors")) == {f"model.{name}" for name in tensors}
    torch.testing.assert_close(said_by(tmp_path / "out"), said_by(save_xtts(tmp_path / "direct")))


def test_second_names_with_other_values_are_not_left_out_in_silence(example: ModuleType) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in tiny_tensors().items()}
    tensors["model.gpt.gpt.wte.weight"] = tensors["model.gpt.mel_embedding.weight"] + 1
    with pytest.raises(CheckpointError, match=r"has gpt\.gpt\.wte\.weight with other values"):
        example.own(tensors, "model.pth")


def test_a_file_without_a_model_is_refused(example: ModuleType) -> None:
    with pytest.raises(CheckpointError, match="holds no model"):
        example.own({"optimizer.state": torch.ones(1)}, "model.pth")


class Config:
    """In place of the library's own."""


def test_an_object_of_a_library_is_refused(example: ModuleType, published: Path, tmp_path: Path) -> None:
    torch.save({"model": tiny_tensors(), "config": Config()}, published / "model.pth")
    with pytest.raises(PickledError):
        example.convert(published / "model.pth", published, tmp_path / "out")
    assert not (tmp_path / "out").exists()
