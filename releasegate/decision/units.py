"""Which calibration items are independent: each by itself, or one of each cluster that the card declares.

Of a cluster the first item in the planned order counts, which the attempt's nonce shuffled: a fair draw from it. What is left
are independent units, of which exact bounds hold whatever the items of a cluster have in common. A bound on the means of clusters
holds as well, and shows less unless clusters are large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from releasegate.decision.explaining import NO_CLUSTER
from releasegate.decision.slices import Slice
from releasegate.evalcard import UNSAID, EvalCard
from releasegate.evidence import MEASURED, MISSING, Cell, Columns


@dataclass(frozen=True)
class Units:
    """How the calibration items of one eval count.

    Attributes:
        key: the dimension of which each value counts once; None: each item counts.
        negatives_key: the same of the negatives that set a threshold.
        excuses: whether calibration items may excuse a slice.
        problem: why nothing may be concluded from them.
        strict: whether an item without a cluster is refused. In plans of earlier releases such items were one cluster.
    """

    key: str | None = None
    negatives_key: str | None = None
    excuses: bool = True
    problem: str | None = None
    strict: bool = True

    def planned(self, cells: Sequence[Cell], among: Sequence[int], key: str | None) -> int:
        """How many units these cells hold, as planned.

        Args:
            key: one of the two.

        Raises:
            ValueError: an item has no cluster.
        """
        if key is None:
            return sum(cells[i].n for i in among)
        if self.strict and any(key not in cells[i].labels for i in among):
            raise ValueError(f"calibration items without a {key} {NO_CLUSTER}")
        return len({cells[i].labels.get(key, "") for i in among})

    def scored(self, columns: Columns, among: Sequence[int], key: str | None) -> tuple[int, NDArray[np.int64]]:
        """How many units are planned in these cells, and the places of those with a value.

        Raises:
            ValueError: an item has no cluster.
        """
        found = counted(columns, among, key) & (columns.state == MEASURED)
        return self.planned(columns.cells, among, key), np.flatnonzero(found)

    def thinned(self, part: Slice, columns: Columns | None, cells: Sequence[Cell]) -> tuple[Slice, Columns | None]:
        """A slice of calibration items with the units alone, and the columns with no record of any other item in it.

        Raises:
            ValueError: an item has no cluster.
        """
        if self.key is None:
            return part, columns
        fewer = Slice(part.labels, part.cells, self.planned(cells, part.cells, self.key))
        if columns is None:
            return fewer, None
        kept = counted(columns, part.cells, self.key)
        state = np.where(kept, columns.state, MISSING).astype(np.uint8)
        return fewer, replace(columns, state=state, cell=np.where(kept, columns.cell, -1).astype(np.int32))


def units_of(card: EvalCard, *, by_cluster: bool) -> Units:
    """How the calibration items of a card count.

    Args:
        by_cluster: as the plan says. Earlier plans took items one by one, but for the negatives of sampled clusters.
    """
    sampled = card.clusters.key if card.clusters is not None and card.clusters.population == "sampled" else None
    if not by_cluster:
        return Units(negatives_key=sampled, strict=False)
    stated = card.calibration
    if stated is None:
        return Units(excuses=False, problem=f"the card of {card.id} {UNSAID}")
    if sampled is not None and stated.population != "sampled":
        pool = "named clusters" if stated.population == "named" else "a pool whose clusters are unknown"
        what = f"{card.id} claims something of every {sampled}, and its calibration items are of {pool}"
        return Units(excuses=False, problem=what)
    return Units(stated.grouped_by, stated.grouped_by, excuses=sampled is None)


def carrying(metric: str, cells: Sequence[Cell], labels: Mapping[str, str] | None = None) -> list[int]:
    """The cells whose items carry a metric, and no other label than those."""
    wanted = (labels or {}).items()
    return [
        i
        for i, cell in enumerate(cells)
        if metric in cell.metrics and all(cell.labels.get(d, value) == value for d, value in wanted)
    ]


def counted(columns: Columns, among: Sequence[int], key: str | None) -> NDArray[np.bool_]:
    """bool [n]: the items of these cells that count and have a record.

    Of a cluster that lacks a record none does: it might be that of its first item, and the next one is no substitute that
    anybody may choose.
    """
    inside = np.isin(columns.cell, np.asarray(among, dtype=np.int32))
    if key is None:
        return inside
    owner = {i: columns.cells[i].labels.get(key, "") for i in among}
    records = np.bincount(columns.cell[inside], minlength=len(columns.cells))
    gaps = {owner[i] for i in among if records[i] < columns.cells[i].n}
    first: dict[str, int] = {}
    for place in np.flatnonzero(inside):
        first.setdefault(owner[int(columns.cell[place])], int(place))
    taken = np.zeros(len(columns.cell), dtype=np.bool_)
    taken[[place for cluster, place in first.items() if cluster not in gaps]] = True
    return taken
