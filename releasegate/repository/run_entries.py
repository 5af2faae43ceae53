"""What may lie in a run folder: plain files and folders under the names that releasegate gives them.

A run may come from a machine that ran the model's own code. Nothing in it may lead out of it, block who reads it, or be
read as something that it is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from releasegate.errors import EvidenceUntrusted

FOLDERS = frozenset({"evidence", "outputs", "stripped", "approvals", "release"})
FILES = frozenset(
    {"plan.json", "decision.json", "report.html", "run.log", "stripped.receipt.json", "attestations.jsonl"}
)
MAX_ENTRIES = 1_000_000


def refuse_foreign(run: Path, *, closed: bool = False) -> None:
    """Nothing, if the run folder, which need not exist, holds plain files, and no folder that does not belong there.

    Args:
        closed: refuse files that releasegate does not put there by itself, too.

    Raises:
        EvidenceUntrusted: something else lies there.
    """
    for number, (entry, top) in enumerate(_entries(run)):
        if number >= MAX_ENTRIES:
            raise EvidenceUntrusted(str(run), f"holds more than {MAX_ENTRIES:,} files", _AGAIN)
        kind = _kind(entry)
        if kind is not None:
            raise EvidenceUntrusted(_shown(entry.path), kind, _AGAIN)
        folder = entry.is_dir(follow_symlinks=False)
        known = entry.name in (FOLDERS if folder else FILES) or _is_partial(entry.name)
        if top and not known and (folder or closed or entry.name in FOLDERS):
            raise EvidenceUntrusted(_shown(entry.path), "is nothing that releasegate puts into a run", _AGAIN)


_AGAIN = "remove it, or take the run again from where it was measured"


def _entries(run: Path) -> Iterator[tuple[os.DirEntry[str], bool]]:
    """Everything below the folder, and whether it lies directly in it."""
    waiting = [str(run)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return  # no run here, which is said where its plan is read
        for entry in found:
            yield entry, folder == str(run)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)


def _kind(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink():
        return "is a symlink"
    if not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
        return "is no regular file"
    return None if entry.name.isprintable() else "has a name that is not printable"


def _is_partial(name: str) -> bool:
    """Whether it is what a write that was cut off left behind."""
    return name.startswith(".") and name.endswith(".partial")


def _shown(path: str) -> str:
    return path if path.isprintable() else ascii(path)
