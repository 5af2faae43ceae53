"""Copies in another form are found, whatever the form; what is merely alike is not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releasegate.checkpoint.headers import BITS, read_header
from releasegate.errors import CheckpointError
from releasegate.receipt import Unsearched
from releasegate.stripping.searching import sketches as sketching
from releasegate.stripping.searching.nearcopies import NEAR, NearCopy, search_near_copies
from releasegate.stripping.searching.removedparts import RemovedPart
from releasegate.stripping.searching.sketches import TOO_PLAIN, TOO_SMALL, Sketches, sketch_removed
from tests.tiny_checkpoints import safetensors
from tests.tiny_forms import FORMS, Stored, bf16, drawn, searched, sketches_of, stored, write

FOUR_BITS = [form for form in FORMS if form.startswith("int4")]
EIGHT_BITS = [form for form in FORMS if form not in FOUR_BITS]


def rows_found(copies: tuple[NearCopy, ...], tensor: str = "kept") -> int:
    return sum(copy.matched for copy in copies if copy.tensor == tensor and copy.form == "rows")


@pytest.mark.parametrize("cosine", [0, 0.5, 0.8])
@pytest.mark.parametrize("length", [32, 64, 96, 512, 4096])
@pytest.mark.parametrize("form", EIGHT_BITS)
def test_nearly_every_row_is_found_in_another_form(form: str, length: int, cosine: float, tmp_path: Path) -> None:
    rows = drawn(64, length, cosine=cosine)
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": FORMS[form](rows)})
    least = 48 if length <= 64 and cosine == 0.8 and form in ("fp8 e5m2", "noise 5 %") else 61
    assert rows_found(found.copies) >= least
    assert all(copy.equal > 0.85 for copy in found.copies)


@pytest.mark.parametrize("length", [64, 96, 512, 4096])
@pytest.mark.parametrize("form", FOUR_BITS)
def test_a_whole_tensor_is_found_in_four_bits(form: str, length: int, tmp_path: Path) -> None:
    rows = drawn(64, length)
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": FORMS[form](rows)})
    assert rows_found(found.copies) >= 48


@pytest.mark.parametrize("form", EIGHT_BITS)
def test_one_row_among_thousands_is_found(form: str, tmp_path: Path) -> None:
    rows = drawn(64, 256)
    kind, copy = FORMS[form](rows)
    other = FORMS[form](drawn(2000, 256, seed=1))[1]
    other[1234] = copy[17]
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": (kind, other)})
    assert [(one.part, one.tensor, one.form, one.matched) for one in found.copies] == [("head", "kept", "rows", 1)]


def test_rows_are_found_in_any_order_inside_a_larger_tensor(tmp_path: Path) -> None:
    rows, other = drawn(64, 128), drawn(300, 128, seed=1)
    other[np.random.default_rng(0).permutation(300)[:64]] = rows[::-1]
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": stored(other.reshape(10, 30, 128))})
    assert found.copies == (NearCopy("head", "model.safetensors", "kept", "rows", 64, 128, 1.0),)


@pytest.mark.parametrize("scale", [1, -0.37])
def test_a_turned_matrix_is_found(scale: float, tmp_path: Path) -> None:
    rows = drawn(80, 512)
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": bf16(rows.T * scale)})
    assert [(one.form, one.matched) for one in found.copies] == [("transposed", 144)]


def test_turned_experts_in_one_tensor_are_found(tmp_path: Path) -> None:
    expert = drawn(96, 128)
    stack = np.stack([drawn(128, 96, seed=seed) for seed in range(1, 5)])
    stack[2] = expert.T
    found = searched(tmp_path, sketches_of(tmp_path, stored(expert)), {"kept": stored(stack)})
    assert [(one.form, one.matched) for one in found.copies] == [("transposed", 160)]


@pytest.mark.parametrize("width", [2, 3, 200, 300])
def test_turned_matrices_in_a_deep_stack_are_found(width: int, tmp_path: Path) -> None:
    matrix = drawn(width, 64)
    stack = np.random.default_rng(3).standard_normal((300, 64, width)).astype("f4")
    stack[221] = matrix.T
    found = searched(tmp_path, sketches_of(tmp_path, stored(matrix), ((0, width - 1),)), {"kept": stored(stack)})
    assert [(one.form, one.matched) for one in found.copies] == [("transposed", width + (64 if width >= 64 else 0))]


def test_tensors_cut_into_very_many_pieces_take_no_more_memory_or_time(tmp_path: Path) -> None:
    tensor = np.random.default_rng(3).standard_normal((20000, 2, 64)).astype("f2")
    for dimension, turned in ((1, tensor), (2, np.ascontiguousarray(tensor.transpose(0, 2, 1)))):
        sketches = sketches_of(tmp_path, stored(turned), ((1, 1),), dimension)
        assert 4096 <= sketches.count <= 4096 + 64
        found = searched(tmp_path, sketches, {"kept": bf16(tensor[:, 1]), "other": bf16(tensor[:, 0])})
        assert {(one.tensor, one.matched) for one in found.copies} == {("kept", 4096)}


def test_an_expert_of_a_stack_is_found_alone(tmp_path: Path) -> None:
    stack = np.stack([drawn(96, 128, seed=seed) for seed in range(4)])
    sketches = sketches_of(tmp_path, stored(stack), ((2, 2),))
    assert searched(tmp_path, sketches, {"kept": stored(stack[:2])}).copies == ()
    assert rows_found(searched(tmp_path, sketches, {"kept": bf16(stack[2])}).copies) == 96


def test_slices_of_the_inputs_are_found_by_columns(tmp_path: Path) -> None:
    rows = drawn(256, 320)
    sketches = sketches_of(tmp_path, stored(rows))
    found = searched(tmp_path, sketches, {"kept": bf16(rows[:, 80:160])})
    assert [(one.form, one.matched) for one in found.copies] == [("columns", 16)]


def test_removed_columns_are_found_as_columns_and_as_rows(tmp_path: Path) -> None:
    matrix = drawn(256, 100)
    sketches = sketches_of(tmp_path, stored(matrix), ((10, 19), (30, 30)), dimension=1)
    assert sketches.count == 11
    assert searched(tmp_path, sketches, {"kept": bf16(np.delete(matrix, [*range(10, 20), 30], axis=1))}).copies == ()
    found = searched(tmp_path, sketches, {"kept": bf16(matrix[:, 15:25]), "turned": bf16(matrix.T[30:40])})
    assert [(one.tensor, one.form, one.matched) for one in found.copies] == [
        ("kept", "columns", 5),
        ("turned", "transposed", 1),
    ]


def test_removed_heads_in_the_middle_dimension_are_found(tmp_path: Path) -> None:
    heads = drawn(4 * 6, 128).reshape(4, 6, 128)
    sketches = sketches_of(tmp_path, stored(heads), ((2, 3),), dimension=1)
    assert sketches.count == 8
    found = searched(tmp_path, sketches, {"kept": bf16(heads[:, 2]), "others": bf16(heads[:, 4:])})
    assert [(one.tensor, one.form, one.matched) for one in found.copies] == [("kept", "rows", 4)]


def test_removed_input_channels_of_a_convolution_are_found(tmp_path: Path) -> None:
    kernels = drawn(128, 8 * 9).reshape(128, 8, 3, 3)
    sketches = sketches_of(tmp_path, stored(kernels), ((1, 2),), dimension=1)
    assert sketches.count == 18
    found = searched(tmp_path, sketches, {"kept": bf16(kernels[:, 2:3])})
    assert [(one.tensor, one.form, one.matched) for one in found.copies] == [("kept", "columns", 9)]


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (40, 8), (300,), (2, 3, 50)])
def test_kernels_and_small_tensors_are_found(shape: tuple[int, ...], tmp_path: Path) -> None:
    tensor = drawn(1, int(np.prod(shape))).reshape(shape)
    found = searched(tmp_path, sketches_of(tmp_path, stored(tensor)), {"kept": bf16(tensor)})
    assert found.copies
    assert found.copies[0].part == "head"


def test_complex_numbers_are_searched_as_pairs(tmp_path: Path) -> None:
    rows = drawn(64, 128)
    sketches = sketches_of(tmp_path, ("C64", rows.view("c8")))
    assert rows_found(searched(tmp_path, sketches, {"kept": stored(rows)}).copies) == 64


@pytest.mark.parametrize("cosine", [0, 0.5, 0.8])
@pytest.mark.parametrize("length", [32, 64, 96, 512])
def test_unrelated_rows_are_not_found(length: int, cosine: float, tmp_path: Path) -> None:
    sketches = sketches_of(tmp_path, stored(drawn(500, length, cosine=cosine)))
    kept = {str(seed): stored(drawn(4000, length, cosine=cosine, seed=seed)) for seed in (1, 2)}
    assert searched(tmp_path, sketches, kept).copies == ()


@pytest.mark.parametrize("rows", [1, 40])
def test_kept_rows_of_the_same_tensor_are_no_finding(rows: int, tmp_path: Path) -> None:
    matrix = drawn(400, 256, cosine=0.8)
    sketches = sketches_of(tmp_path, stored(matrix), ((100, 99 + rows),))
    matrix[100 : 100 + rows] = 0
    assert searched(tmp_path, sketches, {"head": stored(matrix)}).copies == ()


def test_untrained_rows_that_are_all_alike_raise_no_alarm_and_are_counted(tmp_path: Path) -> None:
    matrix = drawn(400, 256)
    matrix[50:150] = matrix[50] + 0.02 * drawn(100, 256, seed=1)
    sketches = sketches_of(tmp_path, stored(matrix), ((60, 79),))
    matrix[60:80] = 0
    found = searched(tmp_path, sketches, {"head": stored(matrix)})
    assert found.copies == ()
    assert sum(one.pieces for one in found.unsearched if one.part == "head") >= 18


def test_norms_that_are_alike_are_told_from_a_copy(tmp_path: Path) -> None:
    shared = np.abs(drawn(1, 512)[0])
    norms = {f"norm.{at}": stored(shared + 0.2 * drawn(1, 512, seed=at)[0]) for at in range(40)}
    header = write(tmp_path / "source.safetensors", norms)
    part = RemovedPart("norm.7", "source.safetensors", header.entries["norm.7"], header.data_start)
    sketches = sketch_removed(tmp_path, [part], {"source.safetensors": header})
    others = {name: value for name, value in norms.items() if name != "norm.7"}
    assert searched(tmp_path, sketches, others).copies == ()
    found = searched(tmp_path, sketches, others | {"ema": bf16(norms["norm.7"][1])})
    assert [(one.tensor, one.matched) for one in found.copies] == [("ema", 1)]


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (stored(np.zeros((4, 256), "f4")), TOO_PLAIN),
        (stored(np.arange(1024, dtype="f4")), TOO_PLAIN),
        (stored(np.ones((1, 256), "i1")), TOO_PLAIN),
        (stored(drawn(1, 255)[0]), TOO_SMALL),
        (stored(drawn(3, 8)), TOO_SMALL),
        (stored(np.float32(3) * np.ones((), "f4")), TOO_SMALL),
        (stored(np.zeros((0, 64), "f4")), TOO_SMALL),
        (("F4", np.zeros((4, 128), "u1")), "its elements are not whole bytes (F4)"),
    ],
)
def test_what_cannot_be_sketched_is_said(tensor: Stored, why: str, tmp_path: Path) -> None:
    kind, array = tensor
    shape = [4, 256] if kind == "F4" else list(array.shape)
    entry = {"dtype": kind, "shape": shape, "data_offsets": [0, array.nbytes]}
    (tmp_path / "s").write_bytes(safetensors({"head": entry}, array.tobytes()))
    header = read_header(tmp_path / "s")
    sketches = sketch_removed(tmp_path, [RemovedPart("head", "s", header.entries["head"], header.data_start)], {})
    assert {(one.part, one.why) for one in sketches.unsearched} == {("head", why)}
    assert sketches.count == 0


def test_a_kept_tensor_of_split_bytes_is_counted_as_unsearched(tmp_path: Path) -> None:
    sketches = sketches_of(tmp_path, stored(drawn(4, 64)))
    entry = {"dtype": "F4", "shape": [64, 64], "data_offsets": [0, 2048]}
    (tmp_path / "kept").write_bytes(safetensors({"packed": entry}, bytes(2048)))
    found = search_near_copies(sketches, tmp_path, {"kept": read_header(tmp_path / "kept")})
    assert found.unsearched == (
        Unsearched(
            part="packed", pieces=1, why="its elements are not whole bytes (F4), so that a copy in it is not found"
        ),
    )


def test_a_tensor_that_is_named_is_passed_over_and_every_byte_is_told(tmp_path: Path) -> None:
    rows = drawn(64, 64)
    sketches = sketches_of(tmp_path, stored(rows))
    header = write(tmp_path / "out" / "m", {"one": stored(rows), "two": stored(rows)})
    seen: list[int] = []
    found = search_near_copies(sketches, tmp_path / "out", {"m": header}, {("m", "one")}, seen.append)
    assert [one.tensor for one in found.copies] == ["two"] * len(found.copies)
    assert found.copies
    assert sum(seen) == 2 * rows.nbytes


@pytest.mark.parametrize("shape", [(64, 64), (64, 4096)])
def test_a_file_that_is_cut_off_meanwhile_is_an_error(shape: tuple[int, int], tmp_path: Path) -> None:
    rows = drawn(*shape)
    sketches = sketches_of(tmp_path, stored(rows))
    header = write(tmp_path / "out" / "m", {"one": stored(rows)})
    os.truncate(tmp_path / "out" / "m", header.data_start + rows.nbytes // 2)
    with pytest.raises(CheckpointError, match="bytes too early"):
        search_near_copies(sketches, tmp_path / "out", {"m": header})


def test_where_there_are_too_many_rows_some_are_taken_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasegate.stripping.searching.sketches.MAX_ROWS", 10)
    rows = drawn(95, 64)
    sketches = sketches_of(tmp_path, stored(rows), ((0, 94),))
    assert [int((~group.extra).sum()) for group in sketches.groups.values()] == [10, 0]
    assert rows_found(searched(tmp_path, sketches, {"kept": bf16(rows)}).copies) == 10


def test_a_row_of_many_megabytes_is_read_at_its_blocks_alone(tmp_path: Path) -> None:
    rows = drawn(2, 1 << 18)
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": bf16(rows[::-1])})
    assert rows_found(found.copies) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(BITS)),
    shape=st.lists(st.sampled_from([0, 1, 2, 3, 16, 64, 80]), max_size=4).map(tuple),
    dimension=st.integers(0, 3),
    whole=st.booleans(),
    pattern=st.binary(min_size=1, max_size=64),
)
def test_any_tensor_can_be_removed_and_searched(
    *, kind: str, shape: tuple[int, ...], dimension: int, whole: bool, pattern: bytes, tmp_path: Path
) -> None:
    bits = int(np.prod(shape, dtype=np.int64)) * BITS[kind]
    if bits % 8 or bits > 1 << 22:
        return
    data = (pattern * (bits // 8 // len(pattern) + 1))[: bits // 8]
    entry = {"dtype": kind, "shape": list(shape), "data_offsets": [0, bits // 8]}
    (tmp_path / "s").write_bytes(safetensors({"head": entry}, data))
    header = read_header(tmp_path / "s")
    inside = dimension < len(shape) and shape[dimension] > 0
    ranges = None if whole or not inside else ((0, shape[dimension] // 2),) if shape[dimension] > 1 else ((0, 0),)
    part = RemovedPart("head", "s", header.entries["head"], header.data_start, ranges, dimension if ranges else 0)
    sketches: Sketches = sketch_removed(tmp_path, [part], {"s": header})
    found = search_near_copies(sketches, tmp_path, {"s": header})
    assert sketches.count > 0 or sketches.unsearched
    assert all(copy.equal >= 1 - NEAR / 256 or copy.matched > 3 for copy in found.copies)


@pytest.mark.parametrize("times", [9, 20])
def test_many_copies_of_each_row_in_one_tensor_are_found(times: int, tmp_path: Path) -> None:
    """Experts that were made of one, or copies laid in so often that each seems common."""
    rows = drawn(64, 256)
    kept = np.concatenate([rows * (1 + number / 3) for number in range(1, times + 1)])
    found = searched(tmp_path, sketches_of(tmp_path, stored(rows)), {"kept": stored(kept)})
    assert rows_found(found.copies) == 64


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("removed", [1, 8, 64])
def test_rows_that_are_all_alike_are_no_copies_of_one_another(removed: int, noise: float, tmp_path: Path) -> None:
    """Rows of a vocabulary that were never trained: those that stay say what those that go said."""
    generator = np.random.default_rng(3)
    trained, alike = drawn(200, 256), drawn(1, 256, seed=1) + noise * generator.standard_normal((300, 256)) / 16
    head = np.concatenate([trained, alike]).astype(np.float32)
    gone = np.concatenate([head[:4], head[-removed:]])
    found = searched(tmp_path, sketches_of(tmp_path, stored(gone)), {"kept": stored(head[4:-removed])})
    assert found.copies == ()


def test_a_large_part_does_not_thin_out_the_search_for_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketching, "MAX_ROWS", 64)
    large, small = drawn(2000, 64), drawn(16, 64, seed=1)
    header = write(tmp_path / "source", {"optimizer": stored(large), "head": stored(small)})
    parts = [RemovedPart(name, "source", entry, header.data_start) for name, entry in header.entries.items()]
    made = sketch_removed(tmp_path, parts, {"source": header})
    found = searched(tmp_path, made, {"kept": stored(small * 2)})
    assert [(one.part, one.matched) for one in found.copies if one.form == "rows"] == [("head", 16)]
