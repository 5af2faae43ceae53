"""Measuring what a plan lists on one checkpoint: whatever is missing, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch

from releasegate.checkpoint import Checkpoint
from releasegate.decision.settled import may_stop
from releasegate.discretion import BROKEN_OFF, DOES_NOT_LOAD
from releasegate.errors import HarnessError, RunError, UsageError
from releasegate.evaluation.allocator import keep_freed_memory
from releasegate.evaluation.harness import Harness, load_harness
from releasegate.evaluation.items import cells_of, planned_items
from releasegate.evaluation.opening import open_subject
from releasegate.evaluation.planning import problem_of
from releasegate.evaluation.runner import failed, run_shard
from releasegate.evaluation.scratch import temporary_in_memory
from releasegate.evaluation.sealing import Seals
from releasegate.evaluation.sofar import SoFar
from releasegate.evaluation.tools import OutputDigests, Tools
from releasegate.evidence import Failed, Item, Measured, Started
from releasegate.plan import Measurement, Plan, SubjectRef
from releasegate.repository import EvalFolder, GateRepository, RunFolder
from releasegate.repository.subject_code import subject_code
from releasegate.sensitivity import is_discreet
from releasegate.subjects import SUBJECTS, Lending

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}


class Progress(Protocol):
    """Shows how far a step is; the command line draws bars."""

    def step(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A step of `total` units; the function is told how many were done since the last call."""

    def reading(self, folder: Path, title: str = "read") -> AbstractContextManager[Callable[[int], None]]:
        """A step over the bytes of a folder."""

    def note(self, text: str) -> None:
        """Nothing; a line is shown."""


@dataclass(frozen=True)
class Bench:
    """Where measuring takes place."""

    run: RunFolder
    plan: Plan
    repository: GateRepository
    device: str
    progress: Progress


@dataclass(frozen=True)
class Target:
    """The checkpoint under test.

    Attributes:
        name: `source`, or the name of a planned strip.
        gone: whether a part is proven to be out of it, by the name of the part.
    """

    name: str
    checkpoint: Checkpoint
    lending: Lending | None = None
    gone: Callable[[str], bool] = lambda part: False


def measure(bench: Bench, target: Target) -> None:
    """Nothing; every measurement that the plan lists for the checkpoint is on disk, or as much of it as settles it.

    Raises:
        RunError: the code in the repository is not what the plan was opened with, or somebody wrote to the checkpoint or to an
            instrument meanwhile.
        CheckpointError: the model does not load.
    """
    keep_freed_memory()
    with Seals(bench.plan.policy.model.subject, target.checkpoint, target.lending) as seals:
        _measure(bench, target, _LazySubject(bench, target, seals))


def _measure(bench: Bench, target: Target, subject: _LazySubject) -> None:
    planned = [m for m in bench.plan.measurements if m.checkpoint == target.name]
    done = bench.run.evidence.done()
    for measurement in sorted(planned, key=lambda m: m.role != "calibration"):
        identity = bench.plan.identity(measurement)
        missing = [s for s in range(measurement.shards) if (identity, s) not in done]
        if set(missing) & set(bench.plan.carried(measurement)):
            what = f"lacks what the attempt that it goes on with has measured of {measurement.eval} on {target.name}"
            raise RunError(str(bench.run.root), what, "run the same gate with --extend RUN, and the --items of then")
        stops = may_stop(bench.plan.policy, bench.plan, measurement)
        so_far = SoFar(bench.run.evidence, bench.plan, measurement) if missing and stops else None
        if missing and not (so_far and so_far.settled()):
            _Measuring(bench, target, measurement, identity, subject).shards(missing, so_far)


class _LazySubject:
    """The subject, loaded from a private copy when the first shard needs it."""

    def __init__(self, bench: Bench, target: Target, seals: Seals) -> None:
        self._bench = bench
        self._target = target
        self.seals = seals

    @cached_property
    def opened(self) -> object:
        """The subject; every byte that it is made of was hashed.

        Raises:
            RunError: the files are not what they were when they were hashed.
        """
        bench = self._bench
        name = bench.plan.policy.model.subject
        dtype = DTYPES[next(m.subject.dtype for m in bench.plan.measurements)]
        if name not in bench.repository.subjects():
            raise RunError(name, "no such subject any more", "restore it, or open a new attempt")
        device = torch_device(bench.device)
        return self.seals.open(
            lambda checkpoint, lending: open_subject(name, bench.repository, checkpoint, lending, device, dtype)
        )


class _Measuring:
    """One measurement on one checkpoint."""

    def __init__(
        self, bench: Bench, target: Target, measurement: Measurement, identity: str, subject: _LazySubject
    ) -> None:
        self._bench = bench
        self._target = target
        self._measurement = measurement
        self._identity = identity
        self._subject = subject
        self._folder = bench.repository.read_eval(measurement.eval)
        self._discreet = is_discreet(self._folder.card, bench.plan.policy)
        self._digests = OutputDigests() if bench.plan.policy.hashes_samples else None
        _refuse_changes(self._folder, measurement, bench.repository)

    def shards(self, missing: list[int], so_far: SoFar | None) -> None:
        with temporary_in_memory(self._bench.run.root) if self._discreet else nullcontext():
            self._shards(missing, so_far)

    def _shards(self, missing: list[int], so_far: SoFar | None) -> None:
        harness = load_harness(self._folder.folder, discreet=self._discreet)
        items = self._items(harness)
        tools = Tools(
            params=self._measurement.params,
            device=torch_device(self._bench.device),
            instruments=self._subject.seals.instruments(self._folder),
            write=self._bench.run.write_output if self._digests is None else self._digests.write,
        )
        broken_off = self._broken_off()
        title = f"{self._measurement.eval} · {self._measurement.role} · {self._target.name}"
        with self._bench.progress.step(title, len(items)) as advance:
            advance(len(items) - sum(len(self._part(items, shard)) for shard in missing))
            for shard in missing:
                part = self._part(items, shard)
                if shard in broken_off and not _measured_again(self._measurement.subject):
                    samples: list[Measured | Failed] = [failed(i, BROKEN_OFF) for i in part]
                else:
                    self._bench.run.evidence.start_shard(self._bench.plan, self._identity, shard)
                    samples = self._samples(harness, part, tools)
                self._bench.run.evidence.finish_shard(self._identity, shard, self._target.checkpoint.digest, samples)
                advance(len(part))
                if so_far and so_far.settled(samples):
                    break
        if so_far and so_far.attempted < len(items):
            self._bench.progress.note(f"{title}: settled after {so_far.attempted:,} of {len(items):,} items")

    def _samples(self, harness: Harness, part: list[Item], tools: Tools) -> list[Measured | Failed]:
        try:
            subject = self._subject.opened
        except HarnessError as error:
            reason = DOES_NOT_LOAD if self._digests is not None else problem_of(self._bench.repository, error)
            return [failed(item, reason) for item in part]
        log, gone = self._bench.run.log, self._target.gone
        card, digests = self._folder.card, self._digests
        return run_shard(harness, subject, part, card, tools, gone, log, digests, discreet=self._discreet)

    def _items(self, harness: Harness) -> list[Item]:
        m, plan = self._measurement, self._bench.plan
        drawn = frozenset(plan.drawn.get(m.eval, ()))
        items: list[Item] = []
        for nonce, n in zip(plan.nonces, m.parts or (m.items,), strict=False):
            if not n:
                continue
            part = planned_items(
                harness,
                self._folder.card,
                m.role,
                n,
                nonce,
                free=drawn.__contains__,
                rehearsal=plan.rehearsal,
                own=m.own is not None,
                discreet=self._discreet,
            )
            start = len(items)
            items += [replace(item, number=start + item.number) for item in part]
        if cells_of(items) != m.cells:
            where = self._bench.repository.shown(self._folder.folder / "harness.py")
            raise RunError(
                where, "labels or metrics of its items change with the nonce", "derive them from params alone"
            )
        return items

    def _part(self, items: list[Item], shard: int) -> list[Item]:
        numbers = self._measurement.shard_items(shard)
        return items[numbers.start : numbers.stop]

    def _broken_off(self) -> set[int]:
        lines = self._bench.run.evidence.index()
        return {e.shard for e in lines if isinstance(e, Started) and e.measurement == self._identity}


def _measured_again(subject: SubjectRef) -> bool:
    """Whether a shard that was broken off is measured again: of code that is known to give the same samples.

    What the checkpoint says of itself does not count. Whoever made it could stop the runs that go badly, and draw again.
    """
    kind = SUBJECTS.get(subject.id)
    return subject.deterministic and (kind is None or kind.deterministic is True)


def torch_device(name: str) -> torch.device:
    """The device `name`, such as `cpu` or `cuda:1`.

    Raises:
        UsageError: this machine has no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError("--device", f"unknown device {name!r}", "use cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device", "this machine has no CUDA device", "use --device cpu")
    return device


def _refuse_changes(folder: EvalFolder, m: Measurement, repository: GateRepository) -> None:
    """Nothing, if the eval is what the plan was opened with."""
    then = {"card": m.card, "harness": m.harness, "instruments": m.instruments, "subject": m.subject.code}
    now = {
        "card": folder.card.digest(),
        "harness": folder.harness,
        "instruments": dict(folder.instruments),
        "subject": subject_code(repository, m.subject.id),
    }
    for name, digest in now.items():
        if digest != then[name]:
            where = repository.shown(folder.folder)
            raise RunError(
                where,
                f"the {name} changed since the attempt was opened",
                "restore it, or open a new attempt in a new run folder",
            )
