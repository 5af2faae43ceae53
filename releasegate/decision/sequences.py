"""Tests that may be looked at early, and tests of means: betting on items in their planned order, or on clusters.

A sequence stops at the first item without a record, wherever it belongs: which of the later ones are missing may depend on
what they would have shown. A failed item does not stop it: it counts as badly as an item can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.decision.estimating import Rule, found, wanting
from releasegate.decision.explaining import NO_CLUSTER
from releasegate.decision.record import Estimate, Method, SliceFinding, Status
from releasegate.decision.slices import Slice
from releasegate.evidence import FAILED, MEASURED, MISSING, Columns
from releasegate.sequential import Claim, anytime_bounds, settle

Floats = NDArray[np.float64]
Span = tuple[float, float]


def judge_sequence(
    metric: str, part: Slice, columns: Columns | None, rule: Rule, of: Literal["share", "mean"], span: Span
) -> SliceFinding:
    """Whether a share or a mean is shown to be on the right side of a limit, looking after every item of one slice.

    Args:
        of: a `share` of values 0 and 1, or the `mean` of values in `span`.
    """
    claim = Claim(of, rule.side, rule.limit, rule.alpha, span)
    method: Method = "likelihood_ratio_e_process" if of == "share" else "betting"
    if columns is None or metric not in columns.values:
        return wanting(part, _nothing(part, rule, method))
    values, failed = consumable(metric, part, columns, claim)
    return _settled(part, rule, claim, values, failed, method, hits=of == "share", attempted=_attempted(part, columns))


def consumable(metric: str, part: Slice, columns: Columns, claim: Claim) -> tuple[Floats, NDArray[np.bool_]]:
    """What a sequence may consume of a slice, in the planned order, and which of it failed and so counts against the claim."""
    places = _before_the_gap(part, columns)
    failed = columns.state[places] == FAILED
    return np.where(failed, claim.hurts, columns.values[metric][places]), failed


def judge_paired_sequence(
    metric: str, part: Slice, base: Columns | None, other: Columns | None, better: str, rule: Rule, span: Span
) -> SliceFinding:
    """Whether a mean fell by no more than a margin, betting on the differences of paired items in their planned order."""
    width = span[1] - span[0]
    claim = Claim("mean", "at_most", rule.limit, rule.alpha, (-width, width))
    usable = base is not None and other is not None and metric in base.values and metric in other.values
    if base is None or other is None or not usable or len(base.state) != len(other.state):
        return wanting(part, _nothing(part, rule, "paired_betting"))
    paired = losses(metric, base, other, better)
    values, failed = consumable(metric, part, paired, claim)
    return _settled(part, rule, claim, values, failed, "paired_betting", hits=False, attempted=_attempted(part, paired))


def losses(metric: str, base: Columns, other: Columns, better: str) -> Columns:
    """What each pair lost from one checkpoint to another, as columns: a pair is missing, or failed, if one of its members is."""
    gap = (base.state == MISSING) | (other.state == MISSING)
    lost = (base.state == FAILED) | (other.state == FAILED)
    state = np.select([gap, lost], [MISSING, FAILED], MEASURED).astype(np.uint8)
    fall = base.values[metric] - other.values[metric]
    return replace(other, state=state, values={metric: fall if better == "higher" else -fall})


def judge_clusters(metric: str, part: Slice, columns: Columns | None, rule: Rule, key: str, span: Span) -> SliceFinding:
    """Whether the mean over new clusters is shown to be on the right side of a limit: one number for each cluster seen.

    Failed and missing items enter the mean of their cluster at the end that hurts. Clusters are taken in the order of their
    names, which no outcome can change.
    """
    claim = Claim("mean", rule.side, rule.limit, rule.alpha, span)
    nothing = _nothing(part, rule, "clustered_betting")
    if columns is None or metric not in columns.values:
        return wanting(part, nothing)
    members = clusters_of(part, columns, key)
    if "" in members:
        return wanting(part, nothing, f"items without a {key} {NO_CLUSTER}")
    scored = int(((columns.state == MEASURED) & part.members(columns)).sum())
    values = cluster_means(metric, members, columns, claim)
    bounds = anytime_bounds(claim, values)
    attempted = _attempted(part, columns)
    estimate = nothing.model_copy(
        update={
            "value": float(values.mean()) if scored else None,
            "low": bounds.low,
            "high": bounds.high,
            "attempted": attempted,
            "scored": scored,
            "failed": attempted - scored,
            "clusters": len(members),
        }
    )
    return found(part, estimate, rule)


def clusters_of(part: Slice, columns: Columns, key: str) -> dict[str, list[int]]:
    """The cells of each cluster of a slice, clusters in the order of their names; "" for items without one."""
    members: dict[str, list[int]] = {}
    for number in part.cells:
        members.setdefault(columns.cells[number].labels.get(key, ""), []).append(number)
    return dict(sorted(members.items()))


def cluster_means(metric: str, members: Mapping[str, list[int]], columns: Columns, claim: Claim) -> Floats:
    """float64 [clusters]: the mean of each, failed and missing items at the end that hurts the claim."""
    measured = (columns.state == MEASURED) & (columns.cell >= 0)
    sums = np.bincount(columns.cell[measured], columns.values[metric][measured], len(columns.cells))
    counts = np.bincount(columns.cell[measured], minlength=len(columns.cells))
    means = []
    for cells in members.values():
        planned = sum(columns.cells[i].n for i in cells)
        lost = planned - int(counts[cells].sum())
        means.append((float(sums[cells].sum()) + claim.hurts * lost) / planned)
    clipped: Floats = np.clip(np.asarray(means), *claim.span)
    return clipped


def _before_the_gap(part: Slice, columns: Columns) -> NDArray[np.int64]:
    """The numbers of the items of a slice, in the planned order, that come before the first item without a record."""
    gaps = np.flatnonzero(columns.state == MISSING)
    end = int(gaps[0]) if len(gaps) else len(columns.state)
    return np.flatnonzero(part.members(columns)[:end])


def _attempted(part: Slice, columns: Columns) -> int:
    return int((part.members(columns) & (columns.state != MISSING)).sum())


def _nothing(part: Slice, rule: Rule, method: Method) -> Estimate:
    return Estimate(method=method, alpha=rule.alpha, planned=part.planned, attempted=0, scored=0, failed=0)


def _settled(
    part: Slice,
    rule: Rule,
    claim: Claim,
    values: Floats,
    failed: NDArray[np.bool_],
    method: Method,
    *,
    hits: bool,
    attempted: int,
) -> SliceFinding:
    """What a sequence shows. Once it is decided, later items do not matter; until then every planned one is wanted.

    It is met with every failed item against it, and refuted with every one in its favour: neither may rest on what nobody
    saw. A violation that does is one only if few items were lost of all that were planned.
    """
    outcome = settle(claim, values)
    refuted = settle(claim, np.where(failed, claim.helps, values)) if rule.refutes else None
    if outcome.met_at is not None:
        used = outcome.used
    else:
        used = refuted.used if refuted is not None and refuted.violated_at is not None else len(values)
    consumed, failures = values[:used], int(failed[:used].sum())
    scored, kept = used - failures, values[:used][~failed[:used]]
    bounds = anytime_bounds(claim, consumed) if used and rule.bounds else None
    estimate = Estimate(
        value=float(kept.mean()) if scored else None,
        low=bounds.low if bounds else None,
        high=bounds.high if bounds else None,
        method=method,
        alpha=rule.alpha,
        planned=part.planned,
        attempted=attempted,
        scored=scored,
        failed=failures,
        hits=int(kept.sum()) if hits else None,
        used=used,
    )
    if outcome.met_at is None and refuted is not None and refuted.violated_at is not None:
        return SliceFinding(labels=part.labels, status="violated", refuted=True, estimate=estimate)
    of = used if outcome.met_at is not None else part.planned
    if scored == 0 or of - scored > rule.max_failed * of:
        return wanting(part, estimate)
    if outcome.decided:
        status: Status = "met" if outcome.met_at is not None else "violated"
        return SliceFinding(labels=part.labels, status=status, estimate=estimate)
    return SliceFinding(labels=part.labels, status="not_shown", reason="unsettled", estimate=estimate)
