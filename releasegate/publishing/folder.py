"""A folder that comes to be with copies of files from elsewhere, all of them on disk, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from releasegate.checkpoint.parallel import Watch
from releasegate.errors import UsageError
from releasegate.repository import GateRepository
from releasegate.repository.bundled import PARTS
from releasegate.repository.nesting import refuse_file, refuse_in_run, refuse_nested
from releasegate.repository.new_folder import new_folder
from releasegate.repository.writing import sync_folder
from releasegate.stripping.writing.copying import copy_range
from releasegate.stripping.writing.source import open_source

TAKEN = ("is not empty", "choose another place, or empty it: nothing is overwritten")


def require_place(place: Path, away_from: tuple[Path, ...]) -> None:
    """Nothing, if a new folder may be written at `place`: nothing is there, or a folder without anything in it.

    Args:
        away_from: folders that may neither lie in it nor around it.

    Raises:
        UsageError: it may not.
    """
    if place.is_symlink():
        raise UsageError(str(place), "is a symlink", "name the folder itself")
    refuse_file(place, UsageError)
    for folder in away_from:
        refuse_nested(place, folder, UsageError)
    refuse_in_run(place, UsageError)
    _refuse_in_repository(place)
    if not place.resolve().parent.is_dir():
        raise UsageError(str(place.parent), "is not a folder", "create the folder that shall hold the new one")
    _refuse_filled(place)


def _refuse_in_repository(place: Path) -> None:
    """A file beside a harness changes what it measures."""
    repository, real = GateRepository.here(place.absolute().parent), place.resolve()
    parts = () if repository is None else (repository.root / name for name in PARTS)
    for part in parts:
        if real.is_relative_to(part):
            raise UsageError(str(place), f"lies in {part}, which a gate repository reads", "choose another place")


@contextmanager
def copied(places: Mapping[str, Path], place: Path, watch: Watch) -> Iterator[Path]:
    """A hidden folder beside `place` with a copy of each file, which has its name when the block ends, and is gone if it fails.

    Args:
        places: where each file lies now, by its path in the folder.
        watch: is told the number of bytes that were copied.

    Raises:
        UsageError: there is no room for it, or something has come to be at `place` meanwhile.
        StripError: a file changed while it was copied.
        CheckpointError: a file cannot be read, or is no plain file.
    """
    real = place.resolve()
    _require_room(places, real.parent)
    with new_folder(real, lambda _: _refuse_filled(place)) as partial:
        for name, source in places.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target, watch)
        for folder in {(partial / name).parent for name in places} | {partial}:
            sync_folder(folder)
        yield partial
    sync_folder(real.parent)


def _refuse_filled(place: Path) -> None:
    """Nothing, if nothing is there, or a folder without anything in it."""
    if os.path.lexists(place) and (place.is_symlink() or not place.is_dir() or any(place.iterdir())):
        raise UsageError(str(place), *TAKEN)


def _require_room(places: Mapping[str, Path], parent: Path) -> None:
    needed = sum(os.stat(source, follow_symlinks=False).st_size for source in places.values())
    free = shutil.disk_usage(parent).free
    if needed > free:
        what = f"has {free:,} bytes free, and the release has {needed:,}"
        raise UsageError(str(parent), what, "choose another disk, or make room")


def _copy(source: Path, target: Path, watch: Watch) -> None:
    with open_source(source) as file:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(descriptor, file.size)  # what lies in a hole of the source is not written
            copy_range(file, 0, descriptor, 0, file.size, watch)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        file.require_unchanged()
