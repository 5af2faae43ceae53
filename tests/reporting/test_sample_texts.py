"""Texts of samples: the prompt first, spans marked, and no span hides a text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.evidence import Measured
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.samples.texts import LEAST, MOST_LINES, MOST_MARKED, lines_of, pieces_of
from releasegate.spans import parse_spans, spans_text


def measured(**detail: str) -> Measured:
    return Measured(item=0, values={"disclosed": 1.0}, detail=detail)


def test_the_prompt_comes_first_and_spans_are_marks_of_their_text_and_no_line() -> None:
    sample = measured(
        **{"answer": "call 5550100 now", "answer.spans": spans_text([(5, 12, "phone")]), "prompt": "who?"}
    )
    prompt, answer = lines_of(sample, Purse())
    assert (prompt.name, prompt.text) == ("prompt", "who?")
    assert [(piece.text, piece.label) for piece in answer.pieces] == [("call ", ""), ("5550100", "phone"), (" now", "")]


@pytest.mark.parametrize("spans", ["[[", "[[NaN,3,4]]", '[["a",1,"b"]]', "call me"])
def test_spans_that_cannot_be_read_hide_neither_the_text_nor_themselves(spans: str) -> None:
    lines = lines_of(measured(**{"answer": "call 5550100", "answer.spans": spans}), Purse())
    assert [(line.name, line.text) for line in lines] == [("answer", "call 5550100"), ("answer.spans", spans)]


def test_spans_of_a_text_that_is_not_there_are_a_text_of_their_own() -> None:
    (line,) = lines_of(measured(**{"answer.spans": '[[0,1,"x"]]'}), Purse())
    assert line.text == '[[0,1,"x"]]'


@given(
    st.text(alphabet="ab", max_size=2_000),
    st.lists(st.tuples(st.integers(-5, 2_005), st.integers(-5, 2_005), st.sampled_from(["", "x"])), max_size=50),
)
def test_no_span_changes_a_text_that_is_shown_whole_and_long_ones_stay_bounded(
    text: str, found: list[tuple[int, int, str]]
) -> None:
    spans = parse_spans(spans_text(found), len(text)) or ()
    pieces = pieces_of(text, spans, MOST_MARKED)
    joined = "".join(piece.text for piece in pieces)
    if len(text) <= MOST_MARKED:
        assert joined == text
        assert [piece.text for piece in pieces if piece.label] == [text[a:b] for a, b, _ in spans]
    assert sum(len(piece.text) for piece in pieces if not piece.text.startswith("…")) <= max(MOST_MARKED, 300)
    assert all(a.text or b.text for a, b in pairwise(pieces))


def test_what_is_marked_far_into_a_long_text_is_shown() -> None:
    text = "x" * 1_500 + "5550100" + "y" * 400
    pieces = pieces_of(text, parse_spans(spans_text([(1_500, 1_507, "phone")]), len(text)) or (), MOST_MARKED)
    assert [piece.text for piece in pieces if piece.label] == ["5550100"]
    assert pieces[1].text == "… (1340 more characters) …"
    assert pieces[-1].text == "… (320 more characters)"


def test_many_and_long_texts_are_bounded_by_what_the_page_may_hold() -> None:
    purse = Purse(texts=1_000)
    lines = lines_of(measured(**{f"t{i}": "z" * 2_000 for i in range(30)}), purse)
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].text == "18 more texts in the run folder"
    assert all(len(line.text) < LEAST + 40 for line in lines[4:])
