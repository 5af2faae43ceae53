r"""Lines of a shard, read many at a time: those that differ in nothing but numbers, texts and labels.

A shard holds a million lines of few *shapes*. The first line of a shape is read by `parse_sample`, which judges it; from
the keys that it holds, a regular expression is made, and takes every further line of that shape. It matches only what
`parse_sample` would take too: each key stands literally, so none stands twice; white space nowhere; numbers are floats
as they are written, without room for NaN or an infinity; texts hold no raw control character and no half of a surrogate
pair; each text of labels is parsed by itself when it is first met. A line of no shape is for `parse_sample` to judge,
and with it all the lines that were to be read together: what is wrong with which, they are told one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter

from releasegate.discretion import HASHED, says_nothing
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import CellKey, Failed, Labels, OutputKinds, Rows, cell_key, parse_sample
from releasegate.records import refuse_duplicate_keys

MOST_SHAPES = 32
"""Shapes that are remembered: a line is compared with each. Evidence with more of them is read line by line."""
LARGEST_ITEM = 10**18
"""Beyond every plan, and within 64 bits."""

FAILURE = '\n{"outcome":"failed",'
"""How a line of a failure begins, with the newline before it."""

_LABELS: TypeAdapter[Labels] = TypeAdapter(Labels)
_FAILED = re.compile(rf"\n({re.escape(FAILURE[1:])}[^\n]*+)(?=\n)")
_ITEM = r"(0|[1-9][0-9]{0,17}+)"
_LABEL_TEXT = r"(\{[^{}\n]*+\})"
_EXPONENT = r"e(?:\+?[0-9]{1,2}|-[0-9]{1,3})"
_FLOAT = rf"(-?(?:0|[1-9][0-9]{{0,14}}+)(?:\.[0-9]{{1,25}}+(?:{_EXPONENT})?|{_EXPONENT}))"
_PLAIN = r'[^"\\\x00-\x1f]*+'
_ESCAPE = r'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_TEXT = rf'"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*+"'
_OUTPUT = r'"[0-9a-f]{64}\.([a-z0-9]{1,8})"'


class _Shape(NamedTuple):
    """The keys of a measured sample, in their order."""

    metrics: tuple[str, ...]
    detail: tuple[str, ...]
    outputs: tuple[str, ...]


_Found = Sequence[tuple[str, ...]]
"""Of each line: its item, its labels, the value of each metric and the extension of each output, as they are written."""


class ShardLines:
    """Reads lines together, and remembers the shapes and labels that it met.

    Args:
        hashed: take only lines that hold no text and no output.
    """

    def __init__(self, *, hashed: bool = False) -> None:
        self._hashed = hashed
        self._shapes: dict[_Shape, re.Pattern[str]] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], CellKey] = {}

    def read(self, lines: bytes) -> Rows | None:
        """The samples that some lines hold; None where they have to be read one by one.

        Args:
            lines: whole lines, each with its newline.
        """
        if not lines.endswith(b"\n"):
            return None
        try:
            text = "\n" + lines.decode()
            failed = [_failed(line) for line in _FAILED.findall(text)] if FAILURE in text else []
            if self._hashed and not all(says_nothing(sample.error) for sample in failed):
                return None
            return self._rows(list(self._found(_FAILED.sub("", text) if failed else text)), failed)
        except (ValueError, EvidenceUntrusted):
            return None

    def _found(self, text: str) -> Iterator[tuple[_Shape, _Found]]:
        """The lines by shape. `text` has a newline before each line, and one at the end.

        Raises:
            ValueError: a line has no shape, or there are too many shapes.
            EvidenceUntrusted: a line is none.
        """
        untried = list(self._shapes)
        while text != "\n":
            shape = untried.pop(0) if untried else self._learn(text[1 : text.index("\n", 1)])
            pattern = self._shapes[shape]
            found = pattern.findall(text)
            if found:
                yield shape, found
                text = "\n" if len(found) == text.count("\n") - 1 else pattern.sub("", text)

    def _learn(self, line: str) -> _Shape:
        sample = parse_sample(line.encode(), "")
        if isinstance(sample, Failed):
            raise ValueError("not written as a failure is")
        shape = _Shape(tuple(sample.values), tuple(sample.detail), tuple(sample.outputs))
        if shape in self._shapes or (self._hashed and shape.outputs) or len(self._shapes) == MOST_SHAPES:
            raise ValueError("not written as its like, or one shape too many")
        self._shapes[shape] = _pattern(shape, rf'"{HASHED}"' if self._hashed else _TEXT)
        return shape

    def _rows(self, groups: Sequence[tuple[_Shape, _Found]], failed: Sequence[Failed]) -> Rows:
        items: list[int] = []
        kinds: list[CellKey] = []
        kind: list[int] = []
        carrying: dict[str, list[int]] = {}
        values: dict[str, list[float]] = {}
        outputs: dict[OutputKinds, list[int]] = {}
        for shape, found in groups:
            numbers, labels, *columns = zip(*found, strict=True)
            own = list(map(int, numbers))
            items += own
            place = {}
            for text in dict.fromkeys(labels):
                place[text] = len(kinds)
                kinds.append(self._key(text, shape.metrics))
            kind += map(place.__getitem__, labels)
            for metric, column in zip(shape.metrics, columns, strict=False):
                carrying.setdefault(metric, []).extend(own)
                values.setdefault(metric, []).extend(map(float, column))
            if shape.outputs:
                for item, *extensions in zip(own, *columns[len(shape.metrics) :], strict=True):
                    put_out = tuple(sorted(zip(shape.outputs, extensions, strict=True)))
                    outputs.setdefault(put_out, []).append(item)
        for sample in failed:
            items.append(sample.item)
            kind.append(len(kinds))
            kinds.append(cell_key(sample.labels, sample.metrics))
        return Rows(
            np.array(items, dtype=np.int64),
            kinds,
            np.array(kind, dtype=np.int64),
            {metric: (np.array(carrying[metric], dtype=np.int64), np.array(values[metric])) for metric in values},
            [sample.error for sample in failed],
            {put_out: np.array(own, dtype=np.int64) for put_out, own in outputs.items()},
        )

    def _key(self, text: str, metrics: tuple[str, ...]) -> CellKey:
        key = self._keys.get((text, metrics))
        if key is None:
            refuse_duplicate_keys(text)
            key = self._keys[text, metrics] = cell_key(_LABELS.validate_json(text), metrics)
        return key


def _failed(line: str) -> Failed:
    sample = parse_sample(line.encode(), "")
    if not isinstance(sample, Failed) or sample.item >= LARGEST_ITEM:
        raise ValueError("no failure of a plan")
    return sample


def _pattern(shape: _Shape, text: str) -> re.Pattern[str]:
    """What takes a line of the shape, from the newline before it to the one behind it, with details that `text` takes."""

    def members(names: Sequence[str], value: str) -> str:
        return r"\{" + ",".join(f'"{re.escape(name)}":{value}' for name in names) + r"\}"

    return re.compile(
        rf'\n\{{"outcome":"measured","item":{_ITEM},"labels":{_LABEL_TEXT},"values":{members(shape.metrics, _FLOAT)},'
        rf'"detail":{members(shape.detail, text)},"outputs":{members(shape.outputs, _OUTPUT)}\}}(?=\n)'
    )
