"""What files a checkpoint consists of: the identity of a model.

There is no ignore list. Whatever lies in the folder can be read by a loader, so it belongs to the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

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
    """One file of a folder, with the digest of its bytes; a safetensors file has the digest of its parts in its place."""

    path: RelativePath
    size: Annotated[int, Field(ge=0)]
    """Bytes."""
    sha256: Digest | None = None
    """Of all bytes."""
    parts: Digest | None = None
    """Of the header and each tensor (`parts_digest`), so that one pass gives the digests of the file and its tensors."""

    @model_validator(mode="after")
    def _has_one_digest(self) -> Self:
        if (self.sha256 is None) == (self.parts is None):
            raise ValueError("give either sha256 or parts")
        return self


def parts_digest(header: str, tensors: Sequence[str]) -> str:
    """The digest of a safetensors file that is made of the digests of its parts: `sha256:…`.

    Args:
        header: digest of the bytes before the data: the length and the header's text.
        tensors: digests of the data of each tensor, in the order in which they stand in the file.
    """
    return digest_of({"safetensors": {"header": header, "tensors": list(tensors)}})


class Manifest(Record):
    """Every file of a folder, sorted by path. Its digest is the model digest."""

    files: tuple[FileEntry, ...]

    def within(self, folder: str) -> Manifest:
        """That of the folder inside, as if it stood by itself."""
        inside = [one for one in self.files if one.path.startswith(f"{folder}/")]
        return Manifest(files=tuple(one.model_copy(update={"path": one.path[len(folder) + 1 :]}) for one in inside))

    def without(self, folder: str) -> Manifest:
        """That of everything outside the folder."""
        return Manifest(files=tuple(one for one in self.files if not one.path.startswith(f"{folder}/")))


def stripped_digest(source: str, recipes: list[str]) -> str:
    """The planned identity of strip(source, recipes), fixed before anything is stripped: `sha256:…`.

    Args:
        source: digest of the source model.
        recipes: digests of the recipes; their order does not matter.
    """
    return digest_of({"strip": {"source": source, "recipes": sorted(recipes)}})
