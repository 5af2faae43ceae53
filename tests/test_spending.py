"""How alpha is spent over attempts: the series, a declared number, and changes that divide what is left."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.errors import LedgerError
from releasegate.intervals import effective_alpha
from releasegate.ledger import AttemptEvent, LedgerView, Scheduled, append, first_line, parse_ledger
from releasegate.spending import SERIES, Spending
from tests.tiny_ledgers import ledger, opened


def view_of(*events: AttemptEvent, attempts: int | None = None) -> LedgerView:
    text = first_line("tiny", attempts)
    for event in events:
        text += append(parse_ledger(text, "made"), event)
    return parse_ledger(text, "made")


def parts(view: LedgerView) -> list[float]:
    return [view.spending(a.number).part(a.number) for a in view.attempts]


def test_a_ledger_without_a_word_of_it_spends_the_open_ended_series() -> None:
    view = parse_ledger(ledger(opened(1), opened(2)), "made")
    assert view.spendings == (SERIES,)
    assert [view.spending(j).effective_alpha(0.05, j, 3) for j in (1, 2, 9)] == [
        effective_alpha(0.05, j, 3) for j in (1, 2, 9)
    ]


def test_a_declared_number_of_attempts_gets_the_same_alpha_each_and_no_further_one_is_opened() -> None:
    view = view_of(*(opened(j) for j in range(1, 21)), attempts=20)
    assert parts(view) == [0.05] * 20
    with pytest.raises(LedgerError, match="opens attempt 21, and its alpha was split over 20") as error:
        append(view, opened(21))
    assert "nothing of the family's alpha is left" in str(error.value.problems[0].fix)


def test_a_change_divides_what_is_left() -> None:
    spent = [opened(j) for j in range(1, 6)]
    fewer = view_of(*spent, Scheduled(first=6, attempts=10), attempts=20)
    assert fewer.spending(5).part(5) == 0.05
    assert fewer.spending(6).part(6) == pytest.approx(0.75 / 5)
    ever = view_of(*spent, Scheduled(first=6), attempts=20)
    assert [ever.spending(j).part(j) for j in (6, 7)] == pytest.approx([0.75 * 6 / math.pi**2 / i**2 for i in (1, 2)])
    begun = view_of(opened(1), Scheduled(first=2, attempts=4))
    assert begun.spending(2).part(2) == pytest.approx((1 - 6 / math.pi**2) / 3)


@pytest.mark.parametrize(
    ("events", "event", "what"),
    [
        ((opened(1),), Scheduled(first=1, attempts=30), "divides alpha from attempt 1 on where attempt 2 is due"),
        ((opened(1),), Scheduled(first=2, attempts=2), "divides alpha as it is divided already"),
        ((opened(1), opened(2)), Scheduled(first=3), "of which attempts 1 to 2 left nothing"),
        ((opened(1), opened(2)), Scheduled(first=3, attempts=9), "of which attempts 1 to 2 left nothing"),
        ((opened(1),), Scheduled(first=2, attempts=1), "ends at attempt 1, and 1 were opened"),
    ],
)
def test_a_change_that_divides_nothing_is_refused(
    events: tuple[AttemptEvent, ...], event: Scheduled, what: str
) -> None:
    with pytest.raises(LedgerError, match=what):
        append(view_of(*events, attempts=2), event)


CHANGES = st.lists(st.one_of(st.just("open"), st.none(), st.integers(1, 40)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.none(), st.integers(1, 40)), CHANGES)
def test_no_order_of_edits_and_attempts_spends_more_than_alpha(first: int | None, changes: list[object]) -> None:
    """Whatever is refused is left out; after it, the schedule that is in force spends all the attempts that it has."""
    view = view_of(attempts=first)
    text = first_line("tiny", first)
    for change in changes:
        due = view.next_attempt
        event = opened(due) if change == "open" else Scheduled(first=due, attempts=change)  # type: ignore[arg-type]
        try:
            text += append(view, event)
        except LedgerError:
            continue
        view = parse_ledger(text, "made")
    spent, now = parts(view), view.spendings[-1]
    assert all(part > 0 for part in spent)
    last = now.attempts if now.attempts is not None else view.next_attempt + 200
    rest = [now.part(j) for j in range(view.next_attempt, last + 1)]
    assert math.fsum(spent + rest) <= 1 + 1e-12
    assert math.fsum(spent) + now.left_after(view.next_attempt - 1) == pytest.approx(1)


@given(st.integers(1, 50), st.integers(1, 10_000))
def test_a_schedule_gives_nothing_after_its_last_attempt(first: int, more: int) -> None:
    spending = Spending(first=first, attempts=min(first + more, 10_000), left=0.5)
    assert spending.attempts is not None
    assert spending.part(spending.attempts) > 0 == spending.part(spending.attempts + 1)
