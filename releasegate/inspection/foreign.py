"""Files that are there and should perhaps not be: code, archives, data, other forms of weights, history."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from releasegate.checkpoint.files import ADAPTERS, open_regular
from releasegate.errors import CheckpointError
from releasegate.inspection.code import file_finding
from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import FileKind, Finding, Kind

MOST = 20
"""Files of one kind that have a finding each; the others have one together."""

_OF_KIND: Mapping[FileKind, tuple[Kind, str, str]] = {
    "pickle": ("pickle", "is a pickle, which runs code when it is loaded carelessly", "convert it to safetensors"),
    "gguf": ("second_form", "is a GGUF file, which no strip can edit", "strip the original, and convert that"),
    "distributed": (
        "second_form",
        "is a distributed checkpoint, which no strip can edit",
        "join it with `dcp_to_torch_save`, and convert it to safetensors",
    ),
    "second_form": ("second_form", "is a form of weights that is not read here", "take it out, or convert it"),
    "archive": ("archive", "is an archive, in which anything can hide", "unpack it, or take it out"),
    "data": ("data", "looks like data: of training, or of a test", "publish data apart, after a review of its own"),
}


def kind_findings(kinds: Mapping[str, FileKind], called_pickles: Collection[str] = ()) -> Iterator[Finding]:
    """Files that a published checkpoint has no need of, by what they are.

    Args:
        kinds: every file and what it is.
        called_pickles: those that are called like pickles and are none.
    """
    history = [name for name in kinds if name.split("/")[0] in (".git", ".hg", ".svn")]
    if history:
        what = "holds the history of a repository, in which older weights can lie"
        yield Finding(
            kind="history",
            level="concern",
            where=history[0].split("/")[0],
            what=what,
            fix="take it out",
            count=len(history),
        )
    groups: dict[FileKind, list[str]] = {}
    for name, kind in kinds.items():
        if name in history:
            continue
        if PurePosixPath(name).name in ADAPTERS:
            what = "is an adapter, which a loader would apply to the model unasked"
            yield Finding(
                kind="adapter", level="concern", where=name, what=what, fix="take it out, unless it is the model"
            )
        if kind == "code":
            yield file_finding(name)
        elif (
            kind in _OF_KIND and name not in called_pickles and not (kind == "distributed" and name.endswith(".distcp"))
        ):
            groups.setdefault(kind, []).append(name)
    for kind, names in groups.items():
        about, what, fix = _OF_KIND[kind]
        for name in names[:MOST]:
            yield Finding(kind=about, level="concern", where=name, what=what, fix=fix)
        if len(names) > MOST:
            rest = names[MOST:]
            yield Finding(
                kind=about, level="concern", where=".", what=f"has {len(rest):,} more files of which each {what}", fix=fix,
                count=len(rest), names=tuple(rest[:SHOWN]),
            )  # fmt: skip


def called_pickles(root: Path, kinds: Mapping[str, FileKind]) -> list[str]:
    """Files that are called like pickles, and are none: neither an archive of torch's, nor begun or ended as a pickle is."""
    return [name for name, kind in kinds.items() if kind == "pickle" and not _may_be_pickle(root / name)]


def _may_be_pickle(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            begin = file.read(4)
            file.seek(max(0, os.fstat(file.fileno()).st_size - 1))
            return begin.startswith((b"\x80", b"PK")) or file.read(1) == b"."
    except (CheckpointError, OSError):
        return True  # whoever reads it says what is wrong
