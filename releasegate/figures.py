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


Figure = Annotated[HeatmapFigure | TradeoffFigure | TimelineFigure | TableFigure, Discriminator("kind")]
