"""Strict YAML: text to plain data with the place of every value. Pure; reads nothing from disk.

The YAML that a policy may use is small: mappings with string keys, sequences, and scalars of YAML 1.2's core schema.
What surprises people is refused or plain text: `no` and `on` are strings, `1e-3` is a number, `12:30:00` and
`2026-01-01` are strings, `0123` is a string. Tags, merge keys, several documents, duplicate keys, deep nesting, alias
bombs and large files are errors with a line and a column.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from releasegate.errors import DocumentError, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 24
MAX_ALIASES = 16
MAX_NODES = 50_000
EMPTY = "the document is empty"
"""What is wrong with a text that holds nothing but comments."""
LARGEST_INTEGER = 2**53 - 1
"""What every reader of JSON holds exactly, and so what RFC 8785 can digest."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS: Mapping[str, bool | None] = {"": None, "null": None, "~": None, "true": True, "false": False}

Path = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place in a text; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Parsed:
    """The data of one YAML document, and where each value stands.

    Attributes:
        data: mappings, lists, strings, numbers, booleans, None.
        source: the name of the text in messages, such as `policies/x.yaml`.
        marks: the place of the value at each path.
        keys: the place of the key at each path that ends in a key.
    """

    data: Any
    source: str
    marks: Mapping[Path, Mark]
    keys: Mapping[Path, Mark]

    def where(self, path: Sequence[str | int], *, key: bool = False) -> str:
        """`source:line:column` of the value (or the key) at `path`, or of the nearest one above it."""
        at = tuple(path)
        places = self.keys if key else self.marks
        while at and at not in places:
            at = at[:-1]
            places = self.marks
        mark = places.get(at, Mark(1, 1))
        return f"{self.source}:{mark.line}:{mark.column}"


@dataclass
class _Open:
    """A mapping or sequence that is being read."""

    path: Path
    value: dict[str, Any] | list[Any]
    anchor: str | None
    key: str | None = None
    size: int = 0
    depth: int = 1


class _Anchored(NamedTuple):
    """A value that an alias may stand for: how many values it holds, and how deep it nests (0: a scalar)."""

    value: Any
    size: int
    depth: int


@dataclass
class _State:
    source: str
    marks: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    aliases: int = 0
    nodes: int = 0

    def fail(self, mark: Any, what: str, fix: str) -> DocumentError:
        """The error at one of our marks, or at one of the YAML reader's, which count from 0."""
        at = mark if isinstance(mark, Mark) else Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
        return DocumentError([Problem(f"{self.source}:{at.line}:{at.column}", what, fix)])


def parse_yaml(text: str | bytes, source: str) -> Parsed:
    """The one document in `text`.

    Args:
        text: at most 1 MiB, UTF-8.
        source: how messages name it.

    Raises:
        DocumentError: with the line and column of what is not allowed.

    >>> parse_yaml("a: [1, no, 1e-3]", "x.yaml").data
    {'a': [1, 'no', 0.001]}
    """
    state = _State(source)
    content = _decoded(text, state)
    try:
        return Parsed(_read(yaml.parse(content, Loader=_LOADER), state), source, state.marks, state.keys)
    except yaml.MarkedYAMLError as error:
        detail = " ".join(part for part in (error.context, error.problem) if part)
        raise state.fail(error.problem_mark, f"not valid YAML: {detail}", "correct the YAML at this place") from None


def _decoded(text: str | bytes, state: _State) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise state.fail(None, f"larger than {MAX_BYTES} bytes", "split the document, or remove what it does not need")
    try:
        content = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        raise state.fail(_place(before), "not UTF-8", "save the file as UTF-8") from None
    content = content.removeprefix("\ufeff")
    strange = _UNPRINTABLE.search(content)
    if strange:
        what = f"the character U+{ord(strange[0]):04X}"
        raise state.fail(_place(content[: strange.start()]), what, "remove it; save the file as plain UTF-8 text")
    return content


def _place(before: str) -> Mark:
    """Where the text goes on after `before`."""
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _read(events: Any, state: _State) -> Any:
    stack: list[_Open] = []
    documents: list[Any] = []
    for event in events:
        match event:
            case yaml.StreamStartEvent() | yaml.StreamEndEvent() | yaml.DocumentEndEvent():
                continue
            case yaml.DocumentStartEvent():
                if documents:
                    raise state.fail(event.start_mark, "a second document", "keep one document a file")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                closed = stack.pop()
                if closed.anchor:
                    state.anchors[closed.anchor] = _Anchored(closed.value, closed.size + 1, closed.depth)
                if stack:
                    stack[-1].size += closed.size
                    stack[-1].depth = max(stack[-1].depth, closed.depth + 1)
            case _:
                _node(event, stack, documents, state)
    if not documents:
        raise state.fail(None, EMPTY, "write the document")
    return documents[0]


def _node(event: Any, stack: list[_Open], documents: list[Any], state: _State) -> None:
    """Reads one scalar, alias, or opening of a collection, and puts it where it belongs."""
    mark = event.start_mark
    parent = stack[-1] if stack else None
    if parent is not None and isinstance(parent.value, dict) and parent.key is None:
        parent.key = _key(event, parent, state)
        return
    tag = getattr(event, "tag", None)
    if tag is not None and not (tag == "!" and isinstance(event, yaml.ScalarEvent)):
        raise state.fail(mark, f"the tag {tag!r}", "write the value without a tag")
    path = _path(parent)
    state.marks[path] = Mark(mark.line + 1, mark.column + 1)
    size, depth = 1, 0
    value: Any
    match event:
        case yaml.AliasEvent():
            value, size, depth = _alias(event, state)
        case yaml.ScalarEvent():
            value = _scalar(event, state)
            if event.anchor:
                state.anchors[event.anchor] = _Anchored(value, 1, 0)
        case yaml.MappingStartEvent():
            value, depth = {}, 1
        case _:
            value, depth = [], 1
    if len(stack) + depth > MAX_DEPTH:
        raise state.fail(mark, f"nested deeper than {MAX_DEPTH} levels", "flatten the document")
    _count(state, size, mark)
    if parent is None:
        documents.append(value)
    else:
        parent.size += size
        parent.depth = max(parent.depth, depth + 1)
        if isinstance(parent.value, dict):
            parent.value[str(parent.key)] = value
            parent.key = None
        else:
            parent.value.append(value)
    if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        stack.append(_Open(path, value, event.anchor))


def _path(parent: _Open | None) -> Path:
    if parent is None:
        return ()
    step = parent.key if isinstance(parent.value, dict) else len(parent.value)
    return (*parent.path, step if step is not None else "")


def _key(event: Any, parent: _Open, state: _State) -> str:
    mark = event.start_mark
    if not isinstance(event, yaml.ScalarEvent) or event.tag not in (None, "!"):
        raise state.fail(mark, "a key that is not plain text", "use a word as the key")
    name = str(event.value)
    if name == "<<":
        raise state.fail(mark, "a merge key (<<)", "write the keys out")
    if name in parent.value:
        before = state.keys[(*parent.path, name)].line
        raise state.fail(mark, f"duplicate key {json.dumps(name)}, first on line {before}", "remove one of them")
    state.keys[(*parent.path, name)] = Mark(mark.line + 1, mark.column + 1)
    if event.anchor:
        state.anchors[event.anchor] = _Anchored(name, 1, 0)
    return name


def _alias(event: Any, state: _State) -> _Anchored:
    state.aliases += 1
    if state.aliases > MAX_ALIASES:
        raise state.fail(event.start_mark, f"more than {MAX_ALIASES} aliases", "write the values out")
    if event.anchor not in state.anchors:
        raise state.fail(
            event.start_mark, f"the alias *{event.anchor} stands before its anchor or inside it", "write it out"
        )
    return state.anchors[event.anchor]


def _count(state: _State, size: int, mark: Any) -> None:
    state.nodes += size
    if state.nodes > MAX_NODES:
        raise state.fail(mark, f"more than {MAX_NODES} values", "split the document")


def _scalar(event: Any, state: _State) -> Any:
    text = str(event.value)
    if event.style or event.tag == "!":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text) if len(text) < 20 else LARGEST_INTEGER + 1
        if abs(number) > LARGEST_INTEGER:
            raise state.fail(event.start_mark, f"{_shortened(text)} is too large for a whole number", "quote it")
        return number
    if _FLOAT.fullmatch(text):
        real = float(text)
        if math.isinf(real):
            raise state.fail(event.start_mark, f"{_shortened(text)} is too large for a number", "write a finite number")
        return real
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
