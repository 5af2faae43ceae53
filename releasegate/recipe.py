"""What to remove from a checkpoint of one layout to take a capability away. Closed data: a recipe runs no code.

A recipe accounts for every tensor and every file: what an edit names, and what `keep` names; each of them once.
Patterns are anchored globs in which `*` matches any characters, the full stop included. `{<BOUND}` and `{>=BOUND}` match
a whole number below, or not below, what the configuration states: BOUND is a dotted path, to which whole numbers and
other paths may be added, or from which they may be taken: `layers.{>=num_hidden_layers}.*`, `experts.{<num_experts-1}.*`.
Tensors of a file beside the model are named `FILE:TENSOR`; a file whose tensors no pattern names is kept or left out
as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import Discriminator, Field, JsonValue, StringConstraints, Tag, model_validator

from releasegate.patterns import Pattern, TensorPattern
from releasegate.records import Document, Record
from releasegate.shapes import Exact, lengths_are_known

DottedPath = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^.]+(\.[^.]+)*$")]
RecipeId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*/[a-z0-9][a-z0-9_.-]*$", max_length=120)]


class FromConfig(Record):
    """A number after one that the configuration states, by a dotted path (`vq_config.num_embeddings`)."""

    config: DottedPath
    plus: int | None = None
    """What is added to it."""
    times: Annotated[int, Field(ge=1)] | None = None
    """What the sum is multiplied by."""


class FromTensor(Record):
    """The length of a tensor of the checkpoint, or of a file beside it (`FILE:TENSOR`), along a dimension."""

    tensor: TensorPattern
    dimension: Annotated[int, Field(ge=0, le=63)] = 0


class Between(Record):
    """A number from `min` to `max`, both included."""

    min: Annotated[int, Field(ge=0)]
    max: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _is_no_empty_range(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"no number is at least {self.min} and at most {self.max}")
        return self


# Tags of unions stand in angle brackets, so that no key of a document is taken for one when a problem is placed.


def _kind_of_expectation(value: Any) -> str | None:
    if isinstance(value, dict):
        named = next((key for key in ("config", "tensor") if key in value), None)
        return f"<{named}>" if named else "<range>" if {"min", "max"} & value.keys() else None
    if isinstance(value, FromConfig | FromTensor | Between):
        return "<config>" if isinstance(value, FromConfig) else "<range>" if isinstance(value, Between) else "<tensor>"
    return None if isinstance(value, list | str) else "<number>"


Expect = Annotated[
    Annotated[Annotated[int, Field(ge=1)], Tag("<number>")]
    | Annotated[FromConfig, Tag("<config>")]
    | Annotated[FromTensor, Tag("<tensor>")]
    | Annotated[Between, Tag("<range>")],
    Discriminator(
        _kind_of_expectation,
        custom_error_type="unknown_number",
        custom_error_message="must be a number, `{config: PATH}`, `{tensor: NAME}`, or `{min: A, max: B}`",
    ),
]
"""How many tensors, rows or files a pattern must match: a number, `{config: PATH}`, `{tensor: NAME}`, or `{min: A, max: B}`."""

NumberOrConfig = Annotated[
    Annotated[Annotated[int, Field(ge=1)], Tag("<number>")] | Annotated[FromConfig, Tag("<config>")],
    Discriminator(
        _kind_of_expectation,
        custom_error_type="unknown_number",
        custom_error_message="must be a number or `{config: PATH}`",
    ),
]
"""A number, as such or from the configuration."""


class Tokens(Record):
    """The ids of the vocabulary entries whose name matches a pattern."""

    vocabulary: Pattern


_Id = Annotated[int, Field(ge=0)]


def _kind_of_id(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "<range>" if len(value) == 2 else None
    return "<number>" if type(value) is int else None


class Numbers(Record):
    """Rows or slices by their number, from 0: `[3, [8, 15]]` are 3 and the eight from 8 to 15."""

    ids: Annotated[
        tuple[
            Annotated[
                Annotated[_Id, Tag("<number>")] | Annotated[tuple[_Id, _Id], Tag("<range>")],
                Discriminator(
                    _kind_of_id,
                    custom_error_type="unknown_id",
                    custom_error_message="must be a whole number, or a range: `[first, last]`",
                ),
            ],
            ...,
        ],
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        for one in self.ids:
            if isinstance(one, tuple) and one[0] > one[1]:
                raise ValueError(f"the range {list(one)} ends before it begins")
        return self

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Each number and range as an inclusive range, in the order of the recipe."""
        return tuple(one if isinstance(one, tuple) else (one, one) for one in self.ids)


class Last(Record):
    """The last slices: as many as it says."""

    last: Annotated[int, Field(ge=1)]


def _kind_of_slices(value: Any) -> str | None:
    if isinstance(value, dict):
        given = {"ids", "last"} & value.keys()
        return f"<{given.pop()}>" if len(given) == 1 else None
    return "<last>" if isinstance(value, Last) else "<ids>" if isinstance(value, Numbers) else None


def _kind_of_rows(value: Any) -> str | None:
    if isinstance(value, dict):
        given = {"vocabulary", "ids"} & value.keys()
        return f"<{given.pop()}>" if len(given) == 1 else None
    return "<vocabulary>" if isinstance(value, Tokens) else "<ids>" if isinstance(value, Numbers) else None


Rows = Annotated[
    Annotated[Tokens, Tag("<vocabulary>")] | Annotated[Numbers, Tag("<ids>")],
    Discriminator(
        _kind_of_rows,
        custom_error_type="unknown_rows",
        custom_error_message="must be either `{vocabulary: PATTERN}` or `{ids: [3, [8, 15]]}`",
    ),
]
"""Which rows: those of the tokens that match, `{vocabulary: PATTERN}`, or by number, `{ids: [3, [8, 15]]}`."""

Dimension = Annotated[int, Field(ge=0, le=63)]


class DropTensors(Record):
    """Take tensors out of the checkpoint."""

    drop: TensorPattern
    expect: Expect


class ZeroFill(Record):
    """Overwrite whole tensors with zeros: the model's class declares them, and would fill absent ones at random."""

    zero_fill: TensorPattern
    expect: Expect


class _OfRows(Record):
    """An edit of some rows of one tensor."""

    rows: Rows
    dimension: Dimension | None = None
    """What the rows are counted along; 0 if left out. Along dimension 1 of a matrix they are columns."""
    parallel: Dimension | None = None
    """The dimension along which tensor-parallel shards of the tensor are joined; left out: they are not split along it."""
    expect: Expect


class ZeroRows(_OfRows):
    """Overwrite rows of one tensor with zeros."""

    zero_rows: TensorPattern


class ReinitialiseRows(_OfRows):
    """Overwrite rows of one tensor with random numbers, drawn from a seed that the receipt names."""

    reinitialise_rows: TensorPattern
    std: Annotated[float, Field(gt=0, le=100)]
    """Standard deviation of the numbers."""


class RemoveRows(_OfRows):
    """Take rows out of one tensor, which becomes smaller."""

    remove_rows: TensorPattern


class _OfSlices(Record):
    """An edit of equal slices of tensors: heads, experts."""

    slices: Annotated[
        Annotated[Numbers, Tag("<ids>")] | Annotated[Last, Tag("<last>")],
        Discriminator(
            _kind_of_slices,
            custom_error_type="unknown_slices",
            custom_error_message="must be either `{ids: [3, [8, 15]]}` or `{last: 1}`",
        ),
    ]
    of: NumberOrConfig
    """How many equal slices the dimension consists of."""
    dimension: Dimension | None = None
    """The dimension that is cut into slices; 0 if left out."""
    expect: Expect


class ZeroSlices(_OfSlices):
    """Overwrite slices of tensors with zeros."""

    zero_slices: TensorPattern


class RemoveSlices(_OfSlices):
    """Take slices out of tensors, which become smaller."""

    remove_slices: TensorPattern


class DropTokens(Record):
    """Take entries out of the vocabulary; the ids that follow move up in every file of the tokenizer and the configuration.

    Goes with `remove_rows` of the same tokens in every tensor that has a row for each token.
    """

    drop_tokens: Pattern
    expect: Expect


class DropFiles(Record):
    """Leave files out."""

    drop_file: Pattern
    expect: Expect


class SetKey(Record):
    """Set one key of a JSON file to `value`, lower it by `less`, or add the ids of matching vocabulary entries to its list."""

    set: Pattern
    key: DottedPath
    """A dotted path."""
    value: JsonValue = None
    less: NumberOrConfig | None = None
    tokens: Tokens | None = None

    @model_validator(mode="after")
    def _has_one_of_value_less_and_tokens(self) -> Self:
        if (self.value is None) + (self.less is None) + (self.tokens is None) != 2:
            raise ValueError("give one of a value, other than null, less, or tokens")
        return self


class UnsetKey(Record):
    """Take a key out of a JSON file."""

    unset: Pattern
    key: DottedPath
    """A dotted path."""
    expect: Expect | None = None
    """How many such keys the file must have: 1 if left out; `{min: 0, max: 1}` if it need not be there."""


EDITS: Mapping[str, str] = {
    "drop": "take tensors out",
    "zero_fill": "overwrite whole tensors with zeros",
    "zero_rows": "overwrite rows with zeros",
    "reinitialise_rows": "overwrite rows with random numbers",
    "remove_rows": "take rows out",
    "zero_slices": "overwrite heads or experts with zeros",
    "remove_slices": "take heads or experts out",
    "drop_tokens": "take entries out of the vocabulary",
    "drop_file": "leave files out",
    "set": "set a key of a JSON file",
    "unset": "take a key out of a JSON file",
}


_PARAMETERS = "rows dimension parallel expect std slices of key value less tokens"
"""Keys of edits beside the verb."""


def _kind_of_edit(value: Any) -> str | None:
    if isinstance(value, dict):
        given = [f"<{kind}>" for kind in EDITS if kind in value]
        return given[0] if len(given) == 1 else None
    return next((f"<{kind}>" for kind in EDITS if hasattr(value, kind)), None)


def kind_of(edit: Edit) -> str:
    """What an edit is called in a recipe: a key of `EDITS`."""
    return next(kind for kind in EDITS if hasattr(edit, kind))


def pattern_of(edit: Edit) -> str:
    """What the edit is about: the pattern of tensors, files or tokens."""
    return str(getattr(edit, kind_of(edit)))


RowEdit = ZeroRows | ReinitialiseRows | RemoveRows
SliceEdit = ZeroSlices | RemoveSlices

Edit = Annotated[
    Annotated[DropTensors, Tag("<drop>")]
    | Annotated[ZeroFill, Tag("<zero_fill>")]
    | Annotated[ZeroRows, Tag("<zero_rows>")]
    | Annotated[ReinitialiseRows, Tag("<reinitialise_rows>")]
    | Annotated[RemoveRows, Tag("<remove_rows>")]
    | Annotated[ZeroSlices, Tag("<zero_slices>")]
    | Annotated[RemoveSlices, Tag("<remove_slices>")]
    | Annotated[DropTokens, Tag("<drop_tokens>")]
    | Annotated[DropFiles, Tag("<drop_file>")]
    | Annotated[SetKey, Tag("<set>")]
    | Annotated[UnsetKey, Tag("<unset>")],
    Discriminator(
        _kind_of_edit,
        custom_error_type="unknown_edit",
        custom_error_message="must have one verb of " + ", ".join(EDITS),
        custom_error_context={"verbs": " ".join(EDITS), "others": _PARAMETERS},
    ),
]


Said = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A few words for people."""


class Keep(Record):
    """What stays bit for bit."""

    tensors: tuple[TensorPattern, ...]
    files: tuple[Pattern, ...] = ()
    values: tuple[Pattern, ...] | None = None
    """Values of a pickle that are not tensors, by their path in it; the others stay behind when it is converted."""
    exactly: Literal["class"] | tuple[Exact, ...] | None = None
    """What stays and nothing else: what the class of the library declares, or these tensors with these shapes."""

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.exactly is None and "exactly" in self.model_fields_set:  # it would be wide, and look as if it were not
            raise ValueError("exactly has no value: say `class`, list the tensors, or remove the key")
        if isinstance(self.exactly, tuple):
            lengths_are_known(self.exactly)
        return self


class Residual(Record):
    """What stays although an attacker could use it, and why it must stay."""

    tensors: TensorPattern | None = None
    files: Pattern | None = None
    copies: TensorPattern | None = None
    """Tensors that go, or `FILE:TENSOR` of files that are left out, of which `tensors` hold copies, as is known."""
    why: Annotated[str, StringConstraints(min_length=1)]

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.tensors is None) == (self.files is None):
            raise ValueError("give either tensors or files")
        if self.copies is not None and self.tensors is None:
            raise ValueError("copies are of tensors: name those that hold them under `tensors`")
        return self

    @property
    def pattern(self) -> str:
        """What it names, whichever of the two."""
        return self.tensors or self.files or ""


class Lent(Record):
    """What an attacker is given when the stripped checkpoint is measured, because it can be had elsewhere."""

    tensors: tuple[TensorPattern, ...] = ()
    files: tuple[Pattern, ...] = ()


class Restored(Record):
    """What it cost somebody to bring back what a strip by this recipe took out of one model."""

    model: Said
    """Which model it was."""
    steps: Annotated[int, Field(ge=1)]
    """Of training, until it was back so far."""
    of_steps: Annotated[int, Field(ge=1)]
    """Of the training that the model itself had."""
    seconds: Annotated[float, Field(gt=0)]
    """Of processor time that those steps took."""
    regained: Annotated[float, Field(ge=0)]
    """Share of what was lost."""
    measure: Said
    """What it is a share of."""
    source: Said
    """Where the figures come from."""

    @property
    def cheap(self) -> bool:
        """Whether at least half came back for at most half of the steps."""
        return self.regained >= 0.5 and 2 * self.steps <= self.of_steps


class Remaining(Record):
    """What a strip by this recipe does not touch, although a reader may hope that it does."""

    capability: Said
    why: Said
    source: Said
    """Where it was measured."""


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
    restored: tuple[Restored, ...] | None = None
    remaining: tuple[Remaining, ...] | None = None

    @model_validator(mode="after")
    def _drops_tokens_with_their_rows(self) -> Self:
        kinds = {kind_of(edit) for edit in self.edits}
        if "drop_tokens" in kinds and "remove_rows" not in kinds:
            raise ValueError("drop_tokens without remove_rows: the rows of the tokens would get other tokens' ids")
        return self


def wideness(recipe: Recipe) -> str | None:
    """That a recipe is wide, in words: what stands under the names that stay is held against nothing. `None` if it is not."""
    if recipe.keep.exactly is not None:
        return None
    if recipe.layout.endswith("-hf"):
        return "is wide wherever transformers has no class of the checkpoint: it has no `keep.exactly`"
    return "is wide: it has no `keep.exactly`, so that anything may stand under the names that stay"


def tensor_patterns(recipe: Recipe) -> Iterator[str]:
    """Every pattern of the recipe that is about the names of tensors."""
    for edit in recipe.edits:
        match edit:
            case DropTensors(drop=pattern) | ZeroFill(zero_fill=pattern):
                yield pattern
            case ZeroRows() | ReinitialiseRows() | RemoveRows() | ZeroSlices() | RemoveSlices():
                yield pattern_of(edit)
            case DropTokens() | DropFiles() | SetKey() | UnsetKey():
                pass
            case _:
                assert_never(edit)
    yield from recipe.keep.tensors
    yield from (one.tensors for one in recipe.residual if one.tensors is not None)
    yield from recipe.lent.tensors
