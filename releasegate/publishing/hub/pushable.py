"""What may be pushed: a folder that was verified, with what the decision says of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from releasegate.errors import HubError
from releasegate.released import BUNDLE, CARD, LICENCE, Released, ReleasedFile

GITATTRIBUTES = ".gitattributes"
"""The file that a hub adds, to say which files lie outside git."""
PAPERS = (CARD, LICENCE, BUNDLE)
"""Files that may have read otherwise in earlier commits, as do those in `OWN`: none is of the model."""
UNANCHORED = (
    "the ledger of the attempt is not anchored: attempts removed from its end would not be seen",
    "open the attempt with --ledger-head, kept where the ledger's writer cannot change it, and gate again",
)
"""Why nothing of such an attempt goes to a hub, and the remedy."""
_SMALL = 64 << 20
"""Bytes up to which a hub may keep a file in git itself (10 MB at the Hugging Face hub)."""


@dataclass(frozen=True)
class Pushable:
    """A released folder. Whoever makes one vouches that the folder, its bundle included, was verified by the policy."""

    folder: Path
    released: Released
    verdict: str
    channel: str
    anchored: bool
    """Whether the ledger's head was compared with one kept elsewhere (`decision.ledger.anchored`)."""
    withheld: tuple[ReleasedFile, ...]
    """The source's model files that the strip removed or changed, with the plain sha256 of their bytes."""
    bundle: str | None = None
    """The digest of its attestations as they were verified."""
    may_differ: tuple[str, ...] = ()
    """The policy's `publication.may_differ`."""

    def path(self, file: ReleasedFile) -> Path:
        """Where a file of the folder lies."""
        return self.folder / file.path

    @cached_property
    def files(self) -> Mapping[str, ReleasedFile]:
        """Every file that goes up, by its path: those of the release, and the attestations.

        Raises:
            HubError: the attestations are others than when the release was verified, or no plain file.
        """
        size, sha256, _ = _hashed(self.folder / BUNDLE)
        if self.bundle not in (None, sha256):
            raise changed(self.folder / BUNDLE)
        bundle = ReleasedFile(path=BUNDLE, size=size, sha256=sha256)
        return {file.path: file for file in sorted((*self.released.files, bundle), key=lambda one: one.path)}

    @cached_property
    def blobs(self) -> Mapping[str, str]:
        """What git calls the content of each file that is small enough for git, by path.

        Raises:
            HubError: a file has other bytes than when it was verified.
        """
        small = (file for file in self.files.values() if file.size <= _SMALL)
        found = {}
        for file in small:
            size, sha256, blob = _hashed(self.path(file))
            if (size, sha256) != (file.size, file.sha256):
                raise changed(self.path(file))
            found[file.path] = blob
        return found


def changed(path: Path) -> HubError:
    """That a file is no longer what was verified."""
    return HubError(
        str(path),
        "has other bytes than when the release was verified",
        "find out who writes to the folder, and export the run again",
    )


def _hashed(path: Path) -> tuple[int, str, str]:
    """The size, the digest and git's name of a plain file.

    Raises:
        HubError: it is a link, or no plain file.
    """
    size, sha256 = 0, hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise changed(path) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise changed(path)
    with open(descriptor, "rb") as file:
        blob = hashlib.sha1(f"blob {status.st_size}\0".encode(), usedforsecurity=False)
        while piece := file.read(1 << 20):
            size += len(piece)
            sha256.update(piece)
            blob.update(piece)
    return size, f"sha256:{sha256.hexdigest()}", blob.hexdigest()
