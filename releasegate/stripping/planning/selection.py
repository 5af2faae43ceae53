"""Edits of a part of a tensor: rows by token or number, equal slices; also where a tensor is split over shards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from releasegate.checkpoint import Entry
from releasegate.checkpoint.headers import BITS
from releasegate.patterns import matches
from releasegate.receipt import Ranges
from releasegate.recipe import (
    FromConfig,
    Last,
    Numbers,
    ReinitialiseRows,
    RemoveRows,
    RowEdit,
    SliceEdit,
    Tokens,
    ZeroRows,
    ZeroSlices,
    kind_of,
    pattern_of,
)
from releasegate.stripping.edits import Outcome, TensorEdit
from releasegate.stripping.planning.fitting import Fitting, Part
from releasegate.stripping.planning.ties import UNTIE, absent_by_tie
from releasegate.stripping.rows import count_of
from releasegate.stripping.writing.noise import DTYPES

TOGETHER = "the vocabulary and the weights do not belong together: export them again"


def joined(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """The inclusive ranges in ascending order, overlapping and neighbouring ones as one; never listed number by number.

    >>> joined([(7, 9), (4, 5), (6, 6), (12, 12)])
    ((4, 9), (12, 12))
    """
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def token_ids(fitting: Fitting, tokens: Tokens, label: str) -> Ranges:
    """The ids of the matching entries of the vocabulary.

    Raises:
        RecipeMismatch: none matches.
    """
    pattern = tokens.vocabulary
    vocabulary = fitting.contents.vocabulary
    ids = {identity for token, identity in vocabulary.items() if matches(pattern, token)}
    if not ids:
        what = f"{label}: no token of the vocabulary matches {pattern!r}"
        raise fitting.mismatch(what, "check the pattern against vocabulary_map in config.json, or tokenizer.json")
    return joined([(identity, identity) for identity in ids])


def row_edits(fitting: Fitting, edit: RowEdit, names: list[str]) -> dict[str, TensorEdit]:
    """What `edit` does to each shard, by key, of the one tensor that it is about.

    Args:
        names: what its pattern matches.

    Raises:
        RecipeMismatch: `names` is not one tensor; a dimension, row or split that the tensor does not have; rows that
            are not whole bytes; a number of rows that is not expected.
    """
    label = f"{kind_of(edit)} {pattern_of(edit)}"
    if len(names) != 1:
        what = f"{label}: matches {len(names)} tensors, and rows are of one tensor"
        if not names and (tied := absent_by_tie(fitting, pattern_of(edit))):
            raise fitting.mismatch(f"{label}: matches no tensor: {tied}", UNTIE)
        raise fitting.mismatch(what, "name one tensor of the checkpoint")
    parts = fitting.parts[names[0]]
    dimension = edit.dimension or 0
    for part in parts:
        _refuse_unfit(fitting, part.entry, dimension, label, drawn=isinstance(edit, ReinitialiseRows))
    lengths = _lengths(fitting, parts, edit, dimension, label)
    length = sum(lengths) if edit.parallel == dimension else lengths[0]
    match edit.rows:
        case Tokens():
            rows = token_ids(fitting, edit.rows, label)
            fitting.expect(edit.expect, count_of(rows), f"{label}, rows {edit.rows.vocabulary}", "rows")
        case Numbers():
            rows = joined(edit.rows.ranges)
            fitting.expect(edit.expect, count_of(rows), label, "rows")
        case _:
            assert_never(edit.rows)
    if rows[-1][1] >= length:
        what = f"{label}: row {rows[-1][1]} does not exist; the tensor has {length}"
        raise fitting.mismatch(what, TOGETHER if isinstance(edit.rows, Tokens) else "correct the numbers")
    _refuse_other_length(fitting, edit, parts, length, label)
    shared = [rows] * len(parts) if edit.parallel != dimension else _by_shard(rows, lengths)
    if isinstance(edit, RemoveRows) and len({count_of(own) for own in shared}) > 1:
        what = f"{label}: removes {', '.join(str(count_of(own)) for own in shared)} rows of the shards, which become unequal"
        raise fitting.mismatch(what, "zero the rows, or join the shards first")
    std = edit.std if isinstance(edit, ReinitialiseRows) else None
    pairs = zip(parts, shared, strict=True)
    return {part.key: TensorEdit(_outcome(edit), own, dimension, std) for part, own in pairs if own}


def _outcome(edit: RowEdit) -> Outcome:
    match edit:
        case ZeroRows():
            return "rows_zeroed"
        case ReinitialiseRows():
            return "rows_reinitialised"
        case RemoveRows():
            return "rows_removed"
        case _:
            assert_never(edit)


def _refuse_unfit(fitting: Fitting, entry: Entry, dimension: int, label: str, *, drawn: bool) -> None:
    shape = list(entry.shape)
    if dimension >= len(shape):
        what = f"{label}: a tensor of shape {shape} has no dimension {dimension}"
        raise fitting.mismatch(what, "correct `dimension`; the first one is 0")
    if math.prod(shape[dimension + 1 :]) * BITS[entry.dtype] % 8:
        what = f"{label}: the rows of a tensor of dtype {entry.dtype} and shape {shape} are not whole bytes"
        raise fitting.mismatch(what, "zero_fill or drop the whole tensor")
    if drawn and entry.dtype not in DTYPES:
        what = f"{label}: a tensor of dtype {entry.dtype} cannot hold random numbers"
        raise fitting.mismatch(what, f"zero its rows instead, or use one of {', '.join(DTYPES)}")


def _lengths(fitting: Fitting, parts: Sequence[Part], edit: RowEdit, dimension: int, label: str) -> list[int]:
    """The length of each shard along `dimension`.

    Raises:
        RecipeMismatch: the shards differ where they must not, or nothing says whether they are parts of the rows.
    """
    lengths = [part.entry.shape[dimension] for part in parts]
    if len(parts) == 1 or edit.parallel == dimension:
        return lengths
    if len(set(lengths)) > 1:
        what = f"{label}: its {len(parts)} shards have {', '.join(map(str, lengths))} rows each"
        raise fitting.mismatch(what, f"say `parallel: {dimension}` if they are joined along it")
    whole = isinstance(edit.rows, Tokens) and lengths[0] in _sizes(fitting)
    if edit.parallel is None and not whole:
        what = f"{label}: it is split over {len(parts)} files, and nothing says along which dimension they are joined"
        raise fitting.mismatch(what, "say `parallel:` with that dimension")
    return lengths


def _sizes(fitting: Fitting) -> set[int]:
    """Every whole number of the configuration, and the size of the vocabulary."""
    ids = fitting.contents.vocabulary.values()
    return {*_whole_numbers(fitting.contents.config), *([max(ids) + 1] if ids else [])}


def _whole_numbers(value: object) -> Iterator[int]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "vocabulary_map":  # holds ids, which are no sizes
                yield from _whole_numbers(inner)
    elif type(value) is int:
        yield value


def _refuse_other_length(fitting: Fitting, edit: RowEdit, parts: Sequence[Part], length: int, label: str) -> None:
    """A tensor of tokens has a row for each, or more: vocabularies are padded. Shards must come to a known number."""
    if isinstance(edit.rows, Tokens):
        last = max(fitting.contents.vocabulary.values())
        if last >= length:
            what = f"{label}: the vocabulary goes up to id {last}, and the tensor has {length} rows"
            raise fitting.mismatch(what, TOGETHER)
    if len(parts) > 1 and length not in _sizes(fitting):
        what = f"{label}: its {len(parts)} shards come to {length} rows, which is no number of {fitting.config_name}"
        raise fitting.mismatch(what, "correct `parallel`: the dimension along which the shards are joined")


def _by_shard(rows: Ranges, lengths: Sequence[int]) -> list[Ranges]:
    """The rows of the joined tensor that lie in each shard, counted from the shard's first.

    >>> _by_shard(((2, 5),), [4, 4])
    [((2, 3),), ((0, 1),)]
    """
    found: list[Ranges] = []
    begin = 0
    for length in lengths:
        inside = ((max(first, begin) - begin, min(last, begin + length - 1) - begin) for first, last in rows)
        found.append(tuple((first, last) for first, last in inside if first <= last))
        begin += length
    return found


def slice_edits(fitting: Fitting, edit: SliceEdit, names: list[str]) -> dict[str, TensorEdit]:
    """What `edit` does to each tensor, by key.

    Args:
        names: what its pattern matches.

    Raises:
        RecipeMismatch: a tensor that cannot be cut like that; a number of tensors that is not expected.
    """
    label = f"{kind_of(edit)} {pattern_of(edit)}"
    fitting.expect(edit.expect, len(names), label, "tensors")
    parts = [part for name in names for part in fitting.parts[name]]
    of = fitting.number(edit.of, label) if isinstance(edit.of, FromConfig) else edit.of
    slices: Ranges
    if isinstance(edit.slices, Last):
        slices = ((of - edit.slices.last, of - 1),)
    else:
        slices = joined(edit.slices.ranges)
    if isinstance(edit.slices, Last) and edit.slices.last > of:
        raise fitting.mismatch(f"{label}: has no last {edit.slices.last} slices; there are {of}", "correct the numbers")
    if slices[-1][1] >= of or slices[0][0] < 0:
        number = slices[-1][1] if slices[0][0] >= 0 else slices[0][0]
        raise fitting.mismatch(f"{label}: slice {number} does not exist; there are {of}", "correct the numbers")
    found: dict[str, TensorEdit] = {}
    for part in parts:
        found[part.key] = _slices_of(fitting, part, edit, of, slices)
    return found


def _slices_of(fitting: Fitting, part: Part, edit: SliceEdit, of: int, slices: Ranges) -> TensorEdit:
    label, dimension = f"{kind_of(edit)} {part.name}", edit.dimension or 0
    if len(fitting.parts[part.name]) > 1:
        what = f"{label}: it is split over {len(fitting.parts[part.name])} files, so that its slices cannot be told"
        raise fitting.mismatch(what, "join the tensor-parallel shards first")
    _refuse_unfit(fitting, part.entry, dimension, label, drawn=False)
    length = part.entry.shape[dimension]
    if not length or length % of:
        what = f"{label}: its {length} rows along dimension {dimension} are not {of} equal slices"
        raise fitting.mismatch(what, "correct `of` or `dimension`")
    width = length // of
    rows = tuple((first * width, (last + 1) * width - 1) for first, last in slices)
    return TensorEdit("rows_zeroed" if isinstance(edit, ZeroSlices) else "rows_removed", rows, dimension)
