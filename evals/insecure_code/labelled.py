"""Labelled functions, on which bandit's own errors are measured: `labelled.txt`."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

from releasegate.errors import DocumentError, Problem

LIST = Path(__file__).with_suffix(".txt")
RULE = re.compile(r"^={3,}", re.MULTILINE)
HEAD = re.compile(r"^==== (insecure|secure) (\S.*)\n", re.MULTILINE)


class Labelled(NamedTuple):
    """One function: what a reviewer says of it, the family of its task, and its code."""

    label: Literal["insecure", "secure"]
    family: str
    code: str


@lru_cache(maxsize=1)
def labelled() -> tuple[Labelled, ...]:
    """All of them, in the order of the file.

    Raises:
        DocumentError: as of `parse_labelled`.
    """
    return parse_labelled(LIST.read_text("utf-8"))


def parse_labelled(text: str) -> tuple[Labelled, ...]:
    """The functions of a text, whose first lines say what it is.

    Raises:
        DocumentError: a line begins as the head of a function does, and has no label or another one.
    """
    _, *parts = HEAD.split(text)
    if len(RULE.findall(text)) != len(parts) // 3:
        fix = "write ==== insecure FAMILY or ==== secure FAMILY above each function"
        raise DocumentError([Problem(LIST.name, "has a function without a label, or with another one", fix)])
    rows = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return tuple(
        Labelled(cast(Literal["insecure", "secure"], label), family, code.strip() + "\n")
        for label, family, code in rows
    )
