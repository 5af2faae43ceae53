"""Every way in which a safetensors file can be bad has its own message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError, deserialize

from releasegate.checkpoint.headers import MAX_HEADER, MAX_TEXT, read_claims, read_header
from releasegate.errors import (
    BytesUncovered,
    DtypeUnknown,
    HeaderCutOff,
    HeaderError,
    HeaderKeyTwice,
    HeaderOffGrid,
    HeaderSyntax,
    HeaderTooLarge,
    HeaderUnreadable,
    MetadataRefused,
    OffsetsMalformed,
    ShapeMalformed,
    SizeMismatch,
    TensorMalformed,
    TensorNameRefused,
    TensorsOverlap,
)
from tests.tiny_checkpoints import safetensors

U8 = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}


def one(**changes: Any) -> bytes:
    """A file with one tensor `t` of four bytes, some of its keys replaced."""
    return safetensors({"t": {**U8, **changes}}, bytes(4))


def raw(text: str, data: bytes = bytes(4)) -> bytes:
    return safetensors(text.encode(), data)


def off_grid() -> bytes:
    text = json.dumps({"t": U8}).encode().ljust(61)
    return len(text).to_bytes(8, "little") + text + bytes(4)


def twice(key: str, value: str = '{"dtype":"U8","shape":[4],"data_offsets":[0,4]}') -> bytes:
    return raw(f'{{"{key}":{value},"{key}":{value}}}')


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
    "just_off_the_grid": (off_grid(), "has a header of 61 bytes, which is not a multiple of 8"),
    "no_header": (bytes(16), "has a header that does not begin with `{`"),
    "byte_order_mark": (raw("\ufeff{}", b""), "has a header that does not begin with `{`"),
    "utf16": (
        safetensors("{}".encode("utf-16-le") + b"  "),
        "has something other than spaces after its header's closing `}`",
    ),
    "unicode_space": (raw('{"t":\u00a04}'), "has a header that is not JSON"),
    "comment": (raw('{"t": /* */ 4}'), "has a header that is not JSON"),
    "trailing_comma": (raw('{"t": 4,}'), "has a header that is not JSON"),
    "control_in_string": (raw('{"__metadata__":{"a":"\n"}}', b""), "has a header that is not JSON"),
    "unclosed": (raw('{"t": {"dtype":"U8","shape":[4],"data_offsets":[0,4]}'), "has a header that is not JSON"),
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
    "lists": (
        raw('{"t":' + "[[]" + ",[]" * 600_000 + "]}"),
        "has a header with more in it than 250,000 tensors need: it has 600,002 times the sign `[`; at most 565,536 are read",
    ),
    "nested": (raw('{"t":' + "[" * 200_000 + "]" * 200_000 + "}"), "has a header that is nested too deeply"),
    "twice": (twice("t"), "has the key 't' twice in its header"),
    "twice_by_escape": (
        raw(
            '{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"\\u0074":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
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
    "nul_name": (
        safetensors({"a\0b": U8}, bytes(4)),
        r"has a tensor 'a\x00b' whose name is empty, too long or unprintable",
    ),
    "turned_name": (
        safetensors({"a\u202eb": U8}, bytes(4)),
        r"has a tensor 'a\u202eb' whose name is empty, too long or unprintable",
    ),
    "lookalike_names": (
        safetensors({"\u00e9": U8, "e\u0301": {**U8, "data_offsets": [4, 8]}}, bytes(8)),
        r"has two tensors whose names look the same: '\xe9' and 'e\u0301'",
    ),
    "entry_null": (safetensors({"t": None}), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "entry_number": (safetensors({"t": 4}), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "entry_lacks": (safetensors({"t": {"dtype": "U8"}}), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "entry_extra": (one(note="x"), "tensor 't' must have exactly dtype, shape and data_offsets"),
    "dtype_unknown": (one(dtype="F128"), "tensor 't' has an unknown dtype 'F128'"),
    "dtype_lower_case": (one(dtype="u8"), "tensor 't' has an unknown dtype 'u8'"),
    "dtype_with_nul": (one(dtype="U8\0"), r"tensor 't' has an unknown dtype 'U8\x00'"),
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
    "shape_empty_beyond": (
        safetensors({"t": {"dtype": "U8", "shape": [2**62, 0, 2**62], "data_offsets": [0, 0]}}),
        "tensor 't' is empty, and has a shape whose strides are beyond 64 bits",
    ),
    "shape_minus_zero": (
        raw('{"t": {"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}', b""),
        "has a header that is not JSON",
    ),
    "shape_exponent": (
        raw('{"t": {"dtype":"U8","shape":[4e0],"data_offsets":[0,4]}}'),
        "tensor 't' has a shape that is not a list of whole numbers from 0",
    ),
    "shape_infinite": (
        raw('{"t": {"dtype":"U8","shape":[1e999],"data_offsets":[0,4]}}'),
        "has a header that is not JSON",
    ),
    "shape_null": (one(shape=None), "tensor 't' has a shape that is not a list of whole numbers from 0"),
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
    "empty_inside": (
        safetensors({"t": U8, "u": {"dtype": "U8", "shape": [0], "data_offsets": [2, 2]}}, bytes(4)),
        "tensor 'u' overlaps the one before it",
    ),
    "empty_beyond": (
        safetensors({"t": U8, "u": {"dtype": "U8", "shape": [0], "data_offsets": [9, 9]}}, bytes(4)),
        "has 5 bytes that belong to no tensor, before 'u'",
    ),
    "truncated": (one()[:-1], "is cut off: its tensors need 4 bytes and 3 are there"),
    "trailing": (one() + b"hidden", "has 6 bytes after its last tensor"),
}


KINDS: dict[type[HeaderError], str] = {
    HeaderCutOff: "empty seven_bytes cut_in_header truncated",
    HeaderTooLarge: "huge_claim largest_claim lists",
    HeaderOffGrid: "off_the_grid just_off_the_grid",
    HeaderSyntax: "no_header byte_order_mark utf16 unicode_space comment trailing_comma control_in_string unclosed "
    "leading_space a_list newline_padding nul_padding hidden_after two_objects not_utf8 nan single_quotes long_number "
    "nested shape_minus_zero shape_infinite",
    HeaderKeyTwice: "twice twice_by_escape twice_inside metadata_twice",
    MetadataRefused: "metadata_list metadata_number metadata_huge metadata_surrogate",
    TensorNameRefused: "empty_name control_name surrogate_name nul_name turned_name lookalike_names",
    TensorMalformed: "entry_null entry_number entry_lacks entry_extra",
    DtypeUnknown: "dtype_unknown dtype_lower_case dtype_with_nul dtype_list",
    ShapeMalformed: "shape_text shape_negative shape_two_negatives shape_float shape_bool shape_overflow shape_rank "
    "shape_empty_beyond shape_exponent shape_null",
    OffsetsMalformed: "offsets_three offsets_negative offsets_float offsets_reversed",
    SizeMismatch: "shape_wraps size_small size_large sub_byte",
    TensorsOverlap: "overlap same_bytes empty_inside",
    BytesUncovered: "gap_first gap_between empty_beyond trailing",
}
"""The error type of each bad file."""
STOCK_ACCEPTS = {
    "just_off_the_grid",
    "newline_padding",
    "twice",
    "twice_by_escape",
    "metadata_huge",
    "empty_name",
    "control_name",
    "nul_name",
    "turned_name",
    "lookalike_names",
    "entry_extra",
    "shape_empty_beyond",
}
"""Bad files that `safetensors.deserialize` of version 0.8 takes without a word."""


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_own_message_and_type(name: str, tmp_path: Path) -> None:
    content, what = BAD[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(HeaderError) as caught:
        read_header(path)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.what == what
    assert problem.fix
    (kind,) = [kind for kind, names in KINDS.items() if name in names.split()]
    assert type(caught.value) is kind


def test_every_type_of_error_has_a_bad_file() -> None:
    listed = [name for names in KINDS.values() for name in names.split()]
    assert sorted(listed) == sorted(BAD)
    assert {*KINDS, HeaderUnreadable} == set(HeaderError.__subclasses__())


def test_the_stock_loader_takes_some_of_them() -> None:
    """Why the headers are checked here: what a loader takes is no proof that a file is sound."""

    def taken(content: bytes) -> bool:
        try:
            deserialize(content)
        except SafetensorError:
            return False
        return True

    assert {name for name, (content, _) in BAD.items() if taken(content)} == STOCK_ACCEPTS


def test_what_a_malformed_file_claims_is_known_where_its_header_can_be_understood(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    for name, (content, _) in BAD.items():
        path.write_bytes(content)
        claims = read_claims(path)
        assert claims is None or set(claims.entries) <= {"t", "u"}
        understood = name in ("truncated", "trailing", "overlap", "gap_first", "metadata_huge", "just_off_the_grid")
        assert (claims is not None) or not understood
    assert read_claims(tmp_path / "missing") is None


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
    with pytest.raises(HeaderUnreadable, match="cannot be opened"):
        read_header(tmp_path / "link.safetensors")
    for name in ("pipe", "folder"):
        with pytest.raises(HeaderUnreadable, match="is not a regular file"):
            read_header(tmp_path / f"{name}.safetensors")
    with pytest.raises(HeaderUnreadable, match="cannot be opened: No such file or directory"):
        read_header(tmp_path / "missing.safetensors")


def test_a_sparse_file_that_claims_a_header_at_the_limit_is_refused_quickly(tmp_path: Path) -> None:
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write(MAX_HEADER.to_bytes(8, "little"))
        file.truncate(MAX_HEADER + 8)
    with pytest.raises(HeaderError, match="does not begin"):
        read_header(path)


def test_a_header_that_is_long_without_its_padding_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "long.safetensors"
    path.write_bytes(safetensors(b'{"t":"' + b"x" * MAX_TEXT + b'"}'))
    with pytest.raises(
        HeaderTooLarge, match=r"has a header of 33,554,440 bytes without its padding; at most 33,554,432"
    ):
        read_header(path)


BOMBS: dict[str, tuple[bytes, int, bytes]] = {
    "lists": (b"[],", 11_000_000, b"0]}"),
    "objects": (b"{},", 11_000_000, b"0]}"),
    "keys": (b'{"a":0},', 4_000_000, b"0]}"),
    "numbers": (b"999,", 8_000_000, b"0]}"),
    "wide_text": (b'"' + b"x" * 1000 + b'",', 33_000, '"\U0001f600"]}'.encode()),
    "escaped_text": (b'"' + b"\\u2028" * 1000 + b'",', 5_500, b"0]}"),
    "one_wide_text": (b"x", 33_000_000, '\U0001f600"]}'.encode()),
}
"""What unfolds when it is parsed: a piece, how often it stands in a list, and the end."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_unfolds_in_memory_is_refused_in_seconds_and_within_500_mb(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.safetensors"
    piece, times, end = BOMBS[name]
    path.write_bytes(safetensors((b'{"t":["' if name == "one_wide_text" else b'{"t":[') + piece * times + end))
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from releasegate.checkpoint.headers import read_header\n"
        "from releasegate.errors import HeaderError\n"
        "begun = time.process_time()\n"
        "try:\n    read_header(Path(sys.argv[1]))\n"
        "except HeaderError:\n    took = time.process_time() - begun\n"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1]\n"
        "print(took, peak)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    seconds, kilobytes = map(float, done.stdout.split())
    assert seconds < 5
    assert kilobytes < 500_000
