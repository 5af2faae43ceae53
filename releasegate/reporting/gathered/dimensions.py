"""Dimensions of slices as a report orders and marks them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from releasegate.decision import Finding
from releasegate.decision.slices import UNLABELLED
from releasegate.evalcard import EvalCard

_NUMBER = re.compile(r"((?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?)")

Label = tuple[str, str]
"""Dimension and value."""
Part = tuple[Label, ...]
"""Items that share these labels, dimensions in the order of their names; none: all items."""


def natural(text: str) -> tuple[tuple[str, float], ...]:
    """What to order names by, so that the numbers in them rise.

    >>> sorted(["mp3_64k", "mp3_128k", "mp3_8k", "-10 dB", "-5.5 dB", "0 dB"], key=natural)
    ['-10 dB', '-5.5 dB', '0 dB', 'mp3_8k', 'mp3_64k', 'mp3_128k']
    """
    pieces = _NUMBER.split(text)
    numbers = [float(piece) for piece in pieces[1::2]]
    return tuple(zip(pieces[::2], [*numbers, 0.0], strict=True))


def part_of(labels: dict[str, str], dimensions: Iterable[str]) -> Part:
    """The part that an item with these labels is of, along some dimensions."""
    return tuple((name, labels.get(name, UNLABELLED)) for name in sorted(dimensions))


def main_dimension(card: EvalCard, findings: Collection[Finding]) -> str | None:
    """The dimension that tells the items of an eval apart first: of a threat set, else the first that a card gates.

    The speakers of clustered items come last: a report is about attacks, not about people.
    """
    for finding in findings:
        for dimension in finding.values or ():
            if finding.metric.split("/")[0] == card.id and dimension in card.slices:
                return dimension
    cluster = card.clusters.key if card.clusters is not None else None
    names = sorted(card.slices, key=lambda name: (name == cluster, not card.slices[name].gate))
    return names[0] if names else None


def threat_values(eval_id: str, dimension: str, findings: Iterable[Finding]) -> frozenset[str] | None:
    """The values of a dimension that some threat set of the eval holds; None if none names the dimension."""
    sets = [
        f.values[dimension]
        for f in findings
        if f.metric.split("/")[0] == eval_id and f.values and dimension in f.values
    ]
    return frozenset(value for values in sets for value in values) if sets else None
