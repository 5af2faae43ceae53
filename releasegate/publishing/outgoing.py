"""The model that goes out of a run: which files, where they lie, and that they are those that were measured."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from releasegate.checkpoint.files import blocks, list_files, open_regular
from releasegate.checkpoint.headers import read_header
from releasegate.checkpoint.parallel import Watch, in_parallel
from releasegate.errors import CheckpointError, EvidenceUntrusted, UsageError
from releasegate.manifest import FileEntry, Manifest, parts_digest
from releasegate.plan import SOURCE
from releasegate.released import ReleasedFile
from releasegate.repository.deciding_run import Decided


@dataclass(frozen=True)
class Outgoing:
    """A model that may go out.

    Attributes:
        folder: where its files lie.
        manifest: every file as it was measured.
        checkpoint: what the decision calls it.
    """

    folder: Path
    manifest: Manifest
    checkpoint: str


def outgoing(decided: Decided, model: Path | None) -> Outgoing:
    """The model that the decision lets out.

    Args:
        decided: a run whose weights may be published.
        model: the source checkpoint, which is needed where it goes out whole.

    Raises:
        UsageError: it is needed and was not given.
        EvidenceUntrusted: the stripped checkpoint is not the one that was judged.
    """
    weights = decided.decision.weights
    assert weights is not None, "whoever asks knows that they may be published"
    if weights.checkpoint == SOURCE:
        if model is None:
            what = "lets the source checkpoint out, which does not lie in the run"
            raise UsageError(str(decided.run.root), what, "name its folder with --model")
        return Outgoing(_followed(model), decided.plan.model.manifest, SOURCE)
    receipt, strip = decided.receipt, decided.decision.strip
    if receipt is None or strip is None or strip.name != weights.checkpoint or strip.model != receipt.output_digest:
        what = "is not the stripped checkpoint that was judged"
        raise EvidenceUntrusted(str(decided.run.stripped), what, "remove it, and resume the run")
    if receipt.rehearsal:
        raise EvidenceUntrusted(str(decided.run.stripped), "was made in a rehearsal", "remove it, and resume the run")
    return Outgoing(decided.run.stripped, receipt.output, strip.name)


def hash_measured(folder: Path, manifest: Manifest, watch: Watch | None = None) -> tuple[ReleasedFile, ...]:
    """Every file of a folder that holds exactly what was measured, with the sha256 of its bytes, sorted by path.

    Args:
        watch: is told the number of bytes read; each is read once.

    Raises:
        NotFound: there is no such folder.
        CheckpointError: a file of it cannot be read.
        EvidenceUntrusted: a file is missing, one was added, or one has other bytes than the measured one.
    """
    measured = {entry.path: entry for entry in manifest.files}
    present = list_files(folder)
    if present != sorted(measured):
        raise _unlike(folder, measured, present)
    found = in_parallel(lambda name, tell: _hashed(folder, measured[name], tell), present, watch)
    return tuple(sorted(found, key=lambda one: one.path))


def _unlike(folder: Path, measured: Iterable[str], present: Iterable[str]) -> EvidenceUntrusted:
    missing, added = sorted(set(measured) - set(present)), sorted(set(present) - set(measured))
    name, what = (missing[0], "was measured, and is not there") if missing else (added[0], "was never measured")
    return EvidenceUntrusted(str(folder / name), what, "give the very folder that was measured")


def _hashed(folder: Path, entry: FileEntry, tell: Watch) -> ReleasedFile:
    path = folder / entry.path
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        whole = hashlib.sha256()
        if entry.parts is None:
            for block in blocks(file, size, str(path)):
                whole.update(block)
                tell(len(block))
            same = entry.sha256 == _named(whole)
        else:
            same = entry.parts == _parts(file, path, whole, tell)
        if not same or size != entry.size or file.read(1):
            raise EvidenceUntrusted(str(path), "is not the file that was measured", "restore it, or gate it anew")
    return ReleasedFile(path=entry.path, size=size, sha256=_named(whole))


def _parts(file: BinaryIO, path: Path, whole: hashlib._Hash, tell: Watch) -> str | None:
    """The digest of the parts of a safetensors file, whose every byte `whole` has seen; None of what is none."""
    try:
        header = read_header(path)
    except CheckpointError:
        return None
    parts = []
    for size in (header.data_start, *(entry.size for entry in header.in_file_order())):
        part = hashlib.sha256()
        for block in blocks(file, size, str(path)):
            part.update(block)
            whole.update(block)
            tell(len(block))
        parts.append(_named(part))
    return parts_digest(parts[0], parts[1:])


def _named(hasher: hashlib._Hash) -> str:
    return f"sha256:{hasher.hexdigest()}"


def _followed(folder: Path) -> Path:
    """The folder itself, where a link was given: followed once, as it may lead elsewhere a moment later."""
    return folder.resolve() if folder.is_symlink() else folder
