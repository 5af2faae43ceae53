"""A name and its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A name and its text; `code` if the text is to be copied, such as a digest."""

    name: str
    text: str
    code: bool = False
