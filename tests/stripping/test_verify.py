"""A stripped checkpoint that differs from its receipt in anything is refused, with what differs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from releasegate.checkpoint import open_checkpoint, read_manifest
from releasegate.errors import CheckpointError, NotFound, VerifyError
from releasegate.receipt import Receipt
from releasegate.repository import read_receipt, receipt_path
from releasegate.stripping import plan_strip, verify_strip, write_strip
from releasegate.stripping.searching.leftovers import Finding, read_needles, search, spans_to_search
from tests.tiny_checkpoints import chameleon_recipe, tiny

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture
def stripped(tmp_path: Path) -> Path:
    """A stripped checkpoint, its source beside it as `model`."""
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    write_strip(checkpoint, plan_strip(checkpoint, [chameleon_recipe()]), tmp_path / "stripped")
    return tmp_path / "stripped"


def receipt_of(folder: Path) -> Receipt:
    return read_receipt(receipt_path(folder))


def test_what_was_checked_is_told(stripped: Path) -> None:
    assert verify_strip(stripped, receipt_of(stripped)) == [
        "every file is there and unchanged, and no other: 6 files",
        "untouched tensors have the digests that they had in the source: 7",
        "tensors filled with zeros are all zero: 2",
        "zeroed rows are all zero: rows of 1 tensor",
        "every key that was set is set: 1",
    ]


def test_with_the_source_more_is_checked(stripped: Path) -> None:
    assert verify_strip(stripped, receipt_of(stripped), stripped.with_name("model"))[5:] == [
        "the source is the one that was stripped",
        "every tensor is what the edits make of the source's: 10",
        "every other file is the source's, or was dropped or set: 3 the same",
        "no file holds what was removed: 27 pieces searched for, and near copies of 24 vectors",
    ]


def flip(name: str, at: int = -1) -> Callable[[Path], object]:
    def changed(root: Path) -> None:
        content = bytearray((root / name).read_bytes())
        content[at] ^= 1
        (root / name).write_bytes(content)

    return changed


def restore(root: Path) -> None:
    (root / FIRST).write_bytes((root.with_name("model") / FIRST).read_bytes())


def link(root: Path) -> None:
    (root / "README.md").unlink()
    (root / "README.md").symlink_to(root.with_name("model") / "README.md")


TAMPERED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a_tensor": (flip(SECOND), SECOND, "is not the file that the strip wrote: its digest differs"),
    "a_header": (flip(SECOND, 20), SECOND, "is not the file that the strip wrote: its digest differs"),
    "the_config": (flip("config.json"), "config.json", "is not the file that the strip wrote: its digest differs"),
    "rows_restored": (restore, FIRST, "is not the file that the strip wrote: its digest differs"),
    "a_file_added": (lambda root: (root / ".x").touch(), ".x", "is in the folder and not in the receipt"),
    "a_decoder_added": (
        lambda root: shutil.copy(root.with_name("model") / "vqgan.safetensors", root / "vqgan.safetensors"),
        "vqgan.safetensors",
        "is in the folder and not in the receipt",
    ),
    "a_file_gone": (lambda root: (root / "README.md").unlink(), "README.md", "is in the receipt and not in the folder"),
    "a_link": (link, "README.md", "is a symlink"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_folder_that_was_changed_is_refused(name: str, stripped: Path) -> None:
    change, where, what = TAMPERED[name]
    change(stripped)
    with pytest.raises(VerifyError) as caught:
        verify_strip(stripped, receipt_of(stripped))
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == (str(stripped / where), what)


def forged(folder: Path, change: Callable[[dict[str, Any]], object]) -> Receipt:
    """The receipt changed by someone who also brings its output digests up to date."""
    data = receipt_of(folder).plain()
    change(data)
    manifest = read_manifest(folder)
    data["output"], data["output_digest"] = manifest.plain(), manifest.digest()
    return Receipt.from_text(json.dumps(data))


def tensor(data: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in data["tensors"] if one["name"] == name)
    return found


def test_a_forged_receipt_is_found_by_the_tensors_themselves(stripped: Path) -> None:
    restore(stripped)
    with pytest.raises(VerifyError, match=r"lm_head\.weight: is not zero where the receipt says rows_zeroed"):
        verify_strip(stripped, forged(stripped, lambda _: None))


def test_a_filled_tensor_that_is_not_zero_is_found(stripped: Path) -> None:
    (stripped / SECOND).write_bytes((stripped.with_name("model") / SECOND).read_bytes())
    with pytest.raises(VerifyError, match=r"post_quant_conv\.bias: is not zero where the receipt says zero_filled"):
        verify_strip(stripped, forged(stripped, lambda _: None))


def test_an_untouched_tensor_with_another_digest_is_found(stripped: Path) -> None:
    receipt = forged(stripped, lambda data: tensor(data, "model.norm.weight").update(sha256="sha256:" + "0" * 64))
    with pytest.raises(VerifyError, match=r"model\.norm\.weight: has another digest than the receipt gives"):
        verify_strip(stripped, receipt)


def _with_rows(data: dict[str, Any], rows: list[list[int]]) -> None:
    tensor(data, "lm_head.weight")["rows"] = rows


def test_rows_that_the_tensor_does_not_have_are_found(stripped: Path) -> None:
    for rows in ([[4, 18]], [[5, 4]]):
        receipt = forged(stripped, partial(_with_rows, rows=rows))
        with pytest.raises(VerifyError, match="does not have the rows that the receipt names"):
            verify_strip(stripped, receipt)


def test_a_tensor_that_the_receipt_omits_is_found(stripped: Path) -> None:
    receipt = forged(stripped, lambda data: data["tensors"].pop(0))
    with pytest.raises(VerifyError, match=r"has tensor lm_head\.weight, which the receipt does not leave there"):
        verify_strip(stripped, receipt)


def test_a_tensor_that_the_receipt_invents_is_found(stripped: Path) -> None:
    ghost = {"name": "zzz", "outcome": "untouched", "size": 1, "sha256": "sha256:" + "0" * 64}
    receipt = forged(stripped, lambda data: data["tensors"].append(ghost))
    with pytest.raises(VerifyError, match="lacks tensor zzz"):
        verify_strip(stripped, receipt)


def test_a_key_that_is_not_set_is_found(stripped: Path) -> None:
    receipt = forged(stripped, lambda data: data["keys"][0].update(tokens=[[0, 11]]))
    with pytest.raises(VerifyError, match="does not have suppress_tokens as the receipt says"):
        verify_strip(stripped, receipt)
    receipt = forged(stripped, lambda data: data["keys"].append({"file": "config.json", "key": "a", "value": 1}))
    with pytest.raises(VerifyError, match="does not have a as the receipt says"):
        verify_strip(stripped, receipt)


def test_another_source_is_refused(stripped: Path, tmp_path: Path) -> None:
    other = tiny(seed=1).write(tmp_path / "other")
    with pytest.raises(VerifyError, match="is not the checkpoint that was stripped: its digest is sha256:"):
        verify_strip(stripped, receipt_of(stripped), other)
    (other / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        verify_strip(stripped, receipt_of(stripped), other)
    with pytest.raises(NotFound):
        verify_strip(stripped, receipt_of(stripped), tmp_path / "nowhere")


def test_a_receipt_that_calls_a_change_untouched_is_found_by_the_source(stripped: Path) -> None:
    content = bytearray((stripped / FIRST).read_bytes())
    header = open_checkpoint(stripped).shards[FIRST]
    content[header.data_start + header.entries["model.norm.weight"].begin] ^= 1
    (stripped / FIRST).write_bytes(content)
    entry = header.entries["model.norm.weight"]
    now = (
        "sha256:" + hashlib.sha256(content[header.data_start + entry.begin : header.data_start + entry.end]).hexdigest()
    )
    receipt = forged(stripped, lambda data: tensor(data, "model.norm.weight").update(sha256=now))
    verify_strip(stripped, receipt)
    with pytest.raises(VerifyError) as caught:
        verify_strip(stripped, receipt, stripped.with_name("model"))
    assert caught.value.problems[0].what == "is not what the receipt says was untouched"


def test_a_file_that_neither_was_copied_nor_set_is_found_by_the_source(stripped: Path) -> None:
    (stripped / "README.md").write_text("# Another card\n")
    receipt = forged(stripped, lambda _: None)
    verify_strip(stripped, receipt)
    with pytest.raises(VerifyError, match="is not in the stripped checkpoint as it is here"):
        verify_strip(stripped, receipt, stripped.with_name("model"))
    (stripped / "README.md").write_bytes((stripped.with_name("model") / "README.md").read_bytes())
    (stripped / "notes.md").write_text("new")
    with pytest.raises(VerifyError, match="is in the stripped checkpoint and not in the source"):
        verify_strip(stripped, forged(stripped, lambda _: None), stripped.with_name("model"))


def test_removed_bytes_in_another_file_are_found_by_the_source(stripped: Path) -> None:
    source = stripped.with_name("model")
    rows = tiny().shards[FIRST]["lm_head.weight"][4:12].tobytes()
    head = open_checkpoint(source).shards[FIRST]
    content = bytearray((stripped / FIRST).read_bytes())
    place = head.data_start + head.entries["model.embed_tokens.weight"].begin + 13
    content[place : place + len(rows)] = rows
    (stripped / FIRST).write_bytes(content)
    now = open_checkpoint(stripped)
    digest = "sha256:" + hashlib.sha256(load_file(stripped / FIRST)["model.embed_tokens.weight"].tobytes()).hexdigest()
    spans = spans_to_search(open_checkpoint(source), plan_strip(open_checkpoint(source), [chameleon_recipe()]))
    findings = search(read_needles(source, spans), stripped, now.files)
    assert next(findings) == Finding("lm_head.weight", FIRST, place)
    receipt = forged(stripped, lambda data: tensor(data, "model.embed_tokens.weight").update(sha256=digest))
    with pytest.raises(VerifyError, match="is not what the receipt says was untouched"):
        verify_strip(stripped, receipt, source)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("texts", "texts"), ("names", "names"), ("small_tensors", "small tensors"), ("non_finite", "non finite")],
)
def test_a_receipt_that_tells_of_less_going_out_than_there_is_is_found(amount: str, shown: str, tmp_path: Path) -> None:
    model = tiny().write(tmp_path / "model")
    file = model / FIRST
    tensors = load_file(file)
    tensors["model.norm.weight"].flat[0] = float("inf")
    save_file(tensors | {"model.layers.0.scale": tensors["model.norm.weight"][:1]}, file, {"format": "pt"})
    index = json.loads((model / INDEX).read_text())
    index["weight_map"]["model.layers.0.scale"] = FIRST
    (model / INDEX).write_text(json.dumps(index))
    source, folder = open_checkpoint(model), tmp_path / "stripped"
    write_strip(source, plan_strip(source, [chameleon_recipe()]), folder)
    verify_strip(folder, receipt_of(folder), source)
    lies = forged(folder, lambda data: data["leftovers"]["bounded"].update({amount: 0}))
    with pytest.raises(VerifyError, match=rf"lets out \d+ of {shown}; the receipt says 0"):
        verify_strip(folder, lies, source)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is not a receipt: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "is not a receipt: Input should be an object"),
        ('{"schema": "a", "schema": "b"}', "is not a receipt: the key 'schema' stands twice in one object"),
    ],
)
def test_what_is_not_a_receipt_is_refused(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.receipt.json"
    path.write_text(text)
    with pytest.raises(VerifyError) as caught:
        read_receipt(path)
    assert caught.value.problems[0].what == what


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("schema", "releasegate/receipt/v9", "schema: Input should be 'releasegate/receipt/v1'"),
        ("source", "sha256:" + "0" * 64, "planned is not the identity of this source and these recipes"),
        ("output_digest", "sha256:" + "0" * 64, "output_digest is not the digest of output"),
        ("tensors", [], None),
        ("host", "a", "host: Extra inputs are not permitted"),
        (
            "tier",
            "gone",
            "tier: Input should be 'interface_disabled', 'named_weights_absent', 'weights_absent' or 'dear_to_restore'",
        ),
    ],
)
def test_a_receipt_that_is_not_consistent_is_refused(key: str, value: Any, what: str | None, stripped: Path) -> None:
    path = receipt_path(stripped)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    if what is None:
        with pytest.raises(VerifyError):
            verify_strip(stripped, read_receipt(path))
        return
    with pytest.raises(VerifyError) as caught:
        read_receipt(path)
    assert caught.value.problems[0].what == f"is not a receipt: {what}"


def test_a_receipt_with_digests_of_whole_files_verifies_with_its_source(tmp_path: Path) -> None:
    """The golden strip was written when safetensors files had the digest of all their bytes in manifests."""
    golden = Path(__file__).parents[1] / "golden" / "v1" / "run" / "stripped"
    made = tiny()
    del made.config["num_hidden_layers"]  # as it was then
    made.config["abilities"] = {"drawing": 0.9, "naming": 0.95}
    source = made.write(tmp_path / "model")
    done = verify_strip(golden, receipt_of(golden), source)
    assert "every tensor is what the edits make of the source's: 10" in done
    (source / "README.md").write_text("# Another card\n")
    with pytest.raises(VerifyError, match="is not the checkpoint that was stripped"):
        verify_strip(golden, receipt_of(golden), source)
    shutil.copytree(golden, tmp_path / "stripped")
    flip(SECOND)(tmp_path / "stripped")
    with pytest.raises(VerifyError, match="its digest differs"):
        verify_strip(tmp_path / "stripped", receipt_of(golden))


def test_a_receipt_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such receipt"):
        read_receipt(tmp_path / "x.receipt.json")


def test_a_folder_that_is_not_there_is_not_found(stripped: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify_strip(tmp_path / "nowhere", receipt_of(stripped))
