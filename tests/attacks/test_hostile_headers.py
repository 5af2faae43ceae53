"""Every way in which a safetensors file can be bad has its own message."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint.headers import MAX_HEADER, read_header
from releasegate.errors import HeaderError
from tests.tiny_checkpoints import safetensors

U8 = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}


def one(**changes: Any) -> bytes:
    """A file with one tensor `t` of four bytes, some of its keys replaced."""
    return safetensors({"t": {**U8, **changes}}, bytes(4))


def raw(text: str, data: bytes = bytes(4)) -> bytes:
    return safetensors(text.encode(), data)


BAD = {
    "empty": (b"", "is too short for a safetensors file: 0 bytes"),
    "seven_bytes": (bytes(7), "is too short for a safetensors file: 7 bytes"),
    "huge_claim": (
        safetensors({}, length=100 * 2**30),
        "claims a header of 107,374,182,400 bytes; at most 100,000,000 are allowed",
    ),
    "largest_claim": (
        b"\xff" * 16,
        "claims a header of 18,446,744,073,709,551,615 bytes; at most 100,000,000 are allowed",
    ),
    "cut_in_header": (one()[:40], "is cut off inside its header: it claims 64 bytes and 32 follow"),
    "off_the_grid": (safetensors({}, length=2), "has a header of 2 bytes, which is not a multiple of 8"),
    "no_header": (bytes(16), "has a header that does not begin with `{`"),
    "leading_space": (raw(' {"a": 1}'), "has a header that does not begin with `{`"),
    "a_list": (raw("[1, 2]"), "has a header that does not begin with `{`"),
    "newline_padding": (raw("{}\n\n\n\n\n\n", b""), "has something other than spaces after its header's closing `}`"),
    "nul_padding": (raw("{}\0\0\0\0\0\0", b""), "has something other than spaces after its header's closing `}`"),
    "hidden_after": (raw("{}  weights ", b""), "has something other than spaces after its header's closing `}`"),
    "two_objects": (raw("{} {}", b""), "has a header that is not JSON"),
    "not_utf8": (safetensors(b'{"\xff\xfe": 1}'), "has a header that is not UTF-8"),
    "nan": (raw('{"t": NaN}'), "has a header that is not JSON"),
    "single_quotes": (raw("{'t': 1}"), "has a header that is not JSON"),
    "long_number": (raw('{"t": ' + "9" * 6000 + "}"), "has a header that is not JSON"),
    "nested": (raw('{"t":' + "[" * 200_000 + "]" * 200_000 + "}"), "has a header that is nested too deeply"),
    "twice": (
        raw(
            '{"t": {"dtype":"U8","shape":[4],"data_offsets":[0,4]}, "t": {"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
        ),
        "has the key 't' twice in its header",
    ),
    "twice_inside": (
        raw('{"t": {"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}'),
        "has the key 'dtype' twice in its header",
    ),
    "metadata_list": (safetensors({"__metadata__": []}), "has a `__metadata__` that is not an object"),
    "metadata_number": (safetensors({"__metadata__": {"a": 1}}), "has a `__metadata__` value that is not text: 'a'"),
    "metadata_huge": (
        safetensors({"__metadata__": {"a": "x" * 70_000}}),
        "carries 70,001 bytes of `__metadata__`; at most 65,536 are allowed",
    ),
    "metadata_surrogate": (
        raw('{"__metadata__": {"a": "\\ud800"}}', b""),
        "has a `__metadata__` that is not valid Unicode",
    ),
    "metadata_twice": (
        raw('{"__metadata__":{},"__metadata__":{}}', b""),
        "has the key '__metadata__' twice in its header",
    ),
    "empty_name": (safetensors({"": U8}, bytes(4)), "has a tensor '' whose name is empty, too long or unprintable"),
    "control_name": (
        safetensors({"a\n": U8}, bytes(4)),
        r"has a tensor 'a\n' whose name is empty, too long or unprintable",
    ),
    "surrogate_name": (
        raw('{"\\ud800": {"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'),
        r"has a tensor '\ud800' whose name is empty, too long or unprintable",
    ),
    "entry_number": (safetensors({"t": 4}), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "entry_lacks": (safetensors({"t": {"dtype": "U8"}}), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "entry_extra": (one(note="x"), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "dtype_unknown": (one(dtype="F128"), "tensor 't' has an unknown dtype 'F128'"),
    "dtype_list": (one(dtype=["U8"]), "tensor 't' has an unknown dtype ['U8']"),
    "shape_text": (one(shape="4"), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_negative": (one(shape=[-4]), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_two_negatives": (one(shape=[-2, -2]), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_float": (one(shape=[4.0]), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_bool": (one(shape=[4, True]), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_overflow": (one(shape=[2**64]), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_rank": (one(shape=[1] * 65), "tensor 't' has a shape that is not a list of whole numbers from 0"),
    "shape_wraps": (
        one(shape=[2**32, 2**32]),
        "tensor 't' holds 4 bytes where its dtype and shape need 18,446,744,073,709,551,616",
    ),
    "offsets_three": (one(data_offsets=[0, 2, 4]), "tensor 't' has data_offsets that are not two whole numbers from 0"),
    "offsets_negative": (
        one(data_offsets=[-4, 0]),
        "tensor 't' has data_offsets that are not two whole numbers from 0",
    ),
    "offsets_float": (one(data_offsets=[0, 4.0]), "tensor 't' has data_offsets that are not two whole numbers from 0"),
    "offsets_reversed": (one(data_offsets=[4, 0]), "tensor 't' ends before it begins (4 to 0)"),
    "size_small": (one(shape=[5]), "tensor 't' holds 4 bytes where its dtype and shape need 5"),
    "size_large": (one(shape=[3]), "tensor 't' holds 4 bytes where its dtype and shape need 3"),
    "sub_byte": (one(dtype="F4", shape=[7]), "tensor 't' does not fill whole bytes (28 bits)"),
    "overlap": (
        safetensors({"t": U8, "u": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}}, bytes(6)),
        "tensor 'u' overlaps the one before it",
    ),
    "same_bytes": (safetensors({"t": U8, "u": U8}, bytes(4)), "tensor 'u' overlaps the one before it"),
    "gap_first": (
        safetensors({"t": {"dtype": "U8", "shape": [4], "data_offsets": [4, 8]}}, bytes(8)),
        "has 4 bytes that belong to no tensor, before 't'",
    ),
    "gap_between": (
        safetensors({"t": U8, "u": {"dtype": "U8", "shape": [1], "data_offsets": [6, 7]}}, bytes(7)),
        "has 2 bytes that belong to no tensor, before 'u'",
    ),
    "truncated": (one()[:-1], "is cut off: its tensors need 4 bytes and 3 are there"),
    "trailing": (one() + b"hidden", "has 6 bytes after its last tensor"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_own_message(name: str, tmp_path: Path) -> None:
    content, what = BAD[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(HeaderError) as caught:
        read_header(path)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.what == what
    assert problem.fix


def test_a_long_name_is_shown_shortened(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(safetensors({"n" * 2000: U8}, bytes(4)))
    with pytest.raises(HeaderError, match=r"nnn\.\.\. whose name is empty, too long or unprintable"):
        read_header(path)


def test_what_is_not_a_plain_file_is_never_opened_for_reading(tmp_path: Path) -> None:
    (tmp_path / "real.safetensors").write_bytes(one())
    (tmp_path / "link.safetensors").symlink_to("real.safetensors")
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(HeaderError, match="cannot be opened"):
        read_header(tmp_path / "link.safetensors")
    for name in ("pipe", "folder"):
        with pytest.raises(HeaderError, match="is not a regular file"):
            read_header(tmp_path / f"{name}.safetensors")
    with pytest.raises(HeaderError, match="cannot be opened: No such file or directory"):
        read_header(tmp_path / "missing.safetensors")


def test_a_sparse_file_that_claims_a_header_at_the_limit_is_refused_quickly(tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write(MAX_HEADER.to_bytes(8, "little"))
        file.truncate(MAX_HEADER + 8)
    with pytest.raises(HeaderError, match="does not begin"):
        read_header(path)
