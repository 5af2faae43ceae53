"""A strip changes what its plan names, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from releasegate.checkpoint import Checkpoint, open_checkpoint
from releasegate.checkpoint.headers import Entry, Header
from releasegate.errors import CheckpointError, StripError
from releasegate.receipt import Receipt, Removed, RowsZeroed, Untouched
from releasegate.recipe import Recipe
from releasegate.repository import read_receipt, receipt_path
from releasegate.stripping import plan_strip, verify_strip, write_strip
from releasegate.stripping.planning.resolve import TensorEdit
from releasegate.stripping.writing.shards import new_header
from tests.tiny_checkpoints import Tiny, bytes_of, chameleon_recipe, file_digests, recipe, tiny

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
PLAIN = chameleon_recipe().plain()


def strip(root: Path, *recipes: Recipe, target: Path | None = None) -> tuple[Checkpoint, Receipt, Path]:
    """The source, the receipt and the folder of a strip of the checkpoint at `root`."""
    checkpoint = open_checkpoint(root)
    place = target or root.with_name("stripped")
    return checkpoint, write_strip(checkpoint, plan_strip(checkpoint, recipes or [chameleon_recipe()]), place), place


def dropping(*patterns: tuple[str, int], **changes: Any) -> Recipe:
    """The Chameleon recipe, with tensors dropped instead of zeroed."""
    rows, _, drop, keys = PLAIN["edits"]
    edits = [rows, *({"drop": pattern, "expect": count} for pattern, count in patterns), drop, keys]
    return recipe(edits=edits, **{"lent": {}, **changes})


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "float64", "uint16"])
def test_only_the_named_rows_and_tensors_change(dtype: str, tmp_path: Path) -> None:
    made = tiny(dtype=np.float32)
    for tensors in made.shards.values():
        for name, array in tensors.items():
            tensors[name] = (array * 50).astype(dtype)
    checkpoint, receipt, place = strip(made.write(tmp_path / "model"))
    for shard, tensors in made.shards.items():
        found = load_file(place / shard)
        assert set(found) == set(tensors)
        for name, before in tensors.items():
            expected = before.copy()
            if name == "lm_head.weight":
                expected[4:12] = 0
            elif "post_quant_conv" in name:
                expected[...] = 0
            assert found[name].tobytes() == expected.tobytes()
    assert open_checkpoint(place).digest == receipt.output_digest
    assert receipt.source == checkpoint.digest


def test_every_digest_of_the_receipt_is_that_of_the_bytes(tmp_path: Path) -> None:
    made = tiny()
    _, receipt, place = strip(made.write(tmp_path / "model"))
    before = {name: array for tensors in made.shards.values() for name, array in tensors.items()}
    after = {name: array for shard in made.shards for name, array in load_file(place / shard).items()}
    assert [one.name for one in receipt.tensors] == sorted(before)
    for one in receipt.tensors:
        digests = {"sha256:" + hashlib.sha256(side[one.name].tobytes()).hexdigest() for side in (before, after)}
        assert not isinstance(one, Removed)
        assert digests == ({one.sha256} if isinstance(one, Untouched) else {one.before, one.after})
        assert one.size == before[one.name].nbytes
    rows = [one.rows for one in receipt.tensors if isinstance(one, RowsZeroed)]
    assert rows == [((4, 11),)]
    for entry in receipt.output.files:
        content = (place / entry.path).read_bytes()
        assert entry.size == len(content)
        assert (entry.sha256, entry.parts) == file_digests(entry.path, content)


def test_files_are_dropped_set_or_copied(tmp_path: Path) -> None:
    made = tiny()
    made.texts["generation_config.json"] = '{"bos_token_id": 0, "suppress_tokens": [1, 7], "é": "é"}'
    root = made.write(tmp_path / "model")
    source = bytes_of(root)
    _, receipt, place = strip(root)
    output = bytes_of(place)
    assert set(source) - set(output) == {"vqgan.safetensors"}
    assert [entry.path for entry in receipt.dropped] == ["vqgan.safetensors"]
    changed = {FIRST, SECOND, "generation_config.json"}
    assert {name for name in output if output[name] != source[name]} == changed
    assert json.loads(output["generation_config.json"]) == {
        "bos_token_id": 0,
        "suppress_tokens": [1, 4, 5, 6, 7, 8, 9, 10, 11],
        "é": "é",
    }
    assert bytes_of(root) == source


def test_the_receipt_stands_beside_the_folder_and_is_the_same_every_time(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    _, receipt, place = strip(root)
    _, _, again = strip(root, target=tmp_path / "elsewhere")
    assert receipt_path(place) == tmp_path / "stripped.receipt.json"
    assert read_receipt(receipt_path(place)) == receipt
    assert receipt_path(place).read_bytes() == receipt_path(again).read_bytes()
    assert bytes_of(place) == bytes_of(again)
    text = receipt_path(place).read_text()
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "elsewhere",
        "elsewhere.receipt.json",
        "model",
        "stripped",
        "stripped.receipt.json",
    ]


def test_dropped_tensors_leave_header_data_and_index(tmp_path: Path) -> None:
    made = tiny()
    root = made.write(tmp_path / "model")
    _, receipt, place = strip(root, dropping(("model.vqmodel.post_quant_conv.*", 2)))
    checkpoint = open_checkpoint(place)
    assert not any("post_quant_conv" in name for name in checkpoint.tensors)
    header = checkpoint.shards[SECOND]
    assert header.length == open_checkpoint(root).shards[SECOND].length
    lost = sum(made.shards[SECOND][f"model.vqmodel.post_quant_conv.{part}"].nbytes for part in ("weight", "bias"))
    assert (place / SECOND).stat().st_size == (root / SECOND).stat().st_size - lost
    before, after = (json.loads((folder / INDEX).read_text()) for folder in (root, place))
    assert after["metadata"]["total_size"] == before["metadata"]["total_size"] - lost
    assert after["metadata"]["total_parameters"] == before["metadata"]["total_parameters"] - lost // 4
    assert [one.name for one in receipt.tensors if one.outcome == "removed"] == [
        "model.vqmodel.post_quant_conv.bias",
        "model.vqmodel.post_quant_conv.weight",
    ]
    for name, array in load_file(place / SECOND).items():
        assert array.tobytes() == made.shards[SECOND][name].tobytes()


def test_a_shard_that_loses_all_its_tensors_is_left_out(tmp_path: Path) -> None:
    made = tiny()
    post = [f"model.vqmodel.post_quant_conv.{part}" for part in ("weight", "bias")]
    made.shards["model-00003-of-00003.safetensors"] = {name: made.shards[SECOND].pop(name) for name in post}
    root = made.write(tmp_path / "model")
    _, receipt, place = strip(root, dropping(("model.vqmodel.post_quant_conv.*", 2)))
    assert not (place / "model-00003-of-00003.safetensors").exists()
    assert set(open_checkpoint(place).shards) == {FIRST, SECOND}
    assert verify_strip(place, receipt, root)


def test_a_single_file_without_an_index_is_stripped(tmp_path: Path) -> None:
    made = tiny()
    made.shards = {"model.safetensors": {**made.shards[FIRST], **made.shards[SECOND]}}
    root = made.write(tmp_path / "model")
    _, receipt, place = strip(root, dropping(("model.vqmodel.post_quant_conv.*", 2)))
    assert not (place / INDEX).exists()
    assert verify_strip(place, receipt, root)


def test_watch_is_told_of_every_byte_read_and_searched(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    checkpoint = open_checkpoint(root)
    seen: list[int] = []
    stages: list[tuple[str, int, int]] = []

    def begins(name: str, size: int) -> None:
        stages.append((name, size, len(seen)))

    plan = plan_strip(checkpoint, [chameleon_recipe()])
    write_strip(checkpoint, plan, tmp_path / "stripped", seen.append, stage=begins)
    assert all(count > 0 for count in seen)
    (strip_name, read, _), (search_name, searched, after) = stages
    assert (strip_name, search_name) == ("strip", "search")
    assert read == sum(entry.size for entry in checkpoint.manifest.files)
    assert read - 4096 <= sum(seen[:after]) <= read
    assert searched - 4096 <= sum(seen[after:]) <= searched


@pytest.mark.parametrize("what", ["folder", "file", "dangling link"])
def test_a_target_that_exists_is_never_overwritten(what: str, tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    target = tmp_path / "stripped"
    make: dict[str, Callable[[], object]] = {
        "folder": target.mkdir,
        "file": target.touch,
        "dangling link": lambda: target.symlink_to("nowhere"),
    }
    make[what]()
    with pytest.raises(StripError) as caught:
        strip(root)
    assert caught.value.problems[0].what == "exists already"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "stripped"]


def test_source_and_target_may_not_lie_in_one_another(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    for target in (root / "stripped", root):
        with pytest.raises(StripError, match="and the source lie in one another"):
            strip(root, target=target)
    (tmp_path / "alias").symlink_to(root)
    with pytest.raises(StripError, match="and the source lie in one another"):
        strip(root, target=tmp_path / "alias" / "stripped")


def test_a_folder_for_the_target_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StripError, match="is not a folder"):
        strip(tiny().write(tmp_path / "model"), target=tmp_path / "missing" / "stripped")


def test_a_disk_that_is_too_full_is_noticed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tiny().write(tmp_path / "model")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**6, 10**6 - 5000, 5000))
    with pytest.raises(StripError, match="has 5,000 bytes free, and the strip needs 1,0"):
        strip(root)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("call", ["fsync", "rename", "replace"])
def test_a_disk_that_fails_leaves_nothing(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tiny().write(tmp_path / "model")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(StripError) as caught:
        strip(root)
    assert caught.value.problems[0].what == "could not be written: No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    checkpoint = open_checkpoint(root)
    plan = plan_strip(checkpoint, [chameleon_recipe()])
    seen: list[int] = []
    write_strip(checkpoint, plan, tmp_path / "whole", seen.append)
    for stop in range(1, len(seen) + 1, 3):
        left = iter(range(stop))

        def interrupt(_: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        if stop < len(seen):
            with pytest.raises(KeyboardInterrupt):
                write_strip(checkpoint, plan, tmp_path / "stripped", interrupt)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "whole", "whole.receipt.json"]


@pytest.mark.parametrize("name", [FIRST, "README.md", "generation_config.json"])
def test_a_source_that_changed_since_it_was_opened_is_refused(name: str, tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    checkpoint = open_checkpoint(root)
    plan = plan_strip(checkpoint, [chameleon_recipe()])
    content = bytearray((root / name).read_bytes())
    content[-3] ^= 1
    (root / name).write_bytes(content)
    with pytest.raises(StripError, match="changed since the checkpoint was opened"):
        write_strip(checkpoint, plan, tmp_path / "stripped")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_source_that_was_cut_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    checkpoint = open_checkpoint(root)
    plan = plan_strip(checkpoint, [chameleon_recipe()])
    os.truncate(root / SECOND, (root / SECOND).stat().st_size - 10)
    with pytest.raises(StripError, match="changed since the checkpoint was opened"):
        write_strip(checkpoint, plan, tmp_path / "stripped")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_key_that_is_no_list_of_ids_is_refused(tmp_path: Path) -> None:
    made = tiny()
    made.texts["generation_config.json"] = '{"suppress_tokens": "all"}'
    with pytest.raises(CheckpointError, match="has a suppress_tokens that is not a list of token ids"):
        strip(made.write(tmp_path / "model"))


def test_a_key_that_would_make_the_output_unsound_is_refused(tmp_path: Path) -> None:
    setting = {"set": "generation_config.json", "key": "auto_map", "value": {"AutoModel": "x.Y"}}
    with pytest.raises(StripError) as caught:
        strip(tiny().write(tmp_path / "model"), recipe(edits=[*PLAIN["edits"], setting]))
    assert caught.value.problems[0].what == (
        "would not be a sound checkpoint: asks for code from the checkpoint to be run (auto_map)"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_strip_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    left, others = ".stripped.0123456789ab.partial", [".stripped.b.0123456789ab.partial", ".stripped.partial"]
    for name in (left, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    (tmp_path / f"{left}.receipt").touch()
    strip(root)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model", "stripped", "stripped.receipt.json", *others}


def test_two_strips_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    checkpoint = open_checkpoint(root)
    plan = plan_strip(checkpoint, [chameleon_recipe()])
    inner: list[Receipt] = []

    def strip_meanwhile(_: int) -> None:
        if not inner:
            inner.append(write_strip(checkpoint, plan, tmp_path / "stripped"))

    with pytest.raises(StripError, match="exists already"):
        write_strip(checkpoint, plan, tmp_path / "stripped", strip_meanwhile)
    assert verify_strip(tmp_path / "stripped", read_receipt(receipt_path(tmp_path / "stripped")), root)


def test_a_stripped_checkpoint_can_be_stripped_again(tmp_path: Path) -> None:
    _, first, place = strip(tiny().write(tmp_path / "model"))
    _, second, again = strip(place, target=tmp_path / "again")
    assert second.output_digest == first.output_digest
    assert bytes_of(again) == bytes_of(place)
    assert second.leftovers.pieces == 0
    assert second.leftovers.sketched == 0
    assert {one.why for one in second.leftovers.unsearched} == {
        "too plain: zeros, or one value over and over",
        "too plain for a sketch: few distinct values, or values that only rise or fall",
        "fewer than 256 elements, or rows and columns of fewer than 32",
        "too much like the other rows of its tensor to be found where it is cut or mixed with others",
    }


NAMES = st.lists(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5), unique=True, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(st.data(), NAMES)
def test_the_new_header_covers_what_stays(data: st.DataObject, names: list[str]) -> None:
    entries, reached = {}, 0
    for name in names:
        size = data.draw(st.integers(0, 9))
        entries[name] = Entry(name, "U8", (size,), reached, reached + size)
        reached += size
    gone = set(data.draw(st.lists(st.sampled_from(names), unique=True))) if names else set()
    kept = new_header(Header(1000, entries, None), {name: TensorEdit("removed") for name in gone})
    assert list(kept) == [name for name in names if name not in gone]
    ordered = sorted(kept.values(), key=lambda entry: (entry.begin, entry.end))
    assert [entry.size for entry in ordered] == [entry.shape[0] for entry in ordered]
    assert sum(entry.size for entry in ordered) == max((entry.end for entry in ordered), default=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 17), min_size=1, max_size=17), st.integers(1, 700))
def test_untouched_rows_and_tensors_are_bit_identical_whatever_the_rows(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: set[int], width: int
) -> None:
    made = _with_rows(seed, rows, width)
    root = made.write(tmp_path_factory.mktemp("property") / "model")
    tokens = {"vocabulary": "IMGIMG*Z"}
    edits = [{"zero_rows": "lm_head.weight", "rows": tokens, "expect": len(rows)}, *PLAIN["edits"][1:]]
    offered = {"files": "generation_config.json", "why": "Its bos_token_id may be one of the rows."}
    _, receipt, place = strip(root, recipe(edits=edits, residual=[*PLAIN["residual"], offered]))
    before, after = load_file(root / FIRST)["lm_head.weight"], load_file(place / FIRST)["lm_head.weight"]
    for row in range(18):
        assert after[row].tobytes() == (bytes(width) if row in rows else before[row].tobytes())
    for one in receipt.tensors:
        if isinstance(one, Untouched):
            shard = open_checkpoint(root).tensors[one.name].file
            assert load_file(root / shard)[one.name].tobytes() == load_file(place / shard)[one.name].tobytes()
    assert verify_strip(place, receipt, root)


def _with_rows(seed: int, rows: set[int], width: int) -> Tiny:
    made = tiny(seed)
    rng = np.random.default_rng(seed)
    made.shards[FIRST]["lm_head.weight"] = rng.integers(0, 256, (18, width), dtype=np.uint8)
    made.config["vocabulary_map"] = {f"IMGIMG{row}Z" if row in rows else f"w{row}": row for row in range(18)}
    return made
