"""Pickles become safetensors files; what is not a tensor stays behind, unless the recipe keeps it.

The headers of the pickles are made by hand: they say where in the file each tensor lies.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from releasegate.checkpoint import Contents, Place
from releasegate.checkpoint.headers import Entry, Header
from releasegate.errors import StripError, VerifyError
from releasegate.receipt import Converted
from releasegate.stripping import verify_strip, write_strip
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.verifying import against_source
from tests.tiny_strips import plan_of

KINDS = {"float32": "F32", "float16": "F16", "int8": "I8", "float64": "F64"}


def pickle_of(path: Path, tensors: dict[str, NDArray[Any]], values: dict[str, Any]) -> Header:
    """A file with the tensors somewhere in it, and what a reader says of it."""
    content, entries = b"PK\x03\x04 not a real archive", {}
    for name, array in tensors.items():
        content += b"." * (64 - len(content) % 64)
        entries[name] = Entry(name, KINDS[str(array.dtype)], array.shape, len(content), len(content) + array.nbytes)
        content += array.tobytes()
    path.write_bytes(content + b"the end")
    return Header(0, entries, None, values)


def contents_of(root: Path, shards: dict[str, Header], siblings: dict[str, Header], **changes: Any) -> Contents:
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    config = json.loads((root / "config.json").read_text())
    tensors = {name: Place(file, entry) for file, header in shards.items() for name, entry in header.entries.items()}
    made: dict[str, Any] = {
        "root": root,
        "layout": "llama-hf",
        "config": config,
        "config_file": "config.json",
        "tensors": tensors,
        "shards": shards,
        "siblings": siblings,
        "index": None,
        "index_file": None,
        "vocabulary": {},
        "sizes": {name: (root / name).stat().st_size for name in names},
        "foreign": dict.fromkeys(siblings, "a pickle"),
        "code": {},
        **changes,
    }
    return Contents(**made)


def tensors_of(seed: int, prefix: str = "") -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}b.weight": rng.standard_normal((6, 5)).astype("float32"),
        f"{prefix}a.scale": rng.integers(-9, 9, 3).astype("int8"),
        f"{prefix}a.weight": rng.standard_normal((4, 4)).astype("float16"),
        f"{prefix}wide": rng.standard_normal(2),
    }


@pytest.fixture
def source(tmp_path: Path) -> Contents:
    """A model in one pickle, a second pickle beside it."""
    root = tmp_path / "model"
    (root / "tokenizer").mkdir(parents=True)
    (root / "config.json").write_text('{"model_type": "llama"}')
    model = pickle_of(root / "pytorch_model.bin", tensors_of(0), {"args.lr": 0.1, "step": 7})
    codec = pickle_of(root / "tokenizer" / "vqgan.ckpt", tensors_of(1, "decoder."), {})
    return contents_of(root, {"pytorch_model.bin": model}, {"tokenizer/vqgan.ckpt": codec})


def verified(receipt: Any, folder: Path, source: Contents, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `verify` says with the source, whose pickles are not read but known."""
    monkeypatch.setattr(against_source, "read_contents", lambda root, names: source)
    return verify_strip(folder, receipt, source.root)


def test_a_pickle_becomes_a_safetensors_file_of_the_library_s_order(
    source: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "tokenizer/vqgan.ckpt:decoder.wide"
    edits = {
        "b.weight": TensorEdit("rows_removed", ((0, 0),)),
        "a.weight": TensorEdit("rows_zeroed", ((1, 2),), 1),
        key: TensorEdit("removed"),
    }
    converted = ("pytorch_model.bin", "tokenizer/vqgan.ckpt")
    plan = plan_of(edits, converted=converted, values=("args.*",))
    receipt = write_strip(source, plan, tmp_path / "out", verify_written=True)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["config.json", "model.json", "model.safetensors", "tokenizer/vqgan.safetensors"]
    before, after = tensors_of(0), load_file(tmp_path / "out" / "model.safetensors")
    before["b.weight"], before["a.weight"][:, 1:3] = before["b.weight"][1:], 0
    assert {name: array.tobytes() for name, array in after.items()} == {n: a.tobytes() for n, a in before.items()}
    text = (tmp_path / "out" / "model.safetensors").read_bytes()[8:]
    assert text.startswith(b'{"__metadata__":{"format":"pt"},"wide":')
    assert json.loads((tmp_path / "out" / "model.json").read_text()) == {"args.lr": 0.1}
    assert receipt.converted == (
        Converted(file="pytorch_model.bin", to="model.safetensors", kept=("args.lr",), left=("step",)),
        Converted(file="tokenizer/vqgan.ckpt", to="tokenizer/vqgan.safetensors"),
    )
    assert "decoder.wide" not in load_file(tmp_path / "out" / "tokenizer" / "vqgan.safetensors")
    done = verified(receipt, tmp_path / "out", source, monkeypatch)
    assert "pickles are absent, and what stays of them is in safetensors files: 2" in done
    assert "every tensor is what the edits make of the source's: 8" in done


def test_a_pickle_of_which_nothing_stays_is_left_out(
    source: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {f"tokenizer/vqgan.ckpt:{name}": TensorEdit("removed") for name in tensors_of(1, "decoder.")}
    receipt = write_strip(source, plan_of(gone, converted=("pytorch_model.bin",)), tmp_path / "out")
    assert receipt.converted is not None
    assert receipt.converted[1] == Converted(file="tokenizer/vqgan.ckpt")
    assert verified(receipt, tmp_path / "out", source, monkeypatch)


def test_a_sharded_pickle_gets_the_names_and_the_index_of_safetensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "model"
    root.mkdir()
    (root / "config.json").write_text('{"model_type": "llama"}')
    files = [f"pytorch_model-0000{k}-of-00002.bin" for k in (1, 2)]
    shards = {file: pickle_of(root / file, tensors_of(k, f"{k}."), {}) for k, file in enumerate(files)}
    places = {name: file for file, header in shards.items() for name in header.entries}
    index = {"metadata": {"total_size": 1000}, "weight_map": places}
    (root / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    source = contents_of(root, shards, {}, index=index, index_file="pytorch_model.bin.index.json")
    plan = plan_of({"0.wide": TensorEdit("removed")}, converted=tuple(files))
    receipt = write_strip(source, plan, tmp_path / "out")
    made = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert made["metadata"]["total_size"] == 1000 - 16
    assert set(made["weight_map"].values()) == {f"model-0000{k}-of-00002.safetensors" for k in (1, 2)}
    assert "0.wide" not in made["weight_map"]
    assert verified(receipt, tmp_path / "out", source, monkeypatch)


def test_two_files_that_would_get_one_name_are_refused(source: Contents, tmp_path: Path) -> None:
    (source.root / "model.safetensors").write_text("notes")
    changed = replace(source, sizes={**source.sizes, "model.safetensors": 5})
    plan = plan_of({"wide": TensorEdit("removed")}, dropped=("tokenizer/vqgan.ckpt",))
    with pytest.raises(StripError, match=r"would be called model\.safetensors in the output, as would model\.saf"):
        write_strip(changed, plan, tmp_path / "out")


def test_a_value_that_is_no_json_is_refused_and_leaves_nothing(source: Contents, tmp_path: Path) -> None:
    header = source.shards["pytorch_model.bin"]
    shards = {"pytorch_model.bin": replace(header, values={"a": b"bytes"})}
    plan = plan_of({"wide": TensorEdit("removed")}, dropped=("tokenizer/vqgan.ckpt",), values=("*",))
    with pytest.raises(StripError, match="holds a value that cannot be written as JSON"):
        write_strip(replace(source, shards=shards), plan, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_pickle_in_the_output_is_found(source: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of({"wide": TensorEdit("removed")}, dropped=("tokenizer/vqgan.ckpt",), values=("step",))
    receipt = write_strip(source, plan, tmp_path / "out")
    left = receipt.model_copy(
        update={"converted": (Converted(file="pytorch_model.bin", to="model.safetensors", left=("step",)),)}
    )
    with pytest.raises(VerifyError, match=r"has other values than pytorch_model\.bin in the receipt"):
        verified(left, tmp_path / "out", source, monkeypatch)
    absent = receipt.model_copy(update={"converted": (Converted(file="config.json", to="model.safetensors"),)})
    with pytest.raises(VerifyError, match="is there, and the receipt says it was converted"):
        verify_strip(tmp_path / "out", absent)


def test_a_plan_did_not_make_a_strip_that_kept_more_values(source: Contents, tmp_path: Path) -> None:
    """Whatever stands in a pickle beside tensors may be weights under another name."""
    plan = plan_of({"wide": TensorEdit("removed")}, dropped=("tokenizer/vqgan.ckpt",), converted=("pytorch_model.bin",))
    receipts = [
        write_strip(source, replace(plan, values=values), tmp_path / f"out{number}")
        for number, values in enumerate([(), ("step",)])
    ]
    assert [plan.made(receipt) for receipt in receipts] == [True, False]
