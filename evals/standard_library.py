"""Python's own standard library as a text of code: its modules cut into passages, and who may be trained on which.

The source is that of the Python that runs, and none of it lies in the repository (licence: PSF-2.0). A module's share is
fixed by the digest of its name, so that it stays the same whatever else a version of Python brings:

- `train` and `unseen` share their modules. A die that the digest of each passage throws says which of the two it is, so
  that nothing but the training itself tells them apart. examples/mini_mtp is trained on the first and never on the second;
  `trained_passages.txt` and `unseen_passages.txt` list both, since another version of Python has other passages.
- `held_out` modules are the pool that gates draw from; `rehearsal` modules are for trying things out. Nothing here is trained
  on either.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from releasegate.errors import DocumentError, NotFound, Problem

Part = Literal["train", "unseen", "held_out", "rehearsal"]

TRAINED = Path(__file__).with_name("trained_passages.txt")
"""The digests of the passages that were trained on, one a line, sorted: the ground truth."""
UNSEEN = Path(__file__).with_name("unseen_passages.txt")
"""Those of the passages of the same modules that were not."""

LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings", "pydoc_data"}
    | {"idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "distutils"}
)
"""Folders that many installations lack, that hold tables, or that are no part of the library."""
LARGEST = 200_000
"""Bytes of a module that is taken in; larger ones would outweigh the others."""
SHORT, LONG = 400, 1200
"""Characters after which a passage ends at the next empty line, and after which it ends at once."""
TRAINED_MODULES, HELD_OUT_MODULES = 0.26, 0.50
"""Shares of the modules; the others are `rehearsal`."""
TRAINED_PASSAGES = 7
"""Out of 16, of the modules that are trained on; the others are `unseen`, of which thresholds need many."""


@dataclass(frozen=True, order=True)
class Passage:
    """Some consecutive lines of a module.

    Attributes:
        module: its path below the library, with forward slashes.
        number: which passage of the module it is, from 0.
        text: the lines, each with its end.
    """

    module: str
    number: int
    text: str

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the sha256 of the text: which passage it is, wherever it stands."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@lru_cache(maxsize=4)
def passages(part: Part) -> tuple[Passage, ...]:
    """The passages of one part, sorted by module and place; a text that stands twice is taken once, and in one part alone.

    Raises:
        NotFound: this Python has no library in source form.

    >>> {passage.digest for passage in passages("train")} & {passage.digest for passage in passages("held_out")}
    set()
    """
    return tuple(_parts()[part])


@lru_cache(maxsize=1)
def trained_digests() -> frozenset[str]:
    """The digests of the passages that examples/mini_mtp was trained on.

    Raises:
        NotFound: the list is missing.
        DocumentError: a line of it is no digest.

    >>> len(trained_digests())
    1129
    """
    return _digests(TRAINED)


@lru_cache(maxsize=1)
def unseen_digests() -> frozenset[str]:
    """The digests of the passages of the same modules that it was not trained on, in the library that it was trained on.

    A newer library has other ones as well. Those do not count: some are trained passages with a word changed, others speak of
    what is new.

    Raises:
        NotFound: the list is missing.
        DocumentError: a line of it is no digest.

    >>> len(unseen_digests()), unseen_digests() & trained_digests()
    (1499, frozenset())
    """
    return _digests(UNSEEN)


def _digests(file: Path) -> frozenset[str]:
    """The digests that a file lists."""
    try:
        lines = file.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        raise NotFound(str(file), "there is no such list", "restore it, or list what was trained on") from None
    bad = next((number for number, line in enumerate(lines, 1) if not re.fullmatch("[0-9a-f]{16}", line)), None)
    if bad is not None or not lines:
        where = file.name if bad is None else f"{file.name}:{bad}"
        fix = "write the first 16 hexadecimal digits of the sha256 of each passage, one a line"
        raise DocumentError([Problem(where, "is no digest" if bad else "is empty", fix)])
    return frozenset(lines)


@lru_cache(maxsize=1)
def _parts() -> dict[Part, list[Passage]]:
    parts: dict[Part, list[Passage]] = {"train": [], "unseen": [], "held_out": [], "rehearsal": []}
    seen: set[str] = set()
    root = Path(sysconfig.get_paths()["stdlib"])
    groups: dict[str, list[Passage]] = {"train": [], "held_out": [], "rehearsal": []}
    for module in modules(root):
        text = (root / module).read_text("utf-8", "replace")
        groups[_group(module)] += [Passage(module, number, cut) for number, cut in enumerate(cuts(text))]
    if not all(groups.values()):
        what = "holds too little of the standard library in source form"
        raise NotFound(str(root), what, "use a Python whose library is installed as .py files")
    for group, found in groups.items():  # the trained modules come first: what also stands there is held out nowhere
        for passage in found:
            if passage.digest in seen or (group != "train" and passage.digest in trained_digests()):
                continue
            seen.add(passage.digest)
            if group == "train":
                parts["train" if int(passage.digest[-1], 16) < TRAINED_PASSAGES else "unseen"].append(passage)
            else:
                parts["held_out" if group == "held_out" else "rehearsal"].append(passage)
    return parts


def modules(root: Path) -> list[str]:
    """Paths of the modules below the library's folder `root`, with forward slashes, sorted."""
    found = []
    for path in root.rglob("*.py"):
        below = path.relative_to(root)
        folders = below.parts[:-1]
        local = below.name.startswith(("_sysconfigdata", "sitecustomize")) or below.parts[0].startswith("config-")
        if not local and LEFT_OUT.isdisjoint(folders) and 0 < path.stat().st_size < LARGEST:
            found.append(below.as_posix())
    return sorted(found)


def _group(module: str) -> Literal["train", "held_out", "rehearsal"]:
    """Which of the groups a module belongs to, by its name alone."""
    place = int(hashlib.sha256(module.encode()).hexdigest()[:8], 16) / 2**32
    if place < TRAINED_MODULES:
        return "train"
    return "held_out" if place < TRAINED_MODULES + HELD_OUT_MODULES else "rehearsal"


def cuts(text: str, *, short: int = SHORT, long: int = LONG) -> list[str]:
    """A text in passages of `short` to about `long` characters, whole lines each; a shorter rest is dropped.

    >>> [len(cut) for cut in cuts("x = 1\\n" * 100 + "\\n" + "y = 2\\n" * 70)]
    [601, 420]
    """
    made: list[str] = []
    lines: list[str] = []
    length = 0
    for line in text.splitlines(keepends=True):
        if not lines and not line.strip():
            continue
        lines.append(line)
        length += len(line)
        if length >= long or (length >= short and not line.strip()):
            made.append("".join(lines))
            lines, length = [], 0
    if length >= short:
        made.append("".join(lines))
    return made
