"""Numbers and texts as people read them: the same everywhere on earth, and never rounded onto or across a limit."""

from __future__ import annotations

from collections.abc import Sequence

from releasegate.rounding import decimal, limit_text

NONE = "none"
MOST_RANGES = 12
MOST_TITLE = 160
"""Characters shown of a title."""
MOST_UNIT = 40
"""Characters of a unit beside an axis: a longer one would make a drawing wider than its place."""
MOST_PROSE = 800
"""Characters shown of a sentence on the first screen."""
MOST_TEXT = 280
"""Characters shown of one text, unless said otherwise."""


def beside(value: float | None, *limits: float) -> str:
    """`value` as a decimal that stands on the same side of each limit as the value itself; `none` for no value.

    >>> beside(0.98996, 0.99), beside(0.19996, 0.1873, 0.2), beside(None, 0.99)
    ('0.98996', '0.19996', 'none')
    """
    return NONE if value is None else decimal(value, limits)


def limit(value: float, *values: float | None) -> str:
    """A limit that `values` stand beside, in full, or rounded where that leaves each of them on its side.

    >>> limit(0.2), limit(0.9999999), limit(0.187361234, 0.15, 0.21), limit(0.187361234, 0.18737)
    ('0.2', '0.9999999', '0.1874', '0.187361234')
    """
    full = limit_text(value)
    rounded = f"{value:.4f}".rstrip("0").rstrip(".")
    beside_it = [v for v in values if v is not None]
    return limit_text(value, beside_it, rounded) if values else full


def share(value: float | None) -> str:
    """A number of [0, 1] as a decimal that is 0 or 1 only if it is exactly that.

    >>> share(0.99996), share(1.0), share(0.00002), share(0.5)
    ('0.99996', '1.000', '0.00002', '0.500')
    """
    if value is None:
        return NONE
    return decimal(value, [1.0 if value > 0.5 else 0.0])


def distance(value: float) -> str:
    """How far a bound is from its limit, in words: inside is on the right side.

    >>> distance(0.0444), distance(-0.652), distance(0.0)
    ('0.0444 inside', '0.652 beyond', 'on the limit')
    """
    if value == 0:
        return "on the limit"
    return f"{abs(value):.3g} {'inside' if value > 0 else 'beyond'}"


def number(value: float) -> str:
    """A limit or an alpha, without trailing zeros.

    >>> number(0.2), number(0.015198), number(1.0)
    ('0.2', '0.0152', '1')
    """
    return f"{value:.3g}" if value < 0.1 else f"{value:g}"


def size(n: int) -> str:
    """Bytes as words.

    >>> size(512), size(2_936_012), size(14_000_000_000)
    ('512 B', '2.9 MB', '14.0 GB')
    """
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= divisor:
            return f"{n / divisor:.1f} {unit}"
    return f"{n} B"


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "tensor"), plural(2, "tensor")
    ('1 tensor', '2 tensors')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def sentence(text: str) -> str:
    """The text with a capital at its beginning and a full stop at its end.

    >>> sentence("at most 0.2 is shown")
    'At most 0.2 is shown.'
    """
    begun = text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else begun + "."


def ranges(found: Sequence[tuple[int, int]]) -> str:
    """Inclusive ranges of numbers, with how many numbers they hold.

    >>> ranges(((4, 67), (70, 70)))
    '4–67, 70 (65 in all)'
    """
    parts = [str(a) if a == b else f"{a}–{b}" for a, b in found[:MOST_RANGES]]
    if len(found) > MOST_RANGES:
        parts.append(f"{len(found) - MOST_RANGES} more ranges")
    return f"{', '.join(parts)} ({sum(b - a + 1 for a, b in found)} in all)"


def shortened(text: str, most: int = MOST_TEXT) -> str:
    """The beginning of a text, and how much more there is.

    >>> shortened("abc", 10), shortened("abcdefghijkl", 5)
    ('abc', 'abcde… (7 more characters)')
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"
