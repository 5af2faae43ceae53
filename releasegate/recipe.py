"""What to remove from a checkpoint of one layout to take a capability away. Closed data: a recipe runs no code.

A recipe accounts for every tensor and every file: what an edit names, and what `keep` names; each of them once.
Patterns are anchored globs in which `*` matches any characters, the full stop included.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, StringConstraints, Tag, model_validator

from releasegate.records import Document, Record

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RecipeId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*/[a-z0-9][a-z0-9_.-]*$", max_length=120)]


class FromConfig(Record):
    """A number that `config.json` states, by a dotted path (`vq_config.num_embeddings`)."""

    config: str


class Between(Record):
    """A number from `min` to `max`, both included."""

    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=0)]


def _kind_of_expectation(value: Any) -> str | None:
    if isinstance(value, FromConfig) or (isinstance(value, dict) and "config" in value):
        return "config"
    if isinstance(value, Between | dict):
        return "range"
    return "number"


Expect = Annotated[
    Annotated[Annotated[int, Field(ge=1)], Tag("number")]
    | Annotated[FromConfig, Tag("config")]
    | Annotated[Between, Tag("range")],
    Discriminator(_kind_of_expectation),
]
"""How many tensors, rows or files a pattern must match: a number, `{config: PATH}`, or `{min: A, max: B}`."""


class Tokens(Record):
    """The ids of the vocabulary entries whose name matches a pattern."""

    vocabulary: Pattern


class DropTensors(Record):
    """Take tensors out of the checkpoint."""

    drop: Pattern
    expect: Expect


class ZeroFill(Record):
    """Overwrite whole tensors with zeros: the model's class declares them, and would fill absent ones at random."""

    zero_fill: Pattern
    expect: Expect


class ZeroRows(Record):
    """Overwrite rows of one tensor (along its first dimension) with zeros."""

    zero_rows: Pattern
    rows: Tokens
    expect: Expect


class DropFiles(Record):
    """Leave files out."""

    drop_file: Pattern
    expect: Expect


class SetKey(Record):
    """Set one top-level key of a JSON file to `value`, or add the ids of matching vocabulary entries to its list."""

    set: Pattern
    key: str
    value: JsonValue = None
    tokens: Tokens | None = None

    @model_validator(mode="after")
    def _has_one_of_value_and_tokens(self) -> Self:
        if (self.value is None) == (self.tokens is None):
            raise ValueError("give either a value, other than null, or tokens")
        return self


EDITS: Mapping[str, str] = {
    "drop": "take tensors out",
    "zero_fill": "overwrite whole tensors with zeros",
    "zero_rows": "overwrite rows with zeros",
    "drop_file": "leave files out",
    "set": "set a key of a JSON file",
}


def _kind_of_edit(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((kind for kind in EDITS if kind in value), None)
    return next((kind for kind in EDITS if hasattr(value, kind)), None)


Edit = Annotated[
    Annotated[DropTensors, Tag("drop")]
    | Annotated[ZeroFill, Tag("zero_fill")]
    | Annotated[ZeroRows, Tag("zero_rows")]
    | Annotated[DropFiles, Tag("drop_file")]
    | Annotated[SetKey, Tag("set")],
    Discriminator(
        _kind_of_edit,
        custom_error_type="unknown_edit",
        custom_error_message="must be one of drop, zero_fill, zero_rows, drop_file, set",
    ),
]


class Keep(Record):
    """What stays bit for bit."""

    tensors: tuple[Pattern, ...]
    files: tuple[Pattern, ...] = ()


class Residual(Record):
    """What stays although an attacker could use it, and why it must stay."""

    tensors: Pattern
    why: Annotated[str, StringConstraints(min_length=1)]


class Lent(Record):
    """What an attacker is given when the stripped checkpoint is measured, because it can be had elsewhere."""

    tensors: tuple[Pattern, ...] = ()
    files: tuple[Pattern, ...] = ()


class Recipe(Document):
    """What a strip removes from one layout."""

    schema_: Annotated[Literal["releasegate/recipe/v1"], Field(alias="schema")]
    id: RecipeId
    title: str
    rationale: str
    layout: str
    edits: Annotated[tuple[Edit, ...], Field(min_length=1)]
    keep: Keep
    residual: tuple[Residual, ...] = ()
    lent: Lent = Lent()


def matches(pattern: str, name: str) -> bool:
    """Whether the whole of `name` matches the glob `pattern`; case counts.

    >>> matches("model.*.bias", "model.layers.0.bias"), matches("layers.*", "model.layers.0.bias")
    (True, False)
    """
    return fnmatch.fnmatchcase(name, pattern)
