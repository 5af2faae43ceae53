"""The bundled starter: the policies, evals and reports that `releasegate init` copies."""

from __future__ import annotations

import shutil
from pathlib import Path

from releasegate.errors import UsageError
from releasegate.repository.nesting import refuse_file

PARTS = ("policies", "evals", "reports")
_UNWANTED = shutil.ignore_patterns("__pycache__", "*.pyc", "examples")


def starter() -> Path:
    """The folder that holds the starter: inside the installed package, or this repository's top in a checkout."""
    bundled = Path(__file__).parents[1] / "_starter"
    return bundled if bundled.is_dir() else Path(__file__).parents[2]


def scaffold(target: Path) -> list[Path]:
    """The files of a new gate repository, written into `target`.

    Raises:
        UsageError: a part is there already, or `target` is a file; nothing was written.
    """
    refuse_file(target, UsageError)
    taken = [part for part in PARTS if (target / part).exists()]
    if taken:
        raise UsageError(str(target), f"already has {', '.join(taken)}", "choose another folder")
    target.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        shutil.copytree(starter() / part, target / part, ignore=_UNWANTED)
    return sorted(path for part in PARTS for path in (target / part).rglob("*") if path.is_file())
