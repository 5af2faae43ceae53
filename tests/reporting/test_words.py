"""The vocabularies of a report are complete."""

from __future__ import annotations

from typing import get_args

import pytest

from releasegate.decision.record import Method, Reason, SliceStatus, Verdict
from releasegate.policy import Artefact, Channel, Section
from releasegate.receipt import Tier
from releasegate.reporting.wording import words
from releasegate.reporting.wording.numbers import beside, distance, number, share
from releasegate.reporting.wording.visible import visible


@pytest.mark.parametrize(
    ("literal", "table"),
    [
        (Verdict, words.VERDICT),
        (Verdict, words.CAPABILITY),
        (Verdict, words.OUTCOME),
        (SliceStatus, words.STATUS),
        (Reason, words.REASON),
        (Method, words.METHOD),
        (Section, words.SECTION),
        (Channel, words.CHANNEL),
        (Artefact, words.ARTEFACT),
        (Tier, words.TIER),
    ],
)
def test_every_value_has_its_words(literal: object, table: dict[str, object]) -> None:
    assert set(table) == set(get_args(literal))


@pytest.mark.parametrize(
    ("value", "limit"), [(0.98996, 0.99), (0.99004, 0.99), (0.2000001, 0.2), (0.0, 0.2), (1.0, 0.99)]
)
def test_a_number_beside_a_limit_stands_on_its_own_side(value: float, limit: float) -> None:
    shown = float(beside(value, limit))
    assert (shown > limit, shown < limit) == (value > limit, value < limit)


def test_a_share_looks_whole_only_if_it_is() -> None:
    assert share(0.999999) == "0.999999"
    assert share(0.000001) == "0.000001"
    assert (share(0.0), share(1.0)) == ("0.000", "1.000")


def test_a_distance_is_never_nothing_unless_it_is() -> None:
    assert distance(1e-9) == "1e-09 inside"
    assert distance(0.0) == "on the limit"


def test_a_small_alpha_keeps_its_digits() -> None:
    assert number(0.00012345) == "0.000123"


def test_half_a_character_and_a_tower_of_marks_are_written_out() -> None:
    assert visible("a\ud83db") == "a⟨U+D83D⟩b"
    assert visible("Z" + "\u0335" * 240 + "a") == "Z" + "\u0335" * 4 + "⟨236 more marks⟩a"
    assert visible("नमस्ते שָׁלוֹם") == "नमस्ते שָׁלוֹם"


def test_a_crowd_of_hidden_characters_is_counted_and_none_of_them_stays() -> None:
    assert visible("a" + "\u202e" * 4_000 + "b") == "a" + "⟨U+202E⟩" * 12 + "⟨3988 more of these⟩b"
    assert visible("x\U000e0100\U0001d173") == "x⟨U+E0100⟩⟨U+1D173⟩"
