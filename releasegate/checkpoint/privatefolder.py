"""A folder that only this user can open and this process fills: for the copies that are measured. None outlives its process long.

It is removed when it is closed. What a process leaves that was killed, the next one removes: each holds a lock on its folder,
which the system lets go of with the process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from releasegate.errors import RunError

PREFIX = "releasegate-private-"
LARGE = Path("/var/tmp")
"""Where systems keep large temporary files on a disk; `/tmp` is memory on many of them."""
SPARE = 64 << 20
"""Bytes that are left free."""


def known_places() -> tuple[Path, ...]:
    """Return the folders that large temporary files may lie in: `TMPDIR` alone if it is set, else the system's, a disk first."""
    stated = os.environ.get("TMPDIR")
    return (Path(stated),) if stated else (LARGE, Path(tempfile.gettempdir()))


def choose_place(size: int, places: Sequence[Path]) -> Path:
    """Return the first of the folders in which `size` bytes have room.

    Raises:
        RunError: none has; it names the one with the most room.
    """
    room = {place: _room(place) for place in places}
    for place, free in room.items():
        if free >= size + SPARE:
            return place
    best = max(room, key=lambda place: room[place])
    what = f"has {room[best]:,} bytes free, and a copy of {size:,} bytes is measured"
    raise RunError(str(best), what, "free some, or set TMPDIR to a folder on a disk with more")


def _room(place: Path) -> int:
    """Bytes that this process may still write at `place`."""
    try:
        return shutil.disk_usage(place).free if os.access(place, os.W_OK | os.X_OK) else 0
    except OSError:
        return 0


class PrivateFolder:
    """A new, empty folder of mode 0700 at `path`, until it is closed.

    Args:
        place: the folder that it is made in. What killed processes of this user left there is removed first.
    """

    def __init__(self, place: Path) -> None:
        remove_leftovers(place)
        made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place))
        self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = made.with_name(made.name.removeprefix("."))  # under this name, only once it is locked
        made.rename(self.path)

    def close(self) -> None:
        """Remove the folder. What was mapped from its files stays in memory."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        """Return the folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it."""
        self.close()


def remove_leftovers(place: Path) -> None:
    """Remove the folders at `place` that processes of this user made and do not hold any more."""
    for path in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process removes it, or it is another user's
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(handle).st_uid == os.getuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
