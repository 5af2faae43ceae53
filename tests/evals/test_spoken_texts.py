"""Texts come to one form whoever wrote them, and words are counted as a plain alignment counts them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.spoken_texts import normalised, word_error_rate, word_errors
from evals.voices import clips

pytest.importorskip("jiwer")

FORMS = {
    "Please, press ONE.": "please press one",
    "Press 1": "press one",
    "press 12 or 13": "press twelve or thirteen",
    "the 1st, 2nd, 3rd, 5th, 12th, 20th and 21st": "the first second third fifth twelfth twentieth and twenty first",
    "1,234,567": "one two three four five six seven",
    "999,999": "nine hundred ninety nine thousand nine hundred ninety nine",
    "agent 007": "agent zero zero seven",
    "3.50": "three point five zero",
    "H.323, and h323": "h three hundred twenty three and h three hundred twenty three",
    "100% of R&D": "one hundred percent of r and d",
    "re-record": "re record",
    "[music] (applause) hello <unk> {x}": "hello",
    "don\u2019t 'quote' the parties' names": "don't quote the parties names",
    "Voice-mail, voice mail, voicemail": "voicemail voicemail voicemail",
    "www.asterisk.org. Then": "www dot asterisk dot org then",
    "one.Two": "one dot two",
    "a_b": "a b",
    "\uff21\uff22 \u00bd": "ab one two",
    "caf\u00e9, na\u00efve": "caf\u00e9 na\u00efve",
    "0": "zero",
    "...": "",
    "": "",
}


@pytest.mark.parametrize("text", FORMS)
def test_a_text_comes_to_the_form_that_the_rules_give(text: str) -> None:
    assert normalised(text) == FORMS[text]


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_what_is_in_the_form_stays_as_it_is_and_no_text_breaks_it(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert once == " ".join(once.split())


def test_a_number_of_any_length_is_read() -> None:
    assert normalised("9" * 100_000).split() == ["nine"] * 100_000


def slow_distance(reference: list[str], hypothesis: list[str]) -> int:
    """Levenshtein's distance, row by row."""
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        above, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != heard))
    return row[-1]


def test_errors_are_those_of_a_plain_alignment() -> None:
    draw = random.Random(0)
    words = ["one", "two", "three", "star", "pound"]
    for _ in range(200):
        said = draw.choices(words, k=draw.randint(1, 9))
        heard = draw.choices(words, k=draw.randint(0, 9))
        assert word_errors(" ".join(said), " ".join(heard)) == (slow_distance(said, heard), len(said))


def test_nothing_heard_is_every_word_wrong_and_more_than_was_said_goes_beyond_1() -> None:
    assert word_errors("press star", "") == (2, 2)
    assert word_errors("press star", "[music]") == (2, 2)
    assert word_error_rate([("no", "one two three")]) == 3.0


def test_the_rate_of_many_weighs_by_words_not_by_texts() -> None:
    assert (
        word_error_rate([("one two three four five six seven", "one two three four five six seven"), ("a", "b")])
        == 1 / 8
    )


def test_a_reference_without_words_is_refused() -> None:
    for reference in ("", "...", "[music]"):
        with pytest.raises(ValueError, match="no word"):
            word_errors(reference, "hello")
    with pytest.raises(ValueError, match="no pair"):
        word_error_rate([])


def test_every_source_has_a_text_and_nothing_else_has() -> None:
    for split in ("source", "source_rehearsal"):
        assert all(len(normalised(voice.text).split()) >= 2 for voice in clips(split))
    assert not any(voice.text for split in ("real", "prompt", "training", "calibration") for voice in clips(split))
