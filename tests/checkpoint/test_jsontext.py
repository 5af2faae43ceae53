"""JSON is parsed once, within bounds, and no more leniently than the standard."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.checkpoint.jsontext import KeyTwice, TooDeep, TooMany, parse_json, shown

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_what_was_written_is_read_back(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', KeyTwice, "the key 'c' stands twice in one object"),
        (b"[" * 100_000, TooDeep, "nested too deeply"),
        (b"[" * 65 + b"]" * 65, TooDeep, "nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, TooDeep, "nested too deeply"),
        (b"[1, 1, 1, 1]", TooMany, "it has 3 times the sign `,`; at most 2 are read"),
        (b"NaN", ValueError, "NaN is not JSON"),
        (b"[-Infinity]", ValueError, "-Infinity is not JSON"),
        (b"1e999", ValueError, "the number 1e999 is too large"),
        (b"-0", ValueError, "-0 is no whole number"),
        (b"9" * 5000, ValueError, None),
        (b"01", ValueError, None),
        (b'"\n"', ValueError, None),
        ("\u00a01".encode(), ValueError, None),
        (b"\xff", UnicodeDecodeError, None),
        (b'"\xc0\x80"', UnicodeDecodeError, None),
        (b'"\xed\xa0\x80"', UnicodeDecodeError, None),
        (b"", ValueError, None),
    ],
)
def test_what_is_no_plain_json_is_refused(text: bytes, kind: type[ValueError], what: str | None) -> None:
    with pytest.raises(kind) as caught:
        parse_json(text, {",": 2})
    assert what is None or str(caught.value) == what


def test_numbers_keep_their_kind() -> None:
    found = parse_json(b"[1, 1.0, 1e2, -3, 12345678901234567890]")
    assert [type(number) for number in found] == [int, float, float, int, int]
    assert all(math.isfinite(number) for number in found)


def test_what_is_shown_is_short_and_ascii() -> None:
    assert shown("é\x1b") == r"'\xe9\x1b'"
    assert len(shown("\U0001f600" * 1_000_000)) == 80
    assert len(shown(["a"] * 1000)) == 80


def test_sixty_four_levels_are_read() -> None:
    value = parse_json(b"[" * 64 + b"]" * 64)
    assert str(value).count("[") == 64
