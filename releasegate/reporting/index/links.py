"""Where one file lies as seen from another, as text and as a URL."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote


def shown_path(path: Path | str) -> str:
    r"""A path as text that can be written anywhere: bytes that are no UTF-8 are written out.

    >>> shown_path("a\udce9")
    'a\\xe9'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def relative(path: Path, folder: Path) -> str:
    """The way from a folder to a file, with slashes.

    >>> relative(Path("/runs/a/report.html"), Path("/runs/lists"))
    '../a/report.html'
    """
    return Path(os.path.relpath(path, folder)).as_posix()


def relative_url(path: Path, folder: Path) -> str:
    """The same as a relative URL: everything that is not a plain letter, digit or mark is percent-encoded.

    >>> relative_url(Path("/runs/a b/javascript:x?#/report.html"), Path("/runs"))
    'a%20b/javascript%3Ax%3F%23/report.html'
    """
    return quote(os.fsencode(relative(path, folder)))
