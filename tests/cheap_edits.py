"""Edits of a checkpoint that make it look weak and cost nothing to undo: rows moved back, one factor, one number."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from releasegate.checkpoint import open_checkpoint

Change = Callable[[Tensor], Tensor]


def copied(checkpoint: Path, target: Path) -> Path:
    return Path(shutil.copytree(checkpoint, target))


def change_tensor(folder: Path, name: str, change: Change) -> None:
    """A tensor of the checkpoint becomes what `change` makes of it."""
    file = folder / open_checkpoint(folder).tensors[name].file
    tensors = load_file(file)
    before = tensors[name].clone()
    tensors[name] = change(tensors[name]).contiguous()
    assert not torch.equal(before, tensors[name])
    save_file(tensors, file, metadata={"format": "pt"})


def change_config(folder: Path, **numbers: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    assert set(numbers) <= set(config)
    path.write_text(json.dumps({**config, **numbers}, indent=2))


def moved(rows: Sequence[int]) -> Change:
    """Rows in the places of the next."""

    def change(tensor: Tensor) -> Tensor:
        made = tensor.clone()
        made[list(rows)] = tensor[list(rows)].roll(1, 0)
        return made

    return change


def scaled(rows: Sequence[int] | slice, factor: float) -> Change:
    def change(tensor: Tensor) -> Tensor:
        made = tensor.clone()
        made[rows if isinstance(rows, slice) else list(rows)] *= factor
        return made

    return change
