"""The list of what was planted: what it holds, and what a list of one's own may hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from evals import canaries as listed
from evals.canaries import DIGITS, canaries, parse_canaries
from releasegate.errors import DocumentError, NotFound

HEADER = "prefix,secret,copies\n"
GOOD = "KEY_A = ',123456,4\n"


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        parse_canaries(text, "mine.csv")
    return [f"{problem.where}: {problem.what}" for problem in error.value.problems]


def test_the_shipped_list_has_four_numbers_of_copies_and_no_secret_twice() -> None:
    assert Counter(canary.copies for canary in canaries()) == {1: 240, 4: 192, 16: 144, 64: 24}
    assert len({canary.secret for canary in canaries()}) == len(canaries())
    assert all(len(canary.secret) == DIGITS for canary in canaries())


def test_the_cue_is_the_line_up_to_the_secret() -> None:
    for canary in canaries():
        assert canary.line == f"{canary.cue}{canary.secret}'\n"


def test_a_list_of_ones_own_is_read_in_its_order() -> None:
    found = parse_canaries(HEADER + GOOD + "KEY_B = ',000001,1\n", "mine.csv")
    assert [(canary.prefix, canary.secret, canary.copies) for canary in found] == [
        ("KEY_A = '", "123456", 4),
        ("KEY_B = '", "000001", 1),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "mine.csv:1: its columns are none"),
        ("a,b\n", "mine.csv:1: its columns are a, b"),
        (HEADER, "mine.csv: lists no canary"),
        (HEADER + "KEY_A = ',123456\n", "mine.csv:2: has 2 values"),
        (HEADER + "KEY_A = ',12345,4\n", "mine.csv:2: secret '12345' is none"),
        (HEADER + "KEY_A = ',12345\u0663,4\n", "mine.csv:2: secret '12345\u0663' is none"),
        (HEADER + "KEY_A = ',123456,0\n", "mine.csv:2: copies '0' is none"),
        (HEADER + "KEY_A = ',123456,9999999\n", "mine.csv:2: copies '9999999' is none"),
        (HEADER + ",123456,4\n", "mine.csv:2: prefix '' is none"),
        (HEADER + '"a\nb",123456,4\n', "mine.csv:2: prefix 'a\\nb' is none"),
        (HEADER + GOOD + "KEY_B = ',123456,1\n", "mine.csv:3: secret '123456' stands in line 2 already"),
        (HEADER + GOOD + "KEY_A = ',654321,1\n", 'mine.csv:3: prefix "KEY_A = \'" stands in line 2 already'),
    ],
)
def test_a_list_that_is_none_says_where(text: str, what: str) -> None:
    assert problems(text) == [what]


def test_a_list_that_is_missing_or_no_text_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "LIST", tmp_path / "mine.csv")
    with pytest.raises(NotFound):
        canaries()
    (tmp_path / "mine.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match="is not UTF-8"):
        canaries()
