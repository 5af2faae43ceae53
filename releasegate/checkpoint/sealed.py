"""What is measured is what was hashed: a private copy, hashed as it lies there, and the source watched until the end.

A loader maps files rather than reading them, so that whoever overwrites one in place changes a model in memory; and a file that
is swapped in before the load and back after it is in no digest that is taken before or after. Here the copy alone is loaded.
Its digests are taken of the copy itself and must be the source's; nobody but this process writes to it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from releasegate.checkpoint.digests import read_manifest
from releasegate.checkpoint.files import blocks, list_files, open_regular
from releasegate.checkpoint.folder import Checkpoint, open_checkpoint
from releasegate.checkpoint.parallel import Watch, in_parallel
from releasegate.checkpoint.privatefolder import PrivateFolder
from releasegate.errors import CheckpointError, Problem, ReleaseGateError, RunError

LET_NOBODY = "let nobody write to it, and open a new attempt"
_AT_ONCE = 1 << 28
"""Bytes that the system is asked to copy at once."""


class Sealed:
    """A checkpoint of which every byte that is loaded is one that was hashed.

    Attributes:
        checkpoint: the private copy.

    Args:
        source: as it was opened.
        place: the folder that the copy is made in.

    Raises:
        RunError: the source is not what it was when it was opened, or the copy cannot be written.
    """

    def __init__(self, source: Checkpoint, place: Path, watch: Watch | None = None) -> None:
        self._source = source
        self._states = file_states(source.root)
        self._folder = PrivateFolder(place)
        try:
            names = [entry.path for entry in source.manifest.files]
            copy_files(source.root, self._folder.path, names, watch)
            self.checkpoint = self._opened(watch)
        except BaseException:
            self._folder.close()
            raise

    def _opened(self, watch: Watch | None) -> Checkpoint:
        """The copy, read anew: what its configuration and headers say is what those of the source said."""
        source = self._source
        try:
            copy = open_checkpoint(self._folder.path, watch, like=source.manifest, runs=source.runs)
        except CheckpointError:  # the same files were opened before
            copy = None
        if copy is None or replace(copy, root=source.root) != source:
            raise RunError(str(source.root), "changed while it was being read", LET_NOBODY)
        return copy

    def release(self) -> None:
        """Remove the copy; what was loaded of it stays in memory, and the source is watched on."""
        self._folder.close()

    def require_untouched(self) -> None:
        """Check that nobody wrote to the source since the copy was made, not even to put back what was there.

        Raises:
            RunError: somebody did.
        """
        source, now = self._source, {}
        try:
            now = file_states(source.root)
            digest = read_manifest(source.root, like=source.manifest).digest()
        except CheckpointError:
            digest = ""
        if digest != source.digest or now != self._states:
            raise RunError(_changed(source.root, self._states, now), "changed while it was measured", LET_NOBODY)

    def of_source(self, error: ReleaseGateError) -> ReleaseGateError:
        """Return the error, saying the source where it says the copy."""
        copy, source = str(self._folder.path), str(self._source.root)
        error.problems = tuple(
            Problem(*(text.replace(copy, source) for text in (one.where, one.what, one.fix))) for one in error.problems
        )
        return error


def file_states(root: Path) -> dict[str, tuple[int, ...]]:
    """What changes whenever somebody writes to a file of the folder: the time of its last change cannot be set back."""
    return {name: file_state(root / name) for name in list_files(root)}


def file_state(path: Path) -> tuple[int, ...]:
    """What changes whenever somebody writes to the file, or puts another in its place."""
    found = os.stat(path, follow_symlinks=False)
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _changed(root: Path, before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """The first file that changed, or the folder if that is not known."""
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return str(root / names[0]) if names and now else str(root)


def copy_files(source: Path, target: Path, names: Sequence[str], watch: Watch | None = None) -> None:
    """Copy files of one folder into another; where the file system can, both share their blocks until one is written to.

    Args:
        names: paths inside `source`.
        watch: is told the bytes that were copied.

    Raises:
        NotPlainFile: one is missing, or is no plain file.
        RunError: there is no room, or the copy cannot be written.
    """
    for folder in sorted({(target / name).parent for name in names}):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    in_parallel(lambda name, tell: _copy(source / name, target / name, tell), names, watch)


def _copy(source: Path, target: Path, tell: Watch) -> None:
    with open_regular(source) as given:
        found = os.fstat(given.fileno())
        mode = 0o500 if found.st_mode & 0o111 else 0o400
        try:
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb", buffering=0) as made:
                left = found.st_size - _copied_by_system(given.fileno(), made.fileno(), found.st_size)
                for block in blocks(given, left, str(source)):
                    while block:
                        block = block[made.write(block) :]
        except OSError as error:
            fix = "set TMPDIR to a folder on a disk with more room"
            raise RunError(str(target.parent), f"a copy cannot be written: {error.strerror}", fix) from None
    tell(found.st_size)


def _copied_by_system(given: int, made: int, size: int) -> int:
    """Bytes that the system copied by itself, from the start; 0 where it cannot between these two file systems."""
    done = 0
    try:
        while done < size and (count := os.copy_file_range(given, made, min(size - done, _AT_ONCE))):
            done += count
    except OSError:  # said again by whoever writes the rest, if it is more than that the system cannot
        pass
    return done
