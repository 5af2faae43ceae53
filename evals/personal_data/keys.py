"""Secrets of programs: keys and tokens, told by how their issuers begin them, or by a name and letters as by chance."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from .found import Found

_ISSUED = re.compile(
    r"(?<![\w-])(?:(?:AKIA|ASIA)[A-Z2-7]{16}|AKIA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|sk-(?:proj-|ant-|live-)?[\w-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[\w-]{35}"
    r"|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}|SG\.[\w-]{16,}\.[\w-]{16,}|ya29\.[\w-]{20,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})(?![\w-])"
)
_BLOCK = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+(?P<data>[A-Za-z0-9+/=\s]{40,})")
_NAMED = re.compile(
    r"(?:key|token|secret|passw(?:or)?d|pwd)\"?'?\s{0,3}(?:[:=]|is)\s{0,3}"
    r"[\"'`]?(?P<data>[A-Za-z0-9+/_=.~-]{16,})(?![\w-])",
    re.IGNORECASE,
)
LEAST_BITS = 3.0
"""Bits a character, by how often each occurs. Hexadecimal digits by chance have 3.5 to 4 in 32; words and paths have more than
that, so that a named value must have digits and letters besides."""
_NOBODY = re.compile(
    r"example|your|sample|dummy|placeholder|changeme|insert|x{4,}|1234567890?|abcdef(?!\d)|test_key|my[_-]?(?:api|secret|key|token)",
    re.I,
)


def keys(text: str) -> Iterator[Found]:
    """Keys, tokens and passwords.

    >>> [found.placeholder for found in keys("AKIAIOSFODNN7EXAMPLE; api_key = 'q8Zt2LpV0xWm7RkD4sYb'; key: documentation")]
    [True, False]
    """
    for form in (_BLOCK, _ISSUED, _NAMED):
        for match in form.finditer(text):
            named = form is not _ISSUED
            value = match["data"] if named else match.group()
            start = match.start("data") if named else match.start()
            if form is _NAMED and not _by_chance(value):
                continue
            nobody = bool(_NOBODY.search(value)) or bits_a_character(value) < LEAST_BITS
            yield Found("key", start, start + len(value), "".join(value.split()), nobody)


def _by_chance(text: str) -> bool:
    """Whether a value is drawn rather than worded: it has digits and letters, and parts with both."""
    parts = re.split(r"[._~/=+-]", text)
    mixed = sum(len(part) for part in parts if re.search(r"[0-9]", part) and re.search(r"[A-Za-z]", part))
    return bits_a_character(text) >= LEAST_BITS and mixed >= len(text) / 2


def bits_a_character(text: str) -> float:
    """Shannon's entropy of the characters of a text, in bits; 0 for an empty one.

    >>> bits_a_character("aaaa"), bits_a_character("abcd"), bits_a_character("")
    (0.0, 2.0, 0.0)
    """
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) + 0.0
