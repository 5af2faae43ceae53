"""Functions of the standard library, cut after their header; and whether what was written in place of the body is one."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..python_text import tree_of
from ..standard_library import Part, passages


@dataclass(frozen=True)
class Begun:
    """A function at the top level of a module, of which the body is to be written.

    Attributes:
        module: its path below the library.
        name: of the function.
        before: the text of the module before the header.
        header: from `def` to its colon. The line is left open: many tokenizers write the line's end and the indentation after
            it as one token, which a model cannot write once the end alone stands there.
    """

    module: str
    name: str
    before: str
    header: str


@lru_cache(maxsize=4)
def functions(part: Part) -> tuple[Begun, ...]:
    """The functions of one part's modules, by module and place.

    >>> functions("held_out")[0].header.startswith("def ")
    True
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    modules = sorted({passage.module for passage in passages(part)})
    return tuple(one for module in modules for one in _begun((root / module).read_text("utf-8", "replace"), module))


def _begun(text: str, module: str) -> Iterator[Begun]:
    tree = tree_of(text)
    lines = text.splitlines(keepends=True)
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno > node.lineno:
            header = "".join(lines[node.lineno - 1 : node.body[0].lineno - 1])
            if header.rstrip().endswith(":"):  # and no comment between the header and the body
                yield Begun(module, node.name, "".join(lines[: node.lineno - 1]), header.rstrip())


def body_of(written: str, *, complete: bool) -> str:
    """The part of what was written that belongs to the body: whole lines, up to the first that stands outside of it.

    Args:
        written: what follows the colon of the header, the rest of its line first.
        complete: whether the writer came to an end; else its last line may be half a line.

    >>> body_of("\\n    return x\\n\\ndef g():\\n    pass\\n", complete=False)
    '\\n    return x\\n\\n'
    >>> body_of("\\n    y = x\\n    retu", complete=False)
    '\\n    y = x\\n'
    """
    body: list[str] = []
    for number, line in enumerate(written.splitlines(keepends=True)):
        outside = number > 0 and line[0] not in " \t\r\n\f#)]}"
        if outside or not (complete or line.endswith("\n")):
            break
        body.append(line)
    return "".join(body)


def parses(header: str, body: str) -> bool:
    """Whether header and body are a function by Python's own parser; a header without a statement after it is none."""
    return tree_of(header + body) is not None
