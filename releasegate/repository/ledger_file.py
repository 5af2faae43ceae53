"""The ledger of a family on disk: one file that grows by whole lines, under an exclusive lock."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from releasegate.errors import LedgerError
from releasegate.ledger import (
    MAX_BYTES,
    RESTORE,
    Anchor,
    AttemptEvent,
    Closed,
    Extended,
    LedgerView,
    NonceDrawn,
    Opened,
    Scheduled,
    Used,
    append,
    check_anchor,
    check_family,
    first_line,
    parse_ledger,
)
from releasegate.repository.modes import owner_keeps_access
from releasegate.repository.writing import sync_folder

WAIT_S = 60.0
"""How long a gate waits for another one that is opening or closing an attempt."""

_POLL_S = 0.02


def ledger_path(root: Path, family: str) -> Path:
    """Where the ledger of a family lies in the gate repository `root`.

    >>> ledger_path(Path("gates"), "chameleon").as_posix()
    'gates/policies/ledger/chameleon.jsonl'
    """
    return root / "policies" / "ledger" / f"{family}.jsonl"


class HeldLedger:
    """A ledger that no other process can add to while this one holds it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._text = _read_all(path, descriptor)
        self._view = parse_ledger(self._text, str(path))

    @property
    def view(self) -> LedgerView:
        """What it holds now."""
        return self._view

    def open(self, plan: str, day: str, draw_nonce: Callable[[], str]) -> str:
        """The nonce of attempt `view.next_attempt`, drawn after the attempt was spent; both are on disk.

        Args:
            plan: digest of the plan for that attempt, without a nonce.
            day: `YYYY-MM-DD`.
            draw_nonce: 32 random bytes as hexadecimal digits; called once.

        Raises:
            LedgerError: an attempt was opened with this plan already, or a line could not be written.
        """
        attempt = self._view.next_attempt
        self._append(Opened(attempt=attempt, plan=plan, day=day))
        return self._draw(attempt, draw_nonce)

    def extend(self, extended: Extended, draw_nonce: Callable[[], str]) -> str:
        """The nonce of an extension, drawn after the ledger says what goes on; both are on disk.

        Raises:
            LedgerError: it does not go on with what the attempt came to last, or a line could not be written.
        """
        self._append(extended)
        return self._draw(extended.attempt, draw_nonce)

    def resume(self, plan: str, draw_nonce: Callable[[], str]) -> str:
        """The nonce of the attempt that was opened with `plan`; drawn now, if its opening was cut off before that.

        Raises:
            LedgerError: no attempt was opened with this plan, or the line could not be written.
        """
        attempt = self._view.attempt_of(plan)
        return self._draw(attempt.number, draw_nonce) if attempt.nonce is None else attempt.nonce

    def _draw(self, attempt: int, draw_nonce: Callable[[], str]) -> str:
        nonce = draw_nonce()
        self._append(NonceDrawn(attempt=attempt, nonce=nonce))
        return nonce

    def use(self, attempt: int, eval_id: str, items: Iterable[str]) -> None:
        """Nothing; the ledger says that `attempt` drew these items of the eval's private pool.

        Items that it says so of already are not written again.

        Raises:
            LedgerError: another attempt drew one of them, the attempt has no nonce or is closed, or the line could not
                be written.
        """
        known = self._view.attempts[attempt - 1].used.get(eval_id, ()) if attempt < self._view.next_attempt else ()
        fresh = sorted(set(items).difference(known))
        if fresh:
            self._append(Used(attempt=attempt, eval=eval_id, items=tuple(fresh)))

    def divide(self, attempts: int | None) -> None:
        """Nothing; the ledger says that what is left of alpha is divided among the attempts to come.

        Args:
            attempts: the number of the last attempt; None: the open-ended series, begun anew on what is left.

        Raises:
            LedgerError: it is divided so already, nothing is left, or the line could not be written.
        """
        self._append(Scheduled(first=self._view.next_attempt, attempts=attempts))

    def close(self, closing: Closed) -> None:
        """Nothing; the ledger says how an attempt was decided. If it says exactly that already, nothing is written.

        Raises:
            LedgerError: it was closed on other evidence, has another plan or no nonce, or the line could not be written.
        """
        known = closing.plan in self._view.plans and self._view.attempt_of(closing.plan).closed
        if known != closing:
            self._append(closing)

    def _append(self, event: AttemptEvent) -> None:
        """Nothing; the line is on disk: one write, then the file and its folder synced. A part of a line is taken back."""
        line = append(self._view, event)
        size = len(self._text)
        if size + len(line) > MAX_BYTES:
            fix = "start the ledger of a new family, and keep this one"
            raise LedgerError(str(self._path), f"is full: {MAX_BYTES >> 20} MiB", fix)
        if not _is_at(self._path, self._descriptor) or os.fstat(self._descriptor).st_size != size:
            raise LedgerError(str(self._path), "was changed by something that does not heed its lock", RESTORE)
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._descriptor)
            sync_folder(self._path.parent)
        except OSError as error:
            self._take_back(size)
            what = f"could not be written: {error.strerror}; it is as it was"
            raise LedgerError(str(self._path), what, "make room or repair the disk, and run it again") from None
        self._text += line
        self._view = parse_ledger(self._text, str(self._path))

    def _take_back(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
            os.fsync(self._descriptor)
        except OSError as error:
            what = f"could not be written, and its last line may be cut off: {error.strerror}"
            raise LedgerError(str(self._path), what, "repair the disk, then `releasegate ledger verify`") from None


@dataclass(frozen=True)
class LedgerFile:
    """One ledger on disk."""

    path: Path

    def init(self, family: str, attempts: int | None = None) -> LedgerView:
        """The ledger, new and without an attempt.

        Args:
            attempts: the number of attempts that alpha is split over evenly; None: the open-ended series.

        Raises:
            LedgerError: there is a file already.
            UsageError: `family` is not a name.
        """
        line = first_line(family, attempts)
        try:
            with owner_keeps_access():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            fix = "go on with it; a ledger is started once"
            raise LedgerError(str(self.path), "there is a ledger already", fix) from None
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(descriptor)
        except BaseException:
            self.path.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_folder(self.path.parent)
        return parse_ledger(line, str(self.path))

    def read(self, family: str, anchor: Anchor | None = None, wait_s: float = WAIT_S) -> LedgerView:
        """What the ledger holds, every line checked.

        Args:
            family: whose ledger it must be.
            anchor: a place that it must go on from.
            wait_s: how long to wait for a process that is adding to it.

        Raises:
            LedgerError: it is missing, held, no regular file, not whole, of another family, or not that of the anchor.
        """
        with _locked(self.path, os.O_RDONLY, fcntl.LOCK_SH, wait_s) as descriptor:
            text = _read_all(self.path, descriptor)
        if text and b'"event"' not in text:
            fix = "name the ledger's own file; if this was it, restore it from where it is kept"
            raise LedgerError(str(self.path), "is no ledger: no line of it is one", fix)
        view = parse_ledger(text, str(self.path))
        _check(view, family, anchor)
        return view

    @contextmanager
    def locked(self, family: str, anchor: Anchor | None = None, wait_s: float = WAIT_S) -> Iterator[HeldLedger]:
        """The ledger, held: an attempt is opened, resumed or closed inside, and nothing is measured.

        Args:
            family: whose ledger it must be.
            anchor: a place that it must go on from.
            wait_s: how long to wait for another process that holds it.

        Raises:
            LedgerError: as for `read`.
        """
        with _locked(self.path, os.O_RDWR | os.O_APPEND, fcntl.LOCK_EX, wait_s) as descriptor:
            held = HeldLedger(self.path, descriptor)
            _check(held.view, family, anchor)
            yield held


def _check(view: LedgerView, family: str, anchor: Anchor | None) -> None:
    check_family(view, family)
    if anchor is not None:
        check_anchor(view, anchor)


@contextmanager
def _locked(path: Path, flags: int, lock: int, wait_s: float) -> Iterator[int]:
    """A descriptor of the file that lies at `path`, locked. Whoever held it may have put another file in its place."""
    deadline = time.monotonic() + wait_s
    while True:
        descriptor = _open(path, flags)
        try:
            _wait_for(path, descriptor, lock, wait_s, deadline)
            if _is_at(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    try:
        kind = os.lstat(path).st_mode
        if stat.S_ISLNK(kind):
            raise LedgerError(str(path), "is a symbolic link", "put the ledger itself there, or name it with --ledger")
        if not stat.S_ISREG(kind):
            raise LedgerError(str(path), "is not a file", "name the file of the ledger with --ledger")
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        fix = "restore it from where it is kept; if the family never had one: `releasegate ledger init`"
        raise LedgerError(str(path), "there is no ledger here", fix) from None
    except OSError as error:
        raise LedgerError(str(path), f"cannot be opened: {error.strerror}", "check its permissions") from None


def _wait_for(path: Path, descriptor: int, lock: int, wait_s: float, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                what = f"another releasegate holds the ledger; waited {wait_s:g} s"
                raise LedgerError(str(path), what, "wait until it has opened or closed its attempt") from None
            time.sleep(_POLL_S)
        except OSError as error:
            what = f"cannot be locked: {error.strerror}"
            raise LedgerError(str(path), what, "keep the ledger on a file system that has locks") from None


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read_all(path: Path, descriptor: int) -> bytes:
    if os.fstat(descriptor).st_size > MAX_BYTES:
        raise LedgerError(str(path), f"is larger than {MAX_BYTES >> 20} MiB", RESTORE)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()
