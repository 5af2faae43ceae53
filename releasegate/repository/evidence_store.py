"""The evidence of a run on disk: an index of shards, and a file of samples for each."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from releasegate.errors import EvidenceUntrusted
from releasegate.evalcard import EvalCard
from releasegate.evidence import (
    Collector,
    Done,
    Evidence,
    Failed,
    Measured,
    Rows,
    Started,
    evidence_digest,
    parse_index_line,
    parse_sample,
)
from releasegate.garbage import uncollected
from releasegate.plan import Measurement, Plan
from releasegate.records import digest_of_bytes
from releasegate.repository.writing import sync_folder, write_whole
from releasegate.sensitivity import text_in
from releasegate.shardlines import ShardLines

AGAIN = "restore it, or measure in a new run folder"
MAX_INDEX = 256 << 20
"""Bytes of the index: lines of two million shards."""
MAX_LINE = 16 << 20
"""Bytes of a sample's line; what is left of a longer one is no sample."""
BLOCK = 2**19
"""Bytes of a shard that are read together, up to the end of a line."""


@dataclass(frozen=True)
class EvidenceStore:
    """The folder `evidence/` of one run."""

    root: Path

    @property
    def _index(self) -> Path:
        return self.root / "index.jsonl"

    def shard_path(self, measurement: str, shard: int) -> Path:
        """Where the samples of one shard lie."""
        return self.root / measurement.removeprefix("sha256:") / f"{shard:06d}.jsonl"

    def start_shard(self, plan: Plan, measurement: str, shard: int) -> None:
        """Nothing; the index says that the shard is about to be measured under `plan`."""
        self._append(Started(plan=plan.measured_under, measurement=measurement, shard=shard))

    def finish_shard(self, measurement: str, shard: int, model: str, samples: Sequence[Measured | Failed]) -> Done:
        """The `done` line; the shard is on disk, sorted by item, and the index says so."""
        ordered = sorted(samples, key=lambda s: s.item)
        data = "".join(s.model_dump_json(exclude_defaults=False) + "\n" for s in ordered).encode()
        path = self.shard_path(measurement, shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
        failed = sum(isinstance(s, Failed) for s in ordered)
        done = Done(
            measurement=measurement,
            shard=shard,
            model=model,
            sha256=digest_of_bytes(data),
            measured=len(ordered) - failed,
            failed=failed,
        )
        self._append(done)
        return done

    def _append(self, line: Started | Done) -> None:
        self.root.mkdir(exist_ok=True)
        descriptor = os.open(self._index, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            data = (line.model_dump_json() + "\n").encode()
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._index))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._index.parent)

    def index(self) -> list[Started | Done]:
        """The lines of the index; empty before the first shard.

        Raises:
            EvidenceUntrusted: a line is no entry, is cut off, or a shard was finished twice or without a start.
        """
        if not self._index.exists():
            return []
        if self._index.stat().st_size > MAX_INDEX:
            raise EvidenceUntrusted(str(self._index), f"is larger than {MAX_INDEX >> 20} MiB", AGAIN)
        raw = self._index.read_bytes()
        if raw and not raw.endswith(b"\n"):
            raise EvidenceUntrusted(
                str(self._index), "ends in the middle of a line", "resume the run: `releasegate gate --out`"
            )
        lines = [parse_index_line(t, f"{self._index}:{i + 1}") for i, t in enumerate(raw.splitlines())]
        started: set[tuple[str, int]] = set()
        finished: set[tuple[str, int]] = set()
        for number, line in enumerate(lines, 1):
            key = (line.measurement, line.shard)
            if isinstance(line, Started):
                started.add(key)
                continue
            if key in finished or key not in started:
                what = "was finished twice" if key in finished else "was finished without a start"
                raise EvidenceUntrusted(
                    f"{self._index}:{number}", f"shard {line.shard} {what}", "measure in a new run folder"
                )
            finished.add(key)
        return lines

    def mend_index(self) -> None:
        """Nothing; a last line that a power cut left unfinished is gone. Only a resumed run does this."""
        if self._index.exists():
            raw = self._index.read_bytes()
            if raw and not raw.endswith(b"\n"):
                write_whole(self._index, raw[: raw.rfind(b"\n") + 1])

    def done(self) -> dict[tuple[str, int], Done]:
        """The finished shards, by measurement and number."""
        return {(line.measurement, line.shard): line for line in self.index() if isinstance(line, Done)}

    def read(self, plan: Plan, *, hashed: bool = False) -> Evidence:
        """Everything that was measured, checked against the index and the plan.

        Args:
            hashed: refuse texts and outputs though the plan's own policy lets them be kept.

        Raises:
            EvidenceUntrusted: a shard is missing, changed, doubled, or not in the index; a sample is not in the plan, or
                holds a text that may not be kept.
        """
        index = self.index()
        self._refuse_other_plan(plan, index)
        done = {(line.measurement, line.shard): line for line in index if isinstance(line, Done)}
        planned = {plan.identity(m): m for m in plan.measurements}
        self._refuse_strays(index)
        columns = {}
        for identity in sorted({identity for identity, _ in done}):
            measurement = planned.get(identity)
            if measurement is None:
                raise EvidenceUntrusted(
                    str(self._index), f"measurement {identity[:19]}… is not in the plan", "measure in a new run folder"
                )
            columns[identity] = self._collected(plan, measurement, done, hashed=hashed).columns()
        self._refuse_changes(plan, done)
        return Evidence(columns, evidence_digest(done.values()))

    def carry(self, plan: Plan, measurement: Measurement, line: Done, data: bytes) -> None:
        """Nothing; a shard of the attempt that a run goes on with is the run's own, byte for byte.

        Args:
            measurement: of the run's own plan.
            line: as the index of the attempt before has it.
            data: the file that it speaks of.
        """
        identity = plan.identity(measurement)
        self.start_shard(plan, identity, line.shard)
        path = self.shard_path(identity, line.shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
        self._append(line.model_copy(update={"measurement": identity}))

    def collected(self, plan: Plan, measurement: Measurement) -> Collector:
        """The samples of one measurement so far, checked against the index; more can be added.

        Raises:
            EvidenceUntrusted: a shard of it is missing, changed or doubled; a sample is not in the plan.
        """
        return self._collected(plan, measurement, self.done())

    def _collected(
        self, plan: Plan, measurement: Measurement, done: Mapping[tuple[str, int], Done], *, hashed: bool = False
    ) -> Collector:
        identity = plan.identity(measurement)
        collector = Collector(measurement.cells, f"evidence of {measurement.eval} on {measurement.checkpoint}")
        hashed = hashed or plan.policy.hashes_samples
        lines = ShardLines(hashed=hashed)
        for (owner, _), line in sorted(done.items()):
            if owner == identity:
                collector.bind(line.model)
                with uncollected():
                    self._read_shard(plan.cards[measurement.eval], line, measurement, collector, lines, hashed=hashed)
        return collector

    def samples(self, plan: Plan, measurement: Measurement) -> Iterator[Measured | Failed]:
        """The stored samples of one measurement, in the planned order."""
        identity = plan.identity(measurement)
        for (owner, shard), _ in sorted(self.done().items()):
            if owner == identity:
                path = self.shard_path(identity, shard)
                with path.open("rb") as file:
                    for number, text in enumerate(file, 1):
                        sample = parse_sample(text, f"{path}:{number}")
                        if plan.policy.hashes_samples:
                            _refuse_texts(sample, f"{path}:{number}")
                        yield sample

    def _read_shard(
        self,
        card: EvalCard,
        line: Done,
        measurement: Measurement,
        collector: Collector,
        lines: ShardLines,
        *,
        hashed: bool,
    ) -> None:
        shard = line.shard
        path = self.shard_path(line.measurement, shard)
        if not path.is_file() or path.is_symlink():
            raise EvidenceUntrusted(
                str(path), "is in the index and not on disk", "restore it, or measure in a new run folder"
            )
        seen = hashlib.sha256()
        counts = Counter[str]()
        items = measurement.shard_items(shard) if shard < measurement.shards else range(0)
        number = 1
        with path.open("rb") as file:
            while block := file.read(BLOCK) + file.readline(MAX_LINE):
                seen.update(block)
                rows = lines.read(block)
                if rows is not None and _taken_together(rows, items, card, collector):
                    counts.update(measured=len(rows.items) - len(rows.errors), failed=len(rows.errors))
                else:
                    for i, text in enumerate(block.removesuffix(b"\n").split(b"\n"), number):
                        counts[_taken_alone(text, f"{path}:{i}", items, card, collector, hashed=hashed)] += 1
                number += block.count(b"\n")
        right = (line.sha256, line.measured, line.failed)
        if (f"sha256:{seen.hexdigest()}", counts["measured"], counts["failed"]) != right:
            raise EvidenceUntrusted(
                str(path), "is not what the index says it was", "restore it, or measure in a new run folder"
            )

    def _refuse_other_plan(self, plan: Plan, index: Sequence[Started | Done]) -> None:
        opened = plan.measured_under
        for number, line in enumerate(index, 1):
            if isinstance(line, Started) and line.plan != opened:
                what = "was measured under another plan than plan.json"
                raise EvidenceUntrusted(
                    f"{self._index}:{number}", what, "restore plan.json, or measure in a new run folder"
                )

    def _refuse_changes(self, plan: Plan, done: Mapping[tuple[str, int], Done]) -> None:
        """Nothing, if what an extension begins with is what was measured before it, byte for byte."""
        if plan.extends is None:
            return
        if evidence_digest(plan.extends.carried) != plan.extends.evidence:
            what = "goes on with other shards than the evidence that it names consists of"
            raise EvidenceUntrusted(str(self.root.parent / "plan.json"), what, AGAIN)
        for m in plan.measurements:
            identity = plan.identity(m)
            for shard, line in plan.carried(m).items():
                own = done.get((identity, shard))
                if own is not None and own != line.model_copy(update={"measurement": identity}):
                    path = self.shard_path(identity, shard)
                    what = "is not what was measured before the attempt went on"
                    raise EvidenceUntrusted(str(path), what, "restore it, or extend the attempt from its own run again")

    def _refuse_strays(self, index: Sequence[Started | Done]) -> None:
        # A shard that was only started may lie there: the run was killed before the index said that it was whole.
        known = {self._index, *(self.shard_path(line.measurement, line.shard) for line in index)}
        for path in sorted(self.root.rglob("*")):
            if path.is_dir() or path in known or path.name.endswith(".partial"):
                continue
            raise EvidenceUntrusted(str(path), "is not in the index", "remove it, or measure in a new run folder")


def _taken_together(rows: Rows, items: range, card: EvalCard, collector: Collector) -> bool:
    """Whether these samples are now part of what is collected; if anything about one is not in order, none is."""

    def possible(metric: str, values: NDArray[np.float64]) -> bool:
        return metric not in card.metrics or card.metrics[metric].allows_all(values)

    return collector.add_all(rows, items, possible)


def _taken_alone(text: bytes, where: str, items: range, card: EvalCard, collector: Collector, *, hashed: bool) -> str:
    """The outcome of the sample of one line, which is now part of what is collected.

    Raises:
        EvidenceUntrusted: something about it is not in order.
    """
    sample = parse_sample(text, where)
    if sample.item not in items:
        raise EvidenceUntrusted(where, f"item {sample.item} belongs to another shard", "measure in a new run folder")
    _refuse_impossible(sample, card, where)
    if hashed:
        _refuse_texts(sample, where)
    collector.add(sample, where)
    return sample.outcome


def _refuse_texts(sample: Measured | Failed, where: str) -> None:
    """Nothing, if the sample holds no text and no output, but digests and lengths."""
    kept = text_in(sample)
    if kept is not None:
        what = f"item {sample.item} holds {kept}, and the policy says `samples: hashed`"
        raise EvidenceUntrusted(where, what, "measure in a new run folder, or judge by a policy that keeps samples")


def _refuse_impossible(sample: Measured | Failed, card: EvalCard, where: str) -> None:
    """Nothing, if the sample holds only values that its metrics can have. What the card does not name, the plan lacks."""
    for name, value in sample.values.items() if isinstance(sample, Measured) else ():
        allowed = card.metrics[name].refusal(value) if name in card.metrics else None
        if allowed:
            raise EvidenceUntrusted(
                where, f"item {sample.item} has {value:g} for {name}, which must be {allowed}", AGAIN
            )
