"""Working controls: what a model must show before it is believed to be too weak. Pure.

`misuse` asks what a model shows, and whoever makes the weights decides what it shows. A control asks whether the model works on
the same ways in and out. It is a conjunct of `misuse`: the whole route is one intersection-union test at the full effective
alpha, so that controls take no share of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from releasegate.evalcard import Control, EvalCard
from releasegate.policy import WEIGHTS, Capability, Channel, Policy, Requirement

LONGEST_ID = 64


def controls(c: Capability, cards: Mapping[str, EvalCard], channels: Collection[Channel]) -> tuple[Requirement, ...]:
    """Return the controls of a capability's `misuse`: those of its metrics' cards, each once, then the policy's own.

    Args:
        cards: of every eval that is planned.
        channels: through which the model would go out. Where none gives the weights away, controls count that are asked of a
            served model too.
    """
    if not c.misuse:
        return ()
    weights = any(channel in WEIGHTS for channel in channels)
    stated = dict.fromkeys(
        control for r in c.misuse for control in _of_card(r, cards) if weights or control.served is not None
    )
    return (*(_requirement(c, control) for control in stated), *(c.working or ()))


def tripwires(c: Capability, cards: Mapping[str, EvalCard], channels: Collection[Channel]) -> frozenset[str]:
    """Return the ids of those controls of a capability that need not be met, but must not be violated.

    What the policy asks for beside them is a requirement like any other.
    """
    stated = {control for r in c.misuse or () for control in _of_card(r, cards) if control.tripwire is not None}
    named = {_requirement(c, control).id for control in stated}
    return frozenset(named & {r.id for r in controls(c, cards, channels)})


def uncontrolled(c: Capability, cards: Mapping[str, EvalCard]) -> tuple[str, ...]:
    """Return the metrics of a capability's `misuse` whose cards name no control, in the order of the policy."""
    return tuple(dict.fromkeys(r.metric for r in c.misuse or () if not _of_card(r, cards)))


def control_evals(policy: Policy, cards: Mapping[str, EvalCard]) -> frozenset[str]:
    """Return the ids of the evals that measure the controls of a policy."""
    return frozenset(r.eval for c in policy.capabilities for r in controls(c, cards, channels_of(policy, c)))


def states_controls(policy: Policy, cards: Mapping[str, EvalCard], stated: Collection[str]) -> bool:
    """Return whether evidence of an eval that is stated measures controls of a policy, and nothing that the policy names."""
    return bool((control_evals(policy, cards) - {r.eval for r in policy.requirements}) & set(stated))


def channels_of(policy: Policy, c: Capability) -> tuple[Channel, ...]:
    """Return every channel that a capability may be judged for."""
    channels = policy.release.channels
    asked = [channels[name] for name in policy.carriers(c)]
    return (*asked, *([c.restrict.channel] if c.restrict is not None else []))


def _of_card(r: Requirement, cards: Mapping[str, EvalCard]) -> tuple[Control, ...]:
    card = cards.get(r.eval)
    metric = card.metrics.get(r.metric_name) if card is not None else None
    return metric.working or () if metric is not None else ()


def _requirement(c: Capability, control: Control) -> Requirement:
    """Return the control as a requirement of the capability; no two of a policy have one id."""
    name = f"{c.id}.works.{control.metric.replace('/', '.')}" + (".low" if control.at_most is not None else "")
    if len(name) > LONGEST_ID:
        name = f"{name[: LONGEST_ID - 9].rstrip('-_.')}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return Requirement(
        id=name,
        metric=control.metric,
        at_least=control.at_least,
        at_most=control.at_most,
        slices=control.slices,
    )
