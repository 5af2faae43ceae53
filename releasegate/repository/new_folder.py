"""A folder that comes to be with all its files at once, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from releasegate.errors import UsageError
from releasegate.repository.nesting import refuse_in_run, refuse_nested


def require_free(target: Path, source: Path) -> None:
    """Nothing, if the new folder `target` may be written. Nothing is written.

    Args:
        target: the folder that shall come to be.
        source: what it is made from.

    Raises:
        UsageError: something is there; it would lie in a checkpoint or a run; no folder holds it.
    """
    if os.path.lexists(target):
        raise UsageError(str(target), "exists already", "choose another place, or remove it: nothing is overwritten")
    refuse_nested(target, source, UsageError)
    refuse_in_run(target, UsageError)
    if not target.parent.is_dir():
        raise UsageError(str(target.parent), "is not a folder", "create the folder that shall hold the new one")


def refuse_taken(target: Path) -> None:
    """Nothing, if nothing has come to be at `target`.

    Raises:
        UsageError: something has.
    """
    if os.path.lexists(target):
        raise UsageError(str(target), "has come to be meanwhile", "choose another place: nothing is overwritten")


@contextmanager
def new_folder(target: Path, refuse: Callable[[Path], None] = refuse_taken) -> Iterator[Path]:
    """A hidden folder beside `target` to write into, which has its name when the block ends, and is gone if it fails.

    Args:
        refuse: raises where what has come to be at `target` meanwhile may not be replaced.

    Raises:
        UsageError: something has come to be at `target` meanwhile.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(6)}.partial")
    partial.mkdir()
    try:
        yield partial
        refuse(target)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
