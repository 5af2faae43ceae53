"""Spans of a text: what a harness writes can be read, and nothing else does harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.spans import LONGEST, MOST_SPANS, parse_spans, spans_text

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
)


@given(st.text(max_size=60) | ANY_JSON.map(json.dumps), st.integers(0, 50))
def test_whatever_stands_there_spans_rise_apart_within_the_text(text: str, length: int) -> None:
    end = 0
    for span in parse_spans(text, length) or ():
        assert end <= span.start < span.end <= length
        end = span.end


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.text(max_size=60)), max_size=80))
def test_what_is_written_is_read_again_and_stays_short(found: list[tuple[int, int, str]]) -> None:
    text = spans_text((start, start + size, label) for start, size, label in found)
    assert len(text) <= LONGEST
    parsed = parse_spans(text, 100)
    assert parsed is not None
    assert bool(parsed) == bool(found)
    assert len(parsed) <= MOST_SPANS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[[1,2]]",
        '[["1",2,"x"]]',
        '[[NaN,2,"x"]]',
        '[[1e3,2,"x"]]',
        '[[true,2,"x"]]',
        "[" * 5_000,
        '[[0,1,"x"]',
    ],
)
def test_what_is_not_written_as_spans_are_marks_nothing(text: str) -> None:
    assert parse_spans(text, 10) is None
