"""Temporary files of an eval whose texts are not to reach a disk: they lie in memory, and none outlives its run."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Where Linux keeps files that lie in memory alone."""


@contextmanager
def temporary_in_memory(run: Path) -> Iterator[None]:
    """Nothing; while it lasts, temporary files of this process and its children lie in memory, where the system has that.

    Args:
        run: the run folder. What a run of it that was killed has left in memory is removed first.
    """
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        yield
        return
    folder = MEMORY / f"releasegate-{os.getuid()}-{hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:16]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    before, known = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if known is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = known
        shutil.rmtree(folder, ignore_errors=True)
