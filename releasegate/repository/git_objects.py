"""Reading a commit of a Git repository, object by object, each checked against its name.

Nothing is checked out: no hook, filter, attribute, submodule or replacement of the repository has a say, nothing is
fetched, and what the working tree holds is never read.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from releasegate.errors import GitError

CANDIDATES = ("refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}")
"""Where Git looks for a name; one that is found in two of these is ambiguous."""

MAX_OBJECT = 512 << 20
"""Bytes of one object."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{4,39}")
_NO_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)")
_QUIET: Mapping[str, str] = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_PROTOCOL_FROM_USER": "0",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.allow=never",
    "safe.bareRepository=explicit",  # a folder of the working tree may look like a repository
)


@dataclass(frozen=True)
class TreeEntry:
    """One name in a folder of a commit.

    Attributes:
        mode: `040000` a folder, `100644` and `100755` files, `120000` a symlink, `160000` a submodule.
        oid: the name of the object.
    """

    mode: str
    name: str
    oid: str


class GitObjects:
    """The objects of a repository, read through one process."""

    def __init__(self, place: Path, process: subprocess.Popen[bytes]) -> None:
        self._place = place
        self._in, self._out = _pipes(process)

    def commit_tree(self, commit: str) -> str:
        """The name of the top folder of a commit.

        Raises:
            GitError: the commit is not there, or is not what its name says.
        """
        first = self._read(commit, b"commit").split(b"\n", 1)[0]
        found = re.fullmatch(rb"tree ([0-9a-f]{40}|[0-9a-f]{64})", first)
        if found is None:
            raise self._broken(commit, "is a commit without a folder")
        return found[1].decode()

    def tree(self, oid: str) -> list[TreeEntry]:
        """The entries of a folder.

        Raises:
            GitError: it is not there, is not what its name says, or is malformed.
        """
        data, width, found, at = self._read(oid, b"tree"), len(oid) // 2, [], 0
        while at < len(data):
            end = data.find(b"\0", at)
            mode, _, name = data[at:end].partition(b" ")
            at = end + 1 + width
            if end < 0 or at > len(data) or not re.fullmatch(rb"[0-7]{5,6}", mode):
                raise self._broken(oid, "is a malformed folder")
            named = name.decode("utf-8", "surrogateescape")
            found.append(TreeEntry(mode.decode().zfill(6), named, data[end + 1 : at].hex()))
        return found

    def blob(self, oid: str) -> bytes:
        """What a file holds, byte by byte as it was committed.

        Raises:
            GitError: it is not there, or is not what its name says.
        """
        return self._read(oid, b"blob")

    def _read(self, oid: str, kind: bytes) -> bytes:
        try:
            self._in.write(f"{oid}\n".encode())
            self._in.flush()
        except BrokenPipeError:
            raise GitError(str(self._place), "Git stopped", "run `git fsck` in the clone") from None
        head = self._out.readline().split()
        if len(head) != 3 or head[0] != oid.encode():
            fix = "fetch the whole commit: `git fetch --depth=1 --no-filter origin COMMIT`"
            raise GitError(str(self._place), f"Git has no object {oid}", fix)
        size = int(head[2])
        if size > MAX_OBJECT:
            fix = "keep weights that large out of the repository, and pin their digest there"
            raise GitError(str(self._place), f"object {oid} is larger than {MAX_OBJECT >> 20} MiB", fix)
        data = self._out.read(size)
        self._out.read(1)
        named = hashlib.new(
            "sha1" if len(oid) == 40 else "sha256", b"%s %d\0" % (kind, len(data)), usedforsecurity=False
        )
        named.update(data)
        if head[1] != kind or named.hexdigest() != oid:
            raise self._broken(oid, f"is not the {kind.decode()} that its name says")
        return data

    def _broken(self, oid: str, what: str) -> GitError:
        return GitError(str(self._place), f"object {oid} {what}", "clone the repository again, and run `git fsck`")


@contextmanager
def git_objects(place: Path) -> Iterator[GitObjects]:
    """The objects of the repository around `place`, while it lasts.

    Raises:
        GitError: there is no Git, or no repository.
    """
    process = subprocess.Popen(
        _call(place, "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        yield GitObjects(place, process)
    finally:
        process.kill()
        process.communicate()


def working_tree(place: Path) -> Path | None:
    """The top of the working tree around `place`; None where Git knows of none."""
    done = _git(place, "rev-parse", "--show-toplevel")
    return Path(done.stdout.removesuffix("\n")) if done.returncode == 0 and done.stdout.strip() else None


def resolve(place: Path, ref: str) -> str:
    """The commit that a name stands for: a full commit id, or a name of a branch or tag that is not ambiguous.

    Args:
        place: a folder in the repository.

    Raises:
        GitError: there is no Git, no repository, no such commit, or more than one.
    """
    if not ref or ref.startswith(("-", "/", ".")) or ref.endswith(("/", ".")) or ref == "@" or _NO_NAME.search(ref):
        raise GitError(repr(ref), "is no name of a commit", "name a branch, a tag, or a full commit id")
    if _git(place, "rev-parse", "--git-dir").returncode != 0:
        said = _git(place, "rev-parse", "--git-dir").stderr.strip().splitlines()
        what = f"Git finds no repository here: {said[0] if said else 'it says nothing'}"
        raise GitError(str(place), what, "run it inside the clone, as the user whom it belongs to")
    if _COMMIT.fullmatch(ref):
        return ref if _commit(place, ref) == ref else _raise_missing(place, ref)
    found = {full: commit for full in _full_names(ref) if (commit := _named(place, full))}
    if len(found) > 1:
        what = f"is ambiguous: {' and '.join(found)}"
        raise GitError(ref, what, "name one of them in full, or a full commit id")
    return next(iter(found.values())) if found else _raise_missing(place, ref)


def _full_names(ref: str) -> list[str]:
    if ref.startswith("refs/") or ref == "HEAD":
        return [ref]
    return [form.format(ref) for form in CANDIDATES]


def _commit(place: Path, name: str) -> str | None:
    done = _git(place, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    found = done.stdout.strip()
    return found if done.returncode == 0 and _COMMIT.fullmatch(found) else None


def _named(place: Path, full: str) -> str | None:
    """The commit that just this name stands for: asked for `refs/heads/main`, Git would take `refs/tags/refs/heads/main` too."""
    done = _git(place, "show-ref", "--verify", "--hash", "--", full)
    oid = done.stdout.strip()
    return _commit(place, oid) if done.returncode == 0 and _COMMIT.fullmatch(oid) else None


def _raise_missing(place: Path, ref: str) -> str:
    shallow = _git(place, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"
    what = "is no commit of this clone" + (", which is a shallow one" if shallow else "")
    fetch = "git fetch --depth=1" if shallow else "git fetch"
    remote, _, branch = ref.removeprefix("refs/remotes/").partition("/")
    if branch and remote in _git(place, "remote").stdout.split():
        fix = f"fetch it: `{fetch} {remote} +refs/heads/{branch}:refs/remotes/{remote}/{branch}`"
    elif _SHORT.fullmatch(ref):
        fix = "name it by its full commit id, or by a branch or tag: no shortened id is taken"
    else:
        fix = f"fetch it: `{fetch} origin {ref}`, and name it by its full commit id"
    raise GitError(ref, what, fix)


def _git(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _call(place, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=_environment(),
        check=False,
    )


def _call(place: Path, *arguments: str) -> list[str]:
    from shutil import which

    program = which("git")
    if program is None:
        raise GitError("git", "is not installed", "install it, or leave out --judge-from")
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    return [program, "-C", str(place), "--no-pager", *settings, *arguments]


def _environment() -> dict[str, str]:
    """What Git sees of the environment: nothing that points it to another repository, index or program."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | dict(_QUIET)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
