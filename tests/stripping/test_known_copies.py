"""A residual that lists copies lets through copies of what it names, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from releasegate.checkpoint import read_contents
from releasegate.errors import StripError
from releasegate.receipt import Receipt
from releasegate.recipe import Residual
from releasegate.stripping import write_strip
from releasegate.stripping.edits import TensorEdit
from tests.tiny_strips import OFFERED, STAYING, plan_of

Values = NDArray[np.float32]


def drawn(seed: int, width: int = 20) -> Values:
    """Rows of 80 bytes: long enough to be searched for as bytes, too short for a sketch."""
    return np.random.default_rng(seed).standard_normal((10, width)).astype(np.float32)


def strip(
    folder: Path, *listed: Residual, spare: Values, beside: Values | None = None, dropped: Values | None = None
) -> Receipt:
    """The head and an average of it go; `spare` stays, and `beside` in a file of its own; `dropped` is left out."""
    root = folder / "model"
    root.mkdir()
    (root / "config.json").write_text('{"model_type": "toy"}')
    save_file({"head": drawn(0), "ema.head": drawn(0), "spare": spare}, root / "model.safetensors")
    for name, values in (("kept.safetensors", beside), ("ema.safetensors", dropped)):
        if values is not None:
            save_file({"values": values}, root / name)
    edits = {"head": TensorEdit("removed"), "ema.head": TensorEdit("removed")}
    left_out = () if dropped is None else ("ema.safetensors",)
    plan = plan_of(edits, residual=(OFFERED, STAYING, *listed), dropped=left_out)
    return write_strip(read_contents(root), plan, folder / "out")


def copies(tensors: str, of: str) -> Residual:
    return Residual(tensors=tensors, copies=of, why="It is known.")


def test_a_copy_of_two_parts_is_known_only_if_both_are_listed(tmp_path: Path) -> None:
    with pytest.raises(StripError, match="holds a piece of head, which was to go"):
        strip(tmp_path, copies("spare", "ema.*"), spare=drawn(0))
    (tmp_path / "both").mkdir()
    receipt = strip(tmp_path / "both", copies("spare", "ema.*"), copies("spare", "head"), spare=drawn(0))
    found = receipt.leftovers.near_copies or ()
    assert [(one.part, one.tensor, one.rows) for one in found] == [("ema.head", "spare", 10), ("head", "spare", 10)]


def test_a_star_does_not_list_copies_in_another_file(tmp_path: Path) -> None:
    with pytest.raises(StripError, match=r"kept\.safetensors: holds a piece of head"):
        strip(tmp_path, copies("*", "*"), spare=drawn(1), beside=drawn(0))
    (tmp_path / "named").mkdir()
    strip(tmp_path / "named", copies("kept.safetensors:*", "*"), spare=drawn(1), beside=drawn(0))


def test_a_star_does_not_list_copies_of_another_file(tmp_path: Path) -> None:
    with pytest.raises(StripError, match=r"holds a piece of ema\.safetensors:values"):
        strip(tmp_path, copies("spare", "ema.*"), spare=drawn(2), dropped=drawn(2))
    (tmp_path / "named").mkdir()
    strip(tmp_path / "named", copies("spare", "ema.safetensors:*"), spare=drawn(2), dropped=drawn(2))
