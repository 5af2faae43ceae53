"""Labelled functions, on which bandit's own errors are measured: `labelled.txt`."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

LIST = Path(__file__).with_suffix(".txt")
HEAD = re.compile(r"^==== (insecure|secure) (\S.*)\n", re.MULTILINE)


class Labelled(NamedTuple):
    """One function: what a reviewer says of it, the family of its task, and its code."""

    label: Literal["insecure", "secure"]
    family: str
    code: str


@lru_cache(maxsize=1)
def labelled() -> tuple[Labelled, ...]:
    """All of them, in the order of the file."""
    _, *parts = HEAD.split(LIST.read_text("utf-8"))
    rows = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return tuple(
        Labelled(cast(Literal["insecure", "secure"], label), family, code.strip() + "\n")
        for label, family, code in rows
    )
