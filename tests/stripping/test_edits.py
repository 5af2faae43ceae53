"""Every kind of edit, on every kind of file of tensors, gives what the receipt says, with and without the source."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from releasegate.checkpoint import Contents, open_checkpoint, read_contents, read_manifest
from releasegate.errors import StripError, VerifyError
from releasegate.manifest import FileEntry, Manifest
from releasegate.receipt import KeySet, Receipt, RowsReinitialised, RowsRemoved, RowsZeroed, compact
from releasegate.stripping import verify_strip, write_strip
from releasegate.stripping.edits import TensorEdit
from tests.tiny_checkpoints import bytes_of, tiny
from tests.tiny_strips import data_of, plan_of

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
HEAD, LAYER = "lm_head.weight", "model.layers.1.self_attn.q_proj.weight"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny().write(tmp_path / "model")


def test_contents_and_checkpoint_give_the_same_strip(root: Path) -> None:
    plan = plan_of({HEAD: TensorEdit("rows_zeroed", ((4, 11),))}, dropped=("vqgan.safetensors",))
    receipts = [
        write_strip(read_contents(root), plan, root.with_name("a")),
        write_strip(open_checkpoint(root), plan, root.with_name("b")),
    ]
    assert receipts[0] == receipts[1]
    assert receipts[0].source == read_manifest(root).digest()
    assert bytes_of(root.with_name("a")) == bytes_of(root.with_name("b"))


def test_a_checkpoint_that_has_digests_of_whole_files_keeps_them_in_the_receipt(root: Path) -> None:
    like = Manifest(
        files=tuple(FileEntry(path=path.name, size=0, sha256="sha256:" + "0" * 64) for path in root.iterdir())
    )
    checkpoint = open_checkpoint(root, like=like)
    plan = plan_of({HEAD: TensorEdit("rows_zeroed", ((4, 11),))}, dropped=("vqgan.safetensors",))
    receipt = write_strip(checkpoint, plan, root.with_name("out"))
    assert receipt.source == checkpoint.digest != read_manifest(root).digest()
    assert verify_strip(root.with_name("out"), receipt, root)


def test_tensors_that_could_not_be_told_apart_in_the_receipt_are_refused(tmp_path: Path) -> None:
    made = tiny()
    made.shards[FIRST]["vqgan.safetensors:decoder.conv_in.bias"] = np.ones(3, "f4")
    made.siblings["long.safetensors"] = {"x" * 1020: np.ones(3, "f4")}
    contents = read_contents(made.write(tmp_path / "model"))
    for key, what in (
        ("vqgan.safetensors:decoder.conv_in.weight", f"in the receipt, as would one of {FIRST}"),
        ("long.safetensors:" + "x" * 1020, "in the receipt, which has more than 1,024 characters"),
    ):
        with pytest.raises(StripError, match=what):
            write_strip(contents, plan_of({key: TensorEdit("zero_filled")}), tmp_path / "out")


def test_columns_are_zeroed(root: Path) -> None:
    receipt = write_strip(
        read_contents(root), plan_of({LAYER: TensorEdit("rows_zeroed", ((1, 2), (30, 31)), 1)}), root.with_name("out")
    )
    before, after = load_file(root / SECOND)[LAYER], load_file(root.with_name("out") / SECOND)[LAYER]
    columns = [1, 2, 30, 31]
    assert not after[:, columns].any()
    assert np.array_equal(np.delete(after, columns, 1), np.delete(before, columns, 1))
    (one,) = [one for one in receipt.tensors if isinstance(one, RowsZeroed)]
    assert (one.rows, one.dimension) == (((1, 2), (30, 31)), 1)
    assert "zeroed rows are all zero: rows of 1 tensor" in verify_strip(root.with_name("out"), receipt, root)


@pytest.mark.parametrize("dimension", [0, 1])
def test_removed_rows_make_the_tensor_its_header_and_the_index_smaller(dimension: int, root: Path) -> None:
    edits = {LAYER: TensorEdit("rows_removed", ((0, 3), (9, 9)), dimension)}
    receipt = write_strip(read_contents(root), plan_of(edits), root.with_name("out"))
    gone = [0, 1, 2, 3, 9]
    sides = [load_file(folder / SECOND) for folder in (root, root.with_name("out"))]
    assert np.array_equal(sides[1].pop(LAYER), np.delete(sides[0].pop(LAYER), gone, dimension))
    assert all(sides[1][name].tobytes() == sides[0][name].tobytes() for name in sides[0])
    headers = [read_contents(folder).shards[SECOND].length for folder in (root, root.with_name("out"))]
    assert headers[0] == headers[1]
    before, after = (json.loads((folder / INDEX).read_text()) for folder in (root, root.with_name("out")))
    assert after["metadata"]["total_size"] == before["metadata"]["total_size"] - 5 * 32 * 4
    assert after["metadata"]["total_parameters"] == before["metadata"]["total_parameters"] - 5 * 32
    assert after["weight_map"] == before["weight_map"]
    (one,) = [one for one in receipt.tensors if isinstance(one, RowsRemoved)]
    assert (one.rows, one.dimension, one.length) == (((0, 3), (9, 9)), dimension or None, 32)
    assert "removed rows are absent: rows of 1 tensor" in verify_strip(root.with_name("out"), receipt, root)


def test_reinitialised_rows_are_random_and_the_same_every_time(root: Path) -> None:
    plan = plan_of({HEAD: TensorEdit("rows_reinitialised", ((4, 11),), 0, 0.02)})
    receipt = write_strip(read_contents(root), plan, root.with_name("out"))
    again = write_strip(read_contents(root), plan, root.with_name("again"))
    assert receipt == again
    before, after = load_file(root / FIRST)[HEAD], load_file(root.with_name("out") / FIRST)[HEAD]
    assert np.array_equal(np.delete(after, range(4, 12), 0), np.delete(before, range(4, 12), 0))
    assert abs(after[4:12].std() / 0.02 - 1) < 0.2
    assert len(np.unique(after[4:12])) > 250
    (one,) = [one for one in receipt.tensors if isinstance(one, RowsReinitialised)]
    assert one.std == 0.02
    done = verify_strip(root.with_name("out"), receipt, root)
    assert "reinitialised rows hold the random numbers of their seeds: rows of 1 tensor" in done


def test_random_numbers_of_another_seed_are_found(root: Path) -> None:
    plan = plan_of({HEAD: TensorEdit("rows_reinitialised", ((4, 11),), 0, 0.02)})
    receipt = write_strip(read_contents(root), plan, root.with_name("out"))
    (one,) = [one for one in receipt.tensors if isinstance(one, RowsReinitialised)]
    others = [other for other in receipt.tensors if other is not one]

    def with_one(**changes: object) -> Receipt:
        tensors = sorted([*others, one.model_copy(update=changes)], key=lambda tensor: tensor.name)
        return receipt.model_copy(update={"tensors": tuple(tensors)})

    with pytest.raises(VerifyError, match="has another seed in the receipt than its recipes, name and shape give"):
        verify_strip(root.with_name("out"), with_one(seed="sha256:" + "0" * 64))
    with pytest.raises(VerifyError, match="does not hold the random numbers of its seed where the receipt says"):
        verify_strip(root.with_name("out"), with_one(std=0.03))


def test_a_shape_that_still_has_the_removed_rows_is_found(root: Path) -> None:
    plan = plan_of({HEAD: TensorEdit("rows_removed", ((4, 11),))})
    receipt = write_strip(read_contents(root), plan, root.with_name("out"))
    tensors = tuple(
        one.model_copy(update={"length": 19}) if isinstance(one, RowsRemoved) else one for one in receipt.tensors
    )
    with pytest.raises(VerifyError, match="does not have the rows that the receipt names"):
        verify_strip(root.with_name("out"), receipt.model_copy(update={"tensors": tensors}))


def test_all_edits_at_once_are_proven(root: Path) -> None:
    edits = {
        HEAD: TensorEdit("rows_removed", ((4, 11),)),
        "model.embed_tokens.weight": TensorEdit("rows_reinitialised", ((0, 0), (17, 17)), 0, 0.1),
        "model.norm.weight": TensorEdit("zero_filled"),
        LAYER: TensorEdit("rows_zeroed", ((3, 20),), 1),
        "model.vqmodel.post_quant_conv.bias": TensorEdit("removed"),
    }
    receipt = write_strip(read_contents(root), plan_of(edits), root.with_name("out"), verify_written=True)
    assert {one.name: one.outcome for one in receipt.tensors if one.outcome != "untouched"} == {
        name: edit.outcome for name, edit in edits.items()
    }
    assert len(verify_strip(root.with_name("out"), receipt, root)) == 11
    assert verify_strip(root.with_name("out"), Receipt.from_text(receipt.text()), root)


def test_a_sibling_is_rewritten_tensor_by_tensor_where_one_of_its_tensors_is_named(root: Path) -> None:
    key = "vqgan.safetensors:decoder.conv_in.weight"
    receipt = write_strip(read_contents(root), plan_of({key: TensorEdit("removed")}), root.with_name("out"))
    assert list(load_file(root.with_name("out") / "vqgan.safetensors")) == ["decoder.conv_in.bias"]
    assert {one.name: one.outcome for one in receipt.tensors if ":" in one.name} == {
        key: "removed",
        "vqgan.safetensors:decoder.conv_in.bias": "untouched",
    }
    assert verify_strip(root.with_name("out"), receipt, root)


def test_a_sibling_that_loses_all_its_tensors_is_left_out(root: Path) -> None:
    keys = [f"vqgan.safetensors:decoder.conv_in.{part}" for part in ("weight", "bias")]
    receipt = write_strip(
        read_contents(root), plan_of(dict.fromkeys(keys, TensorEdit("removed"))), root.with_name("out")
    )
    assert not (root.with_name("out") / "vqgan.safetensors").exists()
    assert verify_strip(root.with_name("out"), receipt, root)


def original(root: Path, stems: tuple[str, ...] = ("00", "01")) -> Contents:
    """A checkpoint whose files hold parts of the same tensors."""
    root.mkdir()
    rng = np.random.default_rng(3)
    for stem in stems:
        parts = {name: rng.standard_normal((6, 4)).astype("f4") for name in ("output.weight", "wq.weight")}
        save_file(parts, root / f"consolidated.{stem}.safetensors")
    (root / "params.json").write_text('{"dim": 8}')
    return read_contents(root)


def test_tensor_parallel_shards_are_edited_part_by_part(tmp_path: Path) -> None:
    contents = original(tmp_path / "model")
    edits = {"output.weight@consolidated.00": TensorEdit("rows_zeroed", ((2, 5),))}
    edits |= {f"wq.weight@consolidated.0{part}": TensorEdit("rows_removed", ((0, 0),), 1) for part in (0, 1)}
    receipt = write_strip(contents, plan_of(edits), tmp_path / "out")
    found = [load_file(tmp_path / "out" / f"consolidated.0{part}.safetensors") for part in (0, 1)]
    assert not found[0]["output.weight"][2:].any()
    assert found[1]["output.weight"].tobytes() == data_of(contents, "output.weight@consolidated.01")
    assert [one["wq.weight"].shape for one in found] == [(6, 3), (6, 3)]
    assert verify_strip(tmp_path / "out", receipt, tmp_path / "model")


def test_parts_that_stay_alone_keep_their_names_in_the_receipt(tmp_path: Path) -> None:
    contents = original(tmp_path / "model")
    gone = {f"{name}@consolidated.01": TensorEdit("removed") for name in ("output.weight", "wq.weight")}
    receipt = write_strip(contents, plan_of(gone), tmp_path / "out")
    assert verify_strip(tmp_path / "out", receipt, tmp_path / "model")


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E4M3", "F8_E8M0", "BF16"])
def test_rows_of_small_dtypes_are_edited_as_bytes(dtype: str, root: Path) -> None:
    bits = {"F4": 4, "F6_E2M3": 6, "BF16": 16}.get(dtype, 8)
    data = np.random.default_rng(0).bytes(9 * 16 * bits // 8)
    header = {"x": {"dtype": dtype, "shape": [9, 16], "data_offsets": [0, len(data)]}}
    text = json.dumps(header).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    (root / "extra.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    row = 16 * bits // 8
    for outcome, expected in (("rows_zeroed", bytes(2 * row)), ("rows_removed", b"")):
        edits = {"extra.safetensors:x": TensorEdit(outcome, ((3, 4),))}  # type: ignore[arg-type]
        receipt = write_strip(read_contents(root), plan_of(edits), root.with_name(outcome))
        made = (root.with_name(outcome) / "extra.safetensors").read_bytes()
        assert made[8 + len(text) :] == data[: 3 * row] + expected + data[5 * row :]
        assert verify_strip(root.with_name(outcome), receipt, root)


def test_keys_are_set_and_taken_out_by_dotted_paths(root: Path) -> None:
    keys = (
        KeySet(file="config.json", key="vq_config.num_embeddings", value=4),
        KeySet(file="config.json", key="tie_word_embeddings", unset=True),
        KeySet(file="config.json", key="vq_config.absent.deeper", unset=True),
    )
    plan = plan_of({"model.norm.weight": TensorEdit("zero_filled")}, keys=keys)
    receipt = write_strip(read_contents(root), plan, root.with_name("out"))
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (root, root.with_name("out")))
    del before["tie_word_embeddings"]
    assert after == {**before, "vq_config": {"num_embeddings": 4}}
    done = verify_strip(root.with_name("out"), receipt, root)
    assert "every key that was set is set: 1" in done
    assert "every key that was taken out is absent: 2" in done


def test_a_key_below_something_that_is_no_object_is_refused(root: Path) -> None:
    keys = (KeySet(file="config.json", key="vocab_size.deeper", value=4),)
    plan = plan_of({"model.norm.weight": TensorEdit("zero_filled")}, keys=keys)
    with pytest.raises(Exception, match="has no object vocab_size, in which deeper is to be set"):
        write_strip(read_contents(root), plan, root.with_name("out"))


def test_a_pickle_that_would_be_published_is_refused_before_anything_is_written(root: Path) -> None:
    (root / "optimizer.pt").write_bytes(b"\x80\x02.")
    plan = plan_of({"model.norm.weight": TensorEdit("zero_filled")})
    with pytest.raises(StripError, match="is a pickle, which runs code when it is loaded, and would be published"):
        write_strip(read_contents(root), plan, root.with_name("out"))
    receipt = write_strip(read_contents(root), replace(plan, dropped=("optimizer.pt",)), root.with_name("out"))
    assert [entry.path for entry in receipt.dropped] == ["optimizer.pt"]
    assert verify_strip(root.with_name("out"), receipt, root)


def edits_of(contents: Contents) -> st.SearchStrategy[dict[str, TensorEdit]]:
    """Any edits of the checkpoint's tensors and of those beside the model, at least one, not all of them removals."""
    shapes = {name: place.entry.shape for name, place in contents.tensors.items()}
    for file, header in contents.siblings.items():
        shapes |= {f"{file}:{name}": entry.shape for name, entry in header.entries.items()}

    def edit_for(shape: tuple[int, ...]) -> st.SearchStrategy[TensorEdit]:
        rows = st.integers(0, len(shape) - 1).flatmap(
            lambda at: st.tuples(st.just(at), st.sets(st.integers(0, shape[at] - 1), min_size=1))
        )
        partial = st.sampled_from(["rows_zeroed", "rows_removed", "rows_reinitialised"])
        return st.one_of(
            st.sampled_from([TensorEdit("removed"), TensorEdit("zero_filled")]),
            st.builds(lambda kind, where: TensorEdit(kind, compact(where[1]), where[0], 0.05), partial, rows),
        )

    one = st.sampled_from(sorted(shapes)).flatmap(lambda name: st.tuples(st.just(name), edit_for(shapes[name])))
    return st.lists(one, min_size=1, max_size=8).map(dict)


def check_any_edits(folder: Path, data: st.DataObject) -> None:
    made = tiny(seed=data.draw(st.integers(0, 99)))
    root = made.write(folder / "model")
    before, contents = bytes_of(root), read_contents(root)
    edits = data.draw(edits_of(contents))
    read = data.draw(st.booleans())
    receipt = write_strip(contents, plan_of(edits), folder / "out", verify_written=read)
    assert {one.name for one in receipt.tensors if one.outcome != "untouched"} == set(edits)
    assert verify_strip(folder / "out", Receipt.from_text(receipt.text()), root)
    assert bytes_of(root) == before
    assert sorted(path.name for path in folder.iterdir()) == ["model", "out", "out.receipt.json"]


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_edits_give_a_strip_that_verifies(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    check_any_edits(tmp_path_factory.mktemp("any"), data)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_great_many_edits_give_strips_that_verify(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("many")
    check_any_edits(folder, data)
    shutil.rmtree(folder)
