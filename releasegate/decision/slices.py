"""Which parts of the planned items a requirement gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Columns
from releasegate.policy import Requirement

UNLABELLED = "(none)"
"""The value of a dimension for items that carry the metric and lack its label."""

NONE_PLANNED = "(none planned)"
"""The value of a dimension of an empty slice."""


@dataclass(frozen=True)
class Slice:
    """Planned items of one metric that share some labels: which cells, and how many items."""

    labels: dict[str, str]
    cells: tuple[int, ...]
    planned: int

    def members(self, columns: Columns | None) -> NDArray[np.bool_]:
        """bool [n]: whether each item has a record, and lies in this slice; empty without columns."""
        if columns is None:
            return np.zeros(0, dtype=np.bool_)
        inside = np.zeros(len(columns.cells) + 1, dtype=np.bool_)  # the last one is of items without a record, -1
        inside[list(self.cells)] = True
        return inside[columns.cell]


def slices_of(requirement: Requirement, card: EvalCard, cells: tuple[Cell, ...]) -> list[Slice]:
    """Every slice that the requirement gates, as planned; a dimension without an item, or none at all, yields an empty slice.

    Items that lack the label of a gated dimension are a slice of their own, so that none of them escapes. Named clusters
    are gated one by one, whatever else is: a number about them says nothing of others. Of a threat set exactly the items
    with its values are gated, and a value or a combination of values that no item has is an empty slice.
    """
    threats = requirement.values or {}
    inside = [i for i in _carrying(requirement, cells) if is_threat(requirement.values, cells[i].labels)]
    found: list[Slice] = []
    for dimensions in _gated(requirement, card):
        labelled = all(d in threats or any(d in cells[i].labels for i in inside) for d in dimensions)
        planned = _parts(dimensions, inside, cells) if labelled else []
        listed = [d for d in dimensions if d in threats]
        seen = {tuple(part.labels[d] for d in listed) for part in planned}
        wanted = (dict(zip(listed, values, strict=True)) for values in product(*(threats[d] for d in listed)))
        found += planned
        found += [
            Slice(dict.fromkeys(dimensions, NONE_PLANNED) | v, (), 0) for v in wanted if tuple(v.values()) not in seen
        ]
    found += _without_items(threats, inside, cells, found)
    return found or [Slice({}, (), 0)]


def outside_of(requirement: Requirement, card: EvalCard, cells: tuple[Cell, ...]) -> list[Slice]:
    """Every slice of what the plan holds beside the threat set of the requirement: all such items, none that is gated."""
    threats = requirement.values or {}
    beyond = [i for i in _carrying(requirement, cells) if not is_threat(requirement.values, cells[i].labels)]
    gated = _gated(requirement, card)
    found: dict[frozenset[tuple[str, str]], Slice] = {}
    for dimensions in [g for g in gated if threats.keys() & set(g)] or gated:
        for part in _parts(tuple(dict.fromkeys((*dimensions, *threats))), beyond, cells):
            found.setdefault(frozenset(part.labels.items()), part)
    return list(found.values())


def is_threat(values: Mapping[str, tuple[str, ...]] | None, labels: Mapping[str, str]) -> bool:
    """Whether items with these labels belong to a threat set; without one, all do."""
    return all(labels.get(d, UNLABELLED) in listed for d, listed in (values or {}).items())


def _carrying(requirement: Requirement, cells: tuple[Cell, ...]) -> list[int]:
    return [i for i, cell in enumerate(cells) if requirement.metric_name in cell.metrics]


def _parts(dimensions: tuple[str, ...], numbers: list[int], cells: tuple[Cell, ...]) -> list[Slice]:
    """The cells of these numbers by their labels in some dimensions."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in numbers:
        groups.setdefault(tuple(cells[i].labels.get(d, UNLABELLED) for d in dimensions), []).append(i)
    return [
        Slice(dict(zip(dimensions, key, strict=True)), tuple(group), sum(cells[i].n for i in group))
        for key, group in sorted(groups.items())
    ]


def _without_items(
    threats: Mapping[str, tuple[str, ...]], inside: list[int], cells: tuple[Cell, ...], found: list[Slice]
) -> list[Slice]:
    """The values of a threat set that no item has and no slice names: without them it would shrink to what was planned."""
    return [
        Slice({d: value}, (), 0)
        for d, listed in threats.items()
        for value in listed
        if all(cells[i].labels.get(d, UNLABELLED) != value for i in inside)
        and all(part.labels.get(d) != value for part in found)
    ]


def _gated(requirement: Requirement, card: EvalCard) -> list[tuple[str, ...]]:
    """The dimensions whose values make up each group of slices; the empty tuple stands for the pooled items."""
    if requirement.slices is None:
        entries: list[tuple[str, ...]] = [()]
    elif requirement.slices == "all":
        entries = [(name,) for name, s in card.slices.items() if s.gate]
    else:
        entries = [(entry,) if isinstance(entry, str) else tuple(entry) for entry in requirement.slices]
    if card.clusters is None or card.clusters.population == "sampled":
        return entries
    key = card.clusters.key
    return list(dict.fromkeys(entry if key in entry else (*entry, key) for entry in entries))
