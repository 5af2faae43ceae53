"""The fast writer of RFC 8785 writes what the package writes, or leaves it to the package."""

from __future__ import annotations

import enum
import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from releasegate.canonical import canonical

NUMBERS = st.integers(-(2**60), 2**60) | st.floats() | st.floats(1e-7, 1e-3) | st.floats(1e14, 1e22)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.characters(codec=None),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def outcome(write: Any, data: Any) -> bytes | type[BaseException]:
    try:
        return bytes(write(data))
    except (ValueError, TypeError, RecursionError, AttributeError) as error:
        return type(error)


@given(DATA)
def test_any_data_has_one_form(data: Any) -> None:
    assert outcome(canonical, data) == outcome(rfc8785.dumps, data)


@given(st.binary(min_size=8, max_size=8))
def test_any_float_has_one_form(raw: bytes) -> None:
    (number,) = struct.unpack("d", raw)
    assert outcome(canonical, [number]) == outcome(rfc8785.dumps, [number])


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    pass


EDGES: list[Any] = [
    0.0, -0.0, 5e-324, 1e-7, 9.999999999999999e-5, 1e-4, 1e-6, 0.1, 1 / 3, 999999999999999.9, 1e15, 1e16, 1e21, 1e22, -1e15,
    2**53 - 1, 2**53, -(2**53), 10**15, 10**15 - 1, True, False, None, math.nan, math.inf, -math.inf,
    "".join(map(chr, range(0x80))), "\u2028\u2029\ufeff", "\ud800", "\U0001f600", {"\U0001f600": 1, "\ufb33": 2},
    {"é": 1, "e": 2}, {"\ud800": 1}, {1: 2}, {None: 1}, {True: 1}, {"a": {1, 2}}, b"bytes", Colour.RED, [Colour.RED], Word("a"),
    {Word("a"): Word("b")}, object(), 1j, Path("a"), (), [], {}, {"": ""}, {"b": 1, "a": 2, "A": 3, "_": 4, "0": 5},
]  # fmt: skip


@pytest.mark.parametrize("data", EDGES, ids=range(len(EDGES)))
def test_what_is_at_the_edge_is_written_as_the_package_writes_it(data: Any) -> None:
    assert outcome(canonical, data) == outcome(rfc8785.dumps, data)


def test_what_nests_too_deeply_is_refused_as_before() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert outcome(canonical, deep) is outcome(rfc8785.dumps, deep) is RecursionError


def test_every_golden_document_has_one_form() -> None:
    files = sorted((Path(__file__).parent / "golden" / "v1").rglob("*.json"))
    assert files
    for file in files:
        data = json.loads(file.read_text())
        assert canonical(data) == rfc8785.dumps(data)
