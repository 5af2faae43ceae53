"""Where outputs may be written: nowhere that holds something else, and in nothing that has a digest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.errors import UsageError
from releasegate.reporting.formats.outputs import Output
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.nesting import refuse_in_checkpoint, run_around

LONGEST = 200
"""Bytes of a file's name: a temporary one beside it is longer, and file systems end at 255."""


@dataclass(frozen=True)
class Taken:
    """What lies around a command, and may not be written over.

    Attributes:
        run: the run folder, which may not be there yet.
        repository: the gate repository, if there is one at hand.
        folders: others of which every file counts, such as a checkpoint.
        files: others that are read or written.
    """

    run: RunFolder
    repository: GateRepository | None = None
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()


def require_places(outputs: Sequence[Output], taken: Taken) -> None:
    """Nothing, if every output can be written where it was asked for. Nothing is written.

    Raises:
        UsageError: two have one path; something else is there, or would be changed; no folder holds it.
    """
    seen: dict[Path, Output] = {}
    for output in outputs:
        path = output.path
        if path is None:
            continue
        _refuse_name(path)
        place = path.resolve()
        if place in seen:
            what = f"is asked for twice, as {seen[place].kind} and as {output.kind}"
            raise UsageError(str(path), what, "name a file for each")
        seen[place] = output
        _refuse_taken(path, place, taken)
        _refuse_folder(path, place, taken.run)


def _refuse_name(path: Path) -> None:
    if path.name in ("", "..") or path.is_dir():
        raise UsageError(str(path), "is a folder, where a file is wanted", "name a file in it")
    if len(os.fsencode(path.name)) > LONGEST:
        what = f"has a name of more than {LONGEST} bytes"
        raise UsageError(f"{path.name[:40]}…", what, "choose a shorter one")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageError(str(path), "is no plain file", "name one; what goes to standard output is said by --format")


def _refuse_taken(path: Path, place: Path, taken: Taken) -> None:
    for folder in _digested(taken):
        if place.is_relative_to(folder.resolve()):
            raise UsageError(str(path), f"lies in {folder}, of which every file counts", "choose another place")
    own = _own_files(taken.run)
    around = run_around(place)
    if around is not None and around != taken.run.root.resolve():
        raise UsageError(str(path), f"lies in the run folder {around}", "choose a place outside of it")
    for file in (*own, *taken.files):
        if place == file.resolve():
            raise UsageError(str(path), "is a file that releasegate reads or writes itself", "choose another place")
    if taken.repository is not None and place.parent == (taken.repository.root / "reports").resolve():
        raise UsageError(str(path), "lies among the templates of reports", "choose another place")
    refuse_in_checkpoint(place, UsageError)


def _digested(taken: Taken) -> Iterable[Path]:
    yield from (taken.run.stripped, taken.run.outputs, taken.run.evidence.root)
    if taken.repository is not None:
        yield from (taken.repository.root / name for name in ("policies", "evals"))
    yield from taken.folders


def _own_files(run: RunFolder) -> tuple[Path, ...]:
    names = ("run.log", "stripped.receipt.json")
    return (run.plan_path, run.decision_path, run.report_path, *(run.root / name for name in names))


def _refuse_folder(path: Path, place: Path, run: RunFolder) -> None:
    folder = place.parent
    if folder == run.root.resolve() and not folder.exists():
        return  # it comes to be with the run
    if not folder.is_dir():
        raise UsageError(str(path), f"{path.parent} is not a folder", "create the folder that shall hold it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(str(path), f"nothing may be written in {path.parent}", "choose another place")
