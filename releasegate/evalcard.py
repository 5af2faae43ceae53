"""An eval card: what an eval measures, in which unit and range, on which items, and who says so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal, assert_never

from pydantic import Field, JsonValue

from releasegate.documents import Located, parse_document
from releasegate.errors import DocumentError, Problem
from releasegate.figures import Figure, HeatmapFigure, TableFigure, TimelineFigure, TradeoffFigure
from releasegate.manifest import RelativePath
from releasegate.records import Document, Identifier, Record
from releasegate.yamltext import Path

MetricType = Literal["bernoulli", "bounded_mean", "thresholded", "ratio", "report_only"]
GATEABLE: tuple[MetricType, ...] = ("bernoulli", "bounded_mean", "thresholded")
"""The metric types that have a statistical method so far."""


class Threshold(Record):
    """How scores become yes or no: at a threshold that calibration items set.

    By negatives alone, on the side that hurts the release, at half of alpha: then the rate among all negatives is known. With
    positives too, frozen between the two: nothing is claimed of either rate then, and both are judged on fresh items.
    """

    negatives: Identifier
    """The metric of the calibration items that carries their scores; higher is more like what is detected."""
    rate: Annotated[float, Field(gt=0, lt=1)]
    """The share of negatives that may be flagged (a safeguard) or must be accepted (misuse); of a frozen threshold, the
    share of the calibration negatives that may lie above it."""
    positives: Identifier | None = None
    """The metric of the calibration items that are to be flagged, which freezes the threshold."""


class Curve(Record):
    """The scores that a metric is the area of: as one threshold after the other flags more of both."""

    positives: Identifier
    """The thresholded metric of the items that are to be flagged."""
    negatives: Identifier
    """That of the items that are not; on the same scale."""


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
    shows: Literal["sensitivity", "specificity"] | None = None
    """Which of the two a bernoulli metric of an instrument is."""
    judged_by: Identifier | None = None
    """The instrument that says yes or no to an item: its errors move the limits of requirements on this metric."""
    threshold: Threshold | None = None
    """Of a `thresholded` metric. Metrics that share a curve, a trade-off, or the negatives of a frozen threshold have one."""
    curve: Curve | None = None
    """Of a `report_only` metric that no item carries: it is the area under the ROC curve of these two."""
    instead: str | None = None
    """The exceedance to gate in place of a `report_only` metric."""

    @property
    def gated_range(self) -> tuple[float, float]:
        """The range of what a requirement limits: of a thresholded metric that is the share of items flagged."""
        return (0.0, 1.0) if self.type == "thresholded" else self.range

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
    rehearsal: Annotated[int, Field(ge=1)] | None = None
    """Items of a rehearsal, which the gate never measures, from the harness's `rehearsal`. Generated items need none: a
    rehearsal makes as many as the gate, of its own."""
    seconds_per_item: Annotated[float, Field(gt=0)] | None = None
    """About how long one takes on two CPU cores, loading apart; for planning alone."""
    source: str
    """Where the material comes from, with its licence."""


class Instrument(Record):
    """A model or program that scores outputs."""

    title: str
    files: Annotated[tuple[RelativePath, ...], Field(min_length=1)]
    """Its files, relative to the eval's folder; their digests are part of every measurement."""
    source: str


class Clusters(Record):
    """Items that belong together: the clips of one speaker."""

    key: Identifier
    """The dimension whose label names the cluster."""
    population: Literal["sampled", "named"]
    """`sampled`: a claim about new clusters, tested on one number a cluster. `named`: each cluster is a slice, and must
    hold; every number says "these, not others"."""


class EvalCard(Document):
    """What an eval measures."""

    schema_: Annotated[Literal["releasegate/eval/v1"], Field(alias="schema")]
    id: Identifier
    title: str
    description: str
    needs: tuple[str, ...]
    """The interfaces that the subject must have, such as `GeneratesImages`."""
    items: Items
    metrics: Annotated[dict[Identifier, Metric], Field(min_length=1)]
    slices: dict[Identifier, Slice] = {}
    clusters: Clusters | None = None
    instruments: dict[Identifier, Instrument] = {}
    figures: Annotated[tuple[Figure, ...], Field(min_length=1)] | None = None
    """The pictures that a report draws of the numbers."""
    params: dict[str, JsonValue] = {}
    """What the harness is called with."""
    shard: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Items that are measured, stored and resumed together."""


def parse_card(text: str | bytes, source: str) -> Located[EvalCard]:
    """The card that YAML `text` holds, with its places.

    Raises:
        DocumentError: every problem of form, and ranges or references that contradict each other.
    """
    located = parse_document(EvalCard, text, source)
    card = located.record
    problems = [p for name, metric in card.metrics.items() for p in _metric_problems(located, card, name, metric)]
    problems += [p for name, metric in card.metrics.items() for p in _curve_problems(located, card, name, metric)]
    problems += _figure_problems(located, card)
    problems += _one_threshold_problems(located, card)
    if card.clusters is not None and card.clusters.key not in card.slices:
        problems.append(located.problem(("clusters", "key"), "no such dimension", "name one of `slices`"))
    if problems:
        raise DocumentError(problems)
    return located


def _metric_problems(located: Located[EvalCard], card: EvalCard, name: str, metric: Metric) -> Iterator[Problem]:
    def problem(key: str, what: str, fix: str) -> Problem:
        return located.problem(("metrics", name, key), what, fix)

    low, high = metric.range
    if not low < high:
        yield problem("range", "must rise", "write [lowest, highest]")
    if metric.type == "bernoulli" and (low, high) != (0, 1):
        yield problem("range", "a bernoulli metric is 0 or 1", "write [0, 1]")
    if metric.absent is not None and not low <= metric.absent <= high:
        yield problem("absent", "lies outside the range", "choose a value in it")
    for key in ("of_instrument", "judged_by"):
        named = getattr(metric, key)
        if named is not None and named not in card.instruments:
            yield problem(key, "no such instrument", "name one of `instruments`")
    if (metric.type == "thresholded") != (metric.threshold is not None):
        yield problem("type", "`thresholded` and `threshold` go together", "state both, or neither")
    if metric.shows is not None:
        if metric.of_instrument is None or metric.type != "bernoulli":
            yield problem("shows", "only a bernoulli metric of an instrument shows one of the two", "remove it")
        twin = next(
            n for n, m in card.metrics.items() if (m.of_instrument, m.shows) == (metric.of_instrument, metric.shows)
        )
        if twin != name:
            yield problem(
                "shows", f"metric {twin} shows the {metric.shows} of {metric.of_instrument} already", "keep one"
            )
    if (metric.threshold is not None or metric.judged_by is not None) and not card.items.calibration:
        key = "threshold" if metric.threshold is not None else "judged_by"
        yield problem(key, "rests on calibration items, and there are none", "state their number: `items.calibration`")
    if metric.threshold is not None:
        yield from _threshold_problems(located, card, name, metric.threshold)
    if metric.judged_by is not None:
        shown = {m.shows for m in card.metrics.values() if m.of_instrument == metric.judged_by}
        missing = sorted({"sensitivity", "specificity"} - shown)
        if missing and metric.judged_by in card.instruments:
            what = f"no metric shows the {' and '.join(missing)} of {metric.judged_by}"
            yield problem("judged_by", what, "add it, with `of_instrument` and `shows`")
        if metric.type != "bernoulli":
            yield problem("judged_by", "only a bernoulli metric is a yes or no", "remove it")


def _threshold_problems(
    located: Located[EvalCard], card: EvalCard, name: str, threshold: Threshold
) -> Iterator[Problem]:
    for key in ("negatives", "positives"):
        named = getattr(threshold, key)
        if named is not None and named not in card.metrics:
            yield located.problem(
                ("metrics", name, "threshold"), f"no metric {named!r}", f"name the metric of the {key}"
            )
    if threshold.positives == threshold.negatives:
        yield located.problem(
            ("metrics", name, "threshold", "positives"), "is the metric of the negatives", "name another, or remove it"
        )


def _one_threshold_problems(located: Located[EvalCard], card: EvalCard) -> Iterator[Problem]:
    """Scores of one detector that become yes or no at two thresholds: each could be met where no single one meets both.

    Only thresholds that are set by negatives alone stand for themselves, since the rate among all negatives is known of each.
    """
    thresholds = {name: m.threshold for name, m in card.metrics.items() if m.threshold is not None}
    told = set()
    for name, own in thresholds.items():
        for first, other in thresholds.items():
            if first == name:
                break
            if other != own and other.negatives == own.negatives and (own.positives or other.positives):
                told.add(frozenset((first, name)))
                what = f"is set on {own.negatives} like that of {first}, and differs from it"
                fix = f"write what {first} has: the two are judged at one threshold"
                yield located.problem(("metrics", name, "threshold"), what, fix)
                break
    for at, positives, negatives in _scored_together(card):
        one, two = thresholds.get(positives), thresholds.get(negatives)
        if one is not None and two is not None and one != two and frozenset((positives, negatives)) not in told:
            what = f"{negatives} has another threshold than {positives}"
            yield located.problem((*at, "negatives"), what, "give both metrics the same `threshold`")


def _scored_together(card: EvalCard) -> Iterator[tuple[Path, str, str]]:
    """Every curve and trade-off: its place, and the metrics of its positives and negatives."""
    for name, metric in card.metrics.items():
        if metric.curve is not None:
            yield ("metrics", name, "curve"), metric.curve.positives, metric.curve.negatives
    for number, figure in enumerate(card.figures or ()):
        if isinstance(figure, TradeoffFigure):
            yield ("figures", number), figure.positives, figure.negatives


def _curve_problems(located: Located[EvalCard], card: EvalCard, name: str, metric: Metric) -> Iterator[Problem]:
    if metric.curve is None:
        return
    at = ("metrics", name, "curve")
    if metric.type != "report_only":
        yield located.problem(at, "only a report_only metric is the area under a curve", "remove it")
    yield from _scores_problems(located, card, metric.curve.positives, metric.curve.negatives, at)


def _scores_problems(
    located: Located[EvalCard], card: EvalCard, positives: str, negatives: str, at: Path
) -> Iterator[Problem]:
    """Whether two metrics are scores of one detector."""
    found = []
    for key, named in (("positives", positives), ("negatives", negatives)):
        if named not in card.metrics:
            yield located.problem((*at, key), f"no metric {named!r}", "name one of `metrics`")
        elif card.metrics[named].type != "thresholded":
            yield located.problem((*at, key), "is not thresholded: it has no scores", "name a thresholded metric")
        else:
            found.append(card.metrics[named])
    if len(found) == 2 and found[0].range != found[1].range:
        yield located.problem((*at, "negatives"), "has another range than the positives", "give both one scale")


def _figure_problems(located: Located[EvalCard], card: EvalCard) -> Iterator[Problem]:
    for number, figure in enumerate(card.figures or ()):
        at: Path = ("figures", number)
        match figure:
            case HeatmapFigure():
                yield from _unknown(located, card.metrics, (figure.metric,), (*at, "metric"), "metric", "metrics")
                yield from _unknown(located, card.slices, (figure.rows,), (*at, "rows"), "dimension", "slices")
                yield from _unknown(located, card.slices, (figure.columns,), (*at, "columns"), "dimension", "slices")
                if figure.rows == figure.columns:
                    yield located.problem((*at, "columns"), "is the dimension of the rows", "name another one")
            case TradeoffFigure():
                yield from _scores_problems(located, card, figure.positives, figure.negatives, at)
            case TableFigure():
                yield from _unknown(located, card.slices, (figure.rows,), (*at, "rows"), "dimension", "slices")
                yield from _unknown(located, card.metrics, figure.columns, (*at, "columns"), "metric", "metrics")
            case TimelineFigure():
                pass  # outputs are named by the harness alone
            case _:
                assert_never(figure)


def _unknown(
    located: Located[EvalCard], known: Collection[str], named: tuple[str, ...], at: Path, noun: str, key: str
) -> Iterator[Problem]:
    for name in named:
        if name not in known:
            yield located.problem(at, f"no {noun} {name!r}", f"name one of `{key}`")
