"""Who may use what is written: its owner always, whatever the mask that the process was started with; others as it says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from releasegate.errors import RunError

OWNER = stat.S_IRWXU


@contextmanager
def owner_keeps_access() -> Iterator[None]:
    """While it lasts, files and folders that are made can be used by their owner. The mask belongs to the whole process."""
    before = os.umask(0o077)
    os.umask(before & ~OWNER)
    try:
        yield
    finally:
        os.umask(before)


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, that its owner can enter, read and write to. One that is there stays as it is.

    Raises:
        OSError: it cannot be made.
        RunError: it is there, and its owner cannot use it.
    """
    with owner_keeps_access():
        path.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OWNER != OWNER:
        what = f"has mode {mode:03o}: its owner cannot enter it, read it and write to it"
        raise RunError(str(path), what, f"chmod u+rwx {path}, or choose another folder")
