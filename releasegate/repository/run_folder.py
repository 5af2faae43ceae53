"""A run on disk: plan, index, shards, outputs, decision, report.

::

    RUN/plan.json  evidence/index.jsonl  evidence/<measurement>/<shard>.jsonl  outputs/<sha256>.<ext>
        stripped/  stripped.receipt.json  decision.json  report.html  run.log
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from releasegate.decision import Decision
from releasegate.errors import EvidenceUntrusted, NotFound, RunError
from releasegate.evidence import (
    Collector,
    Done,
    Evidence,
    Failed,
    Measured,
    Started,
    evidence_digest,
    parse_index_line,
    parse_sample,
)
from releasegate.plan import Measurement, Plan
from releasegate.records import digest_of_bytes
from releasegate.repository.writing import sync_folder, write_whole


@dataclass(frozen=True)
class RunFolder:
    """One run folder."""

    root: Path

    @property
    def plan_path(self) -> Path:
        """plan.json"""
        return self.root / "plan.json"

    @property
    def stripped(self) -> Path:
        """The folder of the stripped checkpoint."""
        return self.root / "stripped"

    @property
    def decision_path(self) -> Path:
        """decision.json"""
        return self.root / "decision.json"

    @property
    def report_path(self) -> Path:
        """report.html"""
        return self.root / "report.html"

    @property
    def outputs(self) -> Path:
        """Where outputs lie, each named by its sha256."""
        return self.root / "outputs"

    @property
    def _index(self) -> Path:
        return self.root / "evidence" / "index.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing; while it lasts, no other process works in this folder.

        Raises:
            RunError: another one does.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunError(str(self.root), "another releasegate works in this run folder", "wait for it") from None
            yield

    # --- the plan -------------------------------------------------------------------------------------------------

    def open(self, plan: Plan) -> None:
        """Nothing; the run folder exists, with its plan.

        Raises:
            RunError: it holds something already.
        """
        if self.plan_path.exists():
            raise RunError(str(self.root), "holds a run already", "resume it, or choose another folder")
        if self.root.exists() and any(p.name != ".lock" for p in self.root.iterdir()):
            raise RunError(str(self.root), "is not empty and not a run", "choose another folder")
        self.root.mkdir(parents=True, exist_ok=True)
        write_whole(self.plan_path, plan.text().encode())

    def read_plan(self) -> Plan:
        """The plan of the run.

        Raises:
            NotFound: there is no run here.
            EvidenceUntrusted: plan.json is not a plan.
        """
        return _read_document(Plan, self.plan_path, "no run here", "run `releasegate gate` or `releasegate plan --open`")

    # --- evidence -------------------------------------------------------------------------------------------------

    def shard_path(self, measurement: str, shard: int) -> Path:
        """Where the samples of one shard lie."""
        return self.root / "evidence" / measurement.removeprefix("sha256:") / f"{shard:06d}.jsonl"

    def start_shard(self, measurement: str, shard: int) -> None:
        """Nothing; the index says that the shard is about to be measured."""
        self._append(Started(measurement=measurement, shard=shard))

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
        self._index.parent.mkdir(exist_ok=True)
        descriptor = os.open(self._index, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, (line.model_dump_json() + "\n").encode())
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
        raw = self._index.read_bytes()
        if raw and not raw.endswith(b"\n"):
            raise EvidenceUntrusted(str(self._index), "ends in the middle of a line", "resume the run: `releasegate gate --out`")
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
                raise EvidenceUntrusted(f"{self._index}:{number}", f"shard {line.shard} {what}", "measure in a new run folder")
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

    def read_evidence(self, plan: Plan) -> Evidence:
        """Everything that was measured, checked against the index and the plan.

        Raises:
            EvidenceUntrusted: a shard is missing, changed, doubled, or not in the index; a sample is not in the plan.
        """
        done = self.done()
        planned = {plan.identity(m): m for m in plan.measurements}
        self._refuse_strays(done)
        collectors: dict[str, Collector] = {}
        for (identity, shard), line in sorted(done.items()):
            measurement = planned.get(identity)
            if measurement is None:
                raise EvidenceUntrusted(
                    str(self._index), f"measurement {identity[:19]}… is not in the plan", "measure in a new run folder"
                )
            name = f"evidence of {measurement.eval} on {measurement.checkpoint}"
            collector = collectors.setdefault(identity, Collector(measurement.cells, name))
            collector.bind(line.model)
            self._read_shard(identity, shard, line, measurement, collector)
        columns = {identity: collector.columns() for identity, collector in collectors.items()}
        return Evidence(columns, evidence_digest(done.values()))

    def samples(self, plan: Plan, measurement: Measurement) -> Iterator[Measured | Failed]:
        """The stored samples of one measurement, in the planned order."""
        identity = plan.identity(measurement)
        for (owner, shard), _ in sorted(self.done().items()):
            if owner == identity:
                path = self.shard_path(identity, shard)
                with path.open("rb") as file:
                    for number, text in enumerate(file, 1):
                        yield parse_sample(text, f"{path}:{number}")

    def _read_shard(
        self, identity: str, shard: int, line: Done, measurement: Measurement, collector: Collector
    ) -> None:
        path = self.shard_path(identity, shard)
        if not path.is_file() or path.is_symlink():
            raise EvidenceUntrusted(str(path), "is in the index and not on disk", "restore it, or measure in a new run folder")
        seen = hashlib.sha256()
        counts = {"measured": 0, "failed": 0}
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                seen.update(text)
                sample = parse_sample(text, f"{path}:{number}")
                if not shard * measurement.shard <= sample.item < (shard + 1) * measurement.shard:
                    raise EvidenceUntrusted(
                        f"{path}:{number}", f"item {sample.item} belongs to another shard", "measure in a new run folder"
                    )
                counts[sample.outcome] += 1
                collector.add(sample, f"{path}:{number}")
        if f"sha256:{seen.hexdigest()}" != line.sha256 or counts != {"measured": line.measured, "failed": line.failed}:
            raise EvidenceUntrusted(str(path), "is not what the index says it was", "restore it, or measure in a new run folder")

    def _refuse_strays(self, done: dict[tuple[str, int], Done]) -> None:
        known = {self.shard_path(measurement, shard) for measurement, shard in done}
        for path in sorted((self.root / "evidence").rglob("*")):
            if path.is_dir() or path == self._index or path in known or path.name.endswith(".partial"):
                continue
            if any(path == self.shard_path(e.measurement, e.shard) for e in self.index()):
                continue  # written, and the run was killed before the index said so: a resumed run measures it again
            raise EvidenceUntrusted(str(path), "is not in the index", "remove it, or measure in a new run folder")

    def log(self, text: str) -> None:
        """Nothing; run.log ends with `text`."""
        with (self.root / "run.log").open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")

    # --- decision and outputs -------------------------------------------------------------------------------------

    def write_output(self, data: bytes, extension: str) -> str:
        """The name under which `data` lies in `outputs/`."""
        self.outputs.mkdir(exist_ok=True)
        name = f"{hashlib.sha256(data).hexdigest()}.{extension}"
        path = self.outputs / name
        if not path.exists():
            write_whole(path, data)
        return name

    def write_decision(self, decision: Decision) -> None:
        """Nothing; decision.json holds it."""
        write_whole(self.decision_path, decision.text().encode())

    def read_decision(self) -> Decision:
        """The stored decision.

        Raises:
            NotFound: none was made.
            EvidenceUntrusted: decision.json is not a decision.
        """
        return _read_document(Decision, self.decision_path, "no decision yet", "run `releasegate decide`")


def _read_document(kind, path: Path, missing: str, fix: str):  # type: ignore[no-untyped-def]
    try:
        return kind.from_text(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(str(path), missing, fix) from None
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise EvidenceUntrusted(str(path), f"is not what releasegate wrote: {what}", "restore it, or start a new run") from None
    except ValueError as error:
        raise EvidenceUntrusted(str(path), f"is not what releasegate wrote: {error}", "restore it, or start a new run") from None
