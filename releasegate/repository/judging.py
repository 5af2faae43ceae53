"""A gate repository as a commit holds it, in a private folder for as long as it is needed.

In CI, whoever proposes a change writes the working tree. What judges the change comes from a commit that they cannot
write to: policies, cards, harnesses, subjects, recipes, instruments, waivers, keys, the lock and report templates.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from releasegate.errors import GitError, UsageError
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.git_objects import GitObjects, TreeEntry, git_objects, resolve

PARTS = ("policies", "evals", "reports")
MAX_FILES = 100_000
"""Files and folders."""
MAX_DEPTH = 32
MAX_BYTES = 4 << 30
"""Of all files together."""

FROM_TOP = "name the policy, or with --repo a folder of its gate repository, by its path from the top of that commit"
FOLDER, FILES = "040000", ("100644", "100755", "100664")
KINDS = {"120000": "is a symlink", "160000": "is a submodule"}
_LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Judge:
    """Who judges: the gate repository of one commit.

    Attributes:
        repository: in a private folder, which goes when the work is done.
        named: the file or folder that was asked for, in it.
        commit: its full id.
    """

    repository: GateRepository
    named: Path
    commit: str


@contextmanager
def judge_from(ref: str, inside: Path) -> Iterator[Judge]:
    """The gate repository around the path `inside` in the commit that `ref` names, while it lasts.

    Args:
        ref: a full commit id, or a name that is not ambiguous, in the Git repository around the working folder.
        inside: the path of a policy, or of a folder of the gate repository, from the top of the Git repository.

    Raises:
        UsageError: `inside` is no path in a repository.
        GitError: there is no such commit, it holds no such path, or something that cannot be taken.
    """
    parts = _parts(inside)
    commit = resolve(Path(), ref)
    folder = Path(tempfile.mkdtemp(prefix="releasegate-judge-")).resolve()  # for nobody but this user
    try:
        with git_objects(Path()) as objects:
            taking = _Taking(objects, commit, folder)
            root = taking.gate_repository(parts)
        at = folder.joinpath(*parts[len(root) :])
        if not at.exists():
            what = f"is not in commit {commit}"
            raise GitError("/".join(parts), what, FROM_TOP)
        yield Judge(GateRepository(folder), at, commit)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parts(inside: Path) -> tuple[str, ...]:
    parts = inside.parts
    if inside.is_absolute() or ".." in parts or "\\" in str(inside):
        what = "is no path inside the repository"
        raise UsageError(str(inside), what, "with --judge-from, give the path from the top of the Git repository")
    return parts


class _Taking:
    """Takes the parts of a gate repository out of a commit."""

    def __init__(self, objects: GitObjects, commit: str, target: Path) -> None:
        self._objects = objects
        self._commit = commit
        self._target = target
        self._files = 0
        self._bytes = 0

    def gate_repository(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The folder of the commit that is the gate repository around `parts`; what it holds is in the target."""
        folders: list[tuple[tuple[str, ...], dict[str, TreeEntry]]] = [
            ((), self._folders(self._objects.commit_tree(self._commit)))
        ]
        for number, part in enumerate(parts, 1):
            entry = folders[-1][1].get(part)
            if entry is None:
                break
            folders.append((parts[:number], self._folders(entry.oid)))
        for place, entries in reversed(folders):
            if "policies" in entries and "evals" in entries:
                for name in PARTS:
                    if name in entries:
                        self._take(entries[name], self._target / name, (*place, name))
                return place
        what = f"lies in no gate repository of commit {self._commit} (a folder with policies/ and evals/)"
        raise GitError("/".join(parts) or ".", what, FROM_TOP)

    def _folders(self, tree: str) -> dict[str, TreeEntry]:
        found: dict[str, TreeEntry] = {}
        for entry in self._objects.tree(tree):
            if entry.name in found:
                raise self._refused((entry.name,), "stands twice in one folder")
            found[entry.name] = entry
        return {name: entry for name, entry in found.items() if entry.mode == FOLDER}

    def _take(self, folder: TreeEntry, target: Path, place: tuple[str, ...]) -> None:
        if len(place) > MAX_DEPTH:
            raise self._refused(place, f"lies deeper than {MAX_DEPTH} folders")
        self._count(place)
        target.mkdir(mode=0o700)
        seen: set[str] = set()
        for entry in self._objects.tree(folder.oid):
            inside = (*place, entry.name)
            if refusal := _refused_name(entry.name):
                raise self._refused(inside, refusal)
            if entry.name.casefold() in seen:
                raise self._refused(inside, "stands beside another of that name, but for its case")
            seen.add(entry.name.casefold())
            if entry.mode == FOLDER:
                self._take(entry, target / entry.name, inside)
            elif entry.mode in FILES:
                self._write(entry, target / entry.name, inside)
            else:
                raise self._refused(inside, KINDS.get(entry.mode, f"has the mode {entry.mode}"))

    def _write(self, entry: TreeEntry, target: Path, place: tuple[str, ...]) -> None:
        data = self._objects.blob(entry.oid)
        self._count(place, len(data))
        if data.startswith(_LFS):
            raise self._refused(place, "is a pointer of Git LFS, and the file itself is not in the commit")
        target.write_bytes(data)
        target.chmod(0o700 if entry.mode == "100755" else 0o600)

    def _count(self, place: tuple[str, ...], size: int = 0) -> None:
        """Nothing; a file or folder more was taken. A small commit may name one folder in very many places."""
        self._files += 1
        self._bytes += size
        if self._files > MAX_FILES or self._bytes > MAX_BYTES:
            raise self._refused(place, f"is one too many: over {MAX_FILES:,} files or {MAX_BYTES >> 30} GiB")

    def _refused(self, place: tuple[str, ...], what: str) -> GitError:
        shown = "/".join(place).encode("utf-8", "backslashreplace").decode()
        where = shown if shown.isprintable() else ascii(shown)
        fix = "commit plain files with plain names"
        return GitError(f"{where} in commit {self._commit}", what, fix)


def _refused_name(name: str) -> str | None:
    """Why a name cannot be taken out of a commit onto any disk, if it cannot."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        return "has a name that no plain file has"
    if name.casefold().rstrip(". ").split(":")[0] in (".git", "git~1"):
        return "has the name of Git's own folder"
    return None
