"""Which pictures the numbers of an eval want: a card lists them, and a report draws them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from releasegate.records import Identifier, Record


class HeatmapFigure(Record):
    """A metric by two dimensions."""

    kind: Literal["heatmap"]
    metric: Identifier
    rows: Identifier
    """The dimension whose values are the rows."""
    columns: Identifier
    """The dimension whose values are the cells of a row, in their natural order."""


class TradeoffFigure(Record):
    """How often positives are detected against how often negatives are, over every threshold."""

    kind: Literal["tradeoff"]
    positives: Identifier
    """The thresholded metric of the items that are to be flagged."""
    negatives: Identifier
    """That of the items that are not; on the same scale."""


class TimelineFigure(Record):
    """A score over time, with the truth beside it, of the samples that have such an output."""

    kind: Literal["timeline"]
    output: Identifier
    """Name of the output, a JSON document."""


class TableFigure(Record):
    """One line for each value of a dimension, worst first."""

    kind: Literal["table"]
    rows: Identifier
    """The dimension."""
    columns: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """The metrics; the first one orders the lines."""


class CurveFigure(Record):
    """Metrics over the values of a dimension that rise, such as lengths: a line a metric, or a line a value of another one."""

    kind: Literal["curve"]
    metrics: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=8)]
    """Each is a line; one alone where `by` draws the lines."""
    along: Identifier
    """The dimension that is walked along, its values in the order of the numbers in them."""
    by: Identifier | None = None
    """The dimension whose values are the lines, beside that of all of them together."""


class SpreadFigure(Record):
    """How the values of several metrics of one range lie, side by side: of clones, of the person, of strangers."""

    kind: Literal["spread"]
    metrics: Annotated[tuple[Identifier, ...], Field(min_length=2, max_length=8)]


Figure = Annotated[
    HeatmapFigure | TradeoffFigure | TimelineFigure | TableFigure | CurveFigure | SpreadFigure, Discriminator("kind")
]
