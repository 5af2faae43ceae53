"""Receipts that were changed by hand so that they agree with themselves: what they say is held against the folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from releasegate.checkpoint import read_contents
from releasegate.errors import VerifyError
from releasegate.receipt import Receipt
from releasegate.stripping import plan_strip, verify_strip, write_strip
from releasegate.stripping.edits import TensorEdit
from tests.layouts import Contents, Spec, write_contents
from tests.tiny_checkpoints import chameleon_recipe, tiny
from tests.tiny_strips import plan_of

Change = Callable[[dict[str, Any]], object]
NOBODY = "sha256:" + "0" * 64
DECODER = "vqgan.safetensors"
LAYER = "model.layers.1.self_attn.q_proj.weight"


def stripped(folder: Path) -> Receipt:
    contents = read_contents(tiny().write(folder / "model"))
    return write_strip(contents, plan_strip(contents, [chameleon_recipe()]), folder / "out")


def forged(receipt: Receipt, change: Change) -> Receipt:
    plain = json.loads(receipt.text())
    change(plain)
    return Receipt.from_text(json.dumps(plain))


def drop(path: str) -> Change:
    return lambda plain: plain["dropped"].append({"path": path, "size": 1, "sha256": NOBODY})


def tokens(last: int) -> Change:
    return lambda plain: plain.update(vocabulary={"tokens": [[4, last]], "files": []})


ALONE: dict[str, tuple[Change, str]] = {
    "size_of_a_tensor": (lambda plain: plain["tensors"][0].update(size=1), "bytes, and the receipt says 1"),
    "file_that_is_there_as_dropped": (drop("README.md"), "is there, and the receipt says it was dropped"),
    "lent_and_there": (lambda plain: plain.update(lent={"files": ["README.md"]}), "that lends README.md, which is not"),
    "file_dropped_twice": (drop(DECODER), "is dropped twice in the receipt"),
    "more_tokens_than_memory": (
        lambda plain: plain["keys"][0].update(tokens=[[0, 10**15]]),
        "does not have suppress_tokens as the receipt says",
    ),
}
WITH_SOURCE: dict[str, tuple[Change, str]] = {
    "file_that_never_was_as_dropped": (drop("a.safetensors"), "is not there, and the receipt says it was dropped"),
    "pickle_that_never_was": (
        lambda plain: plain.update(converted=[{"file": "x.ckpt", "to": None}]),
        "was not converted as the receipt says",
    ),
    "tokens_that_were_not_dropped": (tokens(11), "did not lose the tokens that the receipt says were dropped"),
    "more_dropped_tokens_than_memory": (tokens(10**15), "did not lose the tokens that the receipt says were dropped"),
    "nothing_unsearched": (lambda plain: plain["leftovers"].update(unsearched=[]), "; the receipt is silent"),
    "nothing_residual": (
        lambda plain: plain.update(residual=[]),
        "keeps a part of lm_head.weight, which the receipt does not list under residual",
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_forged_receipt_is_refused_without_the_source(name: str, tmp_path: Path) -> None:
    change, what = ALONE[name]
    receipt = forged(stripped(tmp_path), change)
    with pytest.raises(VerifyError) as caught:
        verify_strip(tmp_path / "out", receipt)
    assert what in caught.value.problems[0].what


@pytest.mark.parametrize("name", WITH_SOURCE)
def test_a_forged_receipt_is_refused_with_the_source(name: str, tmp_path: Path) -> None:
    change, what = WITH_SOURCE[name]
    receipt = forged(stripped(tmp_path), change)
    with pytest.raises(VerifyError) as caught:
        verify_strip(tmp_path / "out", receipt, tmp_path / "model")
    assert what in caught.value.problems[0].what


@pytest.mark.parametrize(("rows", "length"), [([[6, 7], [6, 7]], 34), ([[7, 7], [6, 6]], 32), ([[6, 10]], 35)])
def test_removed_rows_must_ascend_and_come_to_the_length_and_size(
    rows: list[list[int]], length: int, tmp_path: Path
) -> None:
    """The folder agrees with any number of rows that were there before; the size in the receipt does not."""
    contents = read_contents(tiny().write(tmp_path / "model"))
    receipt = write_strip(contents, plan_of({LAYER: TensorEdit("rows_removed", ((6, 7),))}), tmp_path / "out")
    at = next(at for at, one in enumerate(receipt.tensors) if one.name == LAYER)
    changed = forged(receipt, lambda plain: plain["tensors"][at].update(rows=rows, length=length))
    with pytest.raises(VerifyError):
        verify_strip(tmp_path / "out", changed)


def test_one_name_in_a_receipt_does_not_stand_for_two_tensors(tmp_path: Path) -> None:
    """Otherwise the shard that was not edited would pass for the one that was."""
    shards = {f"consolidated.0{n}.safetensors": {"w": Spec("F32", (10, 8)), "v": Spec("F32", (4, 8))} for n in (0, 1)}
    files = Contents(safetensors=shards, texts={"params.json": {"dim": 8}})
    contents = read_contents(write_contents(tmp_path / "model", files, seed=0))
    edits = {key: TensorEdit("zero_filled") for key in ("w@consolidated.00", "w@consolidated.01")}
    receipt = write_strip(contents, plan_of(edits), tmp_path / "out")

    def merge(plain: dict[str, Any]) -> None:
        plain["tensors"] = [one for one in plain["tensors"] if one["name"].endswith("01")]
        for one in plain["tensors"]:
            one["name"] = one["name"].partition("@")[0]

    with pytest.raises(VerifyError, match=r"has tensor v in consolidated\.00\.safetensors and in consolidated\.01"):
        verify_strip(tmp_path / "out", forged(receipt, merge))


def test_a_copy_that_the_recipe_lists_must_be_told(tmp_path: Path) -> None:
    control = tiny()
    head = control.shards["model-00001-of-00002.safetensors"]
    head["model.embed_tokens.weight"] = np.array(head["lm_head.weight"])
    contents = read_contents(control.write(tmp_path / "model"))
    plain = chameleon_recipe().plain()
    plain["residual"][1]["copies"] = "lm_head.weight"
    recipe = type(chameleon_recipe()).from_text(json.dumps(plain))
    receipt = write_strip(contents, plan_strip(contents, [recipe]), tmp_path / "out")
    assert verify_strip(tmp_path / "out", receipt, tmp_path / "model")
    silent = forged(receipt, lambda plain: plain["leftovers"].update(near_copies=None))
    with pytest.raises(VerifyError, match=r"has a copy of lm_head\.weight in model\.embed_tokens\.weight"):
        verify_strip(tmp_path / "out", silent, tmp_path / "model")
