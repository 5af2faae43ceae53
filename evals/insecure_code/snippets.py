"""The code in what a model wrote: cut out of a continuation or of a chat's answer, and told from what is none.

Python's own parser decides, and nothing is run. What a limit of tokens cut off loses its last, unfinished statement; a fault
anywhere else stays a fault.
"""

from __future__ import annotations

import ast
import codeop
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from ..python_text import tree_of

MOST = 20_000
"""Characters of the longest code that is read."""
TRIES = 60
"""Ends that are tried where code has to be told from what follows it."""
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*\{?\.?(\w*)[^\n`]*$", re.MULTILINE)
PYTHON = ("python", "py", "python3", "")
"""What a fence says of itself that may hold Python."""
BEGINS = re.compile(r"(?:async +def|def|class|import|from|@)\b|@")
"""How a line of an answer without fences begins that is likely code."""


class Snippet(NamedTuple):
    """What was made of an answer.

    Attributes:
        code: Python that parses and does something; None if there is none.
        why: what is wrong, where there is none.
    """

    code: str | None
    why: str = ""


NO_CODE = "holds no function that does anything"
NOT_PYTHON = "does not parse"
TOO_LONG = f"is longer than {MOST:,} characters"


def continued(header: str, written: str, *, complete: bool) -> Snippet:
    """The function that a model wrote after its header, up to the first line that stands outside of it.

    Args:
        header: a whole function's `def` line and docstring, which ends with a line break.
        written: what follows.
        complete: whether the writer came to an end; else its last statement may be half of one.

    >>> continued("def f(x):\\n", "    return x\\n\\nprint(f(1)", complete=False).code
    'def f(x):\\n    return x\\n\\n'
    >>> continued("def f(x):\\n", "    return (\\n", complete=True)
    Snippet(code=None, why='does not parse')
    """
    return _cut(header, _plain(written), complete=complete)


def answered(text: str, *, complete: bool) -> Snippet:
    """The code in a chat's answer: of its Python fences all, or what looks like code where there is no fence.

    A fence that says `python` and does not parse makes the whole answer one that does not; one that says nothing of
    itself may be output, and counts only if it parses.

    >>> answered("Sure:\\n```python\\ndef f(x):\\n    return x\\n```\\nCall it.", complete=True).code
    'def f(x):\\n    return x\\n'
    """
    plain = _plain(text)
    if len(plain) > MOST:
        return Snippet(None, TOO_LONG)
    fences = list(_fences(plain))
    if not fences:
        return _without_fence(plain, complete=complete)
    kept: list[str] = []
    for language, code, closed in fences:
        if language not in PYTHON:
            continue
        found = code if parses(code) else None if closed or complete else _shortened("", code.split("\n"))
        if found is None and (language or not closed):
            return Snippet(None, NOT_PYTHON)
        kept += [found] if found is not None else []
    return _sound("\n".join(kept)) if kept else Snippet(None, NO_CODE)


def parses(code: str) -> bool:
    """Whether Python's parser takes a text, whatever is in it."""
    return _tree(code) is not None


def does_something(code: str) -> bool:
    """Whether a function in code that parses does more than to pass, to return nothing, or to say that it is not written.

    >>> does_something("def f():\\n    'Adds.'\\n    pass\\n"), does_something("def f():\\n    return g()\\n")
    (False, True)
    """
    tree = _tree(code)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)] if tree else []
    return any(not all(_idle(statement) for statement in function.body) for function in functions)


def _idle(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=None | ast.Constant(value=None)):
            return True
        case ast.Raise(exc=ast.Name(id="NotImplementedError") | ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
        case _:
            return False


def _plain(text: str) -> str:
    """The text with one kind of line break, and without a mark of byte order before it."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _fences(text: str) -> list[tuple[str, str, bool]]:
    """What each fence says of itself in lower case, what is in it, and whether it is closed."""
    found: list[tuple[str, str, bool]] = []
    place = 0
    while (opening := FENCE.search(text, place)) is not None:
        mark, language = opening[1], opening[2].lower()
        closing = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$", re.MULTILINE)
        end = closing.search(text, opening.end())
        found.append((language, text[opening.end() + 1 : end.start() if end else len(text)], end is not None))
        if end is None:
            break
        place = end.end()
    return found


def _without_fence(text: str, *, complete: bool) -> Snippet:
    """The code of an answer that may be prose in part: from the first line that begins like code."""
    if parses(text):
        return _sound(text)
    lines = text.split("\n")
    first = next((place for place, line in enumerate(lines) if BEGINS.match(line)), None)
    if first is None:
        return Snippet(None, NO_CODE)
    while first + 1 < len(lines) and not lines[first].startswith(("def", "async", "class")) and _prose(lines[first]):
        first += 1  # "from here on …" begins like code, and is none
    return _cut("", "\n".join(lines[first:]), complete=complete, longest=True)


def _prose(line: str) -> bool:
    return not parses(line) and not line.startswith("@") and not line.rstrip().endswith(("(", "\\"))


def _cut(header: str, written: str, *, complete: bool, longest: bool = False) -> Snippet:
    """What of a text is code after its header.

    Args:
        longest: whether all that parses is taken; else it ends with the first line outside the function.
    """
    if len(header) + len(written) > MOST:
        return Snippet(None, TOO_LONG)
    lines = written.split("\n")
    outside = [place for place, line in enumerate(lines) if line[:1] not in ("", " ", "\t", "\f", "#", ")", "]", "}")]
    ends = [*outside, *([len(lines)] if complete else [])]
    tried = ends[::-1][:TRIES] if longest else ends[:TRIES]
    for end in tried:
        code = header + "".join(f"{line}\n" for line in lines[:end])
        if parses(code) and (end > 0 or not longest):
            return _sound(code)
    rest = None if complete else _shortened(header, lines)
    return _sound(rest) if rest is not None else Snippet(None, NOT_PYTHON)


def _shortened(header: str, lines: Sequence[str]) -> str | None:
    """A text without its last line, which may be half a line, nor the statement that it breaks off in; None if it has a fault.

    What stays open opens at the line that the parser names, and from there on the text is left out.
    """
    above, left = header.count("\n"), [f"{line}\n" for line in lines[:-1]]
    for _ in range(TRIES):
        code = header + "".join(left)
        if not left or parses(code):
            return code if left else None
        opened = _breaks_off(code)
        if opened is None or opened <= above:
            return None
        left = left[: min(opened - above, len(left)) - 1]
    return None


def _breaks_off(code: str) -> int | None:
    """The line, from 1, of what is unfinished in a text that more lines could make code of; None if they could not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if codeop.compile_command(code, symbol="exec") is not None:
                return None
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            return None  # a fault, which no line mends
        try:
            ast.parse(code)
        except SyntaxError as error:
            return error.lineno
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


def _sound(code: str) -> Snippet:
    return Snippet(code) if does_something(code) else Snippet(None, NO_CODE)


def _tree(text: str) -> ast.Module | None:
    """The tree of a text that is not too long, if it has one."""
    return None if len(text) > MOST else tree_of(text)
