"""What was written, read back from disk."""

from __future__ import annotations

import os

from releasegate.checkpoint import Watch, read_manifest
from releasegate.checkpoint.files import list_files, open_regular
from releasegate.errors import CheckpointError, StripError
from releasegate.manifest import Manifest
from releasegate.stripping.writing.output import Output


def read_back(output: Output, made: Manifest, watch: Watch | None = None) -> None:
    """Nothing; every file of the output, read from disk, has the digest of what was written.

    Args:
        output: the folder, all of it on disk.
        made: what was written, as it was hashed in passing.
        watch: is told the number of bytes read.

    Raises:
        StripError: a file is not what was written.
    """
    for name in list_files(output.root) if output.durable else ():
        with open_regular(output.root / name) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, not from memory
    try:
        found = read_manifest(output.root, watch)
    except CheckpointError as error:
        raise StripError(str(output.target), f"cannot be read back: {error.problems[0].what}", _FIX) from error
    for entry, written in zip(found.files, made.files, strict=True):
        if entry != written:
            what = f"came back from the disk with other bytes in {written.path} than were written"
            raise StripError(str(output.target), what, _FIX)


_FIX = "nothing was left behind; check the disk, or choose another"
