"""Findings as waivers are held against them."""

from __future__ import annotations

from datetime import date

from releasegate.decision.record import Finding, Waived
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.waiver import Case, Waivers


def case_of(policy: Policy, plan: Plan, finding: Finding) -> Case:
    """A finding as it was before any waiver, with the measurement that it rests on.

    Args:
        policy: the one that judged.
        plan: opened, or else there is no measurement to name.
    """
    measurement = plan.find(finding.metric.split("/")[0], finding.checkpoint)
    return Case(
        policy=policy.id,
        requirement=finding.requirement,
        section=finding.section,
        metric=finding.metric,
        side=finding.side,
        limit=finding.limit,
        checkpoint=finding.checkpoint,
        measurement=plan.identity(measurement) if measurement is not None and plan.nonce is not None else None,
        opened=date.fromisoformat(plan.opened),
        status=finding.waived.status if finding.waived else finding.status,
        reason=finding.reason,
    )


def waive(finding: Finding, policy: Policy, plan: Plan, waivers: Waivers) -> Finding:
    """The finding, `waived` where a waiver counts for it."""
    counts = waivers.on(case_of(policy, plan, finding)) if waivers.documents else None
    if counts is None:
        return finding
    w = counts.waiver
    waived = Waived(
        status="violated" if finding.status == "violated" else "not_shown",
        waiver=w.id,
        sha256=w.digest(),
        owner=w.owner,
        reason=w.reason,
        expires=w.expires,
        key=w.key,
    )
    sentence = f"waived by {w.owner} until {w.expires} ({w.id}), though {finding.sentence}"
    return finding.model_copy(update={"status": "waived", "waived": waived, "sentence": sentence})
