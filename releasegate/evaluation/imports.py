"""The packages that an eval's code imports, wherever in it, found without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from releasegate.errors import Problem
from releasegate.extras import is_installed, package_of, remedy

_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True)
class Imported:
    """One import of an installed package.

    Attributes:
        module: its name, as it is imported.
        file: where it is imported.
        line: from 1.
    """

    module: str
    file: Path
    line: int


def missing_packages(harness: Path) -> list[Problem]:
    """A problem for each package that the code reached from `harness` imports and that is not installed.

    Imports count wherever they stand: at the top of a module, or inside a function that runs after the attempt was opened. Left
    out are those whose lack a `try` handles, and those for type checkers alone. Code that is no Python yields nothing
    here: loading it says why.

    Args:
        harness: `evals/<id>/harness.py`.
    """
    found: dict[str, Problem] = {}
    for one in sorted(_reached(harness), key=lambda one: (str(one.file), one.line)):
        package = package_of(one.module)
        if package not in found and not is_installed(one.module):
            what = f"package {package} is not installed, and the eval imports {one.module}"
            found[package] = Problem(f"{one.file}:{one.line}", what, remedy(one.module))
    return list(found.values())


def _reached(harness: Path) -> Iterator[Imported]:
    """Every import of a package, of `harness` and of the repository's modules that it imports, directly or not."""
    waiting, seen = [harness], {harness}
    while waiting:
        file = waiting.pop()
        try:
            tree = ast.parse(file.read_bytes(), str(file))
        except (OSError, SyntaxError, ValueError):
            continue
        for node in _counted(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                inside = [p for p in _siblings(file, node) if p not in seen]
                seen.update(inside)
                waiting += inside
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                yield from (Imported(n, file, node.lineno) for n in names if n.partition(".")[0] not in _OWN)


_OWN = sys.stdlib_module_names | {"releasegate"}


def _counted(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports at or below a node that the code cannot do without."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        below: list[ast.AST] = [*node.orelse]
    elif isinstance(node, ast.Try) and any(_catches_import(handler) for handler in node.handlers):
        below = [*node.handlers, *node.orelse, *node.finalbody]
    else:
        below = [*ast.iter_child_nodes(node)]
    for child in below:
        yield from _counted(child)


def _catches_import(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes the lack of a package into its own hands."""
    if handler.type is None:
        return True
    return bool({n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} & _CAUGHT)


def _siblings(file: Path, node: ast.ImportFrom) -> list[Path]:
    """The files that a relative import of an eval's module names: of its own folder, or of `evals/`."""
    folder = file.parents[node.level - 1] if node.level <= len(file.parents) else file.parent
    parts = node.module.split(".") if node.module else []
    at = folder.joinpath(*parts)
    named = [at.with_suffix(".py")] if parts else []
    named += [at / f"{alias.name}.py" for alias in node.names]
    return [path for path in named if path.is_file()]
