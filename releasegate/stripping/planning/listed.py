"""The tensors that stay, held against the list of a recipe: each name that the list stands for, with its shape, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from releasegate.checkpoint.headers import Entry
from releasegate.shapes import Exact, expression, filled, free_name, holes, length_of
from releasegate.stripping.planning.fitting import Fitting

MOST = 500_000
"""Tensors that a list may stand for."""
FLOATING = ("F16", "BF16", "F32")
WHOLE = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64")
TAKE_OUT = "take it out of the checkpoint, or add it to `keep.exactly` of the recipe if the layout has it"


@dataclass(slots=True)
class _Found:
    """What the names of an entry were found to be: a name with its holes, and those of its tensors that are there."""

    entry: Exact
    name: str
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)


def require_listed(fitting: Fitting, entries: tuple[Exact, ...], staying: Mapping[str, tuple[Entry, ...]]) -> None:
    """Nothing, if the list `entries` stands for just the tensors `staying`, with their shapes.

    Args:
        fitting: the recipe and the checkpoint.
        entries: of the recipe.
        staying: after the strip, by name; of a tensor that is split over shards, its parts.

    Raises:
        RecipeMismatch: a tensor is there that the list does not stand for, or is missing, or has another shape.
    """
    matched = _matched(fitting, entries, staying)
    free = _free_counts(matched)
    for found in matched:
        _require_names(fitting, found, free)
    _solve(fitting, matched, staying, free)
    for found in matched:
        wanted = _shape(fitting, found.entry, free)
        for name in found.values:
            _require_shape(fitting, found.entry, name, staying[name], wanted)


def _matched(fitting: Fitting, entries: tuple[Exact, ...], staying: Mapping[str, tuple[Entry, ...]]) -> list[_Found]:
    found = [_Found(entry, name) for entry in entries for name in entry.names]
    plain = {one.name: one for one in found if not holes(one.name)}
    patterns = [(expression(one.name), one) for one in found if holes(one.name)]
    for name in staying:
        held: list[tuple[_Found, tuple[str, ...]]] = [(plain[name], ())] if name in plain else []
        held += [(one, match.groups()) for regex, one in patterns if (match := regex.fullmatch(name))]
        if not held:
            what = f"has tensor {name!r} of shape {_joined(staying[name])}, which `keep.exactly` does not list"
            raise fitting.mismatch(what, TAKE_OUT)
        if len(held) > 1:
            what = f"lists tensor {name!r} twice under `keep.exactly`: {held[0][0].name}, {held[1][0].name}"
            raise fitting.mismatch(what, "leave one of the two entries")
        one, values = held[0]
        one.values[name] = values
    return found


def _joined(parts: tuple[Entry, ...]) -> str:
    return " and ".join(str(list(part.shape)) for part in parts[:4])


def _free_counts(matched: list[_Found]) -> dict[str, int]:
    """Free counts: one more than the highest number that stands in a hole of that name."""
    free: dict[str, int] = {}
    for found in matched:
        for place, (sign, bound) in enumerate(holes(found.name)):
            if sign == "<" and (name := free_name(bound)):
                highest = max((int(values[place]) for values in found.values.values()), default=-1)
                free[name] = max(free.get(name, 0), highest + 1)
    return free


def _require_names(fitting: Fitting, found: _Found, free: Mapping[str, int]) -> None:
    """Every name that the entry stands for is there, and none beyond its bounds."""
    sets: list[list[str]] = []
    count = 1
    for place, (sign, bound) in enumerate(holes(found.name)):
        if sign == "?":
            steps = sorted({values[place] for values in found.values.values()})
        else:
            below = _known(fitting, bound, free, found.name)
            count *= max(1, below)
            if count > MOST:
                raise fitting.mismatch(f"{found.name}: stands for more than {MOST:,} tensors", "is the config right?")
            steps = [str(number) for number in range(below)]
        sets.append(steps)
    wanted = {filled(found.name, values) for values in product(*sets)}
    for name in found.values:
        if name not in wanted:
            what = f"has tensor {name!r}, and `keep.exactly` ends before it: {found.name}"
            raise fitting.mismatch(what, TAKE_OUT)
    missing = sorted(wanted - found.values.keys())
    if missing and not found.entry.optional:
        what = f"lacks tensor {missing[0]!r}, which `keep.exactly` lists ({found.name})"
        raise fitting.mismatch(
            what, "correct the number in the configuration that counts it, or export the model again"
        )


def _known(fitting: Fitting, text: int | str, free: Mapping[str, int], label: str) -> int:
    value = length_of(text, fitting.contents.config, free)
    if isinstance(value, int) and value >= 0:
        return value
    if isinstance(value, int):
        raise fitting.mismatch(f"{label}: {text} comes to {value}", "correct the number in the configuration")
    what = f"{label}: {fitting.config_name} has no whole number {value}"
    raise fitting.mismatch(what, "correct the path in the recipe, or the config")


def _solve(
    fitting: Fitting, matched: list[_Found], staying: Mapping[str, tuple[Entry, ...]], free: dict[str, int]
) -> None:
    """Adds the free sizes to `free`, each read off the first tensor that has it by itself."""
    for found in matched:
        for place, text in enumerate(found.entry.shape):
            name = free_name(text)
            first = next(iter(found.values), None)
            if name is None or name in free or first is None:
                continue
            parts = staying[first]
            if len(parts[0].shape) == len(found.entry.shape):
                joined = sum(part.shape[place] for part in parts) if found.entry.parallel == place else None
                free[name] = parts[0].shape[place] if joined is None else joined


def _shape(fitting: Fitting, entry: Exact, free: Mapping[str, int]) -> tuple[int, ...]:
    if not all(isinstance(length, int) for length in entry.shape) and entry.optional:
        lengths = [length_of(length, fitting.contents.config, free) for length in entry.shape]
        if any(isinstance(length, str) and length.startswith("?") for length in lengths):
            return ()  # none of it is there, nor anything else of that size
    return tuple(_known(fitting, length, free, entry.names[0]) for length in entry.shape)


def _require_shape(
    fitting: Fitting, entry: Exact, name: str, parts: tuple[Entry, ...], wanted: tuple[int, ...]
) -> None:
    kinds = WHOLE if entry.whole else FLOATING
    for part in parts:
        if part.dtype not in kinds:
            what = f"has tensor {name!r} of dtype {part.dtype}, and `keep.exactly` wants one of {', '.join(kinds)}"
            raise fitting.mismatch(what, "export the model again in the dtypes that its library writes")
    count = len(parts)
    if entry.parallel is not None and count > 1 and wanted and wanted[entry.parallel] % count == 0:
        each = tuple(size // count if place == entry.parallel else size for place, size in enumerate(wanted))
    else:
        each = wanted
    if any(part.shape != each for part in parts):
        what = f"has tensor {name!r} of shape {_joined(parts)}, and `keep.exactly` says {list(each)}"
        fix = "correct the configuration where it does not agree with the weights, or export the model again"
        raise fitting.mismatch(what, fix)
