"""A file of a gate repository as bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from releasegate.errors import DocumentError, NotFound, Problem


def read_file(path: Path, kind: str, fix: str) -> bytes:
    """What the file holds.

    Args:
        kind: what it is, for messages.
        fix: what to do where it is missing.

    Raises:
        NotFound: there is no such file.
        DocumentError: it cannot be read.
    """
    try:
        with open(
            os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb"
        ) as file:  # a pipe that nobody writes to would never open
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(str(path), f"no such {kind}", fix) from None
    except OSError as error:
        raise DocumentError(
            [Problem(str(path), f"cannot be read: {error.strerror}", "check its permissions")]
        ) from None
    raise DocumentError([Problem(str(path), "is no regular file", "put the file itself there")])
