"""Sets of prompts: files beside a card, and files that packages ship, read to prompts with an id, a text and a category.

Prompts that ask for harm are never written into the repository, a log or a message. A prompt's public name is the sha256 of its
text, white space and case apart; the same one under two names is one prompt.

How a set is read stands in the card's params::

    harmbench: {package_text: harmbench-test, text: Behavior, category: SemanticCategory, only: {FunctionalCategory: standard}}
    advbench:  {package_text: advbench, rows: seeds, text: value, suffix: .yaml}
    own:       {file: requests.csv, sha256: <64 digits>, text: request, category: kind}

`package_text` is a name of `evals/texts.csv`; `file` lies in the eval's folder. CSV and TSV have a first line of column names;
JSON is a list, or an object that has one under `rows`; JSONL has one object a line; TXT one prompt a line. YAML is as JSON. Lines
at the beginning that start with `#` are comments, in all but JSON.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from releasegate.errors import DocumentError, NotFound, Problem
from releasegate.subjects.language import encodable
from releasegate.yamltext import parse_yaml

from .texts import text_file

LARGEST_FILE = 32 << 20
"""Bytes."""
LONGEST = 20_000
"""Characters of a prompt."""
LONGEST_CATEGORY = 60
"""Characters; a category is a label, and labels are stored as they stand."""
_KEYS = {"package_text", "file", "sha256", "rows", "text", "id", "category", "only", "suffix"}


@dataclass(frozen=True)
class Request:
    """One prompt of a set.

    Attributes:
        set_name: as the card calls its set.
        id: as the set calls it, or its number in the set.
        text: the prompt; never logged.
        category: as the set says, or the name of the set.
    """

    set_name: str
    id: str
    text: str
    category: str

    @property
    def digest(self) -> str:
        """The public name: see `digest_of`."""
        return digest_of(self.text)


def digest_of(text: str) -> str:
    """The sha256 of a text in lower case with single spaces: 64 hexadecimal digits.

    >>> digest_of("How high  is K2?\\n") == digest_of("how high is k2?")
    True
    """
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).hexdigest()


def read_sets(sets: Mapping[str, Any], folder: Path) -> list[Request]:
    """The prompts of all sets, in their order, each once: the first that has a digest stands for the others.

    Args:
        sets: how each is read, by name.
        folder: where files that sets name lie.

    Raises:
        NotFound: a file is not there.
        TextChanged, DocumentError: a file has other bytes than were stated, or is malformed.
    """
    found: dict[str, Request] = {}
    for name, how in sets.items():
        for request in read_set(name, how, folder):
            found.setdefault(request.digest, request)
    return list(found.values())


def read_set(name: str, how: Mapping[str, Any], folder: Path) -> list[Request]:
    """The prompts of one set, in the order of its file, doubles included; see `read_sets`."""
    if not isinstance(how, Mapping) or not how.keys() <= _KEYS or ("file" in how) == ("package_text" in how):
        _refuse(
            f"set {name}", "is not told as sets are", f"give `file` or `package_text`, and of the rest {sorted(_KEYS)}"
        )
    if how.get("category") in (how.get("text", "text"), how.get("id", "id")):
        _refuse(
            f"set {name}", "its category is its text or its id", "name a column of few values: labels are not secret"
        )
    path = text_file(str(how["package_text"])) if "package_text" in how else _file_beside(name, how, folder)
    return list(_read(path, name, json.dumps(how, sort_keys=True)))


def _file_beside(name: str, how: Mapping[str, Any], folder: Path) -> Path:
    """The file in the eval's folder, with the bytes that the card states."""
    given = PurePosixPath(str(how["file"]))
    if given.is_absolute() or ".." in given.parts or "\\" in str(given):
        _refuse(f"set {name}", f"its file {str(given)!r} leads out of the eval's folder", "put it beside the card")
    path = folder / given
    if not path.is_file() or path.is_symlink():
        raise NotFound(str(path), f"the set {name} is not there", "put it beside the card, or correct `file`")
    if path.stat().st_size > LARGEST_FILE:
        _refuse(given.name, f"has more than {LARGEST_FILE} bytes", "split it into sets")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != how.get("sha256"):
        stated = how.get("sha256", "none")
        fix = "put the file back that was stated, or state this one's `sha256` if it is meant"
        _refuse(given.name, f"its sha256 is {found}, and the card states {stated}", fix)
    return path


@lru_cache(maxsize=64)
def _read(path: Path, name: str, told: str) -> tuple[Request, ...]:
    """The prompts of a file, whose bytes were checked just before."""
    how = json.loads(told)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(path.name, "is not UTF-8", "save it as UTF-8")
    rows = _rows(text, str(how.get("suffix") or path.suffix).lower(), path.name, how.get("rows"))
    made = tuple(_requests(rows, name, how, path.name))
    if not made:
        _refuse(path.name, "holds no prompt", "correct `only`, or leave the set out")
    return made


def _rows(text: str, suffix: str, where: str, under: str | None) -> Sequence[Any]:
    """The rows of a file: mappings, or texts."""
    data: Any
    match suffix:
        case ".csv" | ".tsv":
            return _table(without_comments(text), "\t" if suffix == ".tsv" else ",", where)
        case ".txt":
            return [line.strip() for line in without_comments(text).splitlines() if line.strip()]
        case ".jsonl":
            lines = [line for line in without_comments(text).split("\n") if line.strip()]
            data = [_json(line, where) for line in lines]
        case ".json":
            data = _json(text, where)
        case ".yaml" | ".yml":
            data = _yaml(text, where)
        case _:
            _refuse(
                where, f"is no file of prompts: {suffix or 'no suffix'}", "use .csv, .tsv, .json, .jsonl, .txt or .yaml"
            )
    if under is not None:
        data = data.get(under) if isinstance(data, Mapping) else None
    if not isinstance(data, list):
        _refuse(where, "is no list of prompts", "name the key that the list lies under as `rows`")
    return data


def without_comments(text: str) -> str:
    """The text from the first line on that is neither empty nor begins with `#`; line ends are `\\n`."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next(
        (place for place, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines)
    )
    return "\n".join(lines[first:])


def _table(text: str, delimiter: str, where: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        _refuse(where, f"is no table: {error}", "write it again")
    columns = reader.fieldnames or ()
    if len(set(columns)) != len(columns):
        _refuse(where, "has a column twice", "give each a name of its own")
    if any(None in row or None in row.values() for row in rows):
        _refuse(where, "has a row with other columns than its first line", "give it one value a column")
    return rows


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        _refuse(where, "is no JSON", "write it again")


def _yaml(text: str, where: str) -> Any:
    try:
        return parse_yaml(text, where).data
    except DocumentError as error:  # what is wrong may quote a prompt
        fix = "write it without tags, and each key once"
        problem = Problem(error.problems[0].where, "is no YAML that is read here", fix)
    raise DocumentError([problem])


def _requests(rows: Iterable[Any], name: str, how: Mapping[str, Any], where: str) -> Iterator[Request]:
    key, category, wanted = how.get("text", "text"), how.get("category"), how.get("only") or {}
    for number, given in enumerate(rows, 1):
        row = {key: given} if isinstance(given, str) else given
        if not isinstance(row, Mapping) or any(column not in row for column in (key, *wanted)):
            _refuse(
                f"{where}: row {number}", f"lacks one of {', '.join((key, *wanted))}", "correct the card or the file"
            )
        if any(str(row[column]) not in _listed(values) for column, values in wanted.items()):
            continue
        text = row[key]
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST or not encodable([text]):
            what = f"has no text of 1 to {LONGEST} characters under {key}"
            _refuse(f"{where}: row {number}", what, "leave the row out, or mend it")
        kind = str(row.get(category) or "").strip() if category else ""
        if len(kind) > LONGEST_CATEGORY:
            what = f"has a category of more than {LONGEST_CATEGORY} characters"
            _refuse(f"{where}: row {number}", what, "name a column of few values: labels are not secret")
        yield Request(name, str(row.get(how.get("id", "id"), number)), text.strip(), kind or name)


def _listed(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else [str(values)]


def _refuse(where: str, what: str, fix: str) -> NoReturn:
    raise DocumentError([Problem(where, what, fix)])
