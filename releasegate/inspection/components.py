"""Tensors into parts of the model, by their names alone, whatever the library that named them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from releasegate.inspection.record import Component, DtypeTotal, Totals
from releasegate.inspection.stored import Stored

MOST = 60
"""Parts that are shown of one set of tensors."""
PLAIN_DEPTH = 3
"""Steps of a name that make a part where no number comes before."""
OTHERS = "(others)"

_STEP = re.compile(r"[./]")
_NUMBERED = re.compile(r"(.*[A-Za-z_-])([0-9]+)")


def totals(tensors: Iterable[Stored]) -> Totals:
    """How many tensors, parameters and bytes there are, in all and of each dtype."""
    by_dtype: dict[str, list[Stored]] = defaultdict(list)
    for tensor in tensors:
        by_dtype[tensor.dtype].append(tensor)
    dtypes = [
        DtypeTotal(
            dtype=dtype,
            tensors=len(some),
            parameters=sum(tensor.elements for tensor in some),
            size=sum(tensor.size for tensor in some),
        )
        for dtype, some in by_dtype.items()
    ]
    return Totals(
        tensors=sum(total.tensors for total in dtypes),
        parameters=sum(total.parameters for total in dtypes),
        size=sum(total.size for total in dtypes),
        dtypes=tuple(sorted(dtypes, key=lambda total: (-total.size, total.dtype))),
    )


@dataclass(slots=True)
class _Part:
    tensors: list[Stored] = field(default_factory=list)
    numbers: set[str] = field(default_factory=set)


def components(tensors: Sequence[Stored], file: str | None = None, most: int = MOST) -> list[Component]:
    """The parts that `tensors` make up, in the order in which they come; at most `most`, the smallest joined.

    A part is named by the steps of a name up to the first number and one beyond; where no number comes, by the first
    three. The last step (`weight`, `bias`) is the tensor's own. Where that makes too many parts, fewer steps count.

    Args:
        file: the file beside the model that holds them; `None` for the model.
    """
    names = _starred([tensor.name for tensor in tensors])
    for depth in (PLAIN_DEPTH, 2, 1):
        parts: dict[str, _Part] = defaultdict(_Part)
        for tensor, (steps, numbers) in zip(tensors, names, strict=True):
            kept = _kept(steps, depth)
            part = parts[".".join(steps[:kept])]
            part.tensors.append(tensor)
            if "*" in "".join(steps[:kept]):
                part.numbers.add(numbers[0])
        if len(parts) <= most:
            break
    return [_component(name, part, file) for name, part in _joined(parts, most).items()]


def _starred(names: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """The steps of each name with numbers as `*`, and the numbers."""
    split = [_STEP.split(name) for name in names]
    counted: dict[str, set[str]] = defaultdict(set)
    for steps in split:
        for step in steps[:-1]:
            found = _NUMBERED.fullmatch(step)
            if found:
                counted[found[1]].add(found[2])
    return [_star(steps, counted) for steps in split]


def _star(steps: Sequence[str], counted: dict[str, set[str]]) -> tuple[list[str], list[str]]:
    """`layer_12` is a number as `12` is, if that comes with more than eight numbers; `w1`, `norm2` are names."""
    made, numbers = [], []
    for at, step in enumerate(steps):
        found = _NUMBERED.fullmatch(step) if at < len(steps) - 1 else None
        if step.isascii() and step.isdigit():
            made.append("*")
            numbers.append(step)
        elif found and len(counted[found[1]]) > 8:
            made.append(f"{found[1]}*")
            numbers.append(found[2])
        else:
            made.append(step)
    return made, numbers


def _kept(steps: Sequence[str], depth: int) -> int:
    """How many of the steps name the part."""
    whole = max(1, len(steps) - 1)
    first = next((at for at, step in enumerate(steps[:whole]) if "*" in step), None)
    if first is None or first >= depth:
        return min(whole, depth)
    kept = min(whole, first + 2) if depth > 1 else first + 1
    if depth == PLAIN_DEPTH and kept + 1 <= whole and "*" in steps[kept] and "*" not in steps[kept - 1]:
        kept += 1  # layers.*.experts.*
    elif depth == PLAIN_DEPTH and kept + 2 <= whole and "*" in steps[kept + 1]:
        kept += 2  # layers.*.mlp.experts.*
    return kept


def _joined(parts: dict[str, _Part], most: int) -> dict[str, _Part]:
    if len(parts) <= most:
        return parts
    largest = sorted(parts, key=lambda name: -sum(tensor.size for tensor in parts[name].tensors))[: most - 1]
    kept = {name: part for name, part in parts.items() if name in set(largest)}
    rest = [tensor for name, part in parts.items() if name not in kept for tensor in part.tensors]
    return {**kept, OTHERS: _Part(rest)}


def _component(name: str, part: _Part, file: str | None) -> Component:
    return Component(
        name=name,
        file=file,
        times=max(1, len(part.numbers)),
        tensors=len(part.tensors),
        parameters=sum(tensor.elements for tensor in part.tensors),
        size=sum(tensor.size for tensor in part.tensors),
        dtypes=tuple(sorted({tensor.dtype for tensor in part.tensors})),
    )
