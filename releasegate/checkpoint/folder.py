"""A checkpoint folder as a whole: the one way in which a model's files come to be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from releasegate.checkpoint.consent import require_consent
from releasegate.checkpoint.contents import Contents, read_contents
from releasegate.checkpoint.digests import Digests, read_digests
from releasegate.checkpoint.files import list_files
from releasegate.checkpoint.parallel import Watch
from releasegate.manifest import FileEntry, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Contents):
    """A checkpoint folder whose files were checked and hashed, and which may be published as far as its form goes.

    Attributes:
        manifest: every file with its digest.
        digest: the model digest, which is the manifest's.
        digests: the digest of each tensor's data, by file and name.
        runs: the digest of each file that may run code on this machine, by whose consent the folder was opened; empty
            unless the folder is a program.
    """

    manifest: Manifest
    digest: str
    digests: Mapping[str, Mapping[str, str]] = field(repr=False)
    runs: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def files(self) -> dict[str, FileEntry]:
        """Every file by its path in the folder."""
        return {entry.path: entry for entry in self.manifest.files}


def open_checkpoint(
    path: Path, watch: Watch | None = None, like: Manifest | None = None, *, runs: Mapping[str, str] | None = None
) -> Checkpoint:
    """The checkpoint in the folder `path`, after every check that needs no weights.

    Args:
        path: the folder.
        watch: is told the number of bytes hashed.
        like: a manifest to compare with; see `read_manifest`.
        runs: the digest of each file that may run code here, as a policy lists them. A program needs it of every file that
            is not of tensors alone, and nothing else may have it.

    Raises:
        NotFound: there is no such folder.
        HeaderError: a safetensors file is malformed.
        CodeRequested: the folder is a program, and other files were consented to than it has.
        CheckpointError: anything else that makes the folder unfit to be trusted.
    """
    path = path.resolve() if path.is_symlink() else path  # followed once: it may lead elsewhere a moment later
    contents = read_contents(
        path, list_files(path), strict=True, program=True
    )  # before the hashing: refused in seconds
    checkpoint = checkpoint_of(contents, read_digests(path, watch, like))
    require_consent(checkpoint.root, checkpoint.layout, checkpoint.manifest, runs or {})
    return replace(checkpoint, runs=dict(runs or {}))


def checkpoint_of(contents: Contents, digests: Digests) -> Checkpoint:
    """The checkpoint whose folder holds `contents`, with the digests of its files."""
    parts = {item.name: getattr(contents, item.name) for item in fields(Contents)}
    return Checkpoint(**parts, manifest=digests.manifest, digest=digests.manifest.digest(), digests=digests.tensors)
