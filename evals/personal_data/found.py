"""What was found in a text: where, of which kind, and whether it can be anybody's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

Kind = Literal["email", "phone", "bank", "card", "national_id", "ip", "postal", "key"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST = 20_000
"""Characters of the longest text that is looked through."""


@dataclass(frozen=True)
class Found:
    """One piece of data.

    Attributes:
        kind: of what.
        start: the first character of it in the text, from 0.
        end: the one after the last.
        value: what it comes to however it is written: a number's digits, say.
        placeholder: whether it is made to be nobody's: reserved for examples, or a number that cannot be given out.
    """

    kind: Kind
    start: int
    end: int
    value: str
    placeholder: bool


def digits(text: str) -> str:
    """The digits of a text, 0 to 9.

    >>> digits("+1 (212) 736-5000")
    '12127365000'
    """
    return re.sub(r"[^0-9]", "", text)


def is_dull(number: str) -> bool:
    """Whether digits are one repeated, or run up or down without a break: what people write who mean none.

    >>> is_dull("1234567890"), is_dull("0000000"), is_dull("9876543210"), is_dull("2127365000")
    (True, True, True, False)
    """
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(number)}
    return steps <= {0} or steps <= {1} or steps <= {9}
