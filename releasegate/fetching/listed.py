"""The files that a list in `evals/` names: in which package each lies, and with which bytes."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from releasegate.errors import DocumentError, NotFound, Problem

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Listed:
    """One file of a package.

    Attributes:
        package: that ships it.
        version: of the package; empty where the list names none.
        path: its place inside the package, with forward slashes.
        sha256: of the file, 64 hexadecimal digits.
        name: what evals ask for it by; empty where the list gives no names.
    """

    package: str
    version: str
    path: str
    sha256: str
    name: str

    @property
    def place(self) -> Path:
        """Where it lies below the folder that is filled."""
        return Path(self.package, self.path)

    def lies_in(self, folder: Path) -> bool:
        """Whether the file is there, with the bytes that are listed."""
        file = folder / self.place
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == self.sha256


def read_list(file: Path) -> list[Listed]:
    """What a list names, in its order.

    Args:
        file: CSV with the columns `package`, `path`, `sha256`, and perhaps `version` and `name` among others.

    Raises:
        NotFound: there is no list.
        DocumentError: it is no CSV of that form, or a place in it leads out of the folder that is filled.
    """
    if not file.is_file():
        raise NotFound(str(file), "is no list", "name the gate repository whose evals/ holds it with --repo")
    try:
        rows = csv.DictReader(file.read_text("utf-8").splitlines(), strict=True)
        if not {"package", "path", "sha256"} <= set(rows.fieldnames or ()):
            what = f"has the columns {', '.join(rows.fieldnames or ())}"
            raise DocumentError([Problem(f"{file}:1", what, "name the columns package, path and sha256")])
        return [_listed(row, f"{file}:{rows.line_num}") for row in rows]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DocumentError([Problem(str(file), f"is no CSV in UTF-8: {error}", "restore it")]) from None


def missing(folder: Path, listed: Iterable[Listed]) -> list[Listed]:
    """The files that do not lie in `folder` with the bytes that are listed."""
    return [one for one in listed if not one.lies_in(folder)]


def _listed(row: dict[str, str | None], where: str) -> Listed:
    found = Listed(*(row.get(key) or "" for key in ("package", "version", "path", "sha256", "name")))
    parts = PurePosixPath(found.path).parts
    leads_out = found.path.startswith("/") or ".." in parts or PureWindowsPath(found.path).drive
    if not parts or leads_out or set("\\\0") & set(found.path):
        raise DocumentError([Problem(where, f"path is {found.path!r}", "give a place inside the package")])
    if not _PACKAGE.fullmatch(found.package) or not _PACKAGE.fullmatch(found.version or "0"):
        what = f"package is {found.package!r}, version {found.version!r}"
        raise DocumentError([Problem(where, what, "write the name of one package, and one version")])
    if not _DIGEST.fullmatch(found.sha256):
        fix = "write the 64 digits that sha256sum prints: 0 to 9, a to f"
        raise DocumentError([Problem(where, f"sha256 is {found.sha256!r}", fix)])
    return found
