"""Findings as waivers are held against them."""

from __future__ import annotations

from datetime import date

from releasegate.decision.record import Finding
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.waiver import Case


def case_of(policy: Policy, plan: Plan, finding: Finding) -> Case:
    """A finding, before any waiver, with the measurement that it rests on.

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
        status=finding.status,
        reason=finding.reason,
    )
