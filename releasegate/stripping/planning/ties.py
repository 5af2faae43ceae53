"""Tensors that stand for two things at once: input and output embedding, or two names of the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.fitting import Fitting, Part
from releasegate.stripping.planning.tokenrows import SIZES, counts_tokens, other_lengths

UNTIE = "untie the embeddings first (save input and output as two tensors, tie_word_embeddings: false)"
_HEADS = ("lm_head", "output", "head.weight", "embed_out")
TIES = ("tie_word_embeddings", "tie_embeddings", "share_embeddings", "share_input_output_embed", "weight_tying")


@dataclass(frozen=True, slots=True)
class _Stated:
    """What one object of the configuration says: the sizes of its vocabularies, and whether they are tied."""

    sizes: frozenset[int]
    tied: bool | None


def refuse_ties(fitting: Fitting, edits: Mapping[str, TensorEdit], config: Mapping[str, Any] | None = None) -> None:
    """Nothing, if no edited tensor stands for something else too.

    Rows that are removed from a matrix that is input and output at once are gone from both, as they should be.

    Args:
        edits: by the tensor's key.
        config: the configuration as it will be; the checkpoint's if left out. What it ties comes back when it is loaded.

    Raises:
        RecipeMismatch: a tensor is input and output embedding at once, or shares its bytes or its name with another.
    """
    stated = _with_sizes(fitting, list(_stated(fitting.contents.config if config is None else config)))
    for name, parts in fitting.parts.items():
        edit = next((edits[part.key] for part in parts if part.key in edits), None)
        if edit is not None:
            _refuse_alias(fitting, name)
            if edit.outcome != "rows_removed" and parts[0].file in fitting.contents.shards:
                _refuse_both_ends(fitting, stated, parts, edits)
    _refuse_shared_bytes(fitting, edits)


def absent_by_tie(fitting: Fitting, pattern: str) -> str | None:
    """Why no tensor has the name of an output embedding: the class takes the input embedding for it; `None` if not so."""
    head = any(word in pattern for word in _HEADS)
    if head and any(one.tied for one in _stated(fitting.contents.config)):
        return f"{fitting.config_name} ties it to the input embedding, so that the class makes it of that"
    return None


def _stated(config: Mapping[str, Any]) -> Iterator[_Stated]:
    own = [config[key] for key in SIZES if type(config.get(key)) is int and config[key] > 0]
    ties = [config[key] for key in TIES if isinstance(config.get(key), bool)]
    below = [one for value in config.values() if isinstance(value, Mapping) for one in _stated(value)]
    sizes = frozenset(own) or frozenset().union(*(one.sizes for one in below))
    yield _Stated(sizes, any(ties) if ties else None)
    yield from below


def _with_sizes(fitting: Fitting, stated: list[_Stated]) -> list[_Stated]:
    """What was stated; an object that states no size is about any, or about the vocabulary if none is stated at all."""
    ids = fitting.contents.vocabulary.values()
    known = frozenset().union(*(one.sizes for one in stated)) or frozenset({max(ids) + 1} if ids else ())
    return [_Stated(one.sizes or known, one.tied) for one in stated]


def _refuse_both_ends(
    fitting: Fitting, stated: list[_Stated], parts: tuple[Part, ...], edits: Mapping[str, TensorEdit]
) -> None:
    name, sizes = parts[0].name, frozenset().union(*(one.sizes for one in stated))
    if not _has_size(fitting, parts, sizes):
        return
    what = f"edits {name}, which is input and output embedding at once"
    if any(one.tied and _has_size(fitting, parts, one.sizes) for one in stated):
        raise fitting.mismatch(f"{what} ({fitting.config_name} ties them)", UNTIE)
    if not _has_partner(fitting, parts, sizes, edits):
        raise fitting.mismatch(f"{what} (it is the only matrix of the vocabulary's size)", UNTIE)
    unsaid = fitting.contents.layout.endswith("-hf") and stated[0].tied is None  # then the class's default holds
    if unsaid and _has_partner(fitting, parts, sizes, edits, of_its_shape=True):
        what = f"edits {name}, and {fitting.config_name} does not say whether input and output embeddings are tied"
        fix = "add tie_word_embeddings: false at its top, if that is so; many classes tie them unless told otherwise"
        raise fitting.mismatch(what, fix)


def _has_size(fitting: Fitting, parts: tuple[Part, ...], sizes: frozenset[int]) -> bool:
    """Whether it is a matrix with a side for tokens: it, or the sum of its shards' sides, is a vocabulary's size or one more."""
    shapes = [part.entry.shape for part in parts]
    if any(len(shape) < 2 or len(shape) != len(shapes[0]) for shape in shapes):
        return False
    lengths, others = {size + more for size in sizes for more in (0, 1)}, other_lengths(fitting.contents.config)
    return any(
        length in lengths and counts_tokens(parts[0].name, shape, side, others)
        for shape in (shapes[0], tuple(map(sum, zip(*shapes, strict=True))))
        for side, length in enumerate(shape)
    )


def _has_partner(
    fitting: Fitting,
    parts: tuple[Part, ...],
    sizes: frozenset[int],
    edits: Mapping[str, TensorEdit],
    *,
    of_its_shape: bool = False,
) -> bool:
    """Whether another matrix of that size is there, which stays. Members of a list, told apart by numbers, are one.

    Args:
        of_its_shape: only one of the same shape counts, or transposed, or with a row more: what may be tied to it.
    """
    own = _without_numbers(parts[0].name)
    return any(
        _without_numbers(name) != own
        and _has_size(fitting, others, sizes)
        and (not of_its_shape or _alike(parts[0].entry.shape, others[0].entry.shape))
        and not any(part.key in edits and edits[part.key].outcome in ("removed", "zero_filled") for part in others)
        for name, others in fitting.parts.items()
    )


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return len(one) == len(other) and sum(abs(a - b) for a, b in zip(sorted(one), sorted(other), strict=True)) <= 1


def _without_numbers(name: str) -> str:
    return re.sub(r"(?<=\.)[0-9]+(?=\.|$)", "*", name)


def _refuse_alias(fitting: Fitting, name: str) -> None:
    for file, header in {**fitting.contents.shards, **fitting.opened}.items():
        for key, value in (header.metadata or {}).items():
            if name in (key, value):
                what = f"edits {name}, which the metadata of {file} ties to another name ({key!r}: {value!r})"
                raise fitting.mismatch(what, "save the two tensors apart, without shared storage")


def _refuse_shared_bytes(fitting: Fitting, edits: Mapping[str, TensorEdit]) -> None:
    """In a pickle, two names may stand for the same bytes: an edit of one must be an edit of the other."""
    placed = sorted(
        (part for parts in fitting.parts.values() for part in parts if part.entry.size),
        key=lambda part: (part.file, part.entry.begin, part.entry.end),
    )
    last: Part | None = None
    for part in placed:
        if last is not None and last.file == part.file and part.entry.begin < last.entry.end:
            one, other = edits.get(last.key), edits.get(part.key)
            alike = (last.entry.begin, last.entry.shape) == (part.entry.begin, part.entry.shape)
            same = one == other and (one is None or not one.partial or alike)
            if not same:
                edited, kept = (last, part) if one is not None else (part, last)
                what = f"edits {edited.name}, which shares its bytes with {kept.name} in {part.file}"
                raise fitting.mismatch(what, "edit both alike, or save the two tensors apart")
        if last is None or last.file != part.file or part.entry.end > last.entry.end:
            last = part
