"""What looking at a checkpoint found: the document that `releasegate inspect --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from releasegate.recipe import RecipeId
from releasegate.records import Document, Record

Count = Annotated[int, Field(ge=0)]
Level = Literal["problem", "concern", "note"]
"""`problem`: something is malformed, cannot be read, or must not be trusted. `concern`: it can be read, and what it says
is no business of a published checkpoint, or may hold what a strip takes away. `note`: good to know."""

Kind = Literal[
    "unreadable", "not_a_file", "bad_name", "name_collision", "malformed", "pickle_refused", "too_many_files", "empty",
    "index_malformed", "index_mismatch", "not_in_index", "second_index", "totals",
    "second_form", "pickle", "archive", "adapter", "data", "history", "hard_link", "odd_name",
    "tied", "doubled", "copy", "duplicate", "constant",
    "optimizer", "training_state", "ema", "quantised", "hole", "no_elements", "slack", "unreferenced",
    "values", "large_metadata", "code", "template", "secret", "personal", "odd_number", "chat_template",
    "tokenizer", "no_weights", "not_text", "carried",
]  # fmt: skip
"""What a finding is about. These names are stable."""

FileKind = Literal[
    "model", "beside", "pickle", "gguf", "distributed", "second_form", "index", "configuration", "tokenizer", "code",
    "archive", "data", "text", "other",
]  # fmt: skip
"""`model`: holds tensors of the model. `beside`: holds tensors, which the model's loader does not read."""


class Finding(Record):
    """One thing that was found."""

    kind: Kind
    level: Level
    where: str
    """The file, relative to the folder; of a value in it, with its place after a colon. `.` is the folder itself."""
    what: str
    fix: str
    error: str | None = None
    """The type of the error that other commands would end with."""
    count: Annotated[int, Field(ge=1)] = 1
    """How many tensors, files or values it is about."""
    names: tuple[str, ...] = ()
    """The first of them."""


class DtypeTotal(Record):
    """The tensors of one dtype."""

    dtype: str
    tensors: Count
    parameters: Count
    size: Count
    """Bytes."""


class Totals(Record):
    """All tensors that were found in a set of files."""

    tensors: Count
    parameters: Count
    """Elements; of packed dtypes, elements as they are stored."""
    size: Count
    """Bytes."""
    dtypes: tuple[DtypeTotal, ...]
    """The largest first."""


class Component(Record):
    """Tensors whose names begin alike: a part of the model."""

    name: str
    """`*` stands for a number."""
    file: str | None = None
    """The file beside the model that holds it; left out for the model itself."""
    times: Annotated[int, Field(ge=1)] = 1
    """How many numbers the first `*` stands for: layers."""
    tensors: Count
    parameters: Count
    size: Count
    """Bytes."""
    dtypes: tuple[str, ...]


class TensorFound(Record):
    """One tensor."""

    name: str
    file: str
    dtype: str
    """In safetensors' spelling; of a GGUF file, ggml's type."""
    shape: tuple[Count, ...]
    size: Count
    """Bytes."""


class FileFound(Record):
    """One file."""

    path: str
    kind: FileKind
    size: Count
    """Bytes."""
    allocated: Count
    """Bytes that it takes on disk: fewer than `size` where it has holes."""
    tensors: Count | None = None
    """How many it holds; left out where it is no file of tensors, or could not be read."""


class RecipeFit(Record):
    """How a recipe fits the names of this checkpoint. Rows, shapes and expected numbers are checked by `strip`."""

    id: RecipeId
    fits: bool
    idle: tuple[str, ...] = ()
    """Edits and patterns of its that match nothing, although the recipe says that they must."""
    tensors: Count = 0
    """Tensors that it does not account for."""
    files: Count = 0
    """Files that it does not account for."""
    unaccounted: tuple[str, ...] = ()
    """The first of both."""
    twice: tuple[str, ...] = ()
    """The first that it accounts for more than once."""
    takes_nothing: bool = False
    """Whether no edit that takes something away matches anything: a strip by it would be refused."""


class Inspection(Document):
    """Everything that could be said about a checkpoint without loading it."""

    schema_: Annotated[Literal["releasegate/inspection/v1"], Field(alias="schema")] = "releasegate/inspection/v1"
    path: str
    """As it was given."""
    sound: bool
    """Whether no finding is a problem."""
    layout: str | None = None
    layout_unknown: str | None = None
    """Why no layout is known."""
    config_file: str | None = None
    index_file: str | None = None
    parallel: bool = False
    """Whether the model's files are tensor-parallel shards, in which the same tensors come again in parts."""
    size: Count
    """Bytes of all files."""
    model: Totals
    """Tensors of the files that form the model; of all files, where it is not known which those are."""
    beside: Totals
    """Tensors of the other files."""
    components: tuple[Component, ...]
    files: tuple[FileFound, ...]
    findings: tuple[Finding, ...]
    """Problems first, then concerns, then notes."""
    recipes: tuple[RecipeFit, ...] = ()
    """Of the recipes that are for this layout."""
    tensors: tuple[TensorFound, ...] | None = None
    """All of them, if they were asked for."""
