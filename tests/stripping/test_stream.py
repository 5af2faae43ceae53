"""Rows of any dimension are edited as numpy would edit them, in pieces of bounded size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from releasegate.checkpoint.headers import Entry
from releasegate.errors import CheckpointError, StripError
from releasegate.receipt import compact
from releasegate.stripping import rows
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.rows import has_rows, rows_of
from releasegate.stripping.writing import stream
from releasegate.stripping.writing.noise import numbers
from releasegate.stripping.writing.source import open_source
from releasegate.stripping.writing.stream import is_edited, pieces

SEED = "sha256:" + "5c" * 32
DTYPES = {"U8": "u1", "F16": "<f2", "F32": "<f4", "I64": "<i8"}


def edited(path: Path, entry: Entry, edit: TensorEdit | None, start: int = 0) -> tuple[bytes, bytes]:
    """All of a tensor before and after."""
    with open_source(path) as source:
        found = [(bytes(old), bytes(new)) for old, new, _ in pieces(source, start, entry, edit, SEED)]
    return b"".join(old for old, _ in found), b"".join(new for _, new in found)


def expected(array: NDArray[Any], entry: Entry, edit: TensorEdit) -> NDArray[Any]:
    """What numpy makes of the whole tensor."""
    chosen = [row for first, last in edit.rows for row in range(first, last + 1)]
    index = (slice(None),) * edit.dimension + (chosen,)
    after = array.copy()
    if edit.outcome == "rows_removed":
        return np.delete(array, chosen, axis=edit.dimension)
    if edit.outcome == "rows_zeroed":
        after[index] = 0
    else:
        assert edit.std is not None
        drawn = numbers(SEED, 0, array.size, edit.std, entry.dtype).view(array.dtype).reshape(array.shape)
        after[index] = drawn[index]
    return after


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_rows_of_any_dimension_are_edited_as_numpy_does(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    dimension = data.draw(st.integers(0, len(shape) - 1))
    chosen = data.draw(st.sets(st.integers(0, shape[dimension] - 1), min_size=1))
    outcome = data.draw(st.sampled_from(["rows_zeroed", "rows_removed", "rows_reinitialised"]))
    kinds = ["F16", "F32"] if outcome == "rows_reinitialised" else list(DTYPES)
    dtype = data.draw(st.sampled_from(kinds))
    block = data.draw(st.sampled_from([8, 24, 64, 4096]))
    start = data.draw(st.integers(0, 9))
    count = int(np.prod(shape))
    array = np.random.default_rng(count).integers(1, 255, count * np.dtype(DTYPES[dtype]).itemsize, dtype=np.uint8)
    array = array.view(DTYPES[dtype]).reshape(shape)
    entry = Entry("x", dtype, shape, 0, array.nbytes)
    edit = TensorEdit(outcome, compact(chosen), dimension, 0.5)
    path = tmp_path_factory.mktemp("stream") / "x"
    path.write_bytes(bytes(start) + array.tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BLOCK", block)
        before, after = edited(path, entry, edit, start)
    assert before == array.tobytes()
    assert after == expected(array, entry, edit).tobytes()
    wanted = {offset for first, last in rows_of(entry, edit).spans() for offset in range(first, last)}
    whole = np.zeros(array.shape, bool)
    whole[(slice(None),) * dimension + (sorted(chosen),)] = True
    assert wanted == set(np.flatnonzero(np.repeat(whole.reshape(-1), array.itemsize)).tolist())


def test_a_tensor_that_was_edited_is_not_changed_by_the_same_edit(tmp_path: Path) -> None:
    array = np.ones((6, 8), "<f4")
    entry = Entry("x", "F32", (6, 8), 0, array.nbytes)
    for outcome in ("rows_zeroed", "rows_reinitialised"):
        edit = TensorEdit(outcome, ((2, 3),), 1, 0.1)  # type: ignore[arg-type]
        for content, holds in ((array, False), (expected(array, entry, edit), True)):
            (tmp_path / "x").write_bytes(content.tobytes())
            with open_source(tmp_path / "x") as source:
                assert is_edited(source, 0, entry, edit, SEED) is holds


def test_memory_is_bounded_by_the_block_whatever_the_shape() -> None:
    edit = TensorEdit("rows_zeroed", ((1, 1),))
    for shape, dimension in (((3, 1 << 30), 0), ((1 << 30, 3), 1), ((5, 1 << 20, 7), 1), ((1 << 33,), 0)):
        entry = Entry("x", "BF16", shape, 0, 2 * int(np.prod(shape)))
        found = rows.rows_of(entry, TensorEdit("rows_zeroed", edit.rows, dimension))
        windows = found.windows(stream.BLOCK)
        some = [next(windows) for _ in range(3)]
        assert all(0 < window.size <= stream.BLOCK for window in some)


@pytest.mark.parametrize(
    ("dtype", "shape", "ranges", "dimension", "holds"),
    [
        ("F32", (4, 2), ((0, 3),), 0, True),
        ("F32", (4, 2), ((0, 4),), 0, False),
        ("F32", (4, 2), ((0, 1),), 1, True),
        ("F32", (4, 2), ((0, 2),), 1, False),
        ("F32", (4, 2), ((0, 0),), 2, False),
        ("F32", (), ((0, 0),), 0, False),
        ("F32", (4, 2), ((2, 1),), 0, False),
        ("F32", (4, 2), ((2, 3), (0, 0)), 0, False),
        ("F32", (4, 2), ((0, 1), (2, 3)), 0, False),
        ("F4", (4, 2), ((0, 0),), 0, True),
        ("F4", (4, 2), ((0, 0),), 1, False),
        ("F4", (2, 3), ((0, 0),), 0, False),
        ("F6_E2M3", (2, 4), ((0, 0),), 0, True),
        ("F6_E2M3", (4, 2), ((0, 0),), 0, False),
    ],
)
def test_rows_must_be_there_in_order_and_whole_bytes(
    dtype: str, shape: tuple[int, ...], ranges: tuple[tuple[int, int], ...], dimension: int, *, holds: bool
) -> None:
    assert has_rows(Entry("x", dtype, shape, 0, 0), ranges, dimension) is holds


def test_a_file_that_ends_early_is_refused_and_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(200)))
    entry = Entry("x", "U8", (400,), 0, 400)
    with pytest.raises(CheckpointError, match="ends 200 bytes too early"):
        edited(path, entry, None)
    path.write_bytes(b"\1" * (3 * stream.BLOCK))
    with open_source(path) as source:
        found = pieces(source, 0, Entry("x", "U8", (3 * stream.BLOCK,), 0, 3 * stream.BLOCK), None)
        next(found)
        os.truncate(path, 5)
        with pytest.raises(StripError, match="changed since the checkpoint was opened"):
            list(found)
