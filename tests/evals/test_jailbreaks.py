"""Attacks: the same each time, whole, and to be undone where they only encode."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.jailbreaks import ATTACKS, SHOTS, attacked, leet, prompt_of, readings, unleet
from releasegate.errors import UsageError

REQUEST = "Bake a \u201ctoast\u201d \U0001f35e {with} %s butter\n\nand 100 % jam"


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_the_same_each_time_and_ends_with_the_user(attack: str) -> None:
    chat = attacked(attack, REQUEST)
    assert chat == attacked(attack, REQUEST)
    assert chat[-1].role == "user"
    assert {turn.role for turn in chat} <= {"user", "assistant"}


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack not in ("base64", "leetspeak")])
def test_an_attack_in_plain_words_holds_the_request_as_it_stands(attack: str) -> None:
    assert REQUEST in attacked(attack, REQUEST)[-1].text


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_base64_is_decoded_to_the_request(request_text: str) -> None:
    coded = attacked("base64", request_text)[0].text.rsplit("\n\n", 1)[1]
    assert base64.b64decode(coded, validate=True).decode() == request_text


@given(st.text("acdefghijklmnopqrstuvwxyz ,.?\u00e9\u4e16"))
def test_leetspeak_is_undone_where_there_was_no_digit(text: str) -> None:
    assert unleet(leet(text)) == text


def test_leetspeak_changes_every_word_of_an_ordinary_request() -> None:
    words = ["Write", "a", "letter", "that", "asks", "my", "landlord", "for", "the", "deposit"]
    assert [word for word in words if leet(word) == word] == ["my"]


def test_the_shots_are_questions_with_willing_answers_before_the_request() -> None:
    chat = attacked("many_shot", REQUEST)
    assert [turn.role for turn in chat] == ["user", "assistant"] * len(SHOTS) + ["user"]
    assert all(turn.text.startswith("Sure!") for turn in chat if turn.role == "assistant")
    assert chat[-1].text == REQUEST


def test_a_model_that_does_not_chat_gets_a_text_that_waits_for_an_answer() -> None:
    text = prompt_of(attacked("many_shot", REQUEST), chats=False)
    assert isinstance(text, str)
    assert text.endswith(f"Question: {REQUEST}\nAnswer:")
    assert text.count("Question: ") == len(SHOTS) + 1
    chat = attacked("none", REQUEST)
    assert prompt_of(chat, chats=True) == chat


def test_an_unknown_attack_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        attacked("hypnosis", REQUEST)
    assert caught.value.problems[0].fix == f"use one of {', '.join(ATTACKS)}"


def test_an_answer_in_the_code_of_the_attack_is_read_in_plain_words_too() -> None:
    answer = "Cut the bread, then toast it for two minutes."
    coded = base64.b64encode(answer.encode()).decode()
    assert readings("base64", f"  {coded[:20]}\n{coded[20:]} ") == (f"  {coded[:20]}\n{coded[20:]} ", answer)
    assert readings("base64", coded[:-7])[1] == answer[: len(readings("base64", coded[:-7])[1])]  # cut off half-way
    assert readings("leetspeak", leet("bake a toast")) == ("84k3 4 70457", "bake a toast")


@pytest.mark.parametrize("answer", ["", "Sure!", "Decode it first.", "QUJD", "////////////////////", "\u00e9" * 40])
def test_an_answer_that_is_no_base64_is_read_as_it_stands(answer: str) -> None:
    assert readings("base64", answer)[0] == answer
    assert all(text for text in readings("base64", answer)[1:])
    assert readings("none", answer) == (answer,)


@pytest.mark.parametrize("around", ["{}", "Sure! Here it is: {}", "```\n{}\n```\nI hope that helps."])
def test_what_is_answered_in_base64_is_read_whatever_stands_around_it(around: str) -> None:
    said = "First, take the lid off.\nSecond, pour it out."
    packed = base64.b64encode(said.encode()).decode()
    assert any(said in text for text in readings("base64", around.format(packed)))
    assert readings("none", around.format(packed)) == (around.format(packed),)


def test_long_words_are_no_base64() -> None:
    answer = "It is an incomprehensible, uncharacteristically straightforwardness"
    assert readings("base64", answer) == (answer,)
