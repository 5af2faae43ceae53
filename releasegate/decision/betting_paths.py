"""How a sequential test came to where it stands: the E of a finding after each item, from the evidence that it was judged on.

Nothing is judged here. Limit, alpha, threshold and what was lost are those that the finding itself states, so that the path
ends in what was decided, whichever policy judged it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.betting import Floats
from releasegate.decision.estimating import with_values
from releasegate.decision.record import Finding, SliceFinding
from releasegate.decision.sequences import cluster_means, clusters_of, consumable, losses
from releasegate.decision.slices import UNLABELLED, Slice, is_threat
from releasegate.evalcard import Metric
from releasegate.evidence import Columns, Evidence
from releasegate.intervals import Side
from releasegate.plan import SOURCE, Plan
from releasegate.sequential import Claim, log_e_path
from releasegate.thresholds import flagged


@dataclass(frozen=True)
class BettingPath:
    """What a sequential test consumed, item by item.

    Attributes:
        claim: with the limit and the alpha that it was tested at.
        values: float64 [n], what it consumed; a failed item at the end that hurts the claim.
        failed: bool [n], which of them failed.
        spared: whether failed items count for the claim on the path of its violation, which must not rest on what nobody saw;
            not where the claim was found violated with few of them, all against it.
        unit: what each value is of: an item, the loss of a pair, or the mean of a cluster, whose lost items are in it.
    """

    claim: Claim
    values: Floats
    failed: NDArray[np.bool_]
    spared: bool
    unit: Literal["item", "pair", "cluster"]

    @cached_property
    def towards(self) -> Floats:
        """float64 [n]: the natural logarithm of E for the claim after each item."""
        return log_e_path(self.claim, self.values)

    @cached_property
    def against(self) -> Floats:
        """float64 [n]: the same for its violation."""
        values = np.where(self.failed, self.claim.helps, self.values) if self.spared else self.values
        return log_e_path(self.claim, values, violated=True)


def betting_path(finding: Finding, found: SliceFinding, plan: Plan, evidence: Evidence) -> BettingPath | None:
    """The path of one slice; None where it was not decided by betting, or consumed nothing."""
    eval_id, name = finding.metric.split("/")
    card = plan.cards.get(eval_id)
    if card is None or name not in card.metrics or not (found.estimate.used or found.estimate.clusters):
        return None
    columns = _columns(finding, found, plan, evidence, card.metrics[name])
    claim = _claim(finding, found, card.metrics[name])
    if columns is None or claim is None:
        return None
    part = _part(finding, found, columns)
    if found.estimate.clusters is not None and card.clusters is not None:
        members = clusters_of(part, columns, card.clusters.key)
        means = cluster_means(name, members, columns, claim)
        return BettingPath(claim, means, np.zeros(len(means), dtype=np.bool_), spared=False, unit="cluster")
    used = found.estimate.used
    values, failed = consumable(name, part, columns, claim)
    if not used or len(values) < used:
        return None
    spared = found.refuted or found.status != "violated"
    return BettingPath(claim, values[:used], failed[:used], spared, "pair" if finding.side == "margin" else "item")


def _claim(finding: Finding, found: SliceFinding, metric: Metric) -> Claim | None:
    """What was tested; None where the method looks at no sequence."""
    limits = (found.refuting_limit, found.tested_limit, finding.limit)
    limit = next(limit for limit in limits if limit is not None)
    side: Side = "at_least" if finding.side == "at_least" else "at_most"
    alpha = found.estimate.alpha
    match found.estimate.method:
        case "likelihood_ratio_e_process":
            return Claim("share", side, limit, alpha)
        case "betting":
            return Claim("mean", side, limit, alpha, metric.range)
        case "clustered_betting":
            return Claim("mean", side, limit, alpha, metric.gated_range)
        case "paired_betting":
            width = metric.range[1] - metric.range[0]
            return Claim("mean", side, limit, alpha, (-width, width))
        case _:
            return None


def _columns(finding: Finding, found: SliceFinding, plan: Plan, evidence: Evidence, metric: Metric) -> Columns | None:
    """What was measured, as it was judged: scores as yes and no, pairs as losses."""
    eval_id, name = finding.metric.split("/")
    columns = _measured(plan, evidence, eval_id, finding.checkpoint)
    if columns is None or name not in columns.values:
        return None
    if finding.side == "margin":
        base = _measured(plan, evidence, eval_id, SOURCE)
        if base is None or name not in base.values or len(base.state) != len(columns.state):
            return None
        return losses(name, base, columns, metric.better)
    if metric.type != "thresholded":
        return columns
    if found.threshold is None:
        return None
    side: Side = "at_least" if finding.side == "at_least" else "at_most"
    return with_values(columns, name, flagged(columns.values[name], found.threshold, side).astype(np.float64))


def _measured(plan: Plan, evidence: Evidence, eval_id: str, checkpoint: str) -> Columns | None:
    measurement = plan.find(eval_id, checkpoint)
    return None if measurement is None else evidence.columns.get(plan.identity(measurement))


def _part(finding: Finding, found: SliceFinding, columns: Columns) -> Slice:
    """The planned items with the labels of the slice, in the threat set if it is a gated one."""
    gated = found in finding.slices
    name = finding.metric.split("/")[1]
    cells = tuple(
        i
        for i, cell in enumerate(columns.cells)
        if name in cell.metrics
        and is_threat(finding.values, cell.labels) == gated
        and all(cell.labels.get(dimension, UNLABELLED) == value for dimension, value in found.labels.items())
    )
    return Slice(found.labels, cells, sum(columns.cells[i].n for i in cells))
