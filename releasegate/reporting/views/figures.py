"""What the figures of a report show, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from releasegate.reporting.views.pair import Pair

Standing = Literal["gated", "outside", ""]
"""Of a value beside the threat set: in it, outside, or there is none."""


@dataclass(frozen=True)
class HeatCell:
    """One cell of a heat map.

    Attributes:
        label: its value along the columns.
        level: how strong its colour is, from 0 to 10.
    """

    label: str
    text: str
    counted: str
    level: int


@dataclass(frozen=True)
class HeatRow:
    """One row; a cell without items is None."""

    label: str
    standing: Standing
    cells: tuple[HeatCell | None, ...]


@dataclass(frozen=True)
class Heatmap:
    """A metric by two dimensions.

    Attributes:
        columns: what the rows share; empty if each has columns of its own, which its cells then name.
        width: cells of the longest row.
        legend: what the colour says.
    """

    kind: Literal["heatmap"]
    title: str
    where: str
    rows_title: str
    columns_title: str
    columns: tuple[str, ...]
    width: int
    rows: tuple[HeatRow, ...]
    hidden: int
    hidden_columns: int
    legend: str


@dataclass(frozen=True)
class Line:
    """One curve of a trade-off.

    Attributes:
        points: false-alarm and detection rates, both rising.
        mark: the same at the frozen threshold; None without one.
        apart: how well the two kinds are told apart: there the one rate less the other, else the area.
    """

    label: str
    standing: Standing
    points: tuple[tuple[float, float], ...]
    mark: tuple[float, float] | None
    detected: str
    flagged: str
    area: str
    apart: float


@dataclass(frozen=True)
class Tradeoff:
    """Detection against false alarms over every threshold.

    Attributes:
        floor: the false-alarm rate at the left edge, where a rate of 0 is drawn.
    """

    kind: Literal["tradeoff"]
    title: str
    where: str
    description: str
    positives: str
    negatives: str
    threshold: str
    floor: float
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Track:
    """A score over time.

    Attributes:
        seconds: length.
        score: seconds and score; both ends of each stretch where it was thinned.
        truth: from and to, in seconds.
        wave: seconds, lowest and highest sample, from -1 to 1; may be empty.
        spectrogram: frequencies over the same time, as the `data:` URI of a PNG; empty without the recording.
        hertz: at its lower and its upper edge.
    """

    seconds: float
    score: tuple[tuple[float, float], ...]
    truth: tuple[tuple[float, float], ...]
    wave: tuple[tuple[float, float, float], ...]
    description: str
    spectrogram: str = ""
    hertz: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Stretch:
    """A part of a clip in numbers."""

    span: str
    truth: str
    mean: str
    lowest: str
    highest: str


@dataclass(frozen=True)
class Clocked:
    """One clip of a timeline; without a track, why it cannot be drawn."""

    item: int
    word: str
    labels: str
    track: Track | None
    missing: str
    stretches: tuple[Stretch, ...]
    hidden: int


@dataclass(frozen=True)
class Timeline:
    """Scores over time, worst clip first."""

    kind: Literal["timeline"]
    title: str
    where: str
    clips: tuple[Clocked, ...]
    hidden: int


@dataclass(frozen=True)
class ValueRow:
    """One value of a dimension: a number and what it rests on for each column."""

    label: str
    standing: Standing
    cells: tuple[Pair, ...]


@dataclass(frozen=True)
class ValueTable:
    """One line a value, worst first."""

    kind: Literal["table"]
    title: str
    where: str
    rows_title: str
    order: str
    columns: tuple[str, ...]
    rows: tuple[ValueRow, ...]
    hidden: int


@dataclass(frozen=True)
class Step:
    """One point of a curve.

    Attributes:
        value: None where nothing was scored.
        bounds: lower and upper end of its interval; None without one.
    """

    value: float | None
    bounds: tuple[float, float] | None
    text: str
    interval: str
    counted: str


@dataclass(frozen=True)
class Walk:
    """One line of a curve; None where no item has the value of the dimension."""

    label: str
    steps: tuple[Step | None, ...]


@dataclass(frozen=True)
class Curve:
    """Metrics along the values of a dimension.

    Attributes:
        columns: the values, rising.
        domain: lowest and highest number of the axis.
        means: whether the lines are means and not shares.
    """

    kind: Literal["curve"]
    title: str
    where: str
    description: str
    along: str
    lines_title: str
    unit: str
    columns: tuple[str, ...]
    domain: tuple[float, float]
    means: bool
    lines: tuple[Walk, ...]
    hidden: int
    hidden_columns: int


@dataclass(frozen=True)
class Lying:
    """How the values of one metric lie.

    Attributes:
        heights: how many values lie in each of the bins of the spread, beside the fullest one.
        marks: 5 %, 25 %, 50 %, 75 % and 95 % of the values lie at or below these; empty without values.
    """

    label: str
    heights: tuple[float, ...]
    marks: tuple[float, ...]
    texts: tuple[str, ...]
    counted: str


@dataclass(frozen=True)
class Spread:
    """The values of several metrics side by side.

    Attributes:
        domain: where the first bin begins and the last one ends.
        cuts: thresholds that one of the metrics set, with their texts.
    """

    kind: Literal["spread"]
    title: str
    where: str
    description: str
    unit: str
    domain: tuple[float, float]
    rows: tuple[Lying, ...]
    cuts: tuple[tuple[float, str], ...]


FigureView = Heatmap | Tradeoff | Timeline | ValueTable | Curve | Spread


@dataclass(frozen=True)
class FigureGroup:
    """The figures of one eval on one checkpoint."""

    anchor: str
    title: str
    checkpoint: str
    figures: tuple[FigureView, ...]
