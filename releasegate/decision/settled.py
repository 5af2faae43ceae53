"""Whether everything that a measurement is to show is decided by the items at hand, so that no more need be measured. Pure.

It is worked out from the evidence, by the runner after each shard and by the decision alike: nothing is stored that says so.

A measurement is settled if some number of its first items, all of them with a record, decides every requirement that is
judged on it: met in every slice, or refuted in one. Refuted means violated whatever is not known would have shown. The first
such number counts: nothing that comes later, or is lost there, takes it back. Neither a lost nor a failed item can bring it
about, so less evidence never makes a measurement look more settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from releasegate.decision.judging import Bench, raw_slices
from releasegate.decision.record import SettledEval
from releasegate.decision.slices import slices_of
from releasegate.evidence import MEASURED, MISSING, Columns, Evidence
from releasegate.plan import SOURCE, Measurement, Plan, sections_on
from releasegate.policy import Policy, Requirement, Section
from releasegate.waiver import Waivers

Judged = tuple[Section, Requirement]


def settled(bench: Bench) -> frozenset[str]:
    """The digests of the measurements that lack a value of some item and are settled all the same."""
    found = ((m, bench.columns(m)) for m in bench.plan.measurements)
    lacking = (m for m, columns in found if columns is not None and (columns.state != MEASURED).any())
    return frozenset(bench.identity(m) for m in lacking if is_settled(bench, m))


def settled_by(plan: Plan, columns: Mapping[str, Columns], measurement: Measurement) -> bool:
    """Whether a measurement is settled by what was measured so far, as the plan's own policy will judge it.

    Args:
        columns: of the measurement and of what it is judged with (`judged_with`), by digest.
    """
    nobody = Waivers((), None, date.fromisoformat(plan.opened))
    return is_settled(Bench(plan.policy, plan, Evidence(columns, ""), plan.alpha, None, nobody), measurement)


def stopped_early(bench: Bench) -> tuple[SettledEval, ...]:
    """The settled measurements with items that nobody attempted, in the order of the plan."""
    found = []
    for m in bench.plan.measurements:
        columns = bench.columns(m)
        attempted = m.items if columns is None else int((columns.state != MISSING).sum())
        if attempted < m.items and bench.identity(m) in bench.settled:
            found.append(SettledEval(eval=m.eval, checkpoint=m.checkpoint, attempted=attempted, planned=m.items))
    return tuple(found)


def may_stop(policy: Policy, plan: Plan, measurement: Measurement) -> bool:
    """Whether a measurement may end before its last item.

    Not where the card wants all items; not calibration, which says how good an instrument is; and not the baseline of what a
    strip must keep: the stripped checkpoint is compared with it item by item. Nor where a claim about new clusters is judged:
    each is one number, which wants all of its items.
    """
    judged = list(_judged_on(policy, plan, measurement))
    if measurement.role != "gate" or not judged or plan.cards[measurement.eval].items.whole:
        return False
    able = {name for strip in plan.strips for name in strip.capabilities}
    kept = {r.eval for c in policy.capabilities if c.id in able for r in c.keep or ()}
    clusters = plan.cards[measurement.eval].clusters
    sampled = clusters is not None and clusters.population == "sampled"
    return not (measurement.checkpoint == SOURCE and measurement.eval in kept) and not (
        sampled and any(section != "keep" for section, _ in judged)
    )


def judged_with(plan: Plan, measurement: Measurement) -> tuple[Measurement, ...]:
    """The other measurements that the findings on one measurement rest on: calibration, and the baseline of a strip."""
    baseline = plan.find(measurement.eval, SOURCE) if measurement.checkpoint != SOURCE else None
    both = (plan.find_calibration(measurement.eval, measurement.checkpoint), baseline)
    return tuple(m for m in both if m is not None)


def is_settled(bench: Bench, measurement: Measurement) -> bool:
    """Whether the records of the first items decide everything, and in no gated slice too many of them failed."""
    columns = bench.columns(measurement)
    if columns is None or not may_stop(bench.policy, bench.plan, measurement):
        return False
    gaps = np.flatnonzero(columns.state == MISSING)
    end = int(gaps[0]) if len(gaps) else len(columns.state)
    judged = list(_judged_on(bench.policy, bench.plan, measurement))
    fates = [_fate(bench, measurement, one, _first(columns, end)) for one in judged]
    if not _decided(bench, measurement, judged, fates):
        return False
    refuted = [one for one, fate in zip(judged, fates, strict=True) if fate.decided and not fate.met]
    kept_up = np.ones(end, dtype=np.bool_)
    for one in refuted:
        kept_up &= _few_failed(bench, measurement, one, columns, end)
    if kept_up[-1]:
        return True
    # Too many failed by now. That counts only if they had failed when it was settled: what came later changes nothing.
    low, high = 0, end
    while high - low > 1 and kept_up.any():
        middle = (low + high) // 2
        before = [_fate(bench, measurement, one, _first(columns, middle)) for one in judged]
        shown = _decided(bench, measurement, judged, before)
        low, high = (low, middle) if shown else (middle, high)
    return bool(kept_up[high - 1 :].any())


@dataclass(frozen=True)
class _Fate:
    """What becomes of one requirement whatever comes.

    Attributes:
        decided: whether that is known.
        met: whether it is met in every slice.
    """

    decided: bool
    met: bool = False


def _judged_on(policy: Policy, plan: Plan, measurement: Measurement) -> Iterator[Judged]:
    """The requirements that a decision judges on a measurement, as `deciding` does."""
    strip = next((s for s in plan.strips if s.name == measurement.checkpoint), None)
    for c in policy.capabilities:
        for section, requirement in plan.stated(policy, c):
            if section in sections_on(strip, c) and requirement.eval == measurement.eval:
                yield section, requirement


def _decided(bench: Bench, measurement: Measurement, judged: list[Judged], fates: list[_Fate]) -> bool:
    """Whether all is known that a decision asks. A control is not asked for once its `misuse` is refuted.

    Where waivers may count, a refuted requirement may be waived, and the control is asked for all the same.
    """
    refuted = {r.id for (section, r), fate in zip(judged, fates, strict=True) if fate.decided and not fate.met}
    waivable = bench.policy.trust is not None and bool(bench.policy.trust.waivers)
    closed = {c.id for c in bench.policy.capabilities if not waivable and refuted & {r.id for r in c.misuse or ()}}
    owners = {r.id: c.id for c in bench.policy.capabilities for section, r in bench.plan.stated(bench.policy, c)}
    return all(
        fate.decided or (section == "working" and owners[r.id] in closed)
        for (section, r), fate in zip(judged, fates, strict=True)
    )


def _fate(bench: Bench, measurement: Measurement, judged: Judged, columns: Columns) -> _Fate:
    section, requirement = judged
    base = _base(bench, requirement, section)
    if section == "keep" and (base is None or (base.state == MISSING).any()):
        return _Fate(decided=False)  # a gap in the baseline is one, however much of the stripped checkpoint is seen
    card = bench.plan.cards[measurement.eval]
    found = raw_slices(bench, requirement, section, card, measurement, columns)
    if any(f.problem is not None or not f.estimate.planned for f in found):
        return _Fate(decided=False)
    needed = [f for f in found if f.status != "excused"]
    met = bool(needed) and all(f.status == "met" for f in needed)
    refuted = any(f.refuted for f in found)
    if bench.policy.trust is not None and bench.policy.trust.waivers:
        # A violation may be waived, and what nobody looked at may not: it is refuted once no slice is open any more.
        refuted = refuted and all(f.refuted or f.status in ("met", "excused") for f in found)
    return _Fate(met or refuted, met)


def _base(bench: Bench, requirement: Requirement, section: Section) -> Columns | None:
    return bench.columns(bench.plan.find(requirement.eval, SOURCE)) if section == "keep" else None


def _few_failed(
    bench: Bench, measurement: Measurement, judged: Judged, columns: Columns, end: int
) -> NDArray[np.bool_]:
    """bool [end]: whether after each item at most `max_failed` of those attempted have failed, in every gated slice."""
    section, requirement = judged
    scored = columns.state[:end] == MEASURED
    base = _base(bench, requirement, section)
    if base is not None:
        scored &= base.state[:end] == MEASURED
    kept_up = np.ones(end, dtype=np.bool_)
    for part in slices_of(requirement, bench.plan.cards[measurement.eval], measurement.cells):
        inside = part.members(columns)[:end]
        failed = np.cumsum(inside & ~scored)
        kept_up &= failed <= bench.policy.release.max_failed * np.cumsum(inside)
    return kept_up


def _first(columns: Columns, n: int) -> Columns:
    """The columns as they were after the first `n` items."""
    before = np.arange(len(columns.state)) < n
    state = np.where(before, columns.state, MISSING).astype(np.uint8)
    return replace(columns, state=state, cell=np.where(before, columns.cell, -1).astype(np.int32))
