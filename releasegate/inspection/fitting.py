"""Which recipes are for a checkpoint's layout, and what they would leave unaccounted for. By names alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import RecipeFit
from releasegate.recipe import EDITS, Between, Recipe, matches

_OF_FILES = ("drop_file", "set", "unset")
_OF_TOKENS = ("drop_tokens",)


def fitting(
    recipes: Iterable[Recipe],
    layout: str | None,
    tensors: Sequence[str],
    files: Sequence[str],
    config: Mapping[str, Any],
) -> list[RecipeFit]:
    """How each recipe for `layout` fits.

    Args:
        recipes: of the gate repository.
        layout: of the checkpoint.
        tensors: names of the model's tensors; those of a file beside it as `FILE:TENSOR`.
        files: names of all files but the model's own and their index.
        config: the configuration, in which patterns look up numbers.
    """
    return [_fit(recipe, tensors, files, config) for recipe in recipes if recipe.layout == layout]


def _fit(recipe: Recipe, tensors: Sequence[str], files: Sequence[str], config: Mapping[str, Any]) -> RecipeFit:
    claims: dict[str, set[str]] = defaultdict(set)
    idle: list[str] = []
    for label, pattern, of_files, needed in _patterns(recipe):
        found = [name for name in (files if of_files else tensors) if matches(pattern, name, config)]
        for name in found:
            claims[name].add("set" if label.split()[0] in ("set", "unset") else label)
        if needed and not found:
            idle.append(label)
    inside = {name.partition(":")[0] for name in claims if ":" in name}
    whole = [
        name for name in tensors if ":" in name and name.partition(":")[0] not in inside
    ]  # kept or dropped as files
    missed = [name for name in tensors if name not in claims and name not in set(whole)]
    open_files = [name for name in files if name not in claims and name not in inside]
    twice = [name for name, held in claims.items() if len(held) > 1 and not _rows_alone(held)]
    return RecipeFit(
        id=recipe.id,
        fits=not (idle or missed or open_files or twice),
        idle=tuple(idle[:SHOWN]),
        tensors=len(missed),
        files=len(open_files),
        unaccounted=(*missed[:SHOWN], *open_files[:SHOWN]),
        twice=tuple(twice[:SHOWN]),
    )


def _rows_alone(labels: set[str]) -> bool:
    """Whether all claims are edits of rows or slices, of which one tensor may have several."""
    return all(label.split()[0].endswith(("_rows", "_slices")) for label in labels)


def _patterns(recipe: Recipe) -> Iterator[tuple[str, str, bool, bool]]:
    """What an edit or `keep` is called, its pattern, whether that is of files, and whether it must match something."""
    for edit in recipe.edits:
        kind = next(kind for kind in EDITS if hasattr(edit, kind))
        if kind in _OF_TOKENS:
            continue
        expect = getattr(edit, "expect", None)
        optional = isinstance(expect, Between) and expect.min == 0
        pattern = getattr(edit, kind)
        yield f"{kind} {pattern}", pattern, kind in _OF_FILES, not optional
    for pattern in recipe.keep.tensors:
        yield f"keep {pattern}", pattern, False, False
    for pattern in recipe.keep.files:
        yield f"keep {pattern}", pattern, True, False
