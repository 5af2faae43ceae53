"""Every value inside of JSON-like data, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LONG = 200
"""Items of a list of texts that are looked at one by one; longer ones (vocabularies) as one text."""


def leaves(data: Any) -> Iterator[tuple[str, str, Any]]:
    """The place (a dotted path), the nearest key and the value of everything in `data` that is no mapping and no list.

    A long list of texts is one value: its texts, joined by line breaks.

    >>> list(leaves({"a": [{"b": 1}, "x"]}))
    [('a.1', 'a', 'x'), ('a.0.b', 'b', 1)]
    """
    left: list[tuple[str, str, Any]] = [("", "", data)]
    while left:
        place, key, value = left.pop()
        start = f"{place}." if place else ""
        if isinstance(value, Mapping):
            left += [(f"{start}{name}", str(name), inner) for name, inner in value.items()]
        elif isinstance(value, list | tuple) and len(value) > LONG and all(isinstance(item, str) for item in value):
            yield place, key, "\n".join(value)
        elif isinstance(value, list | tuple):
            left += [(f"{start}{at}", key, inner) for at, inner in enumerate(value)]
        else:
            yield place, key, value


def mappings(data: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The place of every mapping in `data`, with what it is; the outermost first."""
    left: list[tuple[str, Any]] = [("", data)]
    for place, value in left:  # grows while it is walked
        start = f"{place}." if place else ""
        if isinstance(value, Mapping):
            yield place, value
            left += [(f"{start}{name}", inner) for name, inner in value.items() if isinstance(inner, Mapping | list)]
        elif isinstance(value, list):
            left += [(f"{start}{at}", inner) for at, inner in enumerate(value) if isinstance(inner, Mapping | list)]
