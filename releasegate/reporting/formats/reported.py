"""From a decided run to its report as data."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.decision.owners import findings_by_capability
from releasegate.plan import Measurement, Plan
from releasegate.receipt import Receipt
from releasegate.reporting.figures.valued import valued
from releasegate.reporting.findings.measures import places
from releasegate.reporting.findings.resting import counts
from releasegate.reporting.formats.report import (
    Report,
    ReportedApproval,
    ReportedApprover,
    ReportedCapability,
    ReportedMeasure,
    ReportedMeasurement,
    ReportedMetric,
    ReportedModel,
    ReportedPolicy,
)
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.wording.discreet import told


def report(
    decision: Decision, plan: Plan, receipt: Receipt | None, gathered: Gathered, approvals: tuple[Wanted, ...] = ()
) -> Report:
    """The report of a run. Pure."""
    shown = told(decision, plan.policy)
    findings = list(findings_by_capability(shown, plan.policy))
    tags = {c.id: c.tags or () for c in plan.policy.capabilities}
    return Report(
        verdict=shown.verdict,
        verdict_without_waivers=shown.verdict_without_waivers,
        exit_code=shown.exit_code,
        channel=shown.channel,
        summary=shown.summary,
        policy=ReportedPolicy(id=shown.policy, title=plan.policy.title, sha256=shown.policy_digest),
        model=ReportedModel(
            name=plan.policy.model.name,
            layout=plan.model.layout,
            sha256=shown.model,
            stripped=receipt.output_digest if receipt else None,
        ),
        opened=plan.opened,
        attempt=shown.attempt,
        alpha=shown.alpha,
        rehearsal=shown.rehearsal,
        replay=shown.replay,
        ledger=shown.ledger,
        plan=shown.plan,
        evidence=shown.evidence,
        decision=decision.digest(),
        approvals=tuple(map(_approval, approvals)) or None,
        artefacts=shown.artefacts,
        capabilities=tuple(
            ReportedCapability(
                id=c.id,
                title=c.title,
                rationale=c.rationale,
                tags=tags.get(c.id, ()),
                verdict=c.verdict,
                route=c.route,
                sentence=c.sentence,
                findings=tuple(finding for owner, finding in findings if owner == c.id),
            )
            for c in shown.capabilities
        ),
        elsewhere=tuple(finding for owner, finding in findings if owner is None),
        awaiting_strip=shown.awaiting_strip,
        not_measured=shown.not_measured,
        outside=shown.outside,
        leans_on=shown.leans_on,
        idle_waivers=shown.idle_waivers,
        metrics=dict(_metrics(plan)),
        measures=tuple(_measures(gathered, plan)),
        measurements=tuple(_measurement(m, gathered) for m in plan.measurements),
    )


def _approval(wanted: Wanted) -> ReportedApproval:
    given = (ReportedApprover(owner=one.key.owner, key=one.key.id, day=one.approval.day) for one in wanted.given)
    return ReportedApproval(
        role=wanted.role, count=wanted.count, missing=wanted.missing, given=tuple(given), idle=wanted.idle
    )


def _metrics(plan: Plan) -> Iterator[tuple[str, ReportedMetric]]:
    for eval_id, card in plan.cards.items():
        for name, metric in card.metrics.items():
            yield (
                f"{eval_id}/{name}",
                ReportedMetric(
                    title=metric.title,
                    type=metric.type,
                    unit=metric.unit,
                    range=metric.range,
                    better=metric.better,
                    instrument=metric.of_instrument,
                ),
            )


def _measures(gathered: Gathered, plan: Plan) -> Iterator[ReportedMeasure]:
    """What instruments and metrics came to that no requirement names: instruments on calibration items first."""
    gated = {r.metric for r in plan.policy.requirements}
    for eval_id, card in plan.cards.items():
        for role in ("calibration", "gate"):
            for place in places(gathered, eval_id, role):
                for name, metric in card.metrics.items():
                    found = valued(gathered.tallies, place, card, name, ())
                    wanted = metric.of_instrument is not None if role == "calibration" else True
                    if found is None or not wanted or f"{eval_id}/{name}" in gated:
                        continue
                    yield ReportedMeasure(
                        metric=f"{eval_id}/{name}",
                        checkpoint=place[2],
                        role=role,
                        value=found.value,
                        low=found.bounds.low if found.bounds else None,
                        high=found.bounds.high if found.bounds else None,
                        n=found.n,
                    )


def _measurement(m: Measurement, gathered: Gathered) -> ReportedMeasurement:
    seen = counts(m, gathered)
    return ReportedMeasurement(
        eval=m.eval,
        role=m.role,
        checkpoint=m.checkpoint,
        planned=m.items,
        scored=seen.scored,
        failed=seen.failed,
        instruments=m.instruments,
        problem=m.problem,
    )
