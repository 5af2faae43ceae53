"""The files of a folder, or a single file, with everything that is odd about them. Nothing stops the list."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from releasegate.errors import NotFound
from releasegate.inspection.record import Finding, Kind

MAX_FILES = 100_000
"""Files of one folder that are looked at."""
MAX_PATH = 1024
"""Characters of a path in the folder."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a folder.

    Attributes:
        root: the folder.
        files: the status of every plain file, by path, sorted.
        findings: about names, links and what is no file.
        single: whether one file was given, and not its folder.
    """

    root: Path
    files: Mapping[str, os.stat_result]
    findings: tuple[Finding, ...]
    single: bool


@dataclass(slots=True)
class _Walk:
    root: Path
    files: dict[str, os.stat_result] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: Kind, where: str, what: str, fix: str) -> None:
        self.findings.append(Finding(kind=kind, level="problem", where=visible(where), what=what, fix=fix))


def visible(name: str) -> str:
    """`name` with everything that cannot stand in a text written as an escape.

    >>> visible("a" + chr(0xDCFF)), visible("é")
    ('a\\\\udcff', 'é')
    """
    return name.encode("utf-8", "backslashreplace").decode()


def list_everything(path: Path) -> Listing:
    """What lies at `path`: of a folder all files below it, dot-files included.

    Raises:
        NotFound: there is nothing there.
    """
    if not os.path.lexists(path) or not path.exists():
        raise NotFound(str(path), "there is no such file or folder", "check the path")
    path = path.resolve() if path.is_symlink() else path  # what the caller names may be a link; what lies inside not
    if not path.is_dir():
        walk = _Walk(path.parent)
        _look_at(walk, path.name, path.stat())
        return Listing(path.parent, walk.files, tuple(walk.findings), single=True)
    walk = _Walk(path)
    for name, status in _below(walk):
        _look_at(walk, name, status)
        if len(walk.files) >= MAX_FILES:
            what = f"holds more than {MAX_FILES:,} files; the others were not looked at"
            walk.find("too_many_files", ".", what, "give the folder of one checkpoint")
            break
    if not walk.files:
        walk.find("empty", ".", "holds no file", "give the folder that holds the configuration and the weights")
    _find_collisions(walk)
    _find_hard_links(walk)
    files = dict(sorted(walk.files.items()))
    return Listing(path, files, tuple(walk.findings), single=False)


def _below(walk: _Walk) -> Iterator[tuple[str, os.stat_result]]:
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(walk.root / folder) as found:
                items = sorted(found, key=lambda item: item.name)
        except OSError as error:
            what = f"cannot be listed: {error.strerror}"
            walk.find("unreadable", folder.rstrip("/") or ".", what, "check its permissions")
            continue
        for item in items:
            name = f"{folder}{item.name}"
            if len(name) > MAX_PATH:
                what = f"lies deeper than {MAX_PATH} characters of path; it was not looked at"
                walk.find("bad_name", name[:200] + "…", what, "give it a shorter path, or take it out")
            elif item.is_dir(follow_symlinks=False):
                folders.append(f"{name}/")
            else:
                yield name, item.stat(follow_symlinks=False)


def _look_at(walk: _Walk, name: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        leads = os.readlink(walk.root / name)
        what = f"is a symlink to {visible(leads)!a}; it was not followed"
        walk.find("not_a_file", name, what, "put the file itself in the folder: `hf download --local-dir` does")
    elif not stat.S_ISREG(status.st_mode):
        walk.find("not_a_file", name, "is a pipe, a socket or a device", "take it out of the folder")
    elif visible(name) != name:
        walk.find("bad_name", name, "has a name that is not UTF-8; it was not read", "rename it")
    else:
        walk.files[name] = status
        if not name.isprintable() or "\\" in name:
            what = f"has a name that not every system can carry: {name!a}"
            walk.find("bad_name", name, what, "rename it: printable characters, no backslash")


def _find_collisions(walk: _Walk) -> None:
    seen: dict[str, str] = {}
    for name in sorted(walk.files):
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            what = f"and {seen[folded]!a} are one file on some systems"
            walk.find("name_collision", name, what, "rename or remove one of them")
        seen[folded] = name


def _find_hard_links(walk: _Walk) -> None:
    linked = [name for name, status in sorted(walk.files.items()) if status.st_nlink > 1]
    if linked:
        what = "are hard-linked: who changes the other name of such a file changes this one"
        fix = "copy them, if they are to be published"
        found = Finding(
            kind="hard_link",
            level="concern",
            where=".",
            what=what,
            fix=fix,
            count=len(linked),
            names=tuple(linked[:10]),
        )
        walk.findings.append(found)
