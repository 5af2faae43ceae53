"""From the columns of a measurement to its tallies: counted by cell, and added up by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasegate.evalcard import EvalCard, Metric
from releasegate.evidence import FAILED, MEASURED, Cell, Columns
from releasegate.reporting.gathered.concern import Concern
from releasegate.reporting.gathered.cuts import Cut
from releasegate.reporting.gathered.dimensions import Part, part_of
from releasegate.reporting.gathered.tallying import BINS, Tally, bins_of

Place = tuple[str, str, str]
"""Eval, role, checkpoint."""
Tallies = dict[tuple[Place, str, Part], Tally]


@dataclass(frozen=True)
class Counted:
    """What is to be counted of one eval.

    Attributes:
        parts: dimensions along which items are tallied together, beside each by itself.
        spread: metrics of which a figure shows how their values lie.
        reasons: whether tallies say why an item failed.
    """

    card: EvalCard
    concern: Concern
    parts: tuple[tuple[str, ...], ...]
    spread: frozenset[str]
    reasons: bool = True


@dataclass(frozen=True)
class _ByCell:
    """One metric of one measurement, by cell.

    Attributes:
        scored, failed, flagged: int64 [cells].
        total, squares: float64 [cells].
        bins: int64 [measured items of the metric], the bin of each value, cell by cell; None without a histogram.
        ends: int64 [cells + 1], where the bins of each cell start, and where they end.
    """

    scored: NDArray[np.int64]
    failed: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    flagged: NDArray[np.int64] | None
    bins: NDArray[np.int64] | None
    ends: NDArray[np.int64]

    def histogram(self, cell: int) -> NDArray[np.int64] | None:
        """int64 [BINS] of one cell; None without a value."""
        if self.bins is None or self.ends[cell] == self.ends[cell + 1]:
            return None
        return np.bincount(self.bins[self.ends[cell] : self.ends[cell + 1]], minlength=BINS)


def count_all(tallies: Tallies, measured: Sequence[tuple[Place, Columns]], asked: Counted) -> None:
    """Nothing; the samples of some measurements of one eval are tallied, in the order of their items."""
    by_cell: dict[tuple[int, str], _ByCell] = {}
    for which, (_, columns) in enumerate(measured):
        for metric in columns.values:
            by_cell[which, metric] = _count(columns, metric, asked)
    for which, cell in _in_order([columns for _, columns in measured]):
        place, columns = measured[which]
        for metric in sorted(columns.cells[cell].metrics):
            counted = by_cell[which, metric]
            histogram = counted.histogram(cell)
            for part in _parts(columns.cells[cell], asked):
                tally = tallies.get((place, metric, part))
                if tally is None:
                    binned = not part and metric in asked.spread
                    tally = tallies[place, metric, part] = Tally(asked.concern.lost_as_hit(metric), binned)
                _add(tally, counted, cell)
                if histogram is not None and (tally.binned or _is_score(asked.card.metrics.get(metric))):
                    tally.bins = histogram if tally.bins is None else tally.bins + histogram
    for place, columns in measured if asked.reasons else ():
        _say_why(tallies, place, columns, asked)


def _in_order(measured: Sequence[Columns]) -> Iterator[tuple[int, int]]:
    """Which measurement and which of its cells, by the first item that has a record."""
    found = []
    for which, columns in enumerate(measured):
        items = np.flatnonzero(columns.cell >= 0)
        cells, first = np.unique(columns.cell[items], return_index=True)
        found += [(int(items[at]), which, int(cell)) for cell, at in zip(cells, first, strict=True)]
    return ((which, cell) for _, which, cell in sorted(found))


def _parts(cell: Cell, asked: Counted) -> list[Part]:
    singles: list[Part] = [(label,) for label in cell.labels.items()]
    return list(dict.fromkeys(((), *singles, *(part_of(cell.labels, dimensions) for dimensions in asked.parts))))


def _count(columns: Columns, metric: str, asked: Counted) -> _ByCell:
    n = len(columns.cells)
    carrying = np.array([metric in cell.metrics for cell in columns.cells], dtype=bool)
    of_metric = (columns.cell >= 0) & carrying[columns.cell]
    scored = np.flatnonzero(of_metric & (columns.state == MEASURED))
    cells, values = columns.cell[scored], columns.values[metric][scored]
    known, cut = asked.card.metrics.get(metric), asked.concern.cuts.get(f"{asked.card.id}/{metric}")
    counts = np.bincount(cells, minlength=n)
    return _ByCell(
        scored=counts,
        failed=np.bincount(columns.cell[of_metric & (columns.state == FAILED)], minlength=n),
        total=np.bincount(cells, values, minlength=n).astype(np.float64),
        squares=np.bincount(cells, values * values, minlength=n).astype(np.float64),
        flagged=_flagged(cells, values, known, cut, n),
        bins=_bins(cells, values, known) if metric in asked.spread or _is_score(known) else None,
        ends=np.concatenate([[0], np.cumsum(counts)]),
    )


def _is_score(metric: Metric | None) -> bool:
    return metric is not None and metric.type == "thresholded"


def _flagged(
    cells: NDArray[np.int32], values: NDArray[np.float64], metric: Metric | None, cut: Cut | None, n: int
) -> NDArray[np.int64] | None:
    if cut is None or not _is_score(metric):
        return None
    return np.bincount(cells[cut.flags_each(values)], minlength=n)


def _bins(cells: NDArray[np.int32], values: NDArray[np.float64], metric: Metric | None) -> NDArray[np.int64] | None:
    return None if metric is None else bins_of(values, metric.range)[np.argsort(cells, kind="stable")]


def _add(tally: Tally, counted: _ByCell, cell: int) -> None:
    tally.scored += int(counted.scored[cell])
    tally.failed += int(counted.failed[cell])
    tally.total += float(counted.total[cell])
    tally.squares += float(counted.squares[cell])
    if counted.flagged is not None:
        tally.flagged = (tally.flagged or 0) + int(counted.flagged[cell])


def _say_why(tallies: Tallies, place: Place, columns: Columns, asked: Counted) -> None:
    """Nothing; each tally says why its first item failed."""
    for cell, (_, error) in sorted(columns.first_failed.items(), key=lambda entry: entry[1][0]):
        for metric in columns.cells[cell].metrics:
            for part in _parts(columns.cells[cell], asked):
                tally = tallies[place, metric, part]
                tally.error = tally.error or error
