"""A few samples out of many: the lines of evidence that was read before, found again by the number of their item."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import FAILED, MISSING, Columns, Failed, Measured, cell_key, parse_sample
from releasegate.plan import Measurement, Plan
from releasegate.repository.evidence_store import AGAIN, EvidenceStore


def read_samples(
    store: EvidenceStore, plan: Plan, measurement: Measurement, columns: Columns, items: Collection[int]
) -> dict[int, Measured | Failed]:
    """The samples of some items of one measurement, by item.

    Args:
        columns: what the store read of the measurement.
        items: numbers of items that have a record.

    Raises:
        EvidenceUntrusted: a sample is not the one that was read.
    """
    found: dict[int, Measured | Failed] = {}
    identity = plan.identity(measurement)
    for shard, wanted in groupby(sorted(set(items)), key=measurement.shard_of):
        path = store.shard_path(identity, shard)
        found |= _of_shard(path, measurement.shard_items(shard), columns, frozenset(wanted))
    return found


def _of_shard(path: Path, items: range, columns: Columns, wanted: frozenset[int]) -> dict[int, Measured | Failed]:
    """The wanted samples of a shard: at the lines where they are if it is sorted by item, or else wherever they are."""
    present = items.start + np.flatnonzero(columns.state[items.start : items.stop] != MISSING)
    places = frozenset(np.searchsorted(present, sorted(wanted)).tolist())
    try:
        found = dict(_at(path, places))
        if frozenset(found) != wanted:
            found = {item: sample for item, sample in _at(path, None) if item in wanted}
    except OSError as error:
        raise EvidenceUntrusted(str(path), f"cannot be read again: {error.strerror}", AGAIN) from None
    for item in wanted:
        if item not in found or not _same(found[item], columns):
            raise EvidenceUntrusted(str(path), f"item {item} was changed while it was read", AGAIN)
    return found


def _at(path: Path, places: frozenset[int] | None) -> Iterator[tuple[int, Measured | Failed]]:
    """The samples of the lines at these places, from 0, or of all; no line behind the last place is read."""
    last = max(places) if places else -1
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if places is None or number in places:
                sample = parse_sample(line, f"{path}:{number + 1}")
                yield sample.item, sample
            if number == last:
                return


def _same(sample: Measured | Failed, columns: Columns) -> bool:
    """Whether a sample is what the columns hold of its item."""
    item, cell = sample.item, columns.cells[int(columns.cell[sample.item])]
    failed = isinstance(sample, Failed)
    metrics = sample.metrics if isinstance(sample, Failed) else tuple(sample.values)
    if cell_key(sample.labels, metrics) != cell_key(cell.labels, cell.metrics):
        return False
    if failed != (columns.state[item] == FAILED):
        return False
    values = sample.values if isinstance(sample, Measured) else {}
    return all(columns.values[metric][item] == value for metric, value in values.items())
