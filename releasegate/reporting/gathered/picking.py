"""Which items of an eval a report shows, from its columns; and then their samples, which alone are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from releasegate.evidence import MEASURED, Columns, Failed, Measured, OutputKinds
from releasegate.reporting.gathered.concern import Concern, Rank
from releasegate.reporting.gathered.ranking import Ranked, ranked, side_by_side, worst
from releasegate.reporting.gathered.rows import KEPT, RANKS, PickedRows, Row, RowRank
from releasegate.reporting.gathered.worst import KEPT as KEPT_OF_GROUP
from releasegate.reporting.gathered.worst import Worst
from releasegate.reporting.outputs.pictures import IMAGES
from releasegate.reporting.outputs.sounds import SOUNDS

K = TypeVar("K")
Metrics = tuple[str, ...]
"""The metrics that a sample carries, sorted."""
Group = tuple[str, str, str]
"""Checkpoint, metric that a sample is shown by, and value of the dimension; or checkpoint and output."""
Reader = Callable[[str, Sequence[int]], Mapping[int, Measured | Failed]]
"""Reads the samples of some items on a checkpoint."""
RANKS_ALONE: tuple[Rank, ...] = (0, 1, 2)


@dataclass(frozen=True)
class Picked:
    """How many samples of each rank there were."""

    count: Mapping[Rank, int]

    @property
    def seen(self) -> int:
        """How many samples there were."""
        return sum(self.count.values())


@dataclass
class Shown:
    """What a report shows of the samples of one eval.

    Attributes:
        groups: by checkpoint and metrics.
        rows: by metrics.
        pictured: whether some sample has an image.
        heard: samples with sound, by group.
        timed: samples with a score over time, by checkpoint and output.
    """

    groups: dict[tuple[str, Metrics], Picked] = field(default_factory=dict)
    rows: dict[Metrics, PickedRows] = field(default_factory=dict)
    pictured: bool = False
    heard: dict[Group, Worst] = field(default_factory=dict)
    timed: dict[tuple[str, str], Worst] = field(default_factory=dict)


@dataclass(frozen=True)
class _Kept:
    """Items of a group that are shown, worst first, and how many it has."""

    items: list[int]
    seen: int
    badness: float


def pick(
    measured: Mapping[str, Columns], concern: Concern, dimension: str | None, timelines: Sequence[str], read: Reader
) -> Shown:
    """What a report shows of an eval.

    Args:
        measured: by checkpoint.
        dimension: that tells its items apart first.
        timelines: outputs that hold a score over time.
    """
    judged = {checkpoint: ranked(columns, concern) for checkpoint, columns in measured.items()}
    rows = _rows(measured, judged)
    heard = dict(_heard(measured, judged, concern, dimension))
    timed = dict(_timed(measured, judged, timelines))
    samples = _read(measured, rows, heard, timed, read)

    def of(checkpoint: str, kept: _Kept) -> Worst:
        found = (samples[checkpoint][item] for item in kept.items)
        return Worst(kept.seen, kept.badness, tuple(one for one in found if isinstance(one, Measured)))

    def row(item: int) -> Row:
        return Row(item, {name: found[item] for name, found in samples.items() if item in found})

    return Shown(
        groups=_groups(measured, judged),
        rows={
            key: PickedRows(
                {rank: kept[rank].seen for rank in RANKS}, {rank: [row(i) for i in kept[rank].items] for rank in RANKS}
            )
            for key, kept in rows.items()
        },
        pictured=any(np.any(_putting_out(columns, _image)) for columns in measured.values()),
        heard={key: of(key[0], kept) for key, kept in heard.items()},
        timed={key: of(key[0], kept) for key, kept in timed.items()},
    )


def _read(
    measured: Mapping[str, Columns],
    rows: Mapping[Metrics, Mapping[RowRank, _Kept]],
    heard: Mapping[Group, _Kept],
    timed: Mapping[tuple[str, str], _Kept],
    read: Reader,
) -> dict[str, Mapping[int, Measured | Failed]]:
    found = {}
    across = {item for kinds in rows.values() for kept in kinds.values() for item in kept.items}
    for checkpoint, columns in measured.items():
        own = {i for key, kept in (*heard.items(), *timed.items()) if key[0] == checkpoint for i in kept.items}
        here = {item for item in across if item < len(columns.cell) and columns.cell[item] >= 0}
        found[checkpoint] = read(checkpoint, sorted(here | own))
    return found


def _coded(columns: Columns, keys: Sequence[K]) -> tuple[list[K], NDArray[np.int64]]:
    """What differs among the keys of the cells, and which of it each item has; -1 without a record."""
    codes = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of_cell = np.array([codes[key] for key in keys] + [-1], dtype=np.int64)
    return list(codes), of_cell[columns.cell]


def _by_code(code: NDArray[np.int64], items: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The items of each code that occurs among them, in their order."""
    ordered = items[np.argsort(code[items], kind="stable")]
    found, starts = np.unique(code[ordered], return_index=True)
    return zip(found.tolist(), np.split(ordered, starts[1:]), strict=False)


def _metrics(columns: Columns) -> list[Metrics]:
    return [tuple(sorted(cell.metrics)) for cell in columns.cells]


def _groups(measured: Mapping[str, Columns], judged: Mapping[str, Ranked]) -> dict[tuple[str, Metrics], Picked]:
    """In the order of the first item of each."""
    found: dict[tuple[int, int, Metrics], tuple[tuple[str, Metrics], Picked]] = {}
    for which, (checkpoint, columns) in enumerate(measured.items()):
        metrics, code = _coded(columns, _metrics(columns))
        for number, items in _by_code(code, np.flatnonzero(code >= 0)):
            counts = np.bincount(judged[checkpoint].rank[items], minlength=len(RANKS_ALONE))
            picked = Picked({rank: int(counts[rank]) for rank in RANKS_ALONE})
            found[int(items[0]), which, metrics[number]] = (checkpoint, metrics[number]), picked
    return dict(found[place] for place in sorted(found))


def _rows(measured: Mapping[str, Columns], judged: Mapping[str, Ranked]) -> dict[Metrics, dict[RowRank, _Kept]]:
    """The items of each set of metrics, which are those of the first checkpoint that has a record."""
    together = side_by_side(list(judged.values()))
    codes: dict[Metrics, int] = {}
    code = np.full(len(together.rank), -1, dtype=np.int64)
    for columns in reversed(list(measured.values())):
        metrics, own = _coded(columns, _metrics(columns))
        shared = np.array([codes.setdefault(key, len(codes)) for key in metrics], dtype=np.int64)
        recorded = np.flatnonzero(own >= 0)
        code[recorded] = shared[own[recorded]]
    names, found = list(codes), {}
    for number, items in _by_code(code, np.flatnonzero(code >= 0)):
        of_rank = {rank: items[together.rank[items] == rank] for rank in RANKS}
        kept = {rank: _kept(own, together.badness, KEPT) for rank, own in of_rank.items()}
        found[int(items[0]), names[number]] = kept
    return {metrics: found[first, metrics] for first, metrics in sorted(found)}


def _kept(items: NDArray[np.int64], badness: NDArray[np.float64], most: int) -> _Kept:
    first = worst(items, badness, most)
    return _Kept(first, len(items), float(badness[first[0]]) if first else 0.0)


def _heard(
    measured: Mapping[str, Columns], judged: Mapping[str, Ranked], concern: Concern, dimension: str | None
) -> Iterator[tuple[Group, _Kept]]:
    for checkpoint, columns in measured.items():
        values = [cell.labels.get(dimension, "") if dimension is not None else "" for cell in columns.cells]
        shown_by = [concern.primary(cell.metrics) for cell in columns.cells]
        groups, code = _coded(columns, list(zip(shown_by, values, strict=True)))
        for number, items in _by_code(code, np.flatnonzero(_putting_out(columns, _sound))):
            yield (checkpoint, *groups[number]), _kept(items, judged[checkpoint].badness, KEPT_OF_GROUP)


def _timed(
    measured: Mapping[str, Columns], judged: Mapping[str, Ranked], timelines: Sequence[str]
) -> Iterator[tuple[tuple[str, str], _Kept]]:
    for checkpoint, columns in measured.items():
        for output in timelines:
            items = np.flatnonzero(_putting_out(columns, partial(_named, output)))
            if len(items):
                yield (checkpoint, output), _kept(items, judged[checkpoint].badness, KEPT_OF_GROUP)


def _putting_out(columns: Columns, of: Callable[[OutputKinds], bool]) -> NDArray[np.bool_]:
    """bool [n], which items put out something of a kind."""
    if columns.output_kind is None:
        return np.zeros(len(columns.state), dtype=bool)
    chosen: NDArray[np.bool_] = np.array([of(kinds) for kinds in columns.output_kinds], dtype=bool)
    putting: NDArray[np.bool_] = chosen[columns.output_kind] & (columns.state == MEASURED)
    return putting


def _named(output: str, kinds: OutputKinds) -> bool:
    return any(name == output for name, _ in kinds)


def _image(kinds: OutputKinds) -> bool:
    return any(extension in IMAGES for _, extension in kinds)


def _sound(kinds: OutputKinds) -> bool:
    return any(extension in SOUNDS for _, extension in kinds)
