"""A Git repository in a temporary folder, driven by Git itself; the people in it have no configuration of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHO = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Clone:
    """A working tree with its repository."""

    root: Path

    def git(self, *arguments: str, given: bytes = b"") -> str:
        """What Git says; it must succeed."""
        command = ["git", "-C", str(self.root), "-c", "core.autocrlf=false", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, env={**os.environ, **WHO}, check=True)
        return done.stdout.decode().strip()

    def commit(self, message: str = "what is there now") -> str:
        """The id of a new commit of everything in the working tree."""
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_tree(self, tree: str) -> str:
        """The id of a commit of a folder that need not be one that a working tree can have."""
        return self.git("commit-tree", tree, "-m", "by hand")

    def make_tree(self, *entries: tuple[str, str, str]) -> str:
        """The id of a folder of these entries: mode, object, name."""
        kinds = {"040000": "tree", "160000": "commit"}
        lines = "".join(f"{mode} {kinds.get(mode, 'blob')} {oid}\t{name}\0" for mode, oid, name in entries)
        return self.git("mktree", "-z", "--missing", given=lines.encode())

    def blob(self, data: bytes) -> str:
        """The id of a file with this content."""
        return self.git("hash-object", "-w", "--stdin", given=data)


def clone(root: Path, *more: str) -> Clone:
    """A new repository around the folder `root`; `more` are options of `git init`."""
    made = Clone(root)
    root.mkdir(parents=True, exist_ok=True)
    made.git("init", "--quiet", "--initial-branch=main", "--template=", *more)
    return made


def without_other_recipes(root: Path) -> None:
    """Nothing; of the recipes in a gate repository the one that its policy names is left: fewer files to commit and copy."""
    recipes = root / "policies" / "recipes"
    for path in recipes.iterdir():
        if path.name != "chameleon-hf" and path.is_dir():
            shutil.rmtree(path)
