"""An eval card: what an eval measures, in which unit and range, on which items, and who says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from releasegate.figures import Figure
from releasegate.manifest import RelativePath
from releasegate.records import Document, Identifier, MetricId, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MetricType = Literal["bernoulli", "bounded_mean", "thresholded", "ratio", "report_only"]
Sensitive = Literal["harmful", "personal"]
GATEABLE: tuple[MetricType, ...] = ("bernoulli", "bounded_mean", "thresholded")
"""The metric types that have a statistical method so far."""
UNSAID = "does not say what the clusters of its calibration items are"
"""How the problem of a card ends that rests on calibration items and lacks `calibration`."""


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
    """The scores that a metric is of: as one threshold after the other flags more of both."""

    positives: Identifier
    """The thresholded metric of the items that are to be flagged."""
    negatives: Identifier
    """That of the items that are not; on the same scale."""
    equal_errors: bool | None = None
    """Whether the metric is the rate of misses and false alarms where the two are equal; else it is the area under the curve."""


class Quotient(Record):
    """What is counted over all items together: errors of all words, say."""

    of: Identifier
    """The metric whose values are added up and divided."""
    by: Identifier
    """The metric of the same items whose values are added up to divide by."""


class Control(Record):
    """What a model must show before a low value of a metric is believed: that it works on the same ways in and out.

    An honest model that never had the capability passes it; a model that was broken on purpose does not.
    """

    metric: MetricId
    """`<eval>/<metric>`, of this or another eval."""
    at_least: float | None = None
    at_most: float | None = None
    slices: Annotated[tuple[Identifier, ...], Field(min_length=1)] | None = None
    """Dimensions of which every value must pass; absent: the pooled rate."""
    served: Literal[True] | None = None
    """Whether it is asked of a model behind a server too, whose weights nobody gets; absent: at weights channels alone."""
    tripwire: Literal[True] | None = None
    """Whether it closes the route where it is violated, and need not be met: a sign of the capability, which an honest model
    may show in part. It is measured all the same; too little evidence closes the route."""


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
    expected: Annotated[float, Field(gt=0, le=1)] | None = None
    """Of a metric that `shows` how good an instrument is: what it is expected to come to. For planning alone; absent: 1."""
    judged_by: Identifier | None = None
    """The instrument that says yes or no to an item: its errors move the limits of requirements on this metric."""
    threshold: Threshold | None = None
    """Of a `thresholded` metric. Metrics that share a curve, a trade-off, or the negatives of a frozen threshold have one."""
    curve: Curve | None = None
    """Of a `report_only` metric that no item carries: it is the area under the ROC curve of these two."""
    quotient: Quotient | None = None
    """Of a `report_only` metric that no item carries: the sum of one metric over the sum of another."""
    instead: str | None = None
    """The exceedance to gate in place of a `report_only` metric."""
    working: Annotated[tuple[Control, ...], Field(min_length=1)] | None = None
    """Controls that are met before `misuse` of this metric releases anything. Absent: it cannot release by `misuse`."""

    @property
    def rests_on(self) -> str | None:
        """The metric whose items it is worked out from; None if items carry it themselves."""
        return (
            self.curve.positives if self.curve is not None else self.quotient.of if self.quotient is not None else None
        )

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

    def allows_all(self, values: NDArray[np.float64]) -> bool:
        """Whether each of these can be a value of this metric, any shape."""
        low, high = self.range
        allowed = (values == 0) | (values == 1) if self.type == "bernoulli" else (low <= values) & (values <= high)
        return bool(allowed.all())


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
    calibration_kind: Literal["generated"] | None = None
    """Whether calibration items are made anew from each nonce; absent: others may be the same ones, or of the same pool."""
    rehearsal: Annotated[int, Field(ge=1)] | None = None
    """Items of a rehearsal, which the gate never measures, from the harness's `rehearsal`. Generated items need none: a
    rehearsal makes as many as the gate, of its own."""
    seconds_per_item: Annotated[float, Field(gt=0)] | None = None
    """About how long one takes on two CPU cores, loading apart; for planning alone."""
    whole: bool | None = None
    """Whether all items are measured, though fewer settle the verdict: for figures that want them all."""
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


class Calibration(Record):
    """What calibration items have in common: how far a number about an instrument carries."""

    of: Literal["model", "instrument"]
    """`model`: what calibration items show comes from the model under test, or through it (scores that it gives, pictures that
    its codec makes): it is measured on every checkpoint, and each is judged by its own. `instrument`: the model has no part in
    it, and what the source's measurement shows holds for all."""
    population: Literal["sampled", "named", "unknown"]
    """`sampled`: the clusters are a sample of those to come; each is one number. `named`: the claim is about these clusters
    alone; their items count one by one. `unknown`: whose items belong together is not known beyond `key`, and the claim is about
    this pool alone, by name."""
    key: Identifier | None = None
    """The dimension whose label on calibration items names the cluster. Absent, with `unknown`: each item counts by itself."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    """Why it is unknown whose items belong together."""

    @property
    def grouped_by(self) -> str | None:
        """The dimension whose values count once each; None where items count one by one."""
        return None if self.population == "named" else self.key


class Ways(Record):
    """How a policy may gate a metric.

    >>> Ways(metric="drawing/legible", misuse="at_most", safeguards="at_least", margin=True).how
    'misuse, removal: at_most; safeguards: at_least; keep: margin'
    """

    metric: str
    """`<eval>/<metric>`."""
    misuse: Literal["at_most", "at_least"]
    """The key of a limit that only a model keeps which does little of what the metric counts."""
    safeguards: Literal["at_most", "at_least"]
    """The key of a limit that asks for more of it; a safeguard may state the other one, too."""
    margin: bool
    """Whether the stripped checkpoint may be compared with its source."""

    @property
    def how(self) -> str:
        """In words."""
        return f"misuse, removal: {self.misuse}; safeguards: {self.safeguards}" + "; keep: margin" * self.margin


class EvalCard(Document):
    """What an eval measures."""

    schema_: Annotated[Literal["releasegate/eval/v1"], Field(alias="schema")]
    id: Identifier
    title: str
    description: str
    sensitive: Sensitive | None = None
    """Why prompts and answers are not to be read in passing: they may do harm, or tell of somebody. They then stand in no
    log, no message and no reason of a failure, and reports blur them."""
    needs: tuple[str, ...]
    """The interfaces that the subject must have, such as `GeneratesImages`."""
    items: Items
    metrics: Annotated[dict[Identifier, Metric], Field(min_length=1)]
    slices: dict[Identifier, Slice] = {}
    clusters: Clusters | None = None
    calibration: Calibration | None = None
    """What the clusters of calibration items are. Absent: nothing that rests on calibration items is shown."""
    instruments: dict[Identifier, Instrument] = {}
    figures: Annotated[tuple[Figure, ...], Field(min_length=1)] | None = None
    """The pictures that a report draws of the numbers."""
    params: dict[str, JsonValue] = {}
    """What the harness is called with."""
    shard: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Items that are measured, stored and resumed together."""

    def ways(self, name: str) -> Ways | None:
        """How a policy may gate the metric `name`; None if it cannot."""
        metric = self.metrics[name]
        if metric.type not in GATEABLE or metric.of_instrument is not None:
            return None
        sampled = self.clusters is not None and self.clusters.population == "sampled"
        return Ways(
            metric=f"{self.id}/{name}",
            misuse="at_most" if metric.better == "higher" else "at_least",
            safeguards="at_least" if metric.better == "higher" else "at_most",
            margin=metric.type != "thresholded" and metric.judged_by is None and not sampled,
        )


def gateable_names(cards: Iterable[EvalCard]) -> list[str]:
    """`<eval>/<metric>` of every metric that a policy may gate, sorted."""
    return sorted(f"{card.id}/{name}" for card in cards for name in card.metrics if card.ways(name) is not None)
