"""Stored types: frozen, closed, strict and finite; and the digest of one.

Every stored document is a `Record`. Its digest is the sha256 of its RFC 8785 form, so that neither the order of keys
nor white space matters.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from releasegate.canonical import canonical

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?$")]
"""A name in a document: lower-case letters, digits, `-`, `_`, `.`; at most 64; it is also a file name."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""`sha256:` and 64 hexadecimal digits."""

METRIC_PATTERN = r"^[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*$"
MetricId = Annotated[str, StringConstraints(pattern=METRIC_PATTERN, max_length=130)]
"""`<eval>/<metric>`."""


class Record(BaseModel):
    """The base of every stored type."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
        serialize_by_alias=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON Schema, each field with the text that stands below it. Read when it is asked for: pydantic would
        read the source of every record whenever a command starts, which took it a sixth of the time."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _described(cls).items():
            alias = cls.model_fields[name].alias or name
            if alias in properties:
                properties[alias].setdefault("description", text)
        return schema

    def plain(self) -> dict[str, Any]:
        """This record as JSON data: aliases for names, `None` fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def digest(self) -> str:
        """`sha256:…` of the RFC 8785 form."""
        return digest_of(self.plain())

    def text(self) -> str:
        """The form that is written to disk: indented JSON, in the order of the fields, with a final newline."""
        return json.dumps(self.plain(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Self:
        """The record that JSON data holds, as `plain` gives it.

        Raises:
            pydantic.ValidationError: it holds something else.
        """
        return cls.model_validate_json(json.dumps(data))

    @classmethod
    def from_text(cls, text: str | bytes) -> Self:
        """The record that `text` (JSON) holds.

        Raises:
            pydantic.ValidationError: it holds something else.
            ValueError: it is not JSON, or an object has a key twice.
        """
        refuse_duplicate_keys(text)
        return cls.model_validate_json(text)


def _described(kind: type[Record]) -> dict[str, str]:
    """The text below each field of a record, in its own class and those above it."""
    import ast
    import inspect
    import textwrap

    found: dict[str, str] = {}
    for above in reversed(kind.__mro__):
        if not issubclass(above, Record) or above is Record:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(above))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in pairwise(tree.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as said)):
                    found[name] = inspect.cleandoc(said)
    return {name: text for name, text in found.items() if name in kind.model_fields}


class Document(Record):
    """A record that stands in a file of its own and names its schema first."""

    schema_: str = Field(alias="schema")


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong with data, behind its place in it if it has one: `files.0.path: Field required`."""
    first = error.errors(include_url=False, include_input=False)[0]
    place, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"{place}: {what}" if place else what


def digest_of(data: Any) -> str:
    """`sha256:…` over the RFC 8785 form of JSON data.

    >>> digest_of({"b": 1, "a": [True, None]}) == digest_of({"a": [True, None], "b": 1.0})
    True
    """
    return digest_of_bytes(canonical(data))


def digest_of_bytes(data: bytes) -> str:
    """`sha256:…` over `data`.

    >>> digest_of_bytes(b"")[:15]
    'sha256:e3b0c442'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def refuse_duplicate_keys(text: str | bytes) -> None:
    """Nothing, if `text` is JSON without an object that has a key twice.

    Raises:
        ValueError: it is not, or it holds NaN or an infinity.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            twice = next(name for name, count in Counter(name for name, _ in items).items() if count > 1)
            raise ValueError(f"the key {twice!r} stands twice in one object")
        return found

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
