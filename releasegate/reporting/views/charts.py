"""What the drawings beside findings show, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class WagerRow:
    """An e-process after some items, in numbers."""

    items: str
    towards: str
    against: str


@dataclass(frozen=True)
class EProcess:
    """How a sequential test went: log10 of its two e-processes after each item, and the line at which either ends it.

    Attributes:
        of: `all items`, or the labels of a slice.
        unit: what the test consumes: items, pairs or clusters.
        towards: items and log10 E for the claim, thinned with its extremes kept.
        against: the same for its violation.
        line: log10 of 1 / alpha.
        reached: items after which a path reached the line, and whose: `met` or `violated`; None: neither did.
        ended: the same as a sentence, with what the decision made of it.
        domain: the lowest and the highest log10 E drawn.
        cut: how far beyond that the paths go, in words; empty if everything is drawn.
    """

    of: str
    unit: str
    description: str
    n: int
    towards: tuple[tuple[int, float], ...]
    against: tuple[tuple[int, float], ...]
    line: float
    line_text: str
    reached: tuple[int, Literal["met", "violated"]] | None
    ended: str
    domain: tuple[float, float]
    cut: str
    rows: tuple[WagerRow, ...]


@dataclass(frozen=True)
class ChartRow:
    """One line of a forest chart.

    Attributes:
        tone: `met`, `violated` or `not_shown`.
        depth: 0 for a requirement, 1 for one of its slices.
        numbers: the interval as text.
        interval: lower and upper bound; None for a heading above slices, which has no interval of its own.
    """

    label: str
    tone: str
    depth: int
    numbers: str
    interval: tuple[float, float] | None
    value: float | None
    limit: float


@dataclass(frozen=True)
class Chart:
    """Intervals that share an axis."""

    title: str
    axis: str
    description: str
    side: Literal["at_most", "at_least"]
    domain: tuple[float, float]
    rows: tuple[ChartRow, ...]


@dataclass(frozen=True)
class Measured:
    """A value on one checkpoint.

    Attributes:
        bounds: lower and upper bound; None where it has no interval.
        counted: what it rests on, and what its interval is.
    """

    value: float
    bounds: tuple[float, float] | None
    text: str
    counted: str


@dataclass(frozen=True)
class EffectRow:
    """One metric before and after a strip.

    Attributes:
        purpose: what the strip is asked to do to it.
        limit: of what is to be kept, the value before less what it may lose.
    """

    label: str
    purpose: str
    before: Measured
    after: Measured
    limit: float
    limit_text: str


@dataclass(frozen=True)
class Effect:
    """Metrics of one unit before and after a strip."""

    axis: str
    description: str
    domain: tuple[float, float]
    rows: tuple[EffectRow, ...]
