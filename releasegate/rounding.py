"""Numbers beside limits as text: never rounded onto a limit, nor across it, and the same in every locale.

Whoever reads `0.990` beside a limit of 0.99 takes it for a value that reaches the limit. So a value gets as many decimals
as it takes to stand on its side of each limit, and a limit as many as it takes to leave the values where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

MOST_PLACES = 15
"""Decimals of a rounded number; what needs more is written in full."""
SMALLEST = Decimal("1e-12")
"""Below it a limit is written with an exponent."""


def decimal(value: float, limits: Sequence[float], fewest: int = 3) -> str:
    """`value` with at least `fewest` decimals, on the side of each limit that the value itself is on.

    >>> decimal(0.98996, [0.99]), decimal(0.19996, [0.1, 0.2]), decimal(0.99, [0.99]), decimal(0.5, [])
    ('0.98996', '0.19996', '0.990', '0.500')
    """
    for places in range(fewest, MOST_PLACES + 1):
        text = f"{value:.{places}f}"
        if all(_order(float(text), limit) == _order(value, limit) for limit in limits):
            return text
    return repr(value)


def percent(value: float, limit: float, fewest: int = 1) -> str:
    """100 `value` with at least `fewest` decimals, on the side of 100 `limit` that it is on; without a sign behind it.

    >>> percent(0.9899, 0.99), percent(0.98999, 0.99), percent(0.412, 0.2)
    ('98.99', '98.999', '41.2')
    """
    own, other = _exact(value).scaleb(2), _exact(limit).scaleb(2)
    for places in range(fewest, MOST_PLACES + 1):
        text = f"{round(100 * value, 9):.{places}f}"
        if _order(Decimal(text), other) == _order(own, other):
            return text
    return f"{own:f}"


def limit_text(
    limit: float, values: Iterable[float] = (), usual: str | None = None, others: Sequence[float] = ()
) -> str:
    """`limit` as it can stand beside values that `decimal` wrote: each stays on its side of what is read.

    Args:
        usual: the text to prefer, such as a rounded one; absent: the limit in full.
        others: further limits that the values were written beside.

    >>> limit_text(0.18736, [0.15], "0.1874"), limit_text(0.18736, [0.18738], "0.1874"), limit_text(1e-7), limit_text(1.0)
    ('0.1874', '0.18736', '0.0000001', '1')
    """
    full = _exact(limit)
    if usual is not None:
        read = Decimal(usual)
        if all(
            _order(v, limit) == _order(_exact(v), read) == _order(Decimal(decimal(v, [limit, *others])), read)
            for v in values
        ):
            return usual
    return "0" if not full else f"{full.normalize():f}" if abs(full) >= SMALLEST else repr(limit)


def _exact(number: float) -> Decimal:
    """The number that its shortest text says, which is what a policy's author wrote."""
    return Decimal(repr(float(number)))


def _order(one: float | Decimal, other: float | Decimal) -> int:
    """-1, 0 or 1: below, on, or above."""
    return (one > other) - (one < other)
