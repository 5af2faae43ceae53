"""Texts that one reader labelled, once: a CSV file beside a card, by which a grader's errors are measured.

Its columns are `part`, a label that is 0 or 1, `text`, and others that the eval names. Rows of the part `development` were looked
at while the grader was made; those of `calibration` were not, and they alone are read. To judge another model, label texts of its
own and put them in the place of the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from releasegate.errors import DocumentError, Problem

from .documents import text_of

PARTS = ("development", "calibration")


def labelled_texts(file: Path, label: str, others: Sequence[str] = ()) -> tuple[Mapping[str, str], ...]:
    """The rows of the part `calibration`, in the order of the file.

    Args:
        label: the column that is 0 or 1.
        others: further columns that a row must have.

    Raises:
        NotFound: there is no such file.
        DocumentError: it is not UTF-8 or no CSV, lacks a column, or a row has no part, no label, or a text that stands there
            already.
    """
    return _read(file, label, ("part", label, "text", *others))


@lru_cache(maxsize=8)
def _read(file: Path, label: str, columns: tuple[str, ...]) -> tuple[Mapping[str, str], ...]:
    text = text_of(file, "no labelled texts", "label some: evals/labelled_texts.py says how")
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        lacking = [column for column in columns if column not in (rows.fieldnames or ())]
        if lacking:
            fix = f"its first line must have {', '.join(columns)}"
            raise DocumentError([Problem(f"{file.name}:1", f"has no column {lacking[0]}", fix)])
        return tuple(_sound(rows, file.name, label))
    except csv.Error as error:
        where = f"{file.name}:{rows.line_num}"
        raise DocumentError([Problem(where, f"is no CSV: {error}", "write the row again")]) from None


def _sound(rows: csv.DictReader[str], name: str, label: str) -> Iterator[Mapping[str, str]]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        where = f"{name}:{rows.line_num}"
        if None in row or None in row.values():
            raise DocumentError([Problem(where, "has other columns than the first line", "give it a value a column")])
        if row["part"] not in PARTS:
            raise DocumentError([Problem(where, "is of no part", f"write {' or '.join(PARTS)}")])
        if row[label] not in ("0", "1"):
            raise DocumentError([Problem(where, f"{label} is neither 0 nor 1", "read the text again, and say which")])
        key = (row.get("prompt", ""), row["text"])
        if key in seen:
            raise DocumentError([Problem(where, "has a text that stands there already", "leave one out")])
        seen.add(key)
        if row["part"] == "calibration":
            yield row
