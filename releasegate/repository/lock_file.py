"""The lock of a gate repository on disk: `policies/releasegate.lock`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from releasegate.errors import DocumentError, LockError, Problem
from releasegate.lock import REMEDY, Difference, Lock, LockedFile, What, differences
from releasegate.repository.gate_repository import GateRepository, is_compiled
from releasegate.repository.stored import Wording, read_stored
from releasegate.repository.writing import write_whole

NAME = "policies/releasegate.lock"
LOCK = Wording(
    "a lock",
    ("there is no lock", "write one: `releasegate lock` (with the same --repo)"),
    "restore it, or write it again: `releasegate lock`",
    LockError,
)

APART = ("policies/ledger", "policies/waivers", "policies/revocations", "policies/tests", "reports/examples")
"""What comes with time and is signed or chained by itself, and what judges nothing."""
_BLOCK = 1 << 20


def read_lock(repository: GateRepository) -> Lock:
    """The lock.

    Raises:
        NotFound: there is none.
        LockError: it is none, of another version, or no regular file.
    """
    path = repository.root / NAME
    if path.is_symlink():
        raise LockError(NAME, "is a symlink", LOCK.restore)
    return read_stored(Lock, path, LOCK)


def lock_now(repository: GateRepository) -> dict[str, LockedFile]:
    """Every file that has a say in a verdict as it is on disk, by path.

    Raises:
        LockError: one is no regular file, or has a name that not every disk carries.
    """
    return {file: _locked(repository, file, what) for file, what in sorted(_files(repository))}


def write_lock(repository: GateRepository) -> Lock:
    """The lock of what is on disk now; it is written.

    Raises:
        LockError: as for `lock_now`.
    """
    lock = Lock(files=tuple(lock_now(repository).values()))
    write_whole(repository.root / NAME, lock.text().encode())
    return lock


def unlocked(repository: GateRepository) -> tuple[Difference, ...]:
    """What differs from the lock.

    Raises:
        NotFound: there is none.
        LockError: it is none; a file is no regular one.
    """
    return differences(read_lock(repository), lock_now(repository))


def require_locked(repository: GateRepository, *policies: Path) -> None:
    """Nothing, if the repository has no lock, or everything in it is as it was locked.

    Args:
        policies: the files that judge, wherever they lie: each must be one of those that are locked.

    Raises:
        LockError: every file that is not.
    """
    if not os.path.lexists(repository.root / NAME):
        return
    lock = read_lock(repository)
    found = [Problem(one.file, one.sentence(), REMEDY) for one in differences(lock, lock_now(repository))]
    known = {one.file for one in lock.files} | {problem.where for problem in found}
    for shown in dict.fromkeys(map(repository.shown, policies)):
        if shown not in known:
            what = f"is a policy that is not among the files of {NAME}"
            found.append(Problem(shown, what, "keep it in policies/, and lock it: `releasegate lock`"))
    if found:
        raise LockError.of(found)


def _files(repository: GateRepository) -> Iterator[tuple[str, What]]:
    for part in ("policies", "evals", "reports"):
        for file in _below(repository.root, part):
            what = _what(file)
            if what is not None:
                yield file, what


def _below(root: Path, folder: str) -> Iterator[str]:
    """The files below a folder, by their paths from the root.

    Raises:
        LockError: something is neither a file nor a folder.
    """
    if not os.path.lexists(root / folder):
        return
    with os.scandir(root / folder) as entries:
        for entry in entries:
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from () if name in APART else _below(root, name)
            elif is_compiled(PurePath(name)):
                continue
            elif not entry.is_file(follow_symlinks=False):
                raise LockError(name, "is no regular file, and cannot be locked", "put the file itself there")
            elif not entry.name.isprintable() or "\\" in entry.name:
                raise LockError(ascii(name), "has a name that cannot be locked", "rename it")
            else:
                yield name


def _what(file: str) -> What | None:
    """What a file of a gate repository is; None if it judges nothing."""
    part, *folders, name = file.split("/")
    if file == NAME or (name.endswith(".schema.json") and not (part == "evals" and folders)):
        return None  # for editors of documents; in the folder of an eval, a file that its code may read
    if part == "policies":
        return "other" if not name.endswith(".yaml") else "recipe" if folders[:1] == ["recipes"] else "policy"
    if part == "reports":
        return None if name == "README.md" else "template"
    if len(folders) == 1 and name == "README.md":
        return None  # no part of what an eval's digest is over
    if name == "eval.yaml":
        return "card"
    return "subject" if name == "subject.py" else "harness" if name.endswith(".py") else "instrument"


def _locked(repository: GateRepository, file: str, what: What) -> LockedFile:
    seen, path = hashlib.sha256(), repository.root / file
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        while block := opened.read(_BLOCK):
            seen.update(block)
    rules = _rules(path, file) if what == "policy" else None
    return LockedFile(file=file, what=what, sha256=f"sha256:{seen.hexdigest()}", rules=rules)


def _rules(path: Path, shown: str) -> str | None:
    """The digest of a policy's rules; None where the file holds no policy, which its own digest tells too."""
    from releasegate.policy import parse_policy

    try:
        return parse_policy(path.read_bytes(), shown).record.rules_digest()
    except DocumentError:
        return None
