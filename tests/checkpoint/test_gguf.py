"""GGUF headers are read as ggml's own library reads them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from releasegate.checkpoint.gguf import BLOCKS, read_gguf, refuse_gguf
from releasegate.errors import StripError

gguf: ModuleType = pytest.importorskip("gguf")


def write(path: Path) -> Path:
    """A file with every type of value, and tensors plain and quantised."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    for kind, value in {"uint8": 255, "int8": -1, "uint16": 65_535, "int16": -2, "uint32": 7, "int32": -3}.items():
        getattr(writer, f"add_{kind}")(f"a.{kind}", value)
    writer.add_uint64("a.u64", 2**63)
    writer.add_int64("a.i64", -(2**62))
    writer.add_float32("a.f32", 0.5)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.yes", True)
    writer.add_string("a.text", "naïve")
    writer.add_array("a.tokens", ["<s>", "IMGIMGAZ", "b"])
    writer.add_array("a.scores", [0.25, 1.5])
    writer.add_array("a.kinds", [1, 2, 3])
    writer.add_tensor("token_embd.weight", np.arange(24, dtype="float32").reshape(4, 6))
    writer.add_tensor("blk.0.attn_q.weight", np.ones((5,), "float16"))
    blocks = gguf.quantize(np.ones((2, 64), "float32"), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.ffn_up.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_header_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf")
    found, oracle = read_gguf(path), gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in oracle.fields.items() if not name.startswith("GGUF.")}
    assert found.values == fields
    assert found.alignment == oracle.alignment
    assert found.data_start == oracle.data_offset
    assert list(found.tensors) == [tensor.name for tensor in oracle.tensors]
    for tensor in oracle.tensors:
        mine = found.tensors[tensor.name]
        assert mine.kind == tensor.tensor_type.name
        assert mine.shape == tuple(int(size) for size in reversed(tensor.shape))
        assert (mine.begin, mine.end - mine.begin) == (tensor.data_offset, tensor.n_bytes)
    assert found.slack == ()


def test_a_tensor_of_floats_lies_where_it_is_said_to(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf")
    tensor = read_gguf(path).tensors["token_embd.weight"]
    held = np.frombuffer(path.read_bytes()[tensor.begin : tensor.end], "float32").reshape(tensor.shape)
    assert np.array_equal(held, np.arange(24, dtype="float32").reshape(4, 6))


def test_the_sizes_of_blocks_are_the_librarys() -> None:
    sizes = {kind.value: (kind.name, *size) for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {number: block for number, block in BLOCKS.items() if number in sizes} == {
        number: size for number, size in sizes.items() if number in BLOCKS
    }
    assert {name for number, (name, _, _) in sizes.items() if number not in BLOCKS} <= {"Q8_1", "Q8_K"}


def test_a_strip_is_refused_with_the_way_to_do_it(tmp_path: Path) -> None:
    with pytest.raises(StripError) as caught:
        refuse_gguf(read_gguf(write(tmp_path / "model.gguf")))
    (problem,) = caught.value.problems
    assert problem.what == (
        "is a GGUF file (F16, F32, Q8_0), whose blocks of rows cannot be edited without being quantised again"
    )
    assert problem.fix == "strip the checkpoint that it was made from, and convert that again"
