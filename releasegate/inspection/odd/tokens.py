"""Which rows of a vocabulary belong to words, and which to tokens that training may never have seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

_CONTROL = re.compile(
    r"^\s*(?:<.*>|\[.*\]|\{.*\}|｜.*｜)\s*$|reserved|unused|extra_id|placeholder|special_?token|padding|madeupword|dummy",
    re.IGNORECASE,
)
_NEVER = frozenset(chr(code) for code in (0xC0, 0xC1, *range(0xF5, 0x100)))
"""Bytes that no text in UTF-8 has, as byte-level tokenizers spell them."""


def is_word(token: str) -> bool:
    """Whether training sees the token: it is no control token, no reserve, no byte that never comes.

    >>> [is_word(token) for token in ("seven", "</s>", "<|reserved_7|>", "[unused3]", "\u00c0")]
    [True, False, False, False, False]
    """
    return _CONTROL.search(token) is None and token not in _NEVER


def words_of(vocabulary: Mapping[str, int], rows: int) -> dict[int, str]:
    """The rows of words with their tokens. Without a vocabulary every row counts, under its number."""
    if not vocabulary:
        return {row: f"row {row}" for row in range(rows)}
    return {row: token for token, row in vocabulary.items() if 0 <= row < rows and is_word(token)}


def named(rows: list[int], words: Mapping[int, str], most: int = 3) -> str:
    """Some rows in words.

    >>> named([4, 7], {4: "one", 7: "two"})
    "4 ('one'), 7 ('two')"
    """
    some = [f"{row} ({words[row][:24]!a})" if row in words else str(row) for row in rows[:most]]
    return ", ".join(some) + (f" and {len(rows) - most:,} more" if len(rows) > most else "")
