"""Files of questions in the forms that they are published in, told apart by what is in them and not by their names.

==========  ===========================================================================================
Parquet     begins with `PAR1`; columns as in JSON (needs pyarrow)
JSON        a list of objects, an object of columns, or of such lists by subject
JSON lines  one object a line
worked      JSON, an object from each subject to one text of worked questions, as lm-eval ships MMLU's examples
CSV         with a first line of names, or without: question, A, B, C, D, answer
==========  ===========================================================================================

Lines that begin with `#` before the first record are comments, but for worked texts. What a row means is not looked at here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from releasegate.errors import DocumentError, Problem

from ..prompt_sets import without_comments

LARGEST = 1 << 28
"""Bytes of the largest file that is read."""
LETTERS = "ABCDEFGHIJ"
FIELDS = ("question", "choices", "answer", "subject", "category", *LETTERS.lower())
"""Columns that are looked at, in small letters."""
NAMELESS = ("question", "a", "b", "c", "d", "answer")
OPTION = re.compile(r"(?:^|\s)\(([A-J])\)\s*")
CONCLUDED = re.compile(r"[Tt]he answer is \(([A-J])\)")


class Row(NamedTuple):
    """One record of a file.

    Attributes:
        where: the file and the record, for errors; holds nothing of its content.
        fields: its values by column; those that are looked at alone.
    """

    where: str
    fields: Mapping[str, Any]


def refuse(where: str, what: str, fix: str) -> DocumentError:
    """The error that a file is not what it must be. It says where, and repeats nothing of what the file holds."""
    return DocumentError([Problem(where, what, fix)])


def read_rows(data: bytes, name: str) -> list[Row]:
    """Every record of a file, in its order.

    Args:
        data: the bytes of the file.
        name: what it is called in errors.

    Raises:
        DocumentError: it is too large, empty, not UTF-8, or has none of the forms.
    """
    if len(data) > LARGEST:
        raise refuse(name, f"has more than {LARGEST:,} bytes", "split it into several files")
    if data[:4] == b"PAR1":
        return _objects(_parquet(data, name), name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse(name, "is neither Parquet nor UTF-8 text", "save it as UTF-8") from None
    text = without_comments(text)
    rows = _json(text, name) if text.lstrip()[:1] in ("{", "[") else _csv(text, name)
    if not rows:
        raise refuse(name, "holds no question", "use a file of questions: Parquet, JSON, JSON lines or CSV")
    return rows


def _parquet(data: bytes, name: str) -> list[Any]:
    import pandas as pd  # takes half a second, and few sets are Parquet

    try:
        frame = pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    except ImportError:
        raise refuse(name, "is Parquet, and pyarrow is not installed", "pip install pyarrow, or use JSON") from None
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise refuse(name, f"begins like Parquet, and is none ({type(error).__name__})", "fetch it again") from None
    return [{key: _listed(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _listed(value: Any) -> Any:
    """A value of a column, as JSON would have it."""
    return value.tolist() if hasattr(value, "tolist") else value


def _json(text: str, name: str) -> list[Row]:
    try:
        found = _parsed(text)
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()] if text.lstrip().startswith("{") else []
        if len(lines) < 2:
            raise refuse(
                name, f"is no JSON ({type(error).__name__})", "write it as JSON, or one object a line"
            ) from None
        return _objects(_json_lines(lines, name), name)
    except RecursionError:
        raise refuse(name, "is nested too deep", "write a list of flat objects") from None
    if isinstance(found, list):
        return _objects(found, name)
    if "question" in {str(key).lower() for key in found}:
        return _objects(_of_columns(found, name), name)
    if all(isinstance(value, str) for value in found.values()):
        return [row for subject, value in found.items() for row in _worked(value, subject, name)]
    rows: list[Any] = []
    for subject, value in found.items():
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise refuse(
                name, "is an object of neither columns, texts nor lists of questions", "write a list of objects"
            )
        rows += [{"subject": subject, **one} for one in value]
    return _objects(rows, name)


def _json_lines(lines: Sequence[str], name: str) -> list[Any]:
    made = []
    for number, line in enumerate(lines, 1):
        try:
            made.append(_parsed(line))
        except (ValueError, RecursionError):
            raise refuse(f"{name}:record {number}", "is no JSON object", "write one object a line") from None
    return made


def _parsed(text: str) -> Any:
    """JSON without what it does not have: NaN, and one key twice.

    Raises:
        ValueError: it is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def no_number(text: str) -> float:
        raise ValueError(f"{text} is no number")

    return json.loads(text, object_pairs_hook=once, parse_constant=no_number)


def _of_columns(found: Mapping[str, Any], name: str) -> list[Any]:
    columns = {key: value for key, value in found.items() if str(key).lower() in FIELDS}
    if not columns or not all(isinstance(value, list) for value in columns.values()):
        return [found]  # one question alone
    if len({len(value) for value in columns.values()}) > 1:
        if isinstance(found.get("question"), str):
            return [found]
        raise refuse(name, "has columns of different lengths", "give each question a value in each column")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _objects(found: Sequence[Any], name: str) -> list[Row]:
    made = []
    for number, one in enumerate(found, 1):
        where = f"{name}:record {number}"
        if not isinstance(one, dict):
            raise refuse(where, "is no object", "write question, choices and answer of each")
        fields = {str(key).lower(): value for key, value in one.items() if str(key).lower() in FIELDS}
        if len(fields) < sum(str(key).lower() in FIELDS for key in one):
            raise refuse(where, "has a column twice, in large and in small letters", "keep one of the two")
        made.append(Row(where, fields))
    return made


def _csv(text: str, name: str) -> list[Row]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(map(str.strip, row))]
    except csv.Error as error:
        raise refuse(
            name, f"is no CSV ({error})", "write it as CSV with quotes around commas and line breaks"
        ) from None
    if not rows:
        return []
    names = tuple(cell.strip().lower() for cell in rows[0])
    named = "question" in names and "answer" in names
    if not named and len(rows[0]) != len(NAMELESS):
        what = "has no columns question and answer in its first line, nor six columns without names"
        raise refuse(name, what, "begin it with question,A,B,C,D,answer")
    columns, body = (names, rows[1:]) if named else (NAMELESS, rows)
    made = []
    for number, row in enumerate(body, 1):
        if len(row) != len(columns):
            what = f"has {len(row)} columns, and the first line has {len(columns)}"
            raise refuse(f"{name}:record {number}", what, "give it one value a column")
        made.append(dict(zip(columns, row, strict=True)))
    if len(set(columns)) < len(columns):
        raise refuse(name, "names a column twice", "name each once")
    return _objects(made, name)


def _worked(text: str, subject: str, name: str) -> Iterator[Row]:
    """The questions of a text in which each is followed by its options, (A) and so on, and by how its answer is found."""
    for number, part in enumerate(re.split(r"(?:\A|\n)Q:\s", text)[1:], 1):
        where = f"{name}:{subject}:question {number}"
        asked, _, answered = part.partition("\nA:")
        concluded = CONCLUDED.search(answered)
        pieces = OPTION.split(asked)
        letters, choices = pieces[1::2], pieces[2::2]
        if concluded is None or letters != list(LETTERS[: len(letters)]) or concluded[1] not in letters:
            what = "has no options from (A) on in their order, or no answer that is one of them"
            raise refuse(where, what, "write options as (A) …, and conclude: The answer is (A).")
        fields = {"question": pieces[0], "choices": choices, "answer": concluded[1], "subject": subject}
        yield Row(where, fields)


def bytes_of(file: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DocumentError: it is missing, or no plain file.
    """
    if not file.is_file() or file.is_symlink():
        raise refuse(str(file), "is no file", "put the questions there, or correct the name under `sets`")
    return file.read_bytes()
