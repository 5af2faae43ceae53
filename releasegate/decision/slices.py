"""Which parts of the planned items a requirement gates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Columns
from releasegate.policy import Requirement

UNLABELLED = "(none)"
"""The value of a dimension for items that carry the metric and lack its label."""


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
        return np.isin(columns.cell, np.asarray(self.cells, dtype=np.int32))


def slices_of(requirement: Requirement, card: EvalCard, cells: tuple[Cell, ...]) -> list[Slice]:
    """Every slice that the requirement gates, as planned; a dimension without an item, or none at all, yields an empty slice.

    Items that lack the label of a gated dimension are a slice of their own, so that none of them escapes. Named clusters
    are gated one by one, whatever else is: a number about them says nothing of others.
    """
    metric = requirement.metric_name
    found: list[Slice] = []
    for dimensions in _gated(requirement, card):
        carried = [c for c in cells if metric in c.metrics]
        labelled = all(any(d in c.labels for c in carried) for d in dimensions)
        values = [sorted({c.labels.get(d, UNLABELLED) for c in carried}) for d in dimensions] if labelled else [[]]
        chosen = [_slice(dict(zip(dimensions, v, strict=True)), metric, cells) for v in product(*values)]
        planned = [s for s in chosen if s.planned]
        found += planned or [Slice(dict.fromkeys(dimensions, "(none planned)"), (), 0)]
    return found or [Slice({}, (), 0)]


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


def _slice(labels: dict[str, str], metric: str, cells: tuple[Cell, ...]) -> Slice:
    numbers = tuple(
        i
        for i, c in enumerate(cells)
        if metric in c.metrics and all(c.labels.get(k, UNLABELLED) == v for k, v in labels.items())
    )
    return Slice(labels, numbers, sum(cells[i].n for i in numbers))
