"""Which recipes are for a checkpoint's layout, and what they would leave unaccounted for. By names alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import RecipeFit
from releasegate.patterns import matches
from releasegate.recipe import EDITS, Between, Recipe

_OF_FILES = ("drop_file", "set", "unset")
_OF_TOKENS = ("drop_tokens",)


@dataclass(frozen=True, slots=True)
class Names:
    """What a recipe has to account for.

    Attributes:
        tensors: of the model.
        beside: of each other file of tensors.
        files: all but the model's own and their index.
        config: the configuration, in which patterns look up numbers.
    """

    tensors: Sequence[str]
    beside: Mapping[str, Sequence[str]]
    files: Sequence[str]
    config: Mapping[str, Any]


def fitting(recipes: Iterable[Recipe], layout: str | None, names: Names) -> list[RecipeFit]:
    """How each recipe for `layout` fits `names`.

    A file beside the model is accounted for tensor by tensor where a pattern names tensors of it (`FILE:TENSOR`), and as
    a whole where none does.
    """
    return [_fit(recipe, names) for recipe in recipes if recipe.layout == layout]


def _fit(recipe: Recipe, names: Names) -> RecipeFit:
    patterns = list(_patterns(recipe))
    opened = [file for file in names.beside if any(_opens(one.pattern, file) for one in patterns if not one.of_files)]
    inside = [f"{file}:{name}" for file in opened for name in names.beside[file]]
    claims: dict[str, set[str]] = defaultdict(set)
    idle: list[str] = []
    taken = False
    for one in patterns:
        plain = names.files if one.of_files else names.tensors
        found = [name for name in plain if matches(one.pattern, name, names.config)]
        if not one.of_files and ":" in one.pattern:
            found += [name for name in inside if _means(one.pattern, name, names.config)]
        for name in found:
            claims[name].add("set" if one.label.split()[0] in ("set", "unset") else one.label)
        taken = taken or (one.takes and bool(found))
        if one.needed and not found:
            idle.append(one.label)
    missed = [name for name in (*names.tensors, *inside) if name not in claims]
    open_files = [name for name in names.files if name not in claims and name not in opened]
    twice = [name for name, held in claims.items() if len(held) > 1 and not _rows_alone(held)]
    twice += [name for name in opened if name in claims]
    return RecipeFit(
        id=recipe.id,
        fits=not (idle or missed or open_files or twice),
        idle=tuple(idle[:SHOWN]),
        tensors=len(missed),
        files=len(open_files),
        unaccounted=(*missed[:SHOWN], *open_files[:SHOWN]),
        twice=tuple(twice[:SHOWN]),
        takes_nothing=not taken,
    )


def _opens(pattern: str, file: str) -> bool:
    named, colon, _ = pattern.partition(":")
    return bool(colon) and fnmatchcase(file, named)


def _means(pattern: str, name: str, config: Mapping[str, Any]) -> bool:
    file, _, inner = pattern.partition(":")
    held, _, tensor = name.partition(":")
    return fnmatchcase(held, file) and matches(inner, tensor, config)


def _rows_alone(labels: set[str]) -> bool:
    """Whether all claims are edits of rows or slices, of which one tensor may have several."""
    return all(label.split()[0].endswith(("_rows", "_slices")) for label in labels)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What an edit or `keep` is called, its pattern, whether that is of files, must match, and takes something away."""

    label: str
    pattern: str
    of_files: bool
    needed: bool
    takes: bool = False


def _patterns(recipe: Recipe) -> Iterator[_Pattern]:
    for edit in recipe.edits:
        kind = next(kind for kind in EDITS if hasattr(edit, kind))
        if kind in _OF_TOKENS:
            continue
        expect = getattr(edit, "expect", None)
        optional = isinstance(expect, Between) and expect.min == 0
        pattern = getattr(edit, kind)
        yield _Pattern(f"{kind} {pattern}", pattern, kind in _OF_FILES, not optional, kind not in ("set", "unset"))
    for pattern in recipe.keep.tensors:
        yield _Pattern(f"keep {pattern}", pattern, of_files=False, needed=False)
    for pattern in recipe.keep.files:
        yield _Pattern(f"keep {pattern}", pattern, of_files=True, needed=False)
