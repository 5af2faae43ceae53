"""A file of a gate repository as bytes."""

from __future__ import annotations

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
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(str(path), f"no such {kind}", fix) from None
    except OSError as error:
        raise DocumentError(
            [Problem(str(path), f"cannot be read: {error.strerror}", "check its permissions")]
        ) from None
