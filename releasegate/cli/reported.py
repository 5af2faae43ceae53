"""Reports of several runs, and the index over them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from releasegate.errors import DocumentError, Problem, ReleaseGateError, TrustError, UsageError
from releasegate.reporting import templates_of, write_report
from releasegate.reporting.index.links import shown_path
from releasegate.reporting.index.listing import RunLine, UntrustedLine, index_view, run_line, untrusted_line
from releasegate.reporting.page import render
from releasegate.repository import GateRepository, RunFolder, read_decided, starter
from releasegate.repository.approvals import approvals_of
from releasegate.repository.nesting import refuse_in_checkpoint, refuse_in_run
from releasegate.repository.writing import write_whole

NAME = "index.html"
OURS = b"releasegate</title>"
HEAD = 65_536
"""Bytes of a page in which its title stands."""


@dataclass(frozen=True)
class ReportedRun:
    """What became of one run; with problems there is no report of it, and no verdict.

    Attributes:
        report: the path of its report.
        size: of the report, in bytes.
    """

    run: str
    verdict: str | None
    report: str | None
    size: int | None
    problems: tuple[Problem, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run": self.run,
            "verdict": self.verdict,
            "report": self.report,
            "bytes": self.size,
            "problems": [{name: shown_path(text) for name, text in asdict(p).items()} for p in self.problems],
        }


@dataclass(frozen=True)
class Reported:
    """The index, and what became of each run, in the order in which they were named."""

    index: str
    size: int
    runs: tuple[ReportedRun, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why some runs cannot be trusted."""
        return tuple(problem for run in self.runs for problem in run.problems)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"index": self.index, "bytes": self.size, "runs": [run.plain() for run in self.runs]}


def index_place(runs: Sequence[Path], named: Path | None) -> Path | None:
    """Where the index goes; None where there is one run alone and nobody asked for an index.

    Raises:
        UsageError: it cannot or must not lie there. Nothing was written.
    """
    if named is None and len({run.resolve() for run in runs}) == 1:
        return None
    place = named if named is not None else _usual(runs)
    require_page(place)
    if named is None and place.exists() and OURS not in _head(place):
        what = "is there, and is no page of releasegate"
        raise UsageError(shown_path(place), what, "move it, or say with --index where the index goes")
    return place


def require_page(place: Path) -> None:
    """Nothing, if a page over several runs may be written there.

    Raises:
        UsageError: its name is none of a page, no folder holds it, or it would lie in a run or a checkpoint, or among what a
            gate repository reads.
    """
    if place.suffix.lower() not in (".html", ".htm"):
        raise UsageError(shown_path(place), "is no name of a page", "name a file that ends in .html")
    if place.is_dir() or not place.parent.is_dir():
        what = "is a folder" if place.is_dir() else "lies in no folder that is there"
        raise UsageError(shown_path(place), what, "name a file in a folder that is there")
    refuse_in_run(place, UsageError)
    refuse_in_checkpoint(place, UsageError)
    _refuse_in_repository(place)


def _refuse_in_repository(place: Path) -> None:
    """A page in the place of a template is one no more; a file beside a harness changes what it measures."""
    repository, real = GateRepository.here(place.parent), place.resolve()
    if repository is None:
        return
    counted = [repository.root / name for name in ("policies", "evals")]
    if real.parent == repository.root / "reports" or any(real.is_relative_to(folder) for folder in counted):
        what = f"lies in {shown_path(repository.shown(real.parent))}, which a gate repository reads"
        raise UsageError(shown_path(place), what, "choose another place")


def _usual(runs: Sequence[Path]) -> Path:
    """`index.html` in the folder that holds all runs."""
    folder = Path(os.path.commonpath([run.resolve().parent for run in runs]))
    if folder == folder.parent:
        raise UsageError(
            shown_path(folder), "is the only folder that holds all runs", "say with --index where the index goes"
        )
    return folder / NAME


def _head(place: Path) -> bytes:
    with place.open("rb") as file:
        return file.read(HEAD)


def report_all(runs: Sequence[Path], index: Path, repository: GateRepository | None, today: date) -> Reported:
    """The index and the reports, each of which is there whole. A run that is named twice is listed once.

    Args:
        index: where the index goes; a shell's `*` may have named the one of before among the runs.

    Raises:
        DocumentError: a template or a list of keys of the gate repository is not what it must be.
        TrustError: a waiver's key cannot be used.
    """
    folder = index.resolve().parent
    found: list[ReportedRun] = []
    lines: list[RunLine] = []
    untrusted: list[UntrustedLine] = []
    for run in _once(runs, index):
        try:
            line, reported = _report(run, folder, repository, today)
        except (DocumentError, TrustError):
            raise  # of the repository: true of every run
        except (ReleaseGateError, OSError) as error:
            problems = _problems(run, error)
            untrusted.append(untrusted_line(run.resolve(), folder, problems))
            found.append(ReportedRun(shown_path(run), None, None, None, problems))
        else:
            lines.append(line)
            found.append(reported)
    templates = templates_of(repository or GateRepository(starter()))
    page = render("index.html", templates, index=index_view(lines, untrusted)).encode()
    write_whole(index, page)
    return Reported(shown_path(index), len(page), tuple(found))


def _once(runs: Sequence[Path], index: Path) -> Iterator[Path]:
    """Each folder once, however it is spelt; the index itself is no run."""
    first: dict[Path, Path] = {}
    for run in runs:
        first.setdefault(run.resolve(), run)
    return (run for real, run in first.items() if real != index.resolve())


def _report(run: Path, folder: Path, repository: GateRepository | None, today: date) -> tuple[RunLine, ReportedRun]:
    of = read_decided(RunFolder(run), repository, today)
    plan, decision = of.plan, of.decision
    wanted = approvals_of(of.run, plan, repository, decision, today)
    templates = repository or GateRepository(starter())
    path = write_report(of.run, templates, decision, plan, of.receipt, of.evidence, approvals=wanted)
    line = run_line(path.resolve(), folder, plan, decision)
    return line, ReportedRun(shown_path(run), decision.verdict, shown_path(path), path.stat().st_size)


def _problems(run: Path, error: ReleaseGateError | OSError) -> tuple[Problem, ...]:
    if isinstance(error, ReleaseGateError):
        return error.problems
    where, what = error.filename2 or error.filename or run, error.strerror or str(error)
    return (Problem(shown_path(where), what, "check the path, its permissions and the space on the disk"),)
