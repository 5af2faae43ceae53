"""What a strip needs of the disk before it begins: room, files that may be linked to, and blocks that can be shared."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from releasegate.checkpoint import Contents
from releasegate.errors import StripError
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.rows import after_edit
from releasegate.stripping.writing.copying import GRID, clone
from releasegate.stripping.writing.source import changed, open_source
from releasegate.stripping.writing.steps import Step, steps_of


def room(contents: Contents, steps: Sequence[Step], free: Collection[Step] = ()) -> int:
    """Bytes that the strip writes at most. Holes of the source are kept and cost nothing.

    Args:
        contents: the source.
        steps: what becomes of its files.
        free: files of the output that take no room.

    Raises:
        StripError: a file of the source is gone.
    """
    names = {step.name for step in free}
    return sum(_written(contents, step) for step in steps if step.to is not None and step.name not in names)


def room_for(contents: Contents, plan: StripPlan, folder: Path) -> int:
    """Bytes that a strip to `folder` needs on its disk at most: nothing for blocks that it can share with the source.

    Raises:
        StripError: a file of the source is gone.
    """
    contents = plan.opened(contents)
    steps = steps_of(contents, plan)
    return room(contents, steps, free=[step for step in steps if step.same] if can_share(contents, folder) else ())


def _written(contents: Contents, step: Step) -> int:
    size = size_after(contents, step)
    found = _stat(contents.root / step.name)
    on_disk = found.st_blocks * 512 if found.st_blocks * 512 < found.st_size else size
    return min(size, on_disk)


def _stat(path: Path) -> os.stat_result:
    try:
        return os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        raise changed(path) from None


def size_after(contents: Contents, step: Step) -> int:
    """Bytes of the file in the output; of a text that is edited, those that it has in the source."""
    size = contents.sizes[step.name]
    if step.to is None:
        return 0
    if step.header is None:
        return size
    entries = step.header.entries.values()
    staying = [after_edit(entry, step.edits.get(entry.name)) for entry in entries]
    data = sum(entry.size for entry in staying if entry is not None)
    return data + (size - sum(entry.size for entry in entries) if not step.pickled else 256 * len(staying))


def refuse_writable(contents: Contents, steps: Sequence[Step]) -> None:
    """Raises StripError if a file that would be linked to can be written to by anybody."""
    for step in steps:
        path = contents.root / step.name
        if step.same and _stat(path).st_mode & 0o222:
            what = "would be shared with the output, and may be written to"
            raise StripError(str(path), what, "take the right to write from everybody (chmod a-w), or do not link")


def can_share(contents: Contents, folder: Path) -> bool:
    """Whether files in `folder` can share blocks with those of the source; tried on a nameless file."""
    largest = max(contents.sizes, key=contents.sizes.__getitem__)
    if contents.sizes[largest] < GRID:
        return False
    try:
        scratch = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
        try:
            os.ftruncate(scratch, GRID)
            with open_source(contents.root / largest) as source:
                return clone(source.descriptor, 0, scratch, 0, GRID)
        finally:
            os.close(scratch)
    except OSError:  # whatever it is, the strip itself will say so, if it stands in its way
        return False
