"""The patterns of recipes: anchored globs over whole names, with numbers that the configuration states.

`*` matches any characters, the full stop included. `{<BOUND}` and `{>=BOUND}` match a whole number below, or not below,
BOUND: the dotted path of a number in the configuration, to which numbers and other paths may be added, or from which
they may be taken.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_NUMBER = re.compile(rf"\{{(<|>=)({_PATH}(?:[+-](?:{_PATH}|[0-9]{{1,9}}))*)\}}", re.ASCII)


def _only_numbers_in_braces(pattern: str) -> str:
    if re.search(r"[{}]", _NUMBER.sub("", pattern)):
        raise ValueError("braces hold a bound: `{<path}` or `{>=path}`, a path of the configuration; or `{<path-1}`")
    return pattern


TensorPattern = Annotated[Pattern, AfterValidator(_only_numbers_in_braces)]
"""No tensor has a brace in its name, so that a brace begins a number to look up."""


def matches(pattern: str, name: str, config: Mapping[str, Any] | None = None) -> bool:
    """Whether the whole of `name` matches `pattern`; case counts.

    Args:
        config: what `{<BOUND}` and `{>=BOUND}` look up; where it lacks such a number, they match nothing.

    >>> matches("model.*.bias", "model.layers.0.bias"), matches("layers.*", "model.layers.0.bias")
    (True, False)
    >>> [matches("layers.{>=depth}.*", f"layers.{n}.weight", {"depth": 2}) for n in ("1", "2", "10", "02")]
    [False, True, True, False]
    >>> [matches("experts.{<count-1}", f"experts.{n}", {"count": 3}) for n in range(3)]
    [True, True, False]
    """
    if "{" not in pattern:
        return fnmatch.fnmatchcase(name, pattern)
    bounds = _NUMBER.findall(pattern)
    found = _expression(pattern).fullmatch(name)
    return found is not None and all(
        _holds(sign, int(number), _bound(config or {}, bound))
        for (sign, bound), number in zip(bounds, found.groups(), strict=True)
    )


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    pieces = _NUMBER.split(pattern)[::3]
    globs = [fnmatch.translate(piece)[len("(?s:") : -len(r")\Z")] for piece in pieces]
    return re.compile("(0|[1-9][0-9]{0,17})".join(globs), re.DOTALL)


def _holds(sign: str, number: int, bound: int | None) -> bool:
    return bound is not None and (number < bound if sign == "<" else number >= bound)


def _bound(config: Mapping[str, Any], text: str) -> int | None:
    """The sum that the bound of a pattern comes to; `None` if the configuration lacks a number of it."""
    total = 0
    for sign, term in re.findall(r"([+-]?)([^+-]+)", text):
        value = int(term) if term.isdigit() else number_in(config, term)
        if value is None:
            return None
        total += -value if sign == "-" else value
    return total


def number_in(config: Mapping[str, Any], path: str) -> int | None:
    """The whole number at the dotted `path` of a configuration; `None` if there is none.

    >>> number_in({"vq": {"codes": 8}}, "vq.codes"), number_in({"vq": True}, "vq")
    (8, None)
    """
    value: object = config
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if type(value) is int else None


def numbers_of(pattern: str) -> list[str]:
    """The dotted paths that `pattern` looks up in the configuration.

    >>> numbers_of("layers.{<depth-heads+1}.*")
    ['depth', 'heads']
    """
    bounds = (bound for _, bound in _NUMBER.findall(pattern))
    return [term for bound in bounds for term in re.split(r"[+-]", bound) if not term.isdigit()]
