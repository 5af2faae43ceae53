"""Fixed numbers of items: from columns of samples to an estimate, and from that to met, violated or not shown.

A planned item that failed or has no record enters every bound at the end of the range that hurts the requirement, but the
one that refutes it: there it enters at the other end, so that a violation never rests on what nobody saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from releasegate.decision.record import Estimate, Reason, SliceFinding, Status
from releasegate.decision.slices import Slice
from releasegate.evidence import FAILED, MEASURED, MISSING, Columns
from releasegate.intervals import Bounds, Side, clopper_pearson, paired_difference


@dataclass(frozen=True)
class Rule:
    """How one requirement judges: its limit and side, the alpha of each bound, and the share that may fail.

    Attributes:
        refutes: whether a violation may end a test before its last item. Not where lost calibration items moved the limit, or
            what is compared with it, against the release: it is further on the wrong side the less is known of an instrument.
        bounds: whether the bounds of a sequence are wanted, which take longer than its status.
    """

    side: Side
    limit: float
    alpha: float
    max_failed: float
    refutes: bool = True
    bounds: bool = True


def judge_share(metric: str, part: Slice, columns: Columns | None, rule: Rule) -> SliceFinding:
    """Whether a share (values 0 and 1) is shown to be on the right side of a limit in one slice.

    Args:
        columns: None if nothing was measured.
    """
    inside = part.members(columns)
    scored = inside & (columns.state == MEASURED) if columns else inside
    hits = int(columns.values[metric][scored].sum()) if columns and metric in columns.values else 0
    failed = int((inside & (columns.state == FAILED)).sum()) if columns else 0
    n = int(scored.sum())
    lost = part.planned - n
    against, in_favour = (hits + lost, hits) if rule.side == "at_most" else (hits, hits + lost)
    bounds = clopper_pearson(against, part.planned, rule.alpha) if part.planned else None
    at_best = clopper_pearson(in_favour, part.planned, rule.alpha) if part.planned else None
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
    return found(part, estimate, rule, at_best)


def judge_pairs(
    metric: str, part: Slice, base: Columns | None, other: Columns | None, better: str, rule: Rule
) -> SliceFinding:
    """Whether a share fell by no more than a margin from one checkpoint to another, on the same items.

    A pair of which either member failed or is missing counts as a loss.
    """
    inside = part.members(other)
    hits, gains, n, attempted = 0, 0, 0, 0
    if base is not None and other is not None and metric in base.values and len(base.state) == len(other.state):
        both = inside & (base.state == MEASURED) & (other.state == MEASURED)
        before, after = base.values[metric][both] == 1, other.values[metric][both] == 1
        if better == "lower":
            before, after = ~before, ~after
        hits, gains, n = int((before & ~after).sum()), int((~before & after).sum()), int(both.sum())
        attempted = int((inside & (base.state != MISSING) & (other.state != MISSING)).sum())
    losses = hits + part.planned - n
    bounds = paired_difference(losses, gains, part.planned, rule.alpha) if part.planned else None
    at_best = paired_difference(hits, gains + part.planned - n, part.planned, rule.alpha) if part.planned else None
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
    return found(part, estimate, rule, at_best)


def found(part: Slice, estimate: Estimate, rule: Rule, at_best: Bounds | None = None) -> SliceFinding:
    """The status of one slice. Too many lost items, or none scored, is want of evidence whatever the bounds say.

    Args:
        at_best: the bounds with every lost item counted for the requirement. If they refute it, nothing that is lost could
            have helped.
    """
    refuted = rule.refutes and at_best is not None and status_of(at_best, rule) == "violated"
    if refuted and at_best is not None:
        refuting = {"low": at_best.low} if rule.side == "at_most" else {"high": at_best.high}
        estimate = estimate.model_copy(update=refuting)
    lost = estimate.planned - estimate.scored
    if estimate.scored == 0 or lost > rule.max_failed * estimate.planned:
        return wanting(part, estimate).model_copy(update={"refuted": refuted})
    if refuted:
        return SliceFinding(labels=part.labels, status="violated", refuted=True, estimate=estimate)
    bounds = Bounds(estimate.low, estimate.high) if estimate.low is not None and estimate.high is not None else None
    status = status_of(bounds, rule)
    reason: Reason | None = "unsettled" if status == "not_shown" else None
    return SliceFinding(labels=part.labels, status=status, reason=reason, estimate=estimate)


def wanting(part: Slice, estimate: Estimate, problem: str | None = None) -> SliceFinding:
    """A slice that shows nothing for want of evidence."""
    return SliceFinding(
        labels=part.labels, status="not_shown", reason="want_of_evidence", estimate=estimate, problem=problem
    )


def status_of(bounds: Bounds | None, rule: Rule) -> Status:
    """Met if the conservative bound is on the right side of the limit, violated if the other is on the wrong side."""
    if bounds is None:
        return "not_shown"
    if rule.side == "at_most":
        return "met" if bounds.high <= rule.limit else "violated" if bounds.low > rule.limit else "not_shown"
    return "met" if bounds.low >= rule.limit else "violated" if bounds.high < rule.limit else "not_shown"


def worst_first(slices: list[SliceFinding], side: Side) -> Iterator[SliceFinding]:
    """The slices from the one that is furthest on the wrong side to the one that is safest; excused ones come last."""

    def distance(one: SliceFinding) -> tuple[int, float]:
        rank = 0 if one.reason in ("want_of_evidence", "does_not_count") else 1 if one.status == "violated" else 2
        rank = 3 if one.status == "excused" else rank
        bound = one.estimate.high if side == "at_most" else one.estimate.low
        return rank, 0.0 if bound is None else (-bound if side == "at_most" else bound)

    yield from sorted(slices, key=distance)


def with_values(columns: Columns, metric: str, values: np.ndarray) -> Columns:
    """The columns with other values of one metric."""
    return replace(columns, values={**columns.values, metric: values})
