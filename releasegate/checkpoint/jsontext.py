"""JSON text of a checkpoint, parsed once and within bounds: no key twice, only finite numbers, and memory in proportion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MOST: Mapping[str, int] = {"{": 1_000_000, "[": 2_000_000, ":": 4_000_000, ",": 8_000_000}
"""How often each sign of structure may stand in a text. A list of empty lists takes 27 times the memory of its text."""


DEEPEST = 64
"""Levels of lists and objects inside one another. Whoever walks through the value may do so by recursion."""


class KeyTwice(ValueError):
    """An object has the same key twice. Attribute `key`."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {shown(key)} stands twice in one object")


class TooDeep(ValueError):
    """Lists and objects are nested deeper than `DEEPEST`."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


class TooMany(ValueError):
    """There are more objects, lists, keys or values than are read."""


def parse_json(text: bytes, most: Mapping[str, int] = MOST) -> Any:
    """The value that the JSON `text` holds.

    Args:
        text: UTF-8.
        most: how often each sign of structure may stand in it, those inside of strings included.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
        KeyTwice, TooDeep, TooMany: see there.
        ValueError: it is not JSON, holds NaN or an infinity, or a number beyond what can be read.

    >>> parse_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    for sign, limit in most.items():
        count = text.count(sign.encode())
        if count > limit:
            raise TooMany(f"it has {count:,} times the sign `{sign}`; at most {limit:,} are read")
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_pairs,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise TooDeep from None
    _refuse_depth(value)
    return value


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [inner for values in inside for inner in values if isinstance(inner, dict | list)]
        if not level:
            return
    raise TooDeep


def shown(value: object) -> str:
    """`value` in ASCII, as Python writes it, cut to 80 characters."""
    text = ascii(value if not isinstance(value, str) else value[:100])
    return text if len(text) <= 80 else text[:77] + "..."


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        seen: set[str] = set()
        for name, _ in items:
            if name in seen:
                raise KeyTwice(name)
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _whole(text: str) -> int:
    if text == "-0":
        raise ValueError("-0 is no whole number")
    return int(text)
