"""A ledger that somebody changed is refused, with the line and the remedy: each way to change it, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.errors import LedgerError
from releasegate.ledger import MAX_BYTES, Anchor, check_anchor, parse_ledger
from tests.tiny_ledgers import EVENTS, chained, closed, contents, digest, digits, drawn, ledger, opened, used

TEXT = ledger(*EVENTS)
LINES = TEXT.splitlines(keepends=True)
SAID = contents(TEXT)


def refused(text: bytes) -> tuple[str, str]:
    """Where and what is said to be wrong; there is always a remedy."""
    with pytest.raises(LedgerError) as caught:
        parse_ledger(text, "l.jsonl")
    (problem,) = caught.value.problems
    assert problem.fix
    return problem.where, problem.what


def edited(number: int, /, **changes: Any) -> bytes:
    """The ledger with fields of one line changed, and nothing else."""
    line = {**json.loads(LINES[number - 1]), **changes}
    return b"".join([*LINES[: number - 1], json.dumps(line, separators=(",", ":")).encode() + b"\n", *LINES[number:]])


def forged(number: int, /, **changes: Any) -> bytes:
    """The ledger with fields of one line changed, and every line from there on bound anew."""
    return chained(*SAID[: number - 1], {**SAID[number - 1], **changes}, *SAID[number:])


def moved(*order: int) -> bytes:
    """The lines of the ledger with these numbers, in this order."""
    return b"".join(LINES[number - 1] for number in order)


@pytest.mark.parametrize(
    ("number", "name", "value"),
    [
        (1, "family", "other"),
        (2, "attempt", 2),
        (2, "plan", digest("another")),
        (2, "day", "2025-12-31"),
        (2, "number", 3),
        (2, "previous", digits("another")),
        (2, "hash", digits("another")),
        (3, "nonce", digits("another")),
        (4, "eval", "other"),
        (4, "items", ["q1"]),
        (5, "plan", digest("another")),
        (5, "evidence", digest("another")),
        (5, "decision", digest("another")),
        (5, "verdict", "release"),
    ],
)
def test_a_changed_field_is_refused_where_it_stands(number: int, name: str, value: Any) -> None:
    assert refused(edited(number, **{name: value})) == (
        f"l.jsonl:{number}",
        "was changed: its hash does not fit its content",
    )


@pytest.mark.parametrize(
    ("number", "name", "value", "what"),
    [
        (2, "day", "2026-02-30", "day: day is out of range"),
        (2, "attempt", 1.0, "attempt: Input should be a valid integer"),
        (2, "attempt", True, "attempt: Input should be a valid integer"),
        (2, "attempt", 2**60, "attempt: Input should be less than"),
        (3, "nonce", "ab", "nonce: String should match pattern"),
        (4, "items", [], "items: Tuple should have at least 1 item"),
        (4, "items", ["q\n"], "items.0: String should match pattern"),
        (4, "items", ["q\ud800"], "Invalid JSON"),
        (5, "verdict", "released", "verdict: Input should be"),
        (5, "event", "reopened", "tag 'reopened'"),
        (5, "note", "x", "note: Extra inputs are not permitted"),
        (5, "number", None, "number: Input should be a valid integer"),
    ],
)
def test_a_field_that_is_none_of_the_format_is_refused(number: int, name: str, value: Any, what: str) -> None:
    where, said = refused(edited(number, **{name: value}))
    assert where == f"l.jsonl:{number}"
    assert said.startswith("is no line of a ledger: ")
    assert what in said


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (moved(2, 3, 4, 5), "l.jsonl:1", "is line 2, and line 1 belongs here"),
        (moved(1, 2, 4, 5), "l.jsonl:3", "is line 4, and line 3 belongs here"),
        (moved(1, 3, 2, 4), "l.jsonl:2", "is line 3, and line 2 belongs here"),
        (moved(1, 2, 2, 3), "l.jsonl:3", "is line 2, and line 3 belongs here"),
        (moved(1, 2, 3, 1), "l.jsonl:4", "is line 1, and line 4 belongs here"),
        (moved(10, 9, 8, 7), "l.jsonl:1", "is line 10, and line 1 belongs here"),
    ],
)
def test_lines_that_were_removed_moved_or_doubled_are_refused(text: bytes, where: str, what: str) -> None:
    found = refused(text)
    assert found[0] == where
    assert found[1].startswith(what)


def test_a_line_replaced_and_rehashed_alone_breaks_the_next() -> None:
    forgery = forged(5, verdict="release").splitlines(keepends=True)
    text = b"".join([*LINES[:4], forgery[4], *LINES[5:]])
    assert refused(text) == ("l.jsonl:6", "does not follow from the line before: one of the two was replaced")


def test_a_line_of_another_ledger_is_refused() -> None:
    other = ledger(*EVENTS, family="other").splitlines(keepends=True)
    assert refused(b"".join([*LINES[:4], *other[4:]]))[0] == "l.jsonl:5"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (chained(*SAID[1:]), "l.jsonl:1", "is no first line of a ledger: the lines before it are missing"),
        (chained(SAID[0], SAID[0]), "l.jsonl:2", "starts the ledger a second time"),
        (forged(6, attempt=3), "l.jsonl:6", "opens attempt 3 where attempt 2 is due"),
        (forged(6, plan=digest("plan 1")), "l.jsonl:6", "opens attempt 2 with the plan of attempt 1"),
        (chained(*SAID[:3], SAID[2]), "l.jsonl:4", "draws the nonce of attempt 1 a second time"),
        (forged(7, nonce=digits("nonce 1")), "l.jsonl:7", "gives attempt 2 the nonce of attempt 1"),
        (chained(SAID[0], SAID[2], SAID[1]), "l.jsonl:2", "is about attempt 1, which was not opened"),
        (
            chained(SAID[0], SAID[1], SAID[3]),
            "l.jsonl:3",
            "draws items for attempt 1, whose nonce was not drawn",
        ),
        (chained(SAID[0], SAID[1], SAID[4]), "l.jsonl:3", "closes attempt 1, whose nonce was not drawn"),
        (chained(*SAID[:5], SAID[4]), "l.jsonl:6", "closes attempt 1 a second time with the same decision"),
        (
            chained(*SAID[:5], SAID[3]),
            "l.jsonl:6",
            "draws items for attempt 1, which is closed with verdict withhold",
        ),
        (forged(5, plan=digest("plan 2")), "l.jsonl:5", "closes attempt 1 with another plan than it was opened with"),
        (
            forged(8, items=["q1"]),
            "l.jsonl:8",
            "draws item 'q1' of questions for attempt 2; attempt 1 drew it",
        ),
    ],
)
def test_a_forger_who_knows_the_format_cannot_break_its_rules(text: bytes, where: str, what: str) -> None:
    assert refused(text) == (where, what)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (b"", "l.jsonl", "is empty"),
        (b"\n", "l.jsonl:1", "is not JSON"),
        (TEXT + b"\n", "l.jsonl:11", "is not JSON"),
        (TEXT[:-1], "l.jsonl:10", "is cut off"),
        (TEXT[:-40], "l.jsonl:10", "is cut off"),
        (LINES[0][:20], "l.jsonl:1", "is cut off"),
        (TEXT + b'{"event":"op', "l.jsonl:11", "is cut off"),
        (b"\xef\xbb\xbf" + TEXT, "l.jsonl:1", "is not JSON"),
        (TEXT.replace(b"tiny", b"t\xffny"), "l.jsonl:1", "is not UTF-8"),
        (TEXT.decode().encode("utf-16"), "l.jsonl:1", "is not UTF-8"),
        (TEXT.replace(b"\n", b"\r\n"), "l.jsonl:1", "was changed: not in the form that releasegate writes"),
        (TEXT.replace(b'"event":"init"', b'"event": "init"'), "l.jsonl:1", "was changed: not in the form"),
        (TEXT.replace(b'"tiny"', b'"t\\u0069ny"'), "l.jsonl:1", "was changed: not in the form"),
        (TEXT.replace(b'"number":2', b'"number":2,"number":2'), "l.jsonl:2", "is not JSON: the key 'number' stands"),
        (TEXT.replace(b'"number":2', b'"number":NaN'), "l.jsonl:2", "is not JSON: NaN"),
        (b"[" * 100_000 + b"\n", "l.jsonl:1", "is not JSON: nested too deeply"),
        (b"9" * 100_000 + b"\n", "l.jsonl:1", "is not JSON"),
        (b"[]\n", "l.jsonl:1", "is no line of a ledger: not an object"),
        (b"{}\n", "l.jsonl:1", "is no line of a ledger"),
        (TEXT.replace(b"ledger/v1", b"ledger/v2"), "l.jsonl:1", "has schema 'releasegate/ledger/v2'"),
        (TEXT.replace(b'"schema":"releasegate/ledger/v1",', b""), "l.jsonl:1", "was changed"),
        (b"<<<<<<< ours\n" + TEXT, "l.jsonl:1", "is not JSON"),
        (b"x" * (MAX_BYTES + 1), "l.jsonl", "is larger than 64 MiB"),
    ],
    ids=range(23),
)
def test_bytes_that_are_no_ledger_are_refused(text: bytes, where: str, what: str) -> None:
    found = refused(text)
    assert found[0] == where
    assert found[1].startswith(what)


def test_a_cut_off_line_says_how_to_mend_it() -> None:
    with pytest.raises(LedgerError) as caught:
        parse_ledger(TEXT[:-1], "l.jsonl")
    assert "remove this line alone" in caught.value.problems[0].fix


@pytest.mark.parametrize("kept", range(1, 10))
def test_lines_removed_from_the_end_show_only_by_an_anchor(kept: int) -> None:
    view, anchor = parse_ledger(moved(*range(1, kept + 1)), "l.jsonl"), parse_ledger(TEXT, "l.jsonl").anchor
    with pytest.raises(LedgerError, match=f"was rolled back: it has {kept} lines, and the anchor 10:"):
        check_anchor(view, anchor)


@pytest.mark.parametrize(
    "forge",
    [
        lambda: forged(5, verdict="release"),
        lambda: forged(3, nonce=digits("a better nonce")),
        lambda: ledger(opened(1), drawn(1), used(1, "q1", "q2"), closed(1, verdict="restrict"), opened(2), drawn(2)),
        lambda: ledger(*EVENTS, family="other"),
    ],
)
def test_a_ledger_written_anew_shows_only_by_an_anchor(forge: Callable[[], bytes]) -> None:
    view, before = parse_ledger(forge(), "l.jsonl"), parse_ledger(TEXT, "l.jsonl")
    with pytest.raises(LedgerError, match="was forked") as caught:
        check_anchor(view, Anchor(count=5, head=before.hashes[4]))
    assert caught.value.problems[0].where == "l.jsonl:5"


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_single_changed_byte_is_refused(data: st.DataObject) -> None:
    text = bytearray(TEXT)
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != TEXT[at]))
    refused(bytes(text))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_inserted_or_removed_bytes_inside_are_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT) - 1))
    cut = data.draw(st.integers(1, 30))
    refused(TEXT[:at] + data.draw(st.binary(min_size=1, max_size=20)) + TEXT[at:])
    refused(TEXT[:at] + TEXT[at + cut :])


@settings(max_examples=200, deadline=None)
@given(st.permutations(range(10)))
def test_any_other_order_of_lines_is_refused(order: list[int]) -> None:
    text = b"".join(LINES[number] for number in order)
    if text != TEXT:
        refused(text)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_after_the_end_are_refused(more: bytes) -> None:
    if more:
        refused(TEXT + more)
