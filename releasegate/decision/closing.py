"""What closes a route before any number is looked at: a metric without a control, and doubts about the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.decision.record import ClosedRoute
from releasegate.plan import Doubt, Plan
from releasegate.policy import WEIGHTS, Capability, Channel, Policy
from releasegate.working import uncontrolled


def closed_routes(
    policy: Policy, plan: Plan, c: Capability, checkpoint: str, channel: Channel
) -> tuple[ClosedRoute, ...]:
    """Return what closes `misuse` of a capability on one checkpoint at one channel.

    A stripped checkpoint has what is odd about its source, so doubts about the source hold of it too.
    """
    if not c.misuse or plan.controlled is None:
        return ()
    return (*_uncontrolled(plan, c, checkpoint, channel), *_doubted(policy, plan, checkpoint, channel))


def _uncontrolled(plan: Plan, c: Capability, checkpoint: str, channel: Channel) -> Iterator[ClosedRoute]:
    for metric in uncontrolled(c, plan.cards) if channel in WEIGHTS else ():
        yield ClosedRoute(
            checkpoint=checkpoint,
            channel=channel,
            kind="uncontrolled",
            reason="want_of_evidence",
            place=metric,
            sentence=f"nothing shows whether the model works: the card of {metric} names no control",
            remedy="add `working:` to the metric in the eval card",
        )


def _doubted(policy: Policy, plan: Plan, checkpoint: str, channel: Channel) -> Iterator[ClosedRoute]:
    for doubt in plan.doubts or ():
        if doubt.kind == "unmeasured_part" and (channel not in WEIGHTS or _accepted(policy, doubt)):
            continue
        yield ClosedRoute(
            checkpoint=checkpoint,
            channel=channel,
            kind=doubt.kind,
            reason="want_of_evidence" if doubt.kind == "unmeasured_part" else "unsettled",
            place=doubt.place,
            sentence=f"{doubt.place}: {doubt.what}",
            remedy=doubt.remedy,
        )


def _accepted(policy: Policy, doubt: Doubt) -> bool:
    return doubt.part is not None and doubt.part in (policy.model.accepts or {})
