"""An eval card: what an eval measures, in which unit and range, on which items, and who says so."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from releasegate.documents import Located, parse_document
from releasegate.errors import DocumentError
from releasegate.manifest import RelativePath
from releasegate.records import Document, Identifier, Record

MetricType = Literal["bernoulli", "bounded_mean", "thresholded", "ratio", "report_only"]
GATEABLE: tuple[MetricType, ...] = ("bernoulli",)
"""The metric types that have a statistical method so far."""


class Metric(Record):
    """One number that an eval yields for an item."""

    title: str
    type: MetricType
    unit: str
    range: tuple[float, float]
    """Lowest and highest possible value."""
    better: Literal["higher", "lower"]
    """Which direction means that the model does more of what the metric counts."""
    absent: float | None = None
    """The value when a part of the model that the capability needs is provably gone and nobody lends it."""
    of_instrument: Identifier | None = None
    """The instrument that the metric measures (its sensitivity, say), on calibration items; never gated."""
    instead: str | None = None
    """The exceedance to gate in place of a `report_only` metric."""

    def refusal(self, value: float) -> str | None:
        """What a value must be that this one is not; None if it can be a value of this metric.

        >>> rate = Metric(title="", type="bernoulli", unit="", range=(0, 1), better="higher")
        >>> rate.refusal(1), rate.refusal(0.5)
        (None, '0 or 1')
        """
        low, high = self.range
        if self.type == "bernoulli":
            return None if value in (0, 1) else "0 or 1"
        return None if low <= value <= high else f"from {low:g} to {high:g}"


class Slice(Record):
    """A dimension along which items are labelled."""

    title: str
    gate: bool = False
    """Whether `slices: all` takes it in."""


class Items(Record):
    """Where items come from, and how many there are by default."""

    kind: Literal["generated", "public_pool", "private_pool"]
    n: Annotated[int, Field(ge=1)]
    """Items of one measurement unless a policy says otherwise; for a pool, at most its size."""
    calibration: Annotated[int, Field(ge=0)] = 0
    """Items that measure the instruments."""
    source: str
    """Where the material comes from, with its licence."""


class Instrument(Record):
    """A model or program that scores outputs."""

    title: str
    files: Annotated[tuple[RelativePath, ...], Field(min_length=1)]
    """Its files, relative to the eval's folder; their digests are part of every measurement."""
    source: str


class EvalCard(Document):
    """What an eval measures."""

    schema_: Annotated[Literal["releasegate/eval/v0"], Field(alias="schema")]
    id: Identifier
    title: str
    description: str
    needs: tuple[str, ...]
    """The interfaces that the subject must have, such as `GeneratesImages`."""
    items: Items
    metrics: Annotated[dict[Identifier, Metric], Field(min_length=1)]
    slices: dict[Identifier, Slice] = {}
    instruments: dict[Identifier, Instrument] = {}
    params: dict[str, JsonValue] = {}
    """What the harness is called with."""
    shard: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Items that are measured, stored and resumed together."""


def parse_card(text: str | bytes, source: str) -> Located[EvalCard]:
    """The card that YAML `text` holds, with its places.

    Raises:
        DocumentError: every problem of form, and ranges or defaults that contradict each other.
    """
    located = parse_document(EvalCard, text, source)
    problems = []
    for name, metric in located.record.metrics.items():
        low, high = metric.range
        if not low < high:
            problems.append(located.problem(("metrics", name, "range"), "must rise", "write [lowest, highest]"))
        if metric.type == "bernoulli" and (low, high) != (0, 1):
            problems.append(located.problem(("metrics", name, "range"), "a bernoulli metric is 0 or 1", "write [0, 1]"))
        if metric.absent is not None and not low <= metric.absent <= high:
            problems.append(
                located.problem(("metrics", name, "absent"), "lies outside the range", "choose a value in it")
            )
        if metric.of_instrument is not None and metric.of_instrument not in located.record.instruments:
            problems.append(
                located.problem(("metrics", name, "of_instrument"), "no such instrument", "name one of `instruments`")
            )
    if problems:
        raise DocumentError(problems)
    return located
