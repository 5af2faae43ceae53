"""Public texts that whoever gathers text from the net has gathered, as they lie on every machine that runs releasegate.

Licences of installed packages and of Python itself, the documentation and the source of Python's standard library. None of
it lies in the repository: `passages.csv` lists the digests of passages, and those of them that the machine has are the pool.
So another version of Python or of a package has fewer of them, and never others unnoticed.

`python -m evals.verbatim.texts` writes the list again, from the Python that runs, what is installed beside it, and other
libraries that it is given.
"""

from __future__ import annotations

import ast
import codecs
import csv
import hashlib
import io
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal, get_args

from releasegate.errors import DocumentError, Problem

from ..documents import text_of
from ..standard_library import cuts, modules

Kind = Literal["licence", "documentation", "source"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LIST = Path(__file__).with_name("passages.csv")
COLUMNS = ("kind", "digest")
SHORT, LONG = 700, 1400
"""Characters of a passage: enough for 100 tokens of all but very large ones."""
LICENCES = ("LICEN", "COPYING", "NOTICE")
"""What stands in the name of a file that holds a licence."""
MOST: Mapping[Kind, int] = {"licence": 400, "documentation": 600, "source": 600}
"""Passages of a kind that are listed."""
LARGEST = 200_000
"""Bytes of a file that is read."""


@dataclass(frozen=True, order=True)
class PublicPassage:
    """Some consecutive lines of a public text.

    Attributes:
        kind: of text.
        digest: the first 16 hexadecimal digits of the sha256 of the text.
        text: the lines, each with its end.
    """

    kind: Kind
    digest: str
    text: str


@lru_cache(maxsize=1)
def public_passages() -> tuple[PublicPassage, ...]:
    """The listed passages that this machine has, sorted by kind and digest.

    Raises:
        NotFound: there is no list.
        DocumentError: it is not UTF-8, has other columns, or a line that is none.

    >>> {passage.kind for passage in public_passages()} <= set(KINDS)
    True
    """
    text = text_of(LIST, "there is no such list", "restore it, or use another eval")
    listed = parse_passages(text, LIST.name)
    library = Path(sysconfig.get_paths()["stdlib"])
    found = {(one.kind, one.digest): one for one in _passages(library) if (one.kind, one.digest) in listed}
    return tuple(sorted(found.values()))


def parse_passages(text: str, where: str) -> frozenset[tuple[str, str]]:
    """Kind and digest of each passage that the CSV `text` lists.

    Args:
        where: named in errors.

    Raises:
        DocumentError: as of `public_passages`.
    """
    rows = list(csv.reader(io.StringIO(text), strict=False))
    if not rows or tuple(rows[0]) != COLUMNS or len(rows) == 1:
        raise DocumentError(
            [Problem(f"{where}:1", "lists no passage", f"write {','.join(COLUMNS)}, and passages below")]
        )
    for number, row in enumerate(rows[1:], 2):
        sound = len(row) == 2 and row[0] in KINDS and len(row[1]) == 16 and set(row[1]) <= set("0123456789abcdef")
        if not sound:
            fix = f"write one of {', '.join(KINDS)}, and 16 hexadecimal digits"
            raise DocumentError([Problem(f"{where}:{number}", "is no passage", fix)])
    return frozenset((row[0], row[1]) for row in rows[1:])


def _passages(library: Path) -> Iterator[PublicPassage]:
    """The passages of all texts that are found, listed or not."""
    for kind, text in _texts(library):
        found = from_paragraphs(text) if kind == "licence" else cuts(text, short=SHORT, long=LONG)
        for cut in found:
            yield PublicPassage(kind, hashlib.sha256(cut.encode()).hexdigest()[:16], cut)


def from_paragraphs(text: str) -> Iterator[str]:
    """From each paragraph on, lines of `SHORT` to about `LONG` characters: so a clause is found whatever stands before it.

    >>> [len(part) for part in from_paragraphs("Title\\n\\n" + "a clause\\n" * 90 + "\\nthe end\\n")]
    [818, 811]
    """
    lines = text.splitlines(keepends=True)
    for first, line in enumerate(lines):
        if line.strip() and (first == 0 or not lines[first - 1].strip()):
            part = next(iter(cuts("".join(lines[first : first + LONG]), short=SHORT, long=LONG)), None)
            if part is not None:
                yield part


def _texts(library: Path) -> Iterator[tuple[Kind, str]]:
    """Licences, then the documentation that `help()` shows and the Zen of Python, then the modules that lie in no package."""
    licences = [library / "LICENSE.txt"]
    for distribution in distributions():
        for file in distribution.files or ():
            if ".dist-info" in file.parts[0] and any(word in file.name.upper() for word in LICENCES):
                licences.append(Path(str(distribution.locate_file(file))))
    for path in licences:
        yield from (("licence", text) for text in _read(path))
    for text in _read(library / "pydoc_data" / "topics.py", largest=4 * LARGEST):
        yield from (("documentation", topic) for topic in _topics(text))
    for text in _read(library / "this.py"):
        yield "documentation", codecs.decode(_first_string(text), "rot13")
    for module in modules(library):
        if "/" not in module:
            for text in _read(library / module):
                yield "source", text
                yield from (("documentation", told) for told in _docstrings(text))


def _read(path: Path, largest: int = LARGEST) -> Iterator[str]:
    """The text of a file, if there is one that is no larger than that."""
    if path.is_file() and path.stat().st_size <= largest:
        yield path.read_text("utf-8", "replace")


def _first_string(module: str) -> str:
    """The first text that a module gives a name to; of `this`, the Zen of Python, its letters turned by 13."""
    values = (node.value for node in ast.parse(module).body if isinstance(node, ast.Assign))
    texts = (value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str))
    return next(texts, "")


def _docstrings(module: str) -> Iterator[str]:
    """Yield what a module says of itself, its classes and its functions, as `help()` shows it."""
    try:
        tree = ast.parse(module)
    except SyntaxError:  # of a library of a later Python than the one that runs
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            told = ast.get_docstring(node)
            if told is not None and len(told) >= SHORT:
                yield told


def _topics(module: str) -> list[str]:
    """The texts of the dictionary that the module of `help()` consists of."""
    tables = (node.value for node in ast.parse(module).body if isinstance(node, ast.Assign | ast.AnnAssign))
    values = [value for table in tables if isinstance(table, ast.Dict) for value in table.values]
    return [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]


def _most(libraries: Sequence[Path]) -> list[tuple[str, str]]:
    """Return kind and digest of at most `MOST` passages of each kind: those first that stand most often, in all libraries."""
    counts: Counter[tuple[str, str]] = Counter()
    for library in libraries:
        counts.update((passage.kind, passage.digest) for passage in _passages(library))
    chosen: list[tuple[str, str]] = []
    for kind in KINDS:
        of_kind = [one for one in counts if one[0] == kind]
        chosen += sorted(of_kind, key=lambda one: (-counts[one], one[1]))[: MOST[kind]]
    return sorted(chosen)


if __name__ == "__main__":
    rows = _most([Path(sysconfig.get_paths()["stdlib"]), *map(Path, sys.argv[1:])])
    LIST.write_text("".join(f"{','.join(row)}\n" for row in (COLUMNS, *rows)))
