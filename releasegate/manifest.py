"""What files a checkpoint consists of: the identity of a model.

There is no ignore list. Whatever lies in the folder can be read by a loader, so it belongs to the model.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from releasegate.records import Digest, Record, digest_of


def _inside(path: str) -> str:
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("must be a path inside the folder, without empty parts, `.` or `..`")
    if "\\" in path or not path.isprintable():
        raise ValueError("must not hold a backslash or an unprintable character")
    return path


RelativePath = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_inside)]
"""A path inside a folder: forward slashes, no `.` or `..`, no backslash, only printable characters."""


class FileEntry(Record):
    """One file of a folder."""

    path: RelativePath
    size: Annotated[int, Field(ge=0)]
    """Bytes."""
    sha256: Digest


class Manifest(Record):
    """Every file of a folder, sorted by path. Its digest is the model digest."""

    files: tuple[FileEntry, ...]


def stripped_digest(source: str, recipes: list[str]) -> str:
    """The planned identity of strip(source, recipes), fixed before anything is stripped: `sha256:…`.

    Args:
        source: digest of the source model.
        recipes: digests of the recipes; their order does not matter.
    """
    return digest_of({"strip": {"source": source, "recipes": sorted(recipes)}})
