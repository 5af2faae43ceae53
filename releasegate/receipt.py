"""What a strip did, tensor by tensor: the document that lies beside a stripped checkpoint.

It holds no time, host or path, so that the same strip gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, JsonValue, StringConstraints, model_validator

from releasegate.manifest import FileEntry, Manifest, RelativePath, stripped_digest
from releasegate.recipe import RecipeId, Remaining, Residual, Restored
from releasegate.records import Digest, Document, Record

Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Size = Annotated[int, Field(ge=0)]
"""Bytes."""
Row = Annotated[int, Field(ge=0)]
Ranges = tuple[tuple[Row, Row], ...]
"""Rows or token ids as inclusive ranges, ascending and apart: `((4, 67),)` are the 64 numbers from 4 to 67."""

Tier = Literal["interface_disabled", "named_weights_absent", "weights_absent", "dear_to_restore"]
"""What is proven about a removal, weakest first. A strip alone proves `weights_absent`, or `named_weights_absent` if wide."""

TIER_MEANS: Mapping[Tier, str] = {
    "interface_disabled": "masked in code: the weights of the capability are all there",
    "named_weights_absent": (
        "the weights that the recipe names are absent: what else stands under the names that stay was not checked"
    ),
    "weights_absent": "weights absent: what they cost to restore was not measured, and may be little",
    "dear_to_restore": "as dear to restore as to teach a model that never had it",
}
"""Each tier in words."""
_ABSENT: Mapping[Tier, str] = {
    "named_weights_absent": "the weights that the recipe names are absent, the others were not checked",
    "weights_absent": "weights absent",
}


def tier_means(tier: Tier, restored: Iterable[Restored] = ()) -> str:
    """The tier in words, with what it cost elsewhere to bring back what went, where that was little.

    >>> tier_means("weights_absent")
    'weights absent: what they cost to restore was not measured, and may be little'
    """
    cheap = min((one for one in restored if one.cheap), key=lambda one: one.steps, default=None)
    if tier not in _ABSENT or cheap is None:
        return TIER_MEANS[tier]
    return f"{_ABSENT[tier]}, cheap to restore: {cost_of(cheap)}"


def cost_of(restored: Restored) -> str:
    """What was brought back, for what, in words."""
    return (
        f"{restored.steps:,} steps ({restored.seconds:g} s of processor time), of {restored.of_steps:,} that "
        f"{restored.model} was trained for, brought back {restored.regained:.0%} of {restored.measure}"
    )


def compact(numbers: Iterable[int]) -> Ranges:
    """The numbers as inclusive ranges.

    >>> compact([7, 4, 5, 5, 9])
    ((4, 5), (7, 7), (9, 9))
    """
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)


def expand(ranges: Ranges) -> list[int]:
    """The numbers that the inclusive ranges stand for, ascending.

    >>> expand(((4, 5), (9, 9)))
    [4, 5, 9]
    """
    return [number for first, last in ranges for number in range(first, last + 1)]


class RecipeUsed(Record):
    """A recipe that was applied."""

    id: RecipeId
    sha256: Digest


class Removed(Record):
    """A tensor that was taken out."""

    name: Name
    outcome: Literal["removed"] = "removed"
    size: Size
    before: Digest


class ZeroFilled(Record):
    """A tensor that is there and holds nothing but zeros."""

    name: Name
    outcome: Literal["zero_filled"] = "zero_filled"
    size: Size
    before: Digest
    after: Digest


class RowsZeroed(Record):
    """A tensor of which some rows hold nothing but zeros; the others are as they were."""

    name: Name
    outcome: Literal["rows_zeroed"] = "rows_zeroed"
    size: Size
    rows: Annotated[Ranges, Field(min_length=1)]
    dimension: Row | None = None
    """What the rows are counted along; 0 if left out."""
    before: Digest
    after: Digest


class RowsReinitialised(Record):
    """A tensor of which some rows hold random numbers; the others are as they were."""

    name: Name
    outcome: Literal["rows_reinitialised"] = "rows_reinitialised"
    size: Size
    rows: Annotated[Ranges, Field(min_length=1)]
    dimension: Row | None = None
    """What the rows are counted along; 0 if left out."""
    std: Annotated[float, Field(gt=0)]
    """Standard deviation of the numbers, which are uniform around 0."""
    seed: Digest
    """What they were drawn from."""
    before: Digest
    after: Digest


class RowsRemoved(Record):
    """A tensor that lost some rows; the others are as they were, moved up."""

    name: Name
    outcome: Literal["rows_removed"] = "rows_removed"
    size: Size
    """Bytes before."""
    rows: Annotated[Ranges, Field(min_length=1)]
    """By their numbers before."""
    dimension: Row | None = None
    """What the rows are counted along; 0 if left out."""
    length: Annotated[int, Field(ge=1)]
    """Rows before."""
    before: Digest
    after: Digest


class Untouched(Record):
    """A tensor that is bit for bit what it was: one digest for both sides."""

    name: Name
    outcome: Literal["untouched"] = "untouched"
    size: Size
    sha256: Digest


TensorOutcome = Annotated[
    Removed | ZeroFilled | RowsZeroed | RowsReinitialised | RowsRemoved | Untouched, Discriminator("outcome")
]


class KeySet(Record):
    """A key of a JSON file: set to `value`, to the ids `tokens` together with those that stood there, or taken out."""

    file: RelativePath
    key: str
    value: JsonValue = None
    tokens: Ranges | None = None
    unset: Literal[True] | None = None


class VocabularyEdit(Record):
    """Entries that were taken out of the vocabulary; the ids that follow moved up."""

    tokens: Annotated[Ranges, Field(min_length=1)]
    """Their ids before."""
    files: tuple[RelativePath, ...]
    """The files in which ids were changed."""


class Converted(Record):
    """A pickle of the source whose tensors stand in a safetensors file of the output."""

    file: RelativePath
    to: RelativePath | None = None
    """Absent where none of its tensors stays."""
    kept: tuple[str, ...] = ()
    """Values that are not tensors and stand in the output, in a JSON file of the same name."""
    left: tuple[str, ...] = ()
    """Values that were left behind."""


class LentParts(Record):
    """What an attacker is given when the stripped checkpoint is measured, by the names in the source."""

    tensors: tuple[Name, ...] = ()
    files: tuple[RelativePath, ...] = ()


class Unsearched(Record):
    """A part for whose bytes the output could not be searched, and why."""

    part: Name
    pieces: Annotated[int, Field(ge=1)]
    """Pieces of this part that were not searched for."""
    why: str


class NearCopyFound(Record):
    """Rows of a kept tensor that are nearly rows that went; the recipe lists the tensor as residual."""

    part: Name
    tensor: Name
    rows: Annotated[int, Field(ge=1)]
    """Rows of the part that have a near copy."""
    form: Literal["rows", "columns", "transposed", "runs"]
    likeness: Annotated[float, Field(ge=0, le=1)]
    """Share of the sketch's bits that agree, on average."""


class Offer(Record):
    """Something in a file of the output that still offers what was taken away; the recipe lists the file as residual."""

    file: RelativePath
    what: str


class Bounded(Record):
    """How much goes out in places that no search can read for certain. Each was within its bound, or there is no receipt."""

    texts: Annotated[int, Field(ge=0)]
    """Compressed bytes of all texts."""
    names: Annotated[int, Field(ge=0)]
    """Compressed bytes of the names of tensors, each form once."""
    metadata: Annotated[int, Field(ge=0)]
    """Bytes of the `__metadata__` of all files."""
    small_tensors: Annotated[int, Field(ge=0)]
    """Tensors of one element."""
    empty_tensors: Annotated[int, Field(ge=0)]
    """Tensors without an element."""
    beside_pictures: Annotated[int, Field(ge=0)]
    """Bytes in pictures and sounds that are not seen or heard."""
    non_finite: Annotated[int, Field(ge=0)]
    """Infinities and NaNs in tensors that stay."""
    non_finite_mixed: Annotated[int, Field(ge=0)]
    """Those of them that differ from the most frequent one around them."""
    odd_nans: Annotated[int, Field(ge=0)]
    """NaNs with bits that arithmetic does not leave."""


class Leftovers(Record):
    """The search of the finished output for what was to go. What it found is listed as residual, or there is no receipt."""

    pieces: Annotated[int, Field(ge=0)]
    """Pieces of removed parts that were searched for, in every file and at every offset."""
    unsearched: tuple[Unsearched, ...] = ()
    sketched: Annotated[int, Field(ge=0)] | None = None
    """Rows of removed parts for whose near copies every kept tensor was searched."""
    near_copies: tuple[NearCopyFound, ...] | None = None
    offers: tuple[Offer, ...] | None = None
    bounded: Bounded | None = None


class Unread(Record):
    """A file that went out unread, or with settings that neither a list nor the model's class knows."""

    file: RelativePath
    keys: tuple[str, ...] = ()
    """Dotted paths of the settings; none if the whole file was not read."""
    more: Annotated[int, Field(ge=1)] | None = None
    """How many further settings there are."""


def unread_words(unread: Iterable[Unread]) -> str:
    """What was not read, in words.

    >>> unread_words([Unread(file="README.md"), Unread(file="config.json", keys=("teacher",), more=2)])
    'README.md; config.json (teacher, and 2 more)'
    """
    words = []
    for one in unread:
        keys = [*one.keys, *([f"and {one.more} more"] if one.more else [])]
        words.append(f"{one.file} ({', '.join(keys)})" if keys else one.file)
    return "; ".join(words)


class ExactShapes(Record):
    """How the tensors that stay were held against those that should: names, shapes, and whether they are whole numbers."""

    by: Literal["class", "shapes"]
    """Against what a class of a library declares, or what the recipe lists."""
    class_: Annotated[str | None, Field(alias="class")] = None
    library: str | None = None
    """With its version."""
    tensors: Annotated[int, Field(ge=1)]
    """How many they were."""


class Receipt(Document):
    """What became of every tensor and file in one strip."""

    schema_: Annotated[Literal["releasegate/receipt/v1"], Field(alias="schema")] = "releasegate/receipt/v1"
    source: Digest
    """The model digest of the checkpoint that was stripped."""
    recipes: Annotated[tuple[RecipeUsed, ...], Field(min_length=1)]
    planned: Digest
    """strip(source, recipes): the identity that a plan fixes before anything is stripped."""
    output_digest: Digest
    """The model digest of the stripped checkpoint."""
    tier: Tier
    tier_means: str | None = None
    """The tier in words."""
    rehearsal: bool = False
    """Whether it was made in a rehearsal: nothing of it may go out."""
    tensors: tuple[TensorOutcome, ...]
    """Every tensor of the source, by name."""
    dropped: tuple[FileEntry, ...] = ()
    """Files of the source that were left out."""
    keys: tuple[KeySet, ...] = ()
    vocabulary: VocabularyEdit | None = None
    converted: tuple[Converted, ...] | None = None
    residual: tuple[Residual, ...] = ()
    lent: LentParts = LentParts()
    restored: tuple[Restored, ...] | None = None
    """What it cost elsewhere to bring back what went, as the recipes say."""
    remaining: tuple[Remaining, ...] | None = None
    """What the strip does not touch, as the recipes say."""
    leftovers: Leftovers
    output: Manifest
    """Every file of the stripped checkpoint."""
    exact: ExactShapes | None = None
    """Absent from wide strips, and from receipts that were written before it was checked."""
    unread: tuple[Unread, ...] | None = None
    """What of the output was not read; absent from receipts that were written before it was listed."""
    wide: str | None = None
    """Why what else stands under the names that stay was not checked."""
    read_back: Literal[True] | None = None
    """Whether every file was read back from disk after it was written, and had these digests."""

    def takes_out(self, part: str) -> bool:
        """Whether a tensor or file of the source is proven to be out of the output, and nobody lends it."""
        dropped = {entry.path for entry in self.dropped}
        gone = {tensor.name for tensor in self.tensors if tensor.outcome in ("removed", "zero_filled")}
        return part in (dropped | gone) - {*self.lent.files, *self.lent.tensors}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [tensor.name for tensor in self.tensors]
        if names != sorted(set(names)):
            raise ValueError("tensors must be sorted by name, each once")
        if not self.dropped and all(tensor.outcome == "untouched" for tensor in self.tensors):
            raise ValueError("it takes nothing away")
        if self.tier == "dear_to_restore":
            raise ValueError("a strip by itself does not show what it costs to restore what it took away")
        if self.exact is not None and self.wide is not None:
            raise ValueError("it is exact or wide, and not both")
        if (self.tier == "named_weights_absent") != (self.wide is not None):
            raise ValueError("a wide strip has the tier named_weights_absent, and no other has it")
        if self.planned != stripped_digest(self.source, [recipe.sha256 for recipe in self.recipes]):
            raise ValueError("planned is not the identity of this source and these recipes")
        if self.tier_means not in (None, tier_means(self.tier, self.restored or ())):
            raise ValueError("tier_means does not say what the tier is")
        if self.output_digest != self.output.digest():
            raise ValueError("output_digest is not the digest of output")
        return self
