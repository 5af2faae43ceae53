"""What a ledger says after legal events, and that nothing else may follow."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.decision.record import VERDICTS
from releasegate.errors import LedgerError, UsageError
from releasegate.ledger import (
    Anchor,
    AttemptEvent,
    LedgerView,
    Outcome,
    append,
    check_anchor,
    check_family,
    first_line,
    parse_anchor,
    parse_ledger,
)
from tests.tiny_ledgers import EVENTS, closed, contents, digest, digits, drawn, ledger, opened, used

GOLDEN = Path(__file__).parent / "golden" / "v1" / "ledger.jsonl"
TEXT = ledger(*EVENTS)


def view_of(*events: AttemptEvent) -> LedgerView:
    return parse_ledger(ledger(*events), "made")


def test_a_new_ledger_has_a_family_and_no_attempt() -> None:
    view = view_of()
    assert (view.family, view.count, view.attempts, view.next_attempt) == ("tiny", 1, (), 1)


def test_a_ledger_says_what_became_of_each_attempt() -> None:
    view = view_of(*EVENTS)
    first, second, third = view.attempts
    assert (first.plan, first.day, first.nonce) == (digest("plan 1"), "2026-01-31", digits("nonce 1"))
    assert (first.used, first.closed) == ({"questions": ("q1", "q2")}, closed(1))
    assert second.closed is not None
    assert second.closed.verdict == "release"
    assert (third.nonce, third.closed) == (None, None)
    assert (view.count, view.next_attempt, view.used("questions")) == (10, 4, {"q1", "q2", "q3"})
    assert view.used("another") == frozenset()


def test_an_attempt_is_found_by_its_plan() -> None:
    assert view_of(*EVENTS).attempt_of(digest("plan 2")).number == 2
    with pytest.raises(LedgerError, match="no attempt was opened with plan"):
        view_of(*EVENTS).attempt_of(digest("another plan"))


def test_attempts_may_run_side_by_side_and_close_in_any_order() -> None:
    view = view_of(opened(1), drawn(1), opened(2), drawn(2), closed(2), used(1, "q"), closed(1))
    assert [attempt.closed is not None for attempt in view.attempts] == [True, True]


def test_an_attempt_may_get_its_nonce_after_a_later_one_was_opened() -> None:
    assert view_of(opened(1), opened(2), drawn(2), drawn(1)).attempts[0].nonce == digits("nonce 1")


@pytest.mark.parametrize(
    ("events", "event", "what"),
    [
        ((), opened(2), "opens attempt 2 where attempt 1 is due"),
        ((opened(1),), opened(1), "opens attempt 1 where attempt 2 is due"),
        ((opened(1),), opened(2).model_copy(update={"plan": digest("plan 1")}), "with the plan of attempt 1"),
        ((), drawn(1), "is about attempt 1, which was not opened"),
        ((opened(1), drawn(1)), drawn(1), "draws the nonce of attempt 1 a second time"),
        (
            (opened(1), drawn(1), opened(2)),
            drawn(2).model_copy(update={"nonce": digits("nonce 1")}),
            "gives attempt 2 the nonce of attempt 1",
        ),
        ((opened(1),), used(1, "q"), "draws items for attempt 1, whose nonce was not drawn"),
        ((opened(1),), closed(1), "closes attempt 1, whose nonce was not drawn"),
        ((opened(1), drawn(1)), closed(2), "is about attempt 2, which was not opened"),
        ((opened(1), drawn(1)), closed(1, plan=digest("plan 2")), "closes attempt 1 with another plan"),
        ((opened(1), drawn(1), closed(1)), closed(1), "closes attempt 1 a second time with the same decision"),
        (
            (opened(1), drawn(1), closed(1)),
            closed(1).model_copy(update={"evidence": digest("other evidence")}),
            "closes attempt 1 on other evidence",
        ),
        ((opened(1), drawn(1), closed(1)), used(1, "q"), "draws items for attempt 1, which is closed"),
        ((opened(1), drawn(1)), used(1, "q", "q"), "draws item 'q' of questions for attempt 1; attempt 1 drew it"),
        ((*EVENTS, drawn(3)), used(3, "q2"), "draws item 'q2' of questions for attempt 3; attempt 1 drew it"),
    ],
)
def test_what_does_not_follow_is_refused(events: tuple[AttemptEvent, ...], event: AttemptEvent, what: str) -> None:
    with pytest.raises(LedgerError, match=what):
        append(view_of(*events), event)


def test_the_same_item_may_be_used_by_two_evals() -> None:
    other = used(1, "q").model_copy(update={"eval": "other"})
    assert view_of(opened(1), drawn(1), used(1, "q"), other).used("other") == {"q"}


@pytest.mark.parametrize("count", range(1, 10))
def test_a_ledger_goes_on_from_each_of_its_places(count: int) -> None:
    view = view_of(*EVENTS)
    check_anchor(view, Anchor(count=count, head=view.hashes[count - 1]))


def test_an_anchor_reads_as_it_prints() -> None:
    anchor = view_of(*EVENTS).anchor
    assert parse_anchor(str(anchor), "--anchor") == anchor


@pytest.mark.parametrize("text", ["", "3", "3:", f"0:{'a' * 64}", f"-1:{'a' * 64}", f"3:{'A' * 64}", f"x:{'a' * 64}"])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no anchor") as caught:
        parse_anchor(text, "--anchor")
    assert caught.value.problems[0].where == "--anchor"


@pytest.mark.parametrize("family", ["", "../x", "A", "x/y", "x" * 65, "x\n"])
def test_what_is_no_family_is_refused(family: str) -> None:
    with pytest.raises(UsageError, match="is no name of a family"):
        first_line(family)


def test_the_ledger_of_another_family_is_refused() -> None:
    with pytest.raises(LedgerError, match="is the ledger of family tiny, not of other") as caught:
        check_family(view_of(), "other")
    assert caught.value.problems[0].where == "made:1"


def test_a_ledger_of_version_1_loads_for_ever() -> None:
    text = GOLDEN.read_bytes()
    view = parse_ledger(text, "golden")
    assert str(view.anchor) == "10:" + GOLDEN.with_suffix(".head").read_text().strip()
    assert text == TEXT


def test_a_verdict_of_the_ledger_is_a_verdict_of_a_decision() -> None:
    assert get_args(Outcome) == VERDICTS


@st.composite
def histories(draw: st.DrawFn) -> list[AttemptEvent]:
    """Events in a legal order: each is drawn from those that may come next."""
    events: list[AttemptEvent] = []
    count, with_nonce, done, item = 0, set[int](), set[int](), 0
    for _ in range(draw(st.integers(0, 12))):
        running = sorted(with_nonce - done)
        waiting = sorted(set(range(1, count + 1)) - with_nonce)
        kinds = ["opened"] + ["nonce"] * bool(waiting) + ["used", "closed"] * bool(running)
        match draw(st.sampled_from(kinds)):
            case "opened":
                count += 1
                events.append(opened(count, draw(st.dates()).isoformat()))
            case "nonce":
                events.append(drawn(draw(st.sampled_from(waiting))))
                with_nonce.add(events[-1].attempt)
            case "used":
                n = draw(st.integers(1, 3))
                items = [f"item {item + i} {draw(st.sampled_from('a~ {'))}" for i in range(n)]
                item += n
                events.append(used(draw(st.sampled_from(running)), *items))
            case _:
                number = draw(st.sampled_from(running))
                events.append(closed(number, verdict=draw(st.sampled_from(VERDICTS))))
                done.add(number)
    return events


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_legal_history_is_read_as_it_was_written(events: list[AttemptEvent]) -> None:
    text = ledger(*events)
    view = parse_ledger(text, "made")
    assert contents(text)[1:] == [event.plain() for event in events]
    assert view.count == 1 + len(events)
    assert [a.plan for a in view.attempts] == [e.plan for e in events if e.event == "opened"]
    assert [a.number for a in view.attempts if a.nonce] == sorted(e.attempt for e in events if e.event == "nonce")
    assert [a.closed for a in view.attempts if a.closed] == sorted(
        (e for e in events if e.event == "closed"), key=lambda e: e.attempt
    )
    assert view.used("questions") == {item for e in events if e.event == "used" for item in e.items}


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_every_beginning_of_a_legal_history_is_one_and_is_a_rollback_to_an_anchor(
    events: list[AttemptEvent], data: st.DataObject
) -> None:
    whole = ledger(*events)
    lines = whole.splitlines(keepends=True)
    kept = data.draw(st.integers(1, len(lines)))
    view, anchor = parse_ledger(b"".join(lines[:kept]), "made"), parse_ledger(whole, "made").anchor
    if kept == len(lines):
        check_anchor(view, anchor)
    else:
        with pytest.raises(LedgerError, match="was rolled back"):
            check_anchor(view, anchor)
