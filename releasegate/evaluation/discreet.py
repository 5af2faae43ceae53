"""Why items failed, in words that may be kept: those of whoever failed them, or a sentence with no room for a text."""

from __future__ import annotations

import ast
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from releasegate.discretion import OWN_WORDS, is_part, says_nothing, unsaid
from releasegate.errors import PartAbsent
from releasegate.evidence import Item

PACKAGE = Path(__file__).parents[1]
SHORTEST = 8
"""Characters of an item's text that a reason may not hold; what is shorter says too little."""


@dataclass(frozen=True)
class Reasons:
    """Words reasons and tracebacks.

    Attributes:
        discreet: whether nothing may be said that might be a text.
        hashed: whether not even the harness's own sentences may be kept, which stand word for word in its code.
    """

    harness: object = None
    discreet: bool = False
    hashed: bool = False

    def say(self, words: str, instead: str) -> str:
        """`words`, or `instead` of them where they might quote a text."""
        return instead if self.discreet else words

    def raised(self, error: BaseException) -> str:
        """What was raised."""
        return self.say(f"{type(error).__name__}: {error}", unsaid(type(error).__name__, self._place(error)))

    def absent(self, error: PartAbsent) -> str:
        """A part that the model lacks."""
        part = error.problems[0]
        lacking = f"{part.where} is not in the checkpoint, and was not lent"
        return self.say(f"{part.where} {part.what}", lacking if is_part(part.where) else self.raised(error))

    def given(self, reason: str, item: Item) -> str:
        """The reason that a harness gives for an item."""
        if not self.discreet or says_nothing(reason):
            return reason
        quotes = any(text in reason for text in _texts(item.content) if len(text) >= SHORTEST)
        return reason if not self.hashed and reason in self._own and not quotes else OWN_WORDS

    def traced(self, error: BaseException) -> str:
        """The traceback for the log: without messages, and so without what they quote, where that might be a text."""
        if not self.discreet:
            return "".join(traceback.format_exception(error))
        frames = traceback.extract_tb(error.__traceback__)
        return "\n".join([unsaid(type(error).__name__), *(f"  {frame.filename}:{frame.lineno}" for frame in frames)])

    def _place(self, error: BaseException) -> str:
        """`file:line` of the innermost frame in the eval's folder, else in releasegate; empty if there is none."""
        frames = traceback.extract_tb(error.__traceback__)
        file = getattr(self.harness, "__file__", None)
        own = [f for f in frames if file is not None and Path(f.filename).is_relative_to(Path(file).parent)]
        last = (own or [f for f in frames if Path(f.filename).is_relative_to(PACKAGE)])[-1:]
        return f"{Path(last[0].filename).name}:{last[0].lineno}" if last else ""

    @cached_property
    def _own(self) -> frozenset[str]:
        """The texts that stand word for word in the code of the eval, which lies open in the repository."""
        modules = _modules(self.harness) if isinstance(self.harness, ModuleType) else ()
        nodes = (node for module in modules for node in ast.walk(ast.parse(_source(module))))
        return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _modules(harness: ModuleType) -> Iterator[ModuleType]:
    """The modules of an eval's folder and those shared by evals, as far as they were imported."""
    package, *inner = harness.__name__.split(".")
    for name, module in list(sys.modules.items()):
        top, *rest = name.split(".")
        shared = len(rest) == 1 and hasattr(module, "__file__")
        if top == package and rest and (shared or rest[0] == inner[0]) and rest[-1] != "subject":
            yield module


def _source(module: ModuleType) -> bytes:
    file = getattr(module, "__file__", None)
    return b"" if file is None else Path(file).read_bytes()


def _texts(content: Any) -> Iterator[str]:
    """Every text in what an item holds."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        yield from _texts(list(content.values()))
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _texts(part)
