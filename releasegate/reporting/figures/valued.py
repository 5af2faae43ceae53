"""The value of a metric in one part of a measurement, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from releasegate.evalcard import Curve, EvalCard, Metric
from releasegate.intervals import Bounds, clopper_pearson
from releasegate.reporting.figures.roc import Area, area_under, equal_error_rate
from releasegate.reporting.gathered.dimensions import Part
from releasegate.reporting.gathered.gathering import Place
from releasegate.reporting.gathered.tallying import Tally
from releasegate.reporting.wording.numbers import NONE, plural, share

TWO_SIDED = 0.025
"""Error probability of each end of a 95 % interval."""

Tallies = Mapping[tuple[Place, str, Part], Tally]


@dataclass(frozen=True)
class Valued:
    """A share, a mean, the mean of scores, or an area.

    Attributes:
        value: None if there is none; failed items count against the release, as `Tally` says.
        text: the value for people.
        low, high: an exact 95 % interval of a share over the items, as text; `none` for what is not a share.
        counted: how many items it rests on.
        kind: what a value is called where it is no share of items: `score` or empty.
        n: items that it rests on; of an area, its positives.
        bounds: `low` and `high` as numbers, where there are some.
    """

    value: float | None
    text: str
    low: str
    high: str
    counted: str
    kind: str
    n: int
    bounds: Bounds | None = None


def valued(tallies: Tallies, place: Place, card: EvalCard, name: str, part: Part) -> Valued | None:
    """The value of a metric in a part; None if no planned item of it carries the metric.

    A thresholded metric is the share of items that its frozen threshold flags; without one, its mean score. A metric with a
    curve is the area under it or its equal errors, and one with a quotient that of two sums.
    """
    metric = card.metrics[name]
    if metric.curve is not None:
        positives = tallies.get((place, metric.curve.positives, part))
        negatives = tallies.get((place, metric.curve.negatives, _carried(tallies, place, metric.curve.negatives, part)))
        return None if positives is None or negatives is None else _area(positives, negatives, card, metric.curve)
    if metric.quotient is not None:
        sums = [tallies.get((place, end, part)) for end in (metric.quotient.of, metric.quotient.by)]
        return None if sums[0] is None or sums[1] is None else _quotient(sums[0], sums[1], metric)
    tally = tallies.get((place, name, part))
    return None if tally is None else of_tally(tally, metric)


def of_tally(tally: Tally, metric: Metric) -> Valued:
    """The value of a metric that items carry."""
    hits = tally.hits(metric)
    failed = tally.said_of_failed(metric)
    kind = "score" if metric.type == "thresholded" and hits is None else ""
    mean = tally.mean(metric)
    if mean is None:
        return Valued(None, NONE, NONE, NONE, failed.removeprefix(", "), "", 0)
    if hits is None:
        n = tally.scored if metric.type == "report_only" else tally.n
        of = f"mean score of {plural(n, 'item')}" if kind else plural(n, "item")
        text = f"score {share(mean)}" if kind else share(mean)
        return Valued(mean, text, NONE, NONE, of + failed, kind, n)
    bounds = clopper_pearson(hits, tally.n, TWO_SIDED)
    value = hits / tally.n
    counted = f"{hits} of {tally.n}{failed}"
    return Valued(value, share(value), share(bounds.low), share(bounds.high), counted, kind, tally.n, bounds)


def _quotient(of: Tally, by: Tally, metric: Metric) -> Valued:
    """One sum over another, of the items that have both; those that failed have neither."""
    failed = of.said_of_failed(metric)
    if not by.total:
        return Valued(None, NONE, NONE, NONE, failed.removeprefix(", "), "", 0)
    value = of.total / by.total
    return Valued(value, share(value), NONE, NONE, f"{of.total:g} of {by.total:g}{failed}", "", of.scored)


def _carried(tallies: Tallies, place: Place, name: str, part: Part) -> Part:
    """A part without the dimensions that no item with the metric has.

    By route to a clone, say: recordings have none, so clones by each route are held against all of them.
    """
    dimensions = {label[0] for where, metric, labels in tallies if (where, metric) == (place, name) for label in labels}
    return tuple(label for label in part if label[0] in dimensions)


def area_of(positives: Tally, negatives: Tally, card: EvalCard, curve: Curve) -> Area | None:
    """The area under the curve, or its equal errors; failed items rank as those that are told apart worst.

    None without items of a kind.
    """
    bins = [
        tally.histogram(card.metrics[name])
        for tally, name in ((positives, curve.positives), (negatives, curve.negatives))
    ]
    if bins[0] is None or bins[1] is None:
        return None
    return (equal_error_rate if curve.equal_errors else area_under)(bins[0], bins[1])


def _area(positives: Tally, negatives: Tally, card: EvalCard, curve: Curve) -> Valued:
    failed = positives.failed + negatives.failed
    counted = f"{positives.n} against {negatives.n} items" + (
        f", {failed} failed, counted as told apart wrongly" if failed else ""
    )
    found = area_of(positives, negatives, card, curve)
    if found is None:
        return Valued(None, NONE, NONE, NONE, counted, "", 0)
    slack = f" ± {found.slack:.3f}" if found.slack >= 0.0005 else ""
    return Valued(found.value, share(found.value) + slack, NONE, NONE, counted, "", positives.n)
