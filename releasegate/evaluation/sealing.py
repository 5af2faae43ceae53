"""The model and the instruments of a measuring, each loaded from a private copy whose bytes are those that were hashed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.privatefolder import PrivateFolder, choose_place, known_places
from releasegate.checkpoint.sealed import LET_NOBODY, Sealed, copy_files, file_state
from releasegate.errors import ReleaseGateError, RunError
from releasegate.records import digest_of, digest_of_bytes
from releasegate.repository import EvalFolder
from releasegate.subjects import SUBJECTS, Lending

Opens = Callable[[Checkpoint, Lending | None], object]


def size_of(checkpoint: Checkpoint) -> int:
    """Return the bytes of all files of a checkpoint."""
    return sum(entry.size for entry in checkpoint.manifest.files)


class Seals:
    """Everything that was copied for one measuring of one checkpoint. At its end each source must be as it was.

    Args:
        subject: its id; whoever reads the folder after it was opened, as a program does, has the copy until the end.
        checkpoint: what is measured.
        lending: what is lent to it.
    """

    def __init__(self, subject: str, checkpoint: Checkpoint, lending: Lending | None) -> None:
        self._keeps = subject not in SUBJECTS or SUBJECTS[subject].reads_later
        self._checkpoint = checkpoint
        self._lending = lending if lending is not None and (lending.tensors or lending.files) else None
        self._given = lending
        self._places = known_places()  # now: later, temporary files may be sent elsewhere
        self._stack = ExitStack()
        self._sealed: dict[Path, Sealed] = {}
        self._instruments: dict[Path, SealedInstruments] = {}

    def open(self, opens: Opens) -> object:
        """Return what `opens` makes of the copies. Where it raises, it may be tried again.

        Raises:
            RunError: a source is not what it was when it was opened, or there is no room for its copy.
            ReleaseGateError: what `opens` raises, told of the source.
        """
        checkpoint, lent = self._copy(self._checkpoint), self._lending
        lending = self._given if lent is None else replace(lent, source=self._copy(lent.source))
        try:
            return opens(checkpoint, lending)
        except ReleaseGateError as error:
            for sealed in self._sealed.values():
                sealed.of_source(error)
            raise
        finally:
            for sealed in () if self._keeps else self._sealed.values():
                sealed.release()

    def _copy(self, checkpoint: Checkpoint) -> Checkpoint:
        if checkpoint.root not in self._sealed:
            sealed = Sealed(checkpoint, choose_place(size_of(checkpoint), self._places))
            self._stack.callback(sealed.release)
            self._sealed[checkpoint.root] = sealed
        return self._sealed[checkpoint.root].checkpoint

    def instruments(self, folder: EvalFolder) -> Mapping[str, tuple[Path, ...]]:
        """Return the files of each instrument of an eval, copied once.

        Raises:
            RunError: one is not what it was when the attempt was opened.
        """
        if folder.folder not in self._instruments:
            self._instruments[folder.folder] = SealedInstruments(folder, choose_place(0, self._places))
            self._stack.callback(self._instruments[folder.folder].release)
        return self._instruments[folder.folder].files

    def require_untouched(self) -> None:
        """Check that nobody wrote to a source meanwhile, not even to put back what was there.

        Raises:
            RunError: somebody did.
        """
        for sealed in self._sealed.values():
            sealed.require_untouched()
        for instruments in self._instruments.values():
            instruments.require_untouched()

    def __enter__(self) -> Self:
        """Return the seals; nothing is copied yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove all copies, after a look at the sources if nothing else went wrong."""
        with self._stack:
            if kind is None:
                self.require_untouched()


class SealedInstruments:
    """The files of an eval's instruments, in a private copy with the digests that the plan knows.

    Attributes:
        files: of each instrument, in the order of its card.

    Raises:
        RunError: one has other bytes than it had when the eval was read.
    """

    def __init__(self, folder: EvalFolder, place: Path) -> None:
        self._folder = folder
        self._sources = {
            name: tuple(folder.folder / file for file in one.files) for name, one in folder.card.instruments.items()
        }
        self._states = self._now()
        self._copies = PrivateFolder(place) if self._sources else None
        self.files: Mapping[str, tuple[Path, ...]] = {}
        if self._copies is not None:
            try:
                self.files = self._copied(self._copies.path)
            except BaseException:
                self.release()
                raise

    def _copied(self, target: Path) -> dict[str, tuple[Path, ...]]:
        card = self._folder.card
        copy_files(
            self._folder.folder, target, sorted({file for one in card.instruments.values() for file in one.files})
        )
        for name, one in card.instruments.items():
            digests = {file: digest_of_bytes((target / file).read_bytes()) for file in one.files}
            if digest_of(digests) != self._folder.instruments[name]:
                where = str(self._folder.folder / one.files[0])
                raise RunError(where, f"instrument {name} changed while it was being read", LET_NOBODY)
        return {name: tuple(target / file for file in one.files) for name, one in card.instruments.items()}

    def release(self) -> None:
        """Remove the copies."""
        if self._copies is not None:
            self._copies.close()

    def require_untouched(self) -> None:
        """Check that nobody wrote to a file of an instrument since it was copied.

        Raises:
            RunError: somebody did.
        """
        now = self._now()
        for path, state in self._states.items():
            if now[path] != state:
                raise RunError(str(path), "changed while it was used to measure", LET_NOBODY)

    def _now(self) -> dict[Path, tuple[int, ...] | None]:
        paths = {path for files in self._sources.values() for path in files}
        return {path: file_state(path) if path.is_file() else None for path in paths}
