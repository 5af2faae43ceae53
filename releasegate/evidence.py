"""What was measured: items, samples, the index of shards, and the columns that a decision reads.

A shard is a file of samples, one JSON line each; the index says which shards were started and finished, with the sha256
of each. The *evidence digest* is over the sorted `done` lines, whatever the order of the shards, and however often the
run was broken off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, StringConstraints, TypeAdapter, ValidationError

from releasegate.errors import EvidenceUntrusted
from releasegate.records import Digest, Identifier, Record, digest_of_bytes, first_fault, refuse_duplicate_keys

Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Labels = dict[Identifier, Label]
OutputName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\.[a-z0-9]{1,8}$")]
"""sha256 of the bytes and an extension: the name of a file in `outputs/`."""

T = TypeVar("T")
OUTPUT_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,8}")

CellKey = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]
"""The labels and the metrics of a cell, both sorted."""

OutputKinds = tuple[tuple[str, str], ...]
"""What a sample put out: the name and the extension of each output, sorted."""

MISSING, MEASURED, FAILED = 0, 1, 2
"""The state of a planned item: no record, a value, a failure."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to measure. Harnesses give labels, metrics and content; the runner gives number and seed.

    Attributes:
        metrics: the metrics that a sample of it must carry.
        labels: its slice labels, such as `{"digit": "3"}`.
        content: what the harness needs to measure it.
        number: its place in the planned order, from 0.
        seed: 63 bits, derived from the nonce of the attempt, the eval and the number.
        name: of an item of a private pool: the same for as long as the pool is in use, and no other's.
    """

    metrics: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    seed: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a harness yields for an item: unchecked. The runner checks it, and stores it as a sample.

    Attributes:
        item: the number of the item.
        values: one value for each metric of the item.
        detail: what a person would want to see beside the numbers.
        outputs: names that `tools.write` returned.
    """

    item: int
    values: Mapping[str, float]
    detail: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


class Measured(Record):
    """A sample: the value of each metric of one item."""

    outcome: Literal["measured"] = "measured"
    item: Annotated[int, Field(ge=0)]
    labels: Labels = Field(default_factory=dict)
    values: Annotated[dict[Identifier, float], Field(min_length=1)]
    detail: dict[Identifier, str] = Field(default_factory=dict)
    """What a person would want to see beside the numbers: the prompt, the answer."""
    outputs: dict[Identifier, OutputName] = Field(default_factory=dict)


class Failed(Record):
    """A sample that could not be measured. It counts against the release."""

    outcome: Literal["failed"] = "failed"
    item: Annotated[int, Field(ge=0)]
    labels: Labels = Field(default_factory=dict)
    metrics: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    error: str


Sample = Annotated[Measured | Failed, Discriminator("outcome")]
_SAMPLE: TypeAdapter[Measured | Failed] = TypeAdapter(Sample)


class Started(Record):
    """A shard is about to be measured."""

    event: Literal["started"] = "started"
    plan: Digest
    """Digest of the opened plan, its limits, nonce and ledger included: evidence gathered under it is none for another."""
    measurement: Digest
    shard: Annotated[int, Field(ge=0)]


class Done(Record):
    """A shard is on disk, whole."""

    event: Literal["done"] = "done"
    measurement: Digest
    shard: Annotated[int, Field(ge=0)]
    model: Digest
    """Digest of the checkpoint that was measured, as it lay on disk."""
    sha256: Digest
    """Of the bytes of the shard's file."""
    measured: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]


IndexLine = Annotated[Started | Done, Discriminator("event")]
_INDEX_LINE: TypeAdapter[Started | Done] = TypeAdapter(IndexLine)


class Cell(Record):
    """Planned items that share labels and metrics."""

    labels: Labels = {}
    metrics: tuple[Identifier, ...]
    n: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Rows:
    """The k samples of some lines, at least one, by line; those that failed stand last.

    Attributes:
        items: int64 [k], the number of each item.
        kinds: the labels and metrics that occur.
        kind: int64 [k], which of `kinds` each item is of.
        values: for each metric the items that have a value, int64, and the values, float64.
        errors: of each item that failed, in the order of the lines.
        outputs: for what items put out, where they did, their numbers, int64.
    """

    items: NDArray[np.int64]
    kinds: Sequence[CellKey]
    kind: NDArray[np.int64]
    values: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
    errors: Sequence[str]
    outputs: Mapping[OutputKinds, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """The samples of one measurement, by item number.

    Attributes:
        cells: the planned cells.
        cell: int32 [n], the cell of each item; -1 without a record.
        state: uint8 [n], MISSING, MEASURED or FAILED.
        values: float64 [n] for each metric; 0 where the item has no value.
        errors: up to five failures, for people to read.
        model: digest of the checkpoint that was measured; None before the first shard.
        first_failed: by cell the first item that failed with a reason, and the reason.
        output_kinds: what items put out, as far as it differs; the first is nothing.
        output_kind: int32 [n], which of `output_kinds` each item put out; None where no item put out anything.
    """

    cells: tuple[Cell, ...]
    cell: NDArray[np.int32]
    state: NDArray[np.uint8]
    values: Mapping[str, NDArray[np.float64]]
    errors: tuple[str, ...]
    model: str | None
    first_failed: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    output_kinds: tuple[OutputKinds, ...] = ((),)
    output_kind: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that a run measured, by measurement digest, and the digest over it."""

    columns: Mapping[str, Columns]
    digest: str


class Collector:
    """Gathers the samples of one measurement, and refuses whatever its plan does not hold."""

    def __init__(self, cells: tuple[Cell, ...], where: str) -> None:
        n = sum(cell.n for cell in cells)
        self._where = where
        self._cells = cells
        self._places = {cell_key(cell.labels, cell.metrics): number for number, cell in enumerate(cells)}
        self._left = np.array([cell.n for cell in cells], dtype=np.int64)
        self._cell = np.full(n, -1, dtype=np.int32)
        self._state = np.zeros(n, dtype=np.uint8)
        self._values = {metric: np.zeros(n) for metric in dict.fromkeys(m for cell in cells for m in cell.metrics)}
        self._errors: list[str] = []
        self._first_failed: dict[int, tuple[int, str]] = {}
        self._output_kinds: dict[OutputKinds, int] = {(): 0}
        self._output_kind: NDArray[np.int32] | None = None
        self._model: str | None = None

    def add(self, sample: Measured | Failed, where: str) -> None:
        """Nothing; `sample` is now part of the columns.

        Args:
            where: the file and line that it comes from.

        Raises:
            EvidenceUntrusted: its number, labels or metrics are not planned, or the item has a record already.
        """
        metrics = tuple(sample.values) if isinstance(sample, Measured) else sample.metrics
        place = self._places.get(cell_key(sample.labels, metrics))
        if sample.item >= len(self._state) or place is None:
            raise EvidenceUntrusted(
                where, f"item {sample.item} is not in the plan", "measure again in a new run folder"
            )
        if self._state[sample.item] != MISSING:
            raise EvidenceUntrusted(where, f"item {sample.item} has two records", "measure again in a new run folder")
        if self._left[place] == 0:
            raise EvidenceUntrusted(
                where,
                f"more items than planned are labelled {dict(sample.labels)}",
                "measure again in a new run folder",
            )
        self._left[place] -= 1
        self._cell[sample.item] = place
        if isinstance(sample, Measured):
            self._state[sample.item] = MEASURED
            for metric, value in sample.values.items():
                self._values[metric][sample.item] = value
            if sample.outputs:
                self._put_out(output_kinds(sample.outputs), np.array([sample.item]))
        else:
            self._state[sample.item] = FAILED
            self._keep(sample.error, sample.item, place)

    def add_all(self, rows: Rows, allowed: range, possible: Callable[[str, NDArray[np.float64]], bool]) -> bool:
        """Whether all of `rows` are now part of the columns; if anything about one is not in order, none is.

        Args:
            allowed: the numbers that their items may have.
            possible: whether a metric, by its name, can have all these values.
        """
        at = rows.items
        if int(np.min(at)) < allowed.start or int(np.max(at)) >= min(allowed.stop, len(self._state)):
            return False
        if self._state[at].any() or (np.diff(np.sort(at)) == 0).any():
            return False
        places = np.array([self._places.get(kind, -1) for kind in rows.kinds])
        if places.min() < 0:
            return False
        cells = places[rows.kind]
        wanted = np.bincount(cells, minlength=len(self._left))
        if (wanted > self._left).any():
            return False
        if not all(possible(name, column) for name, (_, column) in rows.values.items()):
            return False
        self._left -= wanted
        self._cell[at] = cells
        self._state[at] = MEASURED
        first = len(at) - len(rows.errors)
        self._state[at[first:]] = FAILED
        for metric, (carrying, column) in rows.values.items():
            self._values[metric][carrying] = column
        for kinds, carrying in rows.outputs.items():
            self._put_out(kinds, carrying)
        for error, item, cell in zip(rows.errors, at[first:].tolist(), cells[first:].tolist(), strict=True):
            self._keep(error, item, cell)
        return True

    def _put_out(self, kinds: OutputKinds, items: NDArray[np.int64]) -> None:
        if self._output_kind is None:
            self._output_kind = np.zeros(len(self._state), dtype=np.int32)
        self._output_kind[items] = self._output_kinds.setdefault(kinds, len(self._output_kinds))

    def _keep(self, error: str, item: int, cell: int) -> None:
        if error and (cell not in self._first_failed or item < self._first_failed[cell][0]):
            self._first_failed[cell] = item, error
        if len(self._errors) < 5 and error not in self._errors:
            self._errors.append(error)

    def bind(self, model: str) -> None:
        """Nothing; a shard of the checkpoint with digest `model` was read.

        Raises:
            EvidenceUntrusted: an earlier shard was measured on another checkpoint.
        """
        if self._model not in (None, model):
            raise EvidenceUntrusted(
                self._where, "two checkpoints were measured in one measurement", "measure again in a new run folder"
            )
        self._model = model

    def columns(self) -> Columns:
        """What was gathered."""
        return Columns(
            self._cells,
            self._cell,
            self._state,
            self._values,
            tuple(self._errors),
            self._model,
            self._first_failed,
            tuple(self._output_kinds),
            self._output_kind,
        )


def cell_key(labels: Mapping[str, str], metrics: Iterable[str]) -> CellKey:
    """What the items of one cell have in common, whatever the order in which it is written."""
    return tuple(sorted(labels.items())), tuple(sorted(metrics))


def output_kinds(outputs: Mapping[str, str]) -> OutputKinds:
    """The name and the extension of each output.

    >>> output_kinds({"waveform": "0" * 64 + ".wav"})
    (('waveform', 'wav'),)
    """
    return tuple(sorted((name, output.rpartition(".")[2]) for name, output in outputs.items()))


def parse_sample(line: bytes, where: str) -> Measured | Failed:
    """The sample that one line of a shard holds.

    Raises:
        EvidenceUntrusted: it holds something else, or a key twice.
    """
    return _parse(_SAMPLE, line, where)


def parse_index_line(line: bytes, where: str) -> Started | Done:
    """The entry that one line of the index holds.

    Raises:
        EvidenceUntrusted: it holds something else, or a key twice.
    """
    return _parse(_INDEX_LINE, line, where)


def _parse(adapter: TypeAdapter[T], line: bytes, where: str) -> T:
    try:
        refuse_duplicate_keys(line)
        return adapter.validate_json(line)
    except ValidationError as error:
        what = first_fault(error)
        raise EvidenceUntrusted(where, f"not a record: {what}", "restore the file, or measure again") from None
    except ValueError as error:
        raise EvidenceUntrusted(where, f"not a record: {error}", "restore the file, or measure again") from None


def evidence_digest(done: Iterable[Done]) -> str:
    """`sha256:…` over the sorted `done` lines: the identity of what was measured.

    They hold names and counts alone, which `json` writes as RFC 8785 does, many times as fast.
    """
    lines = sorted((line.plain() for line in done), key=lambda d: (d["measurement"], d["shard"]))
    return digest_of_bytes(json.dumps(lines, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
