"""What a recipe says of the tensors that stay: names with numbers in braces, and the size of each dimension.

A name has holes: `{<BOUND}` stands for every whole number below BOUND, and `{?NAME}` for any one step of a name. A size is a
whole number or a sum of products of whole numbers, dotted paths of the configuration, and free sizes `?NAME`, which are one
number through the whole checkpoint: `2*vq.width+1`, `3*?width`. A bound is such a sum, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from releasegate.patterns import number_in
from releasegate.records import Record

_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_FACTOR = rf"(?:[0-9]{{1,9}}|\??{_PATH})"
_SUM = re.compile(rf"{_FACTOR}(?:[-+*]{_FACTOR})*", re.ASCII)
_HOLE = re.compile(r"\{(<|\?)([^{}]*)\}")
_FREE = re.compile(r"\?([A-Za-z_]\w*)", re.ASCII)
NUMBER, STEP = "(0|[1-9][0-9]{0,8})", "([^.:@]{1,100})"


def _is_sum(text: str) -> str:
    if _SUM.fullmatch(text) is None:
        raise ValueError("must be whole numbers, paths of the configuration and free sizes `?name` with +, - and *")
    return text


def _is_name(text: str) -> str:
    rest = _HOLE.sub("", text)
    if re.search(r"[][{}*?]", rest):
        raise ValueError("names tensors one by one: no `*`, and braces that hold `<bound` or `?name`")
    for sign, inner in _HOLE.findall(text):
        if sign == "<":
            _is_sum(inner)
        elif re.fullmatch(r"[A-Za-z_]\w*", inner, re.ASCII) is None:
            raise ValueError("a free step of a name is `{?name}`")
    return text


ExactName = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_is_name)]
"""The names of tensors, one by one: `layers.{<n_layers}.norm.weight`."""
Length = (
    Annotated[int, Field(ge=0)]
    | Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_is_sum)]
)
"""The size of a dimension."""


class Exact(Record):
    """Tensors that stay, each of them once, and their shape."""

    tensors: ExactName | tuple[ExactName, ...]
    shape: tuple[Length, ...]
    parallel: Annotated[int, Field(ge=0, le=63)] | None = None
    """The dimension along which tensor-parallel shards are joined; left out: each shard has the whole."""
    whole: Literal[True] | None = None
    """Whether they are of whole numbers; of others, if left out."""
    optional: Literal[True] | None = None
    """Whether they need not be there."""

    @model_validator(mode="after")
    def _is_joined_along_a_dimension(self) -> Self:
        if self.parallel is not None and self.parallel >= len(self.shape):
            raise ValueError(f"a shape of {len(self.shape)} dimensions is not joined along dimension {self.parallel}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Its names, with their holes."""
        return (self.tensors,) if isinstance(self.tensors, str) else self.tensors


def lengths_are_known(entries: tuple[Exact, ...]) -> None:
    """Nothing; each free size of a sum is somewhere a size or a count by itself, so that it can be read off.

    Raises:
        ValueError: one is not.
    """
    alone: set[str] = set()
    used: set[str] = set()
    for entry in entries:
        bounds = [bound for name in entry.names for sign, bound in holes(name) if sign == "<"]
        for text in [*map(str, entry.shape), *bounds]:
            used |= set(_FREE.findall(text))
            alone |= {found[1]} if (found := _FREE.fullmatch(text)) else set()
    for name in sorted(used - alone):
        raise ValueError(f"?{name} stands in sums alone: some dimension or bound must be it by itself")


def free_name(text: Length) -> str | None:
    """The name of a free size that stands by itself.

    >>> free_name("?width"), free_name("3*?width"), free_name(3)
    ('width', None, None)
    """
    found = _FREE.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else None


def holes(name: str) -> list[tuple[str, str]]:
    """Sign and text of each hole.

    >>> holes("layers.{<n+1}.{?voice}")
    [('<', 'n+1'), ('?', 'voice')]
    """
    return _HOLE.findall(name)


@lru_cache(maxsize=4096)
def expression(name: str) -> re.Pattern[str]:
    """What matches the names, with a group for each hole."""
    pieces = _HOLE.split(name)
    text = re.escape(pieces[0])
    for sign, after in zip(pieces[1::3], pieces[3::3], strict=True):
        text += (NUMBER if sign == "<" else STEP) + re.escape(after)
    return re.compile(text, re.ASCII)


def filled(name: str, values: tuple[object, ...]) -> str:
    """The name with its holes filled.

    >>> filled("layers.{<n}.w", (3,))
    'layers.3.w'
    """
    given = iter(values)
    return _HOLE.sub(lambda _: str(next(given)), name)


def length_of(text: Length, config: Mapping[str, Any], free: Mapping[str, int]) -> int | str:
    """What a size or bound comes to; where it cannot be told, the path or the free size that is not known.

    >>> length_of("3*?w+vq.n", {"vq": {"n": 2}}, {"w": 5}), length_of("n", {}, {})
    (17, 'n')
    """
    if isinstance(text, int):
        return text
    total = 0
    for sign, term in re.findall(r"([+-]?)([^+-]+)", text):
        product = 1
        for factor in term.split("*"):
            value = _factor(factor, config, free)
            if value is None:
                return str(factor)
            product *= value
        total += -product if sign == "-" else product
    return total


def _factor(factor: str, config: Mapping[str, Any], free: Mapping[str, int]) -> int | None:
    if factor.isdigit():
        return int(factor)
    return free.get(factor[1:]) if factor.startswith("?") else number_in(config, factor)
