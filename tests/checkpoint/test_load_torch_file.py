"""Tensors of a torch file, read without executing its pickle, are those that torch saved; a module takes them strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_module, load_torch_file
from releasegate.errors import CheckpointError, PickledError

CPU = torch.device("cpu")


def test_tensors_come_out_as_torch_saved_them(tmp_path: Path) -> None:
    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    saved = {
        "plain": whole,
        "turned": whole.T,
        "part": whole[1:, 2:4],
        "spread": torch.ones(1).expand(3, 2),
        "half": torch.randn(5, generator=torch.Generator().manual_seed(0)).bfloat16(),
        "count": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "flags": torch.tensor([True, False]),
    }
    torch.save({"model": saved, "step": 3, "note": "x"}, tmp_path / "model.pth")
    tensors, values = load_torch_file(tmp_path / "model.pth")
    assert tensors.keys() == {f"model.{name}" for name in saved}
    for name, tensor in saved.items():
        assert tensors[f"model.{name}"].dtype == tensor.dtype
        assert torch.equal(tensors[f"model.{name}"], tensor)
    assert dict(values) == {"step": 3, "note": "x"}
    tensors["model.plain"].zero_()
    assert tensors["model.part"].any(), "tensors of one storage do not share memory afterwards"


def test_a_file_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2), "path": Path("x")}, tmp_path / "model.pth")
    with pytest.raises(PickledError):
        load_torch_file(tmp_path / "model.pth")


def test_a_module_without_data_gets_the_checkpoints(tmp_path: Path) -> None:
    weights = {"weight": torch.linspace(-1, 1, 6).reshape(2, 3).half(), "bias": torch.tensor([0.1, 0.2]).half()}
    (tmp_path / "config.json").write_text('{"model_type": "line"}')
    save_file(weights, tmp_path / "model.safetensors")
    with torch.device("meta"):
        line, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2, bias=False)
    loaded = load_module(open_checkpoint(tmp_path), line, device=CPU, dtype=torch.float32)
    assert not loaded.training
    assert loaded.weight.dtype == torch.float32
    assert torch.equal(loaded.weight, weights["weight"].float())
    with pytest.raises(CheckpointError, match="1 unexpected tensors, the first bias"):
        load_module(open_checkpoint(tmp_path), other, device=CPU, dtype=torch.float32)
