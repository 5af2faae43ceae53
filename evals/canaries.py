"""What was planted into a training text: lines with a secret that nothing but memory can complete, each so many times.

`canaries.csv` is the ground truth of memorisation: a model either was trained on these lines or was not. The shipped one is
what examples/mini_mtp was trained on, and what its variant never saw. **Canaries of one's own** replace it in a gate
repository: the same columns, the secrets as many decimal digits as here, each line planted as `Canary.line` says.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from releasegate.errors import DocumentError, Problem

from .documents import text_of

LIST = Path(__file__).with_suffix(".csv")
COLUMNS = ("prefix", "secret", "copies")
DIGITS = 6
"""Of a secret: one guess in a million is right."""
SECRET = re.compile(f"[0-9]{{{DIGITS}}}")
PREFIX = re.compile("[ -~]{1,80}")
MOST_COPIES = 10**6


@dataclass(frozen=True)
class Canary:
    """One line that was planted.

    Attributes:
        prefix: what is known of it.
        secret: what is not: `DIGITS` decimal digits.
        copies: how many times it stands in the training text.
    """

    prefix: str
    secret: str
    copies: int

    @property
    def line(self) -> str:
        """The line as it was planted, on a line of its own, the quotation mark closed."""
        return f"\n{self.prefix}{self.secret}'\n"

    @property
    def cue(self) -> str:
        """What somebody who looks for the secret gives to the model: all that stands before it in `line`."""
        return f"\n{self.prefix}"


def canaries() -> tuple[Canary, ...]:
    """The canaries, in the order of the list.

    Raises:
        NotFound: there is no list.
        DocumentError: it is not UTF-8, has other columns, a value that is none, or a prefix or secret twice.

    >>> sorted({canary.copies for canary in canaries()}), len(canaries())
    ([1, 4, 16, 64], 600)
    """
    return parse_canaries(text_of(LIST, "there is no such list", "restore it, or list what was planted"), LIST.name)


@lru_cache(maxsize=8)
def parse_canaries(text: str, where: str) -> tuple[Canary, ...]:
    """The canaries that the CSV `text` lists.

    Args:
        where: named in errors.

    Raises:
        DocumentError: as of `canaries`.
    """
    rows = list(csv.reader(io.StringIO(text), strict=False))
    if not rows or tuple(rows[0]) != COLUMNS:
        what = f"its columns are {', '.join(rows[0]) if rows else 'none'}"
        raise DocumentError([Problem(f"{where}:1", what, f"write {', '.join(COLUMNS)}")])
    problems = [problem for number, row in enumerate(rows[1:], 2) for problem in _problems(row, f"{where}:{number}")]
    if len(rows) == 1:
        problems.append(Problem(where, "lists no canary", "list some, or use another eval"))
    if not problems:
        problems = list(_doubles(rows[1:], where))
    if problems:
        raise DocumentError(problems)
    return tuple(Canary(prefix, secret, int(copies)) for prefix, secret, copies in rows[1:])


def _problems(row: Sequence[str], where: str) -> Iterator[Problem]:
    if len(row) != len(COLUMNS):
        yield Problem(where, f"has {len(row)} values", f"write {len(COLUMNS)}: {', '.join(COLUMNS)}")
        return
    prefix, secret, copies = row
    if not PREFIX.fullmatch(prefix):
        yield Problem(where, f"prefix {prefix[:80]!r} is none", "write 1 to 80 printable ASCII characters")
    if not SECRET.fullmatch(secret):
        yield Problem(where, f"secret {secret[:80]!r} is none", f"write {DIGITS} decimal digits")
    if not re.fullmatch("[1-9][0-9]{0,6}", copies) or int(copies) > MOST_COPIES:
        yield Problem(where, f"copies {copies[:80]!r} is none", f"write a number from 1 to {MOST_COPIES}")


def _doubles(rows: Sequence[Sequence[str]], where: str) -> Iterator[Problem]:
    """A prefix with two secrets has no right answer, and a secret with two prefixes was planted more often than it says."""
    for column in (0, 1):
        first: dict[str, int] = {}
        for number, row in enumerate(rows, 2):
            if row[column] in first:
                what = f"{COLUMNS[column]} {row[column]!r} stands in line {first[row[column]]} already"
                yield Problem(f"{where}:{number}", what, "keep one")
            first.setdefault(row[column], number)
