"""Parts of a text that matter, as a detail beside it: `answer.spans` says of `answer` what was found where. Pure.

A harness writes them, a report marks them. They never change a text, and what is not written as below marks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

SUFFIX = ".spans"
MOST_SPANS = 40
MOST_LABEL = 40
"""Characters of a label."""
LONGEST = 1_900
"""Characters of the detail, which stays below what is kept of a text."""


class Span(NamedTuple):
    """Characters `start` to `end`, the last one not included, and what they are."""

    start: int
    end: int
    label: str


def spans_text(found: Iterable[tuple[int, int, str]]) -> str:
    """The detail that says what stands where: JSON, in the order of the text; what is beyond its length is left out.

    Args:
        found: first character, the one after the last, and what it is.

    >>> spans_text([(4, 8, "phone")])
    '[[4,8,"phone"]]'
    """
    rows = [[start, end, label[:MOST_LABEL]] for start, end, label in sorted(found)][:MOST_SPANS]
    while len(text := json.dumps(rows, separators=(",", ":"))) > LONGEST:
        rows.pop()
    return text


def parse_spans(text: str, length: int) -> tuple[Span, ...] | None:
    """The spans of a text of `length` characters, rising and apart; None if they are not written as spans are.

    What overlaps an earlier one loses the part that it shares; what lies outside the text, or runs backwards, is left out.

    >>> parse_spans('[[4,8,"phone"],[6,9,"card"],[3,1,"x"],[90,99,"y"]]', 10)
    (Span(start=4, end=8, label='phone'), Span(start=8, end=9, label='card'))
    >>> parse_spans("[[NaN,8,true]]", 10) is None
    True
    """
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rows, list) or not all(map(_is_span, rows)):
        return None
    found: list[Span] = []
    for start, end, label in sorted((row[0], row[1], row[2]) for row in rows):
        begin = max(start, found[-1].end if found else 0)
        if 0 <= start < end <= length and begin < end and len(found) < MOST_SPANS:
            found.append(Span(begin, end, label[:MOST_LABEL]))
    return tuple(found)


def _is_span(row: object) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 3
        and all(isinstance(number, int) and not isinstance(number, bool) for number in row[:2])
        and isinstance(row[2], str)
    )
