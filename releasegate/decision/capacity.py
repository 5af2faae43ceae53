"""What a plan can show: how much each requirement can bear, with what power, and what the next attempt would need."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import ceil

import numpy as np

from releasegate.decision.excusing import calibrating
from releasegate.decision.explaining import label_text
from releasegate.decision.slices import Slice, slices_of
from releasegate.decision.units import Units, carrying, units_of
from releasegate.evalcard import EvalCard, Threshold
from releasegate.evidence import Cell
from releasegate.intervals import Side, clopper_pearson, items_to_settle, most_hits, power
from releasegate.noisy import LEAST_INFORMED
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Requirement, Section
from releasegate.rounding import decimal
from releasegate.sequential import Claim, anytime_bounds, settle
from releasegate.stopping import stopping
from releasegate.thresholds import negatives_needed

MOST_PLANNED = 100_000
"""Items up to which the chances of a sequential test are worked out exactly."""


@dataclass(frozen=True)
class Capacity:
    """What one requirement can show with the planned items, in its smallest slice.

    Attributes:
        slices: gated slices.
        items: planned items of the smallest of them.
        alpha: of each bound.
        may_go_wrong: items that may go wrong with the requirement still shown; None: not even none, or not a count.
        needs: the fewest items that could show it, if none goes wrong; None: no number of items does.
        needs_next: the same at the next attempt.
        truth: what power is worked out for: the policy's `assume`, else a truth without a miss.
        power: the chance to show it if that is the truth; None where it is not worked out.
        mean_items: items that a sequential test is expected to consume then.
        clusters: clusters of a claim about new ones.
        needs_clusters: the fewest of them that could show it, all perfect; `needs` has them with as many items each as now.
        ceiling: the limit that so many perfect clusters could show at most.
        warning: why it cannot be met, or none of its slices be excused.
    """

    requirement: str
    checkpoint: str
    slices: int
    items: int
    alpha: float
    may_go_wrong: int | None = None
    needs: int | None = None
    needs_next: int | None = None
    truth: float | None = None
    power: float | None = None
    mean_items: float | None = None
    clusters: int | None = None
    needs_clusters: int | None = None
    ceiling: float | None = None
    warning: str | None = None

    def plain(self) -> dict[str, object]:
        """As JSON data, without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def capacity(plan: Plan, requirement: Requirement, section: Section) -> Capacity:
    """What the plan lets one requirement show."""
    wanted = [s.name for s in plan.strips] if section in ("removal", "keep") else [SOURCE]
    found = [m for name in wanted if (m := plan.find(requirement.eval, name)) is not None]
    checkpoint = found[0].checkpoint if found else wanted[0] if wanted else SOURCE
    nothing = Capacity(requirement.id, checkpoint, 0, 0, plan.alpha, warning="nothing is planned that could show it")
    card = plan.cards.get(requirement.eval)
    if not found or card is None or not found[0].cells:
        return nothing
    parts = slices_of(requirement, card, found[0].cells)
    items = min(part.planned for part in parts)
    rate_alpha = plan.alpha / (2 if requirement.excused else 1)
    base = Capacity(
        requirement.id, checkpoint, len(parts), items, rate_alpha / (2 if _halved(requirement, card) else 1)
    )
    if not items:
        empty = [label_text(part.labels) for part in parts if not part.planned and requirement.values]
        words = f"no planned item has {'; '.join(empty)}: it cannot be met" if empty else nothing.warning
        return replace(nothing, warning=words)
    if card.clusters is not None and card.clusters.population == "sampled" and requirement.margin is None:
        key, cells = card.clusters.key, found[0].cells
        clusters = min(len({cells[i].labels.get(key, "") for i in part.cells}) for part in parts)
        shown = _clustered(base, requirement, key, clusters, plan)
    elif section == "keep" and (requirement.sequential or card.metrics[requirement.metric_name].type == "bounded_mean"):
        shown = _kept(base, requirement, card, plan)
    elif requirement.sequential or card.metrics[requirement.metric_name].type == "bounded_mean":
        shown = _sequential(base, requirement, card, plan)
    else:
        shown = _fixed(base, requirement, plan)
    units = units_of(card, by_cluster=plan.by_cluster is not None)
    measured = plan.find_calibration(requirement.eval, checkpoint)
    cells = measured.cells if measured else ()
    warnings = (shown.warning, _idle_instrument(requirement, card, units, cells, rate_alpha))
    warning = next((w for w in warnings if w), None) or _idle_excuse(requirement, units, cells, parts, rate_alpha)
    return replace(shown, warning=warning)


def _idle_instrument(r: Requirement, card: EvalCard, units: Units, cells: tuple[Cell, ...], alpha: float) -> str | None:
    """Why no answer of an instrument lets it carry the requirement, if that is so: its calibration items are too few."""
    metric = card.metrics[r.metric_name]
    if r.margin is not None or (metric.judged_by is None and metric.threshold is None):
        return None
    if units.problem is not None:
        return f"{units.problem}: nothing can be shown"
    try:
        if metric.threshold is not None:
            return _idle_threshold(metric.threshold, _limit(r)[0], units, cells, alpha)
        right = {m.shows: name for name, m in card.metrics.items() if m.of_instrument == metric.judged_by and m.shows}
        kinds = [units.planned(cells, carrying(name, cells), units.key) for _, name in sorted(right.items())]
    except ValueError as error:
        return f"{error}: nothing can be shown"
    if not all(kinds):
        return None  # nothing is planned yet, as in a policy's test without labels
    most = sum(clopper_pearson(n, n, alpha / 4).low for n in kinds) - 1
    if most >= LEAST_INFORMED:
        return None
    of = f"of dimension {units.key}" if units.key is not None else "items"
    return (
        f"{metric.judged_by} is calibrated on {' and '.join(map(str, kinds))} {of}: too few to show that it can decide"
    )


def _idle_threshold(how: Threshold, side: Side, units: Units, cells: tuple[Cell, ...], alpha: float) -> str | None:
    """Why no threshold can be had."""
    if how.positives is not None:
        return None
    n, needed = (
        units.planned(cells, carrying(how.negatives, cells), units.negatives_key),
        negatives_needed(how.rate, side, alpha),
    )
    if not n or n >= needed:
        return None
    of = f"of dimension {units.negatives_key}" if units.negatives_key is not None else "negatives"
    return f"{n} {of} cannot support a threshold at a rate of {how.rate:g}: needs {needed}"


def _idle_excuse(r: Requirement, units: Units, cells: tuple[Cell, ...], parts: list[Slice], alpha: float) -> str | None:
    """Why half of alpha is spent on an excuse that no slice can have, if that is so."""
    if r.excused is None:
        return None
    if not units.excuses:
        return f"nothing can be excused: {units.problem or 'the eval samples clusters, of which one says little of another'}"
    found = [f for part in parts if (f := calibrating(r, r.excused, part.labels, cells)) is not None]
    side, limit = r.excused.stated
    needs = items_to_settle(0.0 if side == "at_most" else 1.0, limit, side, alpha)
    if not found:
        return f"nothing can be excused: no calibration item carries {r.excused.metric} with the labels of a slice"
    try:
        most = max(units.thinned(part, None, cells)[0].planned for part in found)
    except ValueError as error:
        return f"nothing can be excused: {error}"
    if needs is None or most < needs:
        return f"nothing can be excused: {most} calibration items cannot show it, {needs} are needed"
    return None


def _halved(r: Requirement, card: EvalCard) -> bool:
    metric = card.metrics[r.metric_name]
    paired = r.margin is not None and metric.type == "bernoulli" and not r.sequential
    claimed = metric.threshold is not None and metric.threshold.positives is None  # a frozen one claims no rate
    return paired or (r.margin is None and (metric.judged_by is not None or claimed))


def _limit(r: Requirement) -> tuple[Side, float]:
    """The side and the limit of the test: a margin is an upper limit on the loss."""
    stated, limit = r.stated
    return "at_least" if stated == "at_least" else "at_most", limit


def _next_alpha(plan: Plan, alpha: float) -> float | None:
    """The same share of the next attempt's alpha; None: there is no next attempt."""
    return alpha * plan.effective_alpha(plan.policy, plan.attempt + 1) / plan.alpha or None


def _fixed(base: Capacity, r: Requirement, plan: Plan) -> Capacity:
    side, limit = _limit(r)
    best = 0.0 if side == "at_most" else 1.0
    truth = best if r.assume is None else r.assume
    wrong = most_hits(base.items, limit, side, base.alpha)
    needs = items_to_settle(best, limit, side, base.alpha)
    later = _next_alpha(plan, base.alpha)
    update = {
        "may_go_wrong": wrong,
        "needs": needs,
        "needs_next": None if later is None else items_to_settle(best, limit, side, later),
        "truth": truth,
        "power": power(base.items, limit, side, base.alpha, truth) if r.margin is None else None,
        "warning": None
        if wrong is not None
        else f"{base.items} items cannot show it: {needs} are needed without a miss",
    }
    return Capacity(**{**asdict(base), **update})


def _kept(base: Capacity, r: Requirement, card: EvalCard, plan: Plan) -> Capacity:
    """Of pairs that are bet on one after another, of which none differs: a loss of nothing is what a strip is to show."""
    width = card.metrics[r.metric_name].range[1] - card.metrics[r.metric_name].range[0]
    needs, later = (
        None
        if alpha is None
        else settle(Claim("mean", "at_most", _limit(r)[1], alpha, (-width, width)), np.zeros(MOST_PLANNED)).met_at
        for alpha in (base.alpha, _next_alpha(plan, base.alpha))
    )
    enough = needs is not None and needs <= base.items
    warning = None if enough else f"{base.items} items cannot show it: {needs} are needed without a loss"
    update = {"needs": needs, "needs_next": later, "truth": 0.0, "power": float(enough), "warning": warning}
    return Capacity(**{**asdict(base), **update, "mean_items": float(needs) if enough and needs else None})


def _sequential(base: Capacity, r: Requirement, card: EvalCard, plan: Plan) -> Capacity:
    side, limit = _limit(r)
    low, high = card.metrics[r.metric_name].gated_range
    span = (low, high)
    mean = card.metrics[r.metric_name].type == "bounded_mean"
    claim = Claim("mean" if mean else "share", side, limit, base.alpha, span)
    best = span[0] if side == "at_most" else span[1]
    truth = best if r.assume is None else r.assume
    if base.items > MOST_PLANNED:
        return Capacity(**{**asdict(base), "truth": truth})
    at_best, expected = stopping(claim, best, base.items), stopping(claim, truth, base.items)
    needs = at_best.items_for_power(1 - 1e-9)
    alpha = _next_alpha(plan, base.alpha)
    later = None if alpha is None else stopping(Claim(claim.of, side, limit, alpha, span), best, 4 * base.items)
    update = {
        "needs": needs,
        "needs_next": None if later is None else later.items_for_power(1 - 1e-9),
        "truth": truth,
        "power": float(expected.met[-1]),
        "mean_items": expected.mean_items,
        "warning": None if needs is not None else f"{base.items} items cannot show it, whatever they show",
    }
    return Capacity(**{**asdict(base), **update})


def _clustered(base: Capacity, r: Requirement, key: str, clusters: int, plan: Plan) -> Capacity:
    """The bets of the gate show less than any test could: what so many perfect clusters show is worked out from them."""
    side, limit = _limit(r)
    bound = _shown_by(clusters, base.alpha)
    ceiling = bound if side == "at_least" else 1 - bound
    wanted = limit if side == "at_least" else 1 - limit
    each = ceil(base.items / clusters)
    needs, alpha = _clusters_for(wanted, base.alpha), _next_alpha(plan, base.alpha)
    later = None if alpha is None else _clusters_for(wanted, alpha)
    shown, most = decimal(ceiling, [limit]), "most" if side == "at_least" else "least"
    words = f"{clusters} clusters can show {shown} at {most}, however many items"
    if needs is not None:
        words += f": {needs} values of {key} with {each} items each, {needs * each} items, could show it; list them, and raise "
        words += "`items.n` on the card (or `n_max`) with them"
    update = {
        "clusters": clusters,
        "needs_clusters": needs,
        "needs": None if needs is None else needs * each,
        "needs_next": None if later is None else later * each,
        "ceiling": ceiling,
        "warning": words if bound < wanted else None,
    }
    return Capacity(**{**asdict(base), **update})


def _shown_by(clusters: int, alpha: float) -> float:
    """The lower bound of a mean of which so many perfect clusters were seen."""
    return anytime_bounds(Claim("mean", "at_least", 0.5, alpha), np.ones(clusters)).low


def _clusters_for(wanted: float, alpha: float) -> int | None:
    """The fewest perfect clusters whose lower bound reaches `wanted`; None if no number up to `MOST_PLANNED` does."""
    if _shown_by(MOST_PLANNED, alpha) < wanted:
        return None
    low, high = 0, 1
    while _shown_by(high, alpha) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _shown_by(middle, alpha) >= wanted else (middle, high)
    return high
