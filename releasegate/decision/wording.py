"""A decision in the words that the policy has by now."""

from __future__ import annotations

from releasegate.decision.leaning import unconditional
from releasegate.decision.record import Decision
from releasegate.policy import Policy


def worded(decision: Decision, policy: Policy) -> Decision:
    """The decision, its capabilities called as in `policy`. For people: its digest may be another one."""
    words = {c.id: {"title": c.title, "rationale": c.rationale} for c in policy.capabilities}
    named = tuple(c.model_copy(update=words.get(c.id, {})) for c in decision.capabilities)
    if named == decision.capabilities:
        return decision
    before_after = zip(decision.capabilities, named, strict=True)
    leaning = {unconditional(a.title, a.rationale): unconditional(b.title, b.rationale) for a, b in before_after}
    leans_on = tuple(leaning.get(text, text) for text in decision.leans_on)
    return decision.model_copy(update={"capabilities": named, "leans_on": leans_on})
