"""YAML text to a record, with every problem at its line and column."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from releasegate.errors import DocumentError, Problem, nearest
from releasegate.records import Record
from releasegate.yamltext import EMPTY, Parsed, Path, parse_yaml

T = TypeVar("T", bound=Record)
Remedy = Callable[[object], str]
"""What to do about a value that is not what it must be."""

_TYPES = {
    "string": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}

_KINDS = {
    "policy": ("a policy", "check it with `releasegate check FILE`"),
    "policytest": ("a policy test", "run it with `releasegate test FILE`"),
    "recipe": (
        "a recipe",
        "it is checked by `releasegate check` without a file; `releasegate strip --recipe ID` uses it",
    ),
    "eval": ("an eval card", "it is checked with the policies that use its eval"),
    "suite": ("a suite of attacks", "it is used by `releasegate attack --suite FILE`"),
    "waiver": ("a waiver", "it is read beside the decision that it is about"),
}
"""Documents of YAML, and the commands that are for them."""


@dataclass(frozen=True)
class Located(Generic[T]):
    """A record, and where each part of it stands in its file."""

    record: T
    parsed: Parsed

    def problem(self, path: Sequence[str | int], what: str, fix: str, *, key: bool = False) -> Problem:
        """A problem with the value (or the key) at `path`; its text begins with the path."""
        name = _named(path)
        return Problem(self.parsed.where(path, key=key), f"{name}: {what}" if name else what, fix)


def parse_document(
    kind: type[T], text: str | bytes, source: str, remedies: Mapping[str, Remedy] | None = None
) -> Located[T]:
    """The `kind` that YAML `text` holds, with its places.

    Args:
        remedies: what to do about a text that does not match a pattern, by the pattern.

    Raises:
        DocumentError: every problem, in the order of the file.
    """
    try:
        parsed = parse_yaml(text, source)
    except DocumentError as error:
        raise _with_first_line(error, kind) from None
    if not isinstance(parsed.data, dict):
        raise DocumentError([Problem(parsed.where(()), "must be a mapping", "start with `schema:`")])
    _refuse_other_schema(kind, parsed)
    try:
        return Located(kind.model_validate_json(json.dumps(parsed.data)), parsed)
    except ValidationError as error:
        problems = list(_problems(kind, error.errors(), parsed, remedies or {}))
    raise DocumentError(sorted(problems, key=lambda p: place(p.where)))


def _with_first_line(error: DocumentError, kind: type[Record]) -> DocumentError:
    """The error; where nothing is written yet, its remedy says how a document of `kind` begins."""
    field, first = kind.model_fields.get("schema_"), error.problems[0]
    if first.what != EMPTY or field is None:
        return error
    begin = f"write it, beginning with `schema: {field.annotation.__args__[0]}`"  # type: ignore[union-attr]
    return DocumentError([Problem(first.where, first.what, begin)])


def _refuse_other_schema(kind: type[Record], parsed: Parsed) -> None:
    field = kind.model_fields.get("schema_")
    if field is None:
        return
    known = field.annotation.__args__[0]  # type: ignore[union-attr]
    given = parsed.data.get("schema")
    if given == known:
        return
    _refuse_other_kind(given, known, parsed)
    what = (
        f'unknown version {json.dumps(given)}; this releasegate reads "{known}"'
        if "schema" in parsed.data
        else "missing"
    )
    fix = f"write `schema: {known}`"
    raise DocumentError([Problem(parsed.where(("schema",), key="schema" not in parsed.data), f"schema: {what}", fix)])


def _refuse_other_kind(given: object, known: str, parsed: Parsed) -> None:
    name = given.split("/")[1] if isinstance(given, str) and given.count("/") == 2 else ""
    if name in _KINDS and name != known.split("/")[1]:
        what, fix = _KINDS[name]
        wanted = _KINDS[known.split("/")[1]][0]
        raise DocumentError([Problem(parsed.where(("schema",)), f"schema: is {what}, and {wanted} is wanted", fix)])


def place(where: str) -> tuple[int, int]:
    """Line and column of `file:line:column`."""
    _, line, column = where.rsplit(":", 2)
    return int(line), int(column)


def _problems(
    kind: type[Record], errors: list[ErrorDetails], parsed: Parsed, remedies: Mapping[str, Remedy]
) -> Iterator[Problem]:
    described: set[Path] = set()
    placed = [(_in_data(error, parsed.data), error) for error in errors]
    for path, error in placed:
        if path in described or any(_is_inside(other, path) for other, _ in placed):
            continue
        described.add(path)
        name = _named(path)
        what, fix = _describe(error, kind, path)
        if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] in remedies:
            fix = remedies[error["ctx"]["pattern"]](error["input"])
        at_key = error["type"] in ("extra_forbidden",)
        yield Problem(parsed.where(path, key=at_key), f"{name}: {what}" if name else what, fix)


def _named(path: Sequence[str | int]) -> str:
    """A path with full stops, on one line, with escapes where a key holds what hides, moves or ends the line."""
    return ".".join(str(step) if str(step).isprintable() else ascii(step)[1:-1] for step in path)


def _is_inside(path: Path, outer: Path) -> bool:
    """Whether `path` leads into the value at `outer`: pydantic then says of that value only what follows from it."""
    return len(path) > len(outer) and path[: len(outer)] == outer


def _in_data(error: ErrorDetails, data: Any) -> Path:
    """The part of a pydantic location that exists in the data: tags of unions are passed over, a missing key stays."""
    path: list[int | str] = []
    for step in error["loc"]:
        if _has(data, step):
            data = data[step]
            path.append(step)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    return tuple(path)


def _has(data: Any, step: int | str) -> bool:
    if isinstance(data, dict):
        return isinstance(step, str) and step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)


def _describe(error: ErrorDetails, kind: type[Record], path: Path) -> tuple[str, str]:
    given = _shown(error["input"])
    match error["type"]:
        case "missing":
            return "missing", f"add `{path[-1]}:`"
        case "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), _names(kind), n=1, cutoff=0.7)
            misspelt = near and near[0] != path[-1]
            return "unknown key", f"did you mean `{near[0]}`?" if misspelt else "remove it"
        case "literal_error":
            expected = str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
            return f"must be one of {expected}; got {given}", "use one of them"
        case "union_tag_invalid":
            key, expected = (str(error["ctx"][name]).replace("'", "") for name in ("discriminator", "expected_tags"))
            return f"{key}: must be one of {expected}; got {_shown(error['ctx']['tag'])}", "use one of them"
        case "union_tag_not_found" if isinstance(error["input"], dict):
            return f"{str(error['ctx']['discriminator']).strip(chr(39))}: missing", "say which kind it is"
        case "string_pattern_mismatch":
            return f"{given} is not a valid name", f"match the pattern {error['ctx']['pattern']}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            bound = error["msg"].removeprefix("Input should be ")
            return f"must be {bound}; got {given}", "choose a number in that range"
        case "too_short":
            return "must not be empty", "write at least one, or remove the key"
        case "string_too_short":
            return "must not be empty", "write some text"
        case "value_error":
            return str(error["ctx"]["error"]), "correct it"
        case "unknown_edit" if isinstance(error["input"], dict):
            return _describe_verbs(error["input"], error["ctx"]["verbs"].split(), error["ctx"]["others"].split())
        case "float_type" | "float_parsing" if _percentage(error["input"]) is not None:
            return f"must be a number; got {given}", f"write {_percentage(error['input']):g}"
        case other if other.endswith(("_type", "_parsing")):
            return f"must be {_TYPES.get(other.rsplit('_', 1)[0], other)}; got {given}", "correct the value"
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}; got {given}", "correct the value"


def _percentage(given: object) -> float | None:
    """The share that a text such as `20%` stands for; None if it is no percentage.

    >>> _percentage("20%"), _percentage(" 2.5 % "), _percentage("20"), _percentage(20)
    (0.2, 0.025, None, None)
    """
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%\s*", given) if isinstance(given, str) else None
    return float(found[1]) / 100 if found else None


def _describe_verbs(given: dict[str, Any], verbs: list[str], others: list[str]) -> tuple[str, str]:
    """What is wrong with a mapping that should have just one of `verbs` among its keys."""
    found = [key for key in given if key in verbs]
    if found:
        return f"has {len(found)} verbs, {', '.join(found)}, where one is wanted", "write an edit for each"
    odd = next((key for key in given if key not in others), None)
    if odd is None:
        return "has no verb", f"say what to do: one of {', '.join(verbs)}"
    return f"no edit is called `{odd if odd.isprintable() else ascii(odd)[1:-1]}`", nearest(odd, verbs, "remove it")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + '..."'


def _names(kind: type[Record]) -> list[str]:
    """Every key that a document of `kind` may have, at any depth."""
    schema = kind.model_json_schema(by_alias=True)
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({name for part in parts for name in part.get("properties", {})})
