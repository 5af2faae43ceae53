"""Whatever the bytes, the header parser answers with a header or a HeaderError."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.checkpoint.headers import BITS, Header, parse_header
from releasegate.errors import HeaderError
from tests.tiny_checkpoints import safetensors

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NUMBER = st.integers(-2, 40) | st.integers() | JSON
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*BITS, "F7", ""]) | JSON,
        "shape": st.lists(NUMBER, max_size=4) | JSON,
        "data_offsets": st.lists(NUMBER, min_size=1, max_size=3) | JSON,
    }
)
HEADER = st.dictionaries(st.text(max_size=6) | st.just("__metadata__"), ENTRY | JSON, max_size=4)


def parsed(text: bytes, size: int) -> Header | None:
    try:
        return parse_header(text, 8 + len(text) + size, "fuzz")
    except HeaderError:
        return None


@settings(max_examples=300, deadline=5000)
@given(st.binary(max_size=200), st.integers(0, 64))
def test_any_bytes_give_a_header_or_a_header_error(text: bytes, size: int) -> None:
    parsed(text, size)
    parsed(b"{" + text + b"}", size)


@settings(max_examples=250, deadline=5000)
@given(HEADER, st.integers(0, 64))
def test_any_json_gives_a_header_or_a_header_error(header: dict[str, Any], size: int) -> None:
    parsed(safetensors(header)[8:], size)


@settings(max_examples=500, deadline=5000)
@given(st.data())
def test_one_changed_byte_never_passes_as_something_that_does_not_cover_the_data(data: st.DataObject) -> None:
    good = {"a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}
    good |= {"b": {"dtype": "U8", "shape": [4], "data_offsets": [12, 16]}}
    text = bytearray(safetensors(good)[8:])
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    found = parsed(bytes(text), 16)
    if found is not None:
        assert sum(entry.size for entry in found.entries.values()) == 16
        assert all(entry.elements * BITS[entry.dtype] == 8 * entry.size for entry in found.entries.values())


def test_a_good_header_is_read_by_the_fuzz_harness() -> None:
    text = json.dumps({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    assert parsed(text, 4) is not None
