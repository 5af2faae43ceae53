"""What calibration items do to a requirement: a threshold for scores, or a limit moved for a judge's errors.

Both spend half of the requirement's alpha; the rate is then judged at the other half. A judge's errors move the limit to where
they hurt the release, and for a violation to where they help it. A lost calibration item moves a threshold against the
release, so a violation may end such a test early only where none was lost. A frozen threshold, of which nothing is
claimed, spends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from releasegate.decision.estimating import Rule, with_values
from releasegate.decision.units import Units, carrying
from releasegate.evalcard import EvalCard, Metric, Threshold
from releasegate.evidence import Columns
from releasegate.noisy import Answers, worst_limits
from releasegate.thresholds import Threshold as Cut
from releasegate.thresholds import frozen_threshold, threshold

_POOLED: Mapping[str, str] = MappingProxyType({})
_ITEMS = Units()
"""Each item by itself: of a frozen threshold nothing is claimed."""


@dataclass(frozen=True)
class Prepared:
    """A requirement as it is to be judged.

    Attributes:
        columns: with scores turned into yes and no; None where there is no threshold to do so.
        tested_limit: the limit where a judge's errors moved it; the rule holds it too.
        refuting_limit: what a violation must be beyond then: a judge's errors may explain what lies between the two.
        problem: why the instrument cannot carry the requirement.
    """

    columns: Columns | None
    rule: Rule
    tested_limit: float | None = None
    refuting_limit: float | None = None
    threshold: float | None = None
    problem: str | None = None


def prepare(
    name: str,
    card: EvalCard,
    columns: Columns | None,
    calibration: Columns | None,
    rule: Rule,
    units: Units,
    labels: Mapping[str, str] = _POOLED,
) -> Prepared:
    """The rule and the values after calibration; unchanged where the metric rests on no calibrated instrument.

    Args:
        units: which calibration items are independent.
        labels: those of the slice that is judged. A judge may err more often in one slice than in another, so calibration
            items with a label in a dimension of the slice count for slices of that value alone; others count for all. A label
            in a dimension that no gate item has says of which kind a labelled item is. A model may give that kind alone, so
            the limit is moved by the errors on the kind that hurts most.
    """
    metric = card.metrics[name]
    if metric.judged_by is None and metric.threshold is None:
        return Prepared(columns, rule)
    if units.problem is not None:
        return Prepared(
            None if metric.judged_by is None else columns, replace(rule, refutes=False), problem=units.problem
        )
    if metric.judged_by is not None:
        return _moved(metric, card, columns, calibration, rule, units, labels)
    return _thresholded(name, metric, columns, calibration, rule, units)


def _moved(
    metric: Metric,
    card: EvalCard,
    columns: Columns | None,
    calibration: Columns | None,
    rule: Rule,
    units: Units,
    labels: Mapping[str, str],
) -> Prepared:
    halved = replace(rule, alpha=rule.alpha / 2, refutes=False)
    shown = {m.shows: name for name, m in card.metrics.items() if m.of_instrument == metric.judged_by and m.shows}
    if calibration is None or not shown.get("sensitivity") or not shown.get("specificity"):
        return Prepared(columns, halved, problem=f"{metric.judged_by} was not measured on calibration items")
    asked = frozenset(d for cell in columns.cells for d in cell.labels) if columns else frozenset()
    try:
        positives = list(_by_kind(shown["sensitivity"], calibration, labels, asked, units))
        wrongly = [
            Answers(right.n - right.failed - right.yes, right.n, right.failed)
            for right in _by_kind(shown["specificity"], calibration, labels, asked, units)
        ]
        limit, refuting = worst_limits(rule.limit, rule.side, positives, wrongly, rule.alpha)
    except ValueError as error:
        return Prepared(columns, halved, problem=str(error))
    return Prepared(columns, replace(halved, limit=limit), tested_limit=limit, refuting_limit=refuting)


def _by_kind(
    name: str, calibration: Columns, labels: Mapping[str, str], asked: frozenset[str], units: Units
) -> Iterator[Answers]:
    """How often the judge was right on all calibration items for a slice, and then on those of each kind alone.

    Args:
        asked: the dimensions that gate items have labels in; a kind is what the labels in the other ones say.
        units: which items are independent; the dimension that names clusters makes no kinds.
    """
    yield _answers(name, calibration, labels, units)
    labelled = [cell.labels for cell in calibration.cells if name in cell.metrics]
    apart = asked | {units.key}
    kinds = {tuple(sorted((d, value) for d, value in each.items() if d not in apart)) for each in labelled}
    for kind in sorted(kinds - {()}):
        found = _answers(name, calibration, {**labels, **dict(kind)}, units)
        if found.n:
            yield found


def _answers(name: str, calibration: Columns | None, labels: Mapping[str, str], units: Units) -> Answers:
    """How often the judge was right on the calibration items that carry a metric and fit the labels of a slice.

    Failed and missing ones are failed. Of each cluster one item counts.
    """
    planned, right = _scores(name, calibration, units, labels)
    return Answers(int(right.sum()), planned, planned - len(right))


def _thresholded(
    name: str, metric: Metric, columns: Columns | None, calibration: Columns | None, rule: Rule, units: Units
) -> Prepared:
    how = metric.threshold
    if how is not None and how.positives is not None:
        return _frozen(name, how, how.positives, columns, calibration, rule)
    halved = replace(rule, alpha=rule.alpha / 2, refutes=False)
    if how is None or calibration is None or how.negatives not in calibration.values:
        return Prepared(None, halved, problem="no calibration negatives were measured, so there is no threshold")
    among = carrying(how.negatives, calibration.cells)
    try:
        planned, places = units.scored(calibration, among, units.negatives_key)
        lost, scores = planned - len(places), calibration.values[how.negatives][places]
        cut = threshold(scores, how.rate, rule.side, rule.alpha, failed=lost)
    except ValueError as error:
        return Prepared(None, halved, problem=str(error))
    return Prepared(_flagged(name, columns, cut), replace(halved, refutes=not lost), threshold=cut.value)


def _frozen(
    name: str, how: Threshold, positives: str, columns: Columns | None, calibration: Columns | None, rule: Rule
) -> Prepared:
    """At a threshold that stands between calibration negatives and positives, all of which must be there.

    Losing some would move it, and nobody could say which way that helps.
    """
    scores = [_scores(metric, calibration, _ITEMS) for metric in (how.negatives, positives)]
    lost = sum(planned - len(found) for planned, found in scores)
    if lost or not all(planned for planned, _ in scores):
        planned = sum(planned for planned, _ in scores)
        what = f"{lost} of {planned} calibration items failed or are missing" if planned else "nothing was calibrated"
        return Prepared(None, replace(rule, refutes=False), problem=f"{what}, so there is no threshold")
    cut = frozen_threshold(scores[0][1], scores[1][1], how.rate, rule.side)
    return Prepared(_flagged(name, columns, cut), rule, threshold=cut.value)


def _scores(
    name: str, calibration: Columns | None, units: Units, labels: Mapping[str, str] = _POOLED
) -> tuple[int, NDArray[np.float64]]:
    """How many calibration items carry a metric and no other label than those, and the scores of those that have one.

    Raises:
        ValueError: one of each cluster is asked for, and an item has none.
    """
    if calibration is None or name not in calibration.values:
        return 0, np.zeros(0)
    planned, places = units.scored(calibration, carrying(name, calibration.cells, labels), units.key)
    return planned, calibration.values[name][places]


def _flagged(name: str, columns: Columns | None, cut: Cut) -> Columns | None:
    """The columns with scores turned into yes and no."""
    if columns is None or name not in columns.values:
        return None
    return with_values(columns, name, cut.flags(columns.values[name]).astype(np.float64))
