"""Headers that are as they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from releasegate.checkpoint.headers import BITS, Entry, Header, parse_header, read_header, render_header
from tests.tiny_checkpoints import safetensors


def test_a_file_of_the_library_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    arrays = {"b": np.zeros((3, 5), "float16"), "a.x": np.ones((), "int64"), "empty": np.zeros((0, 4), "float32")}
    save_file(arrays, path, metadata={"format": "np"})
    header = read_header(path)
    assert header.metadata == {"format": "np"}
    assert header.data_start + sum(array.nbytes for array in arrays.values()) == path.stat().st_size
    with safe_open(path, "np") as stored:
        assert set(header.entries) == set(stored.keys())
        for name, entry in header.entries.items():
            part = path.read_bytes()[header.data_start + entry.begin : header.data_start + entry.end]
            assert part == stored.get_tensor(name).tobytes()
            assert entry.shape == arrays[name].shape


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_every_dtype_has_exact_sizes(dtype: str) -> None:
    size = 8 * BITS[dtype] // 8
    file = safetensors({"t": {"dtype": dtype, "shape": [2, 4], "data_offsets": [0, size]}}, bytes(size))
    entry = parse_header(file[8:-size], len(file), "f").entries["t"]
    assert (entry.size, entry.elements, entry.row_size) == (size, 8, size // 2)


def test_rows_that_are_not_whole_bytes_have_no_size() -> None:
    assert Entry("t", "F4", (2, 3), 0, 3).row_size is None
    assert Entry("t", "F32", (), 0, 4).row_size is None
    assert Entry("t", "F4", (3, 4), 0, 6).row_size == 2


def test_a_rendered_header_keeps_its_length_and_is_read_back() -> None:
    names = {"é": Entry("é", "F32", (2,), 0, 8), "b": Entry("b", "U8", (4,), 8, 12)}
    source = Header(400, names, {"format": "pt"})
    text = render_header(source, {"b": Entry("b", "U8", (4,), 0, 4)})
    assert len(text) == 400
    assert parse_header(text, 8 + 400 + 4, "f") == Header(400, {"b": Entry("b", "U8", (4,), 0, 4)}, {"format": "pt"})


def test_a_header_of_nothing_is_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(safetensors({}))
    assert read_header(tmp_path / "a.safetensors") == Header(8, {}, None)
