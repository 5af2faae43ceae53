"""What `check` remembers of evals whose card and harness agree, so that it asks only of those that changed.

Loading the harnesses that ship takes seconds, and checking a policy a third of one. So each eval that fitted is remembered
by what its loading depends on: its files, those that all evals share, releasegate, Python, what is installed, and the folders
of texts and recordings, by name, size and time of change; and so is what a machine lacks to ask an eval. Only `check` reads
this; a gate loads every harness whatever was remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import releasegate
from releasegate.errors import Problem
from releasegate.repository import GateRepository
from releasegate.repository.writing import write_whole

LONGEST_S = 300
"""Seconds that all harnesses together may take to load."""
Found = dict[str, dict[str, list[list[str]]]]


@dataclass(frozen=True)
class _Remembered:
    """What was found on an eval with which nothing is wrong.

    Attributes:
        key: of what that depends on.
        lacking: what this machine lacked, so that its harness could not be asked.
    """

    key: str
    lacking: list[Problem]


def unfit(repository: GateRepository, names: Sequence[str]) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with the cards and harnesses of these evals; and what this machine lacks to say so of others."""
    memory = _memory(repository)
    known = _read(memory)
    shared = _seen([*_files(repository.root / "evals", deep=False), *_installed(), *_material(repository)])
    keys = {name: _seen(_files(repository.root / "evals" / name, deep=True), shared) for name in names}
    lacking = {name: known[name].lacking for name in names if name in known and known[name].key == keys[name]}
    asked = [name for name in names if name not in lacking]
    found = _ask(repository, asked) if asked else {}
    if isinstance(found, Problem):
        return [found], []
    problems = [Problem(*said) for name in asked for said in found[name]["problems"]]
    lacking |= {name: [Problem(*said) for said in found[name]["lacking"]] for name in asked}
    sound = {name: _Remembered(keys[name], lacking[name]) for name in asked if not found[name]["problems"]}
    if sound:
        _remember(memory, {**{name: one for name, one in known.items() if name not in asked}, **sound})
    listed = [problem for name in names for problem in lacking[name]]
    return list(dict.fromkeys(problems)), list(dict.fromkeys(listed))


def _ask(repository: GateRepository, names: Sequence[str]) -> Found | Problem:
    """What another process found: code that ends the process, or never returns, ends only that."""
    command = [sys.executable, "-m", "releasegate.evaluation.fitting", str(repository.root), *names]
    top = str(Path(releasegate.__file__).parents[1])
    path = os.pathsep.join(filter(None, (top, os.environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=LONGEST_S,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        found: Found = json.loads(done.stdout.rpartition(b"\n")[2])
    except subprocess.TimeoutExpired:
        what = f"take longer than {LONGEST_S} s to load and to name their items: {', '.join(names)}"
        return Problem("evals", what, "let `items` do less, or name a policy with fewer evals")
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        what = f"the process that loads harnesses ended before it was done: {said[-1]}"
        return Problem("evals", what, f"load each by itself; it was one of {', '.join(names)}")
    return found


def _memory(repository: GateRepository) -> Path | None:
    """The file of what is remembered of a repository, in the user's folder for caches."""
    home = os.environ.get("HOME")
    folder = os.environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    if not os.path.isabs(folder):
        return None
    name = hashlib.sha256(str(repository.root).encode(errors="surrogateescape")).hexdigest()[:32]
    return Path(folder, "releasegate", "fitted", f"{name}.json")


def _read(memory: Path | None) -> dict[str, _Remembered]:
    """What is remembered, by eval; nothing where the file is none of ours."""
    try:
        found = json.loads(memory.read_bytes()) if memory is not None else {}
        return {
            str(name): _Remembered(str(one["key"]), [Problem(*map(str, said)) for said in one["lacking"]])
            for name, one in found.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _remember(memory: Path | None, found: Mapping[str, _Remembered]) -> None:
    if memory is None:
        return
    plain = {
        name: {"key": one.key, "lacking": [[p.where, p.what, p.fix] for p in one.lacking]}
        for name, one in found.items()
    }
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps(plain, indent=1).encode())
    except OSError:
        return  # nothing is remembered, and everything asked again


def _seen(paths: Iterable[Path], before: str = "") -> str:
    """A digest of which files and folders there are, of their sizes and times of change."""
    digest = hashlib.sha256(f"{before} {releasegate.__version__} {sys.version} {sys.prefix}".encode())
    for path in paths:
        try:
            state = path.stat()
        except OSError:
            continue
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: Path, *, deep: bool) -> Iterator[Path]:
    found = folder.rglob("*") if deep else folder.iterdir()
    yield from sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _material(repository: GateRepository) -> Iterator[Path]:
    """The folders that evals look for texts and recordings in, which change when a package of them comes or goes."""
    yield from (Path(value) for name, value in sorted(os.environ.items()) if name.startswith("RELEASEGATE_"))
    for top in (repository.root, Path.cwd()):
        yield from (top / "runs" / name for name in ("texts", "speech"))


def _installed() -> Iterator[Path]:
    """What changes when a package is installed or removed, and releasegate's own code."""
    yield from (Path(place) for place in sys.path if place)
    yield from sorted(Path(releasegate.__file__).parent.rglob("*.py"))
