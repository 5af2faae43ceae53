"""Outputs of a run as a report may show them: read only if they are what their name says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Missing:
    """Why an output is not shown."""

    why: str


def read_output(outputs: Path, name: str, most: int) -> bytes | Missing:
    """The bytes of an output, or why it is not shown.

    Args:
        outputs: the folder that outputs lie in, each named by its sha256.
        most: bytes of a file that is still read.
    """
    path = outputs / name
    if path.is_symlink() or not path.is_file():
        return Missing("the output is not on disk")
    if path.stat().st_size > most:
        return Missing("the output is too large to show")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
        return Missing("the output was changed on disk")
    return data
