"""Numbers beside limits as text: on their side, in every locale."""

from __future__ import annotations

import locale
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from releasegate.rounding import decimal, limit_text, percent

limits = st.one_of(st.integers(0, 10_000).map(lambda n: n / 10_000), st.floats(0, 1))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[float, float]:
    """A value and a limit, often next to one another."""
    limit = draw(limits)
    near = st.tuples(st.sampled_from([-1, 0, 1]), st.integers(1, 17)).map(lambda d: limit + d[0] * 10.0 ** -d[1])
    return draw(st.one_of(near, st.floats(-1, 2))), limit


def order(one: float | Decimal, other: float | Decimal) -> int:
    return (one > other) - (one < other)


@given(pairs())
@example((0.9899, 0.99))
@example((0.199999, 0.2))
@example((1e-7, 0.0))
@example((0.2 + 1e-16, 0.2))
def test_a_value_is_read_on_the_side_of_its_limit_that_it_is_on(pair: tuple[float, float]) -> None:
    value, limit = pair
    assert order(Decimal(decimal(value, [limit])), Decimal(limit_text(limit))) == order(value, limit)


@given(pairs(), limits)
def test_a_value_keeps_its_side_of_two_limits(pair: tuple[float, float], second: float) -> None:
    value, first = pair
    text = Decimal(decimal(value, [first, second]))
    assert order(text, Decimal(limit_text(first))) == order(value, first)
    assert order(text, Decimal(limit_text(second))) == order(value, second)


@given(pairs())
@example((0.9899, 0.99))
@example((0.2 - 1e-14, 0.2))
@example((1e-9, 0.0))
def test_a_percentage_is_read_on_the_side_of_its_limit(pair: tuple[float, float]) -> None:
    value, limit = pair
    assert order(Decimal(percent(value, limit)), 100 * Decimal(repr(limit))) == order(value, limit)


@given(pairs())
def test_a_limit_is_rounded_only_where_its_value_stays_on_its_side(pair: tuple[float, float]) -> None:
    value, limit = pair
    rounded = Decimal(limit_text(limit, [value], f"{limit:.4f}"))
    assert order(Decimal(decimal(value, [limit])), rounded) == order(value, limit)


@given(limits)
@example(5e-324)
def test_a_limit_is_written_in_full_and_briefly(limit: float) -> None:
    text = limit_text(limit)
    assert float(text) == limit
    assert len(text) < 32
    assert "e" not in text or limit < 1e-12


def test_no_locale_changes_a_number() -> None:
    """By construction nothing asks for a locale; where one with a decimal comma is installed, it is tried too."""
    texts = [decimal(1234.5, [0.2]), percent(0.5, 0.2), limit_text(0.25)]
    assert texts == ["1234.500", "50.0", "0.25"]
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        try:
            assert [decimal(1234.5, [0.2]), percent(0.5, 0.2), limit_text(0.25)] == texts
        finally:
            locale.setlocale(locale.LC_ALL, before)
