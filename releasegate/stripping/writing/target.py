"""The place of a stripped checkpoint, and of the receipt beside it: whether a strip may take both."""

from __future__ import annotations

import os
import re
from pathlib import Path

from releasegate.errors import NotFound, StripError, VerifyError
from releasegate.repository.nesting import refuse_nested
from releasegate.repository.receipts import read_receipt, receipt_path

FREE = "choose another place, or remove it: a strip overwrites nothing"


def require_place(source: Path, target: Path) -> None:
    """Nothing, if a strip of the checkpoint `source` may be written to `target`. Nothing is written.

    Raises:
        StripError: something is there or stands where its receipt would; it would lie in a checkpoint; no folder holds it.
    """
    refuse_nested(target, source, StripError)
    refuse_existing(target)
    if not target.parent.is_dir():
        what = "is not a folder"
        raise StripError(str(target.parent), what, "create the folder that shall hold the stripped checkpoint")


def refuse_existing(target: Path) -> None:
    """Raises StripError if there is something at `target`, or at its receipt's place that no killed strip left."""
    if os.path.lexists(target):
        raise StripError(str(target), "exists already", FREE)
    place = receipt_path(target)
    if os.path.lexists(place) and not any(is_receipt_of(target, partial) for partial in partials(target)):
        raise StripError(str(place), f"exists already, where the receipt of {target.name} would be written", FREE)


def partials(target: Path) -> list[Path]:
    """The hidden folders beside `target` in which strips to it were written, or still are."""
    if not target.parent.is_dir():
        return []
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.partial")
    return [path for path in target.parent.iterdir() if name.fullmatch(path.name) and _is_folder(path)]


def is_receipt_of(target: Path, partial: Path) -> bool:
    """Whether the receipt at its place beside `target` is of what lies in `partial`: files of those names and sizes.

    So it is where a strip was killed after its receipt had its name, and before the folder had.
    """
    place = receipt_path(target)
    if place.is_symlink():
        return False
    try:
        receipt = read_receipt(place)
    except (NotFound, VerifyError):
        return False
    found = {
        path.relative_to(partial).as_posix(): path.lstat().st_size for path in partial.rglob("*") if _is_file(path)
    }
    return found == {entry.path: entry.size for entry in receipt.output.files}


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_file(path: Path) -> bool:
    return not _is_folder(path)
