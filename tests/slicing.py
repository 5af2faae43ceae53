"""What slices of shipped evals are run with: the command line in a process of its own, and the folder of recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from evals.recording_list import VARIABLE, Recording, places

TOP = Path(__file__).parents[1]


def folder_of(recordings: Sequence[Recording]) -> Path | None:
    """The folder that holds every one of them; None where there is no such folder."""
    return next((p for p in places() if all(_holds(p, r.package, r.path) for r in recordings)), None)


def _holds(place: Path, package: str, path: str) -> bool:
    return (place / package / path).is_file() or (place / path).is_file()


def python(*arguments: str | Path, cwd: Path, speech: Path | None) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, warnings being errors, and what it prints.

    Args:
        speech: the folder of recordings.
    """
    path = os.pathsep.join([str(TOP), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive", VARIABLE: str(speech)}
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=cwd,
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=1500,
    )
