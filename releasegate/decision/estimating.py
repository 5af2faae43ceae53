"""From columns of samples to one estimate, and from an estimate to met, violated or not shown.

A planned item that failed or has no record enters every bound at the end of the range that hurts the requirement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from releasegate.decision.record import Estimate, Reason, SliceFinding, Status
from releasegate.evalcard import EvalCard
from releasegate.evidence import FAILED, MEASURED, MISSING, Cell, Columns
from releasegate.intervals import Bounds, Side, clopper_pearson, paired_difference
from releasegate.policy import Requirement

UNLABELLED = "(none)"
"""The value, in a gated dimension, of items without a label for it."""


@dataclass(frozen=True)
class Slice:
    """Planned items of one metric that share some labels: which cells, and how many items."""

    labels: dict[str, str]
    cells: tuple[int, ...]
    planned: int


@dataclass(frozen=True)
class Rule:
    """How one requirement judges: its limit and side, its alpha, and the share that may fail."""

    side: Side
    limit: float
    alpha: float
    max_failed: float


def slices_of(requirement: Requirement, card: EvalCard, cells: tuple[Cell, ...]) -> list[Slice]:
    """Every slice that the requirement gates, as planned; a dimension without an item yields an empty slice.

    Items that lack the label of a gated dimension are a slice of their own, so that none of them escapes.
    """
    metric = requirement.metric_name
    if requirement.slices is None:
        return [_slice({}, metric, cells)]
    gated = (
        tuple(name for name, s in card.slices.items() if s.gate) if requirement.slices == "all" else requirement.slices
    )
    found = []
    for entry in gated:
        dimensions = (entry,) if isinstance(entry, str) else tuple(entry)
        carried = [c for c in cells if metric in c.metrics]
        labelled = all(any(d in c.labels for c in carried) for d in dimensions)
        values = [sorted({c.labels.get(d, UNLABELLED) for c in carried}) for d in dimensions] if labelled else [[]]
        chosen = [_slice(dict(zip(dimensions, v, strict=True)), metric, cells) for v in product(*values)]
        planned = [s for s in chosen if s.planned]
        found += planned or [Slice(dict.fromkeys(dimensions, "(none planned)"), (), 0)]
    return found


def _slice(labels: dict[str, str], metric: str, cells: tuple[Cell, ...]) -> Slice:
    numbers = tuple(
        i
        for i, c in enumerate(cells)
        if metric in c.metrics and all(c.labels.get(k, UNLABELLED) == v for k, v in labels.items())
    )
    return Slice(labels, numbers, sum(cells[i].n for i in numbers))


def judge_share(metric: str, part: Slice, columns: Columns | None, rule: Rule) -> SliceFinding:
    """Whether a share (a Bernoulli metric) is shown to be on the right side of a limit in one slice.

    Args:
        columns: None if nothing was measured.
    """
    inside = _members(part, columns)
    scored = inside & (columns.state == MEASURED) if columns else inside
    hits = int(columns.values[metric][scored].sum()) if columns and metric in columns.values else 0
    failed = int((inside & (columns.state == FAILED)).sum()) if columns else 0
    n = int(scored.sum())
    lost = part.planned - n
    against = hits + (lost if rule.side == "at_most" else 0)
    bounds = _bounds(part.planned, lambda: clopper_pearson(against, part.planned, rule.alpha))
    estimate = Estimate(
        value=hits / n if n else None,
        low=bounds.low if bounds else None,
        high=bounds.high if bounds else None,
        method="clopper_pearson",
        alpha=rule.alpha,
        planned=part.planned,
        attempted=n + failed,
        scored=n,
        failed=failed,
        hits=hits,
    )
    return _found(part, estimate, rule)


def judge_pairs(
    metric: str, part: Slice, base: Columns | None, other: Columns | None, better: str, rule: Rule
) -> SliceFinding:
    """Whether a share fell by no more than a margin from one checkpoint to another, on the same items.

    A pair of which either member failed or is missing counts as a loss.
    """
    inside = _members(part, other)
    hits, gains, n, attempted = 0, 0, 0, 0
    if base is not None and other is not None and metric in base.values and len(base.state) == len(other.state):
        both = inside & (base.state == MEASURED) & (other.state == MEASURED)
        before, after = base.values[metric][both] == 1, other.values[metric][both] == 1
        if better == "lower":
            before, after = ~before, ~after
        hits, gains, n = int((before & ~after).sum()), int((~before & after).sum()), int(both.sum())
        attempted = int((inside & (base.state != MISSING) & (other.state != MISSING)).sum())
    losses = hits + part.planned - n
    bounds = _bounds(part.planned, lambda: paired_difference(losses, gains, part.planned, rule.alpha))
    estimate = Estimate(
        value=(hits - gains) / n if n else None,
        low=bounds.low if bounds else None,
        high=bounds.high if bounds else None,
        method="paired_clopper_pearson",
        alpha=rule.alpha,
        planned=part.planned,
        attempted=attempted,
        scored=n,
        failed=attempted - n,
        hits=hits,
        gains=gains,
    )
    return _found(part, estimate, rule)


def _members(part: Slice, columns: Columns | None) -> NDArray[np.bool_]:
    if columns is None:
        return np.zeros(0, dtype=np.bool_)
    return np.isin(columns.cell, np.asarray(part.cells, dtype=np.int32))


def _bounds(planned: int, make: Callable[[], Bounds]) -> Bounds | None:
    return make() if planned else None


def _found(part: Slice, estimate: Estimate, rule: Rule) -> SliceFinding:
    """The status of one slice. Too many lost items, or none scored, is want of evidence whatever the bounds say."""
    lost = estimate.planned - estimate.scored
    if estimate.scored == 0 or lost > rule.max_failed * estimate.planned:
        return SliceFinding(labels=part.labels, status="not_shown", reason="want_of_evidence", estimate=estimate)
    status = _status(estimate, rule)
    reason: Reason | None = "unsettled" if status == "not_shown" else None
    return SliceFinding(labels=part.labels, status=status, reason=reason, estimate=estimate)


def _status(estimate: Estimate, rule: Rule) -> Status:
    if estimate.low is None or estimate.high is None:
        return "not_shown"
    if rule.side == "at_most":
        return "met" if estimate.high <= rule.limit else "violated" if estimate.low > rule.limit else "not_shown"
    return "met" if estimate.low >= rule.limit else "violated" if estimate.high < rule.limit else "not_shown"


def worst_first(slices: list[SliceFinding], side: Side) -> Iterator[SliceFinding]:
    """The slices from the one that is furthest on the wrong side to the one that is safest."""

    def distance(found: SliceFinding) -> tuple[int, float]:
        rank = {"want_of_evidence": 0, "does_not_count": 0}.get(found.reason or "", 1)
        e = found.estimate
        bound = e.high if side == "at_most" else e.low
        return rank, 0.0 if bound is None else (-bound if side == "at_most" else bound)

    yield from sorted(slices, key=distance)
