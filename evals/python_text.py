"""Python that a model wrote: read, and never run."""

from __future__ import annotations

import ast
import warnings


def tree_of(text: str) -> ast.Module | None:
    """The tree of a text, if it has one. Whatever a model wrote may also be too deep for the parser, or hold a zero byte."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes and comparisons that Python frowns upon, and parses
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
