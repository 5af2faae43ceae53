"""What the claims of a case are to be read with: policy, channel and ledger; what the verdict leans on; what a strip left."""

from __future__ import annotations

from collections.abc import Iterable

from releasegate.decision import CapabilityDecision, Decision
from releasegate.decision.record import StripDecision
from releasegate.plan import Plan
from releasegate.receipt import Receipt, cost_of
from releasegate.reporting.case.record import Assumption, Context, Element, Justification
from releasegate.reporting.findings.stripped import residuals
from releasegate.reporting.wording.numbers import MOST_TITLE, number, sentence, shortened
from releasegate.reporting.wording.words import ARTEFACT, CHANNEL, CHEAP, TIER


def about_release(decision: Decision, plan: Plan) -> Iterable[Element]:
    """Context and assumptions of the claim at the top."""
    yield Context(id="context/policy", statement=f"Policy {decision.policy}.", sha256=decision.policy_digest)
    named = shortened(plan.policy.model.name or "The model", MOST_TITLE)
    asked = "; ".join(f"{ARTEFACT[a.name].lower()}: {CHANNEL[a.asked]}" for a in decision.artefacts)
    yield Context(id="context/channel", statement=f"Asked for: {asked}.")
    yield Context(
        id="context/model", statement=f"{named} as trained, layout {plan.model.layout}.", sha256=decision.model
    )
    yield Context(
        id="context/attempt",
        statement=f"Attempt {decision.attempt}, opened on {plan.opened}; effective alpha {number(decision.alpha)} for each "
        "requirement.",
        sha256=decision.plan,
    )
    yield Context(id="context/evidence", statement="The evidence as it was counted.", sha256=decision.evidence)
    if decision.rehearsal:
        yield Assumption(id="assumption/rehearsal", statement="A rehearsal: it counts for nothing, whatever it says.")
    if decision.replay:
        yield Assumption(
            id="assumption/replay", statement="A replay: the limits were chosen after the measurements were seen."
        )
    for at, line in enumerate(decision.leans_on, start=1):
        yield Assumption(id=f"assumption/leans_on/{at}", statement=_ended(line))
    for at, line in enumerate(decision.not_measured, start=1):
        yield Assumption(id=f"assumption/not_measured/{at}", statement=f"Open: {_ended(line)}")
    if decision.outside:
        yield Assumption(
            id="assumption/outside",
            statement="What is done to the outputs stays within the threat sets: nothing is claimed of the rest.",
        )
    for at, line in enumerate(decision.outside, start=1):
        yield Context(id=f"context/outside/{at}", statement=_ended(line))


def _ended(line: str) -> str:
    return line if line.endswith((".", "!", "?")) else f"{line}."


def rationale(c: CapabilityDecision, scope: str) -> Iterable[Element]:
    """Why the policy asks of a capability what it asks."""
    yield Justification(id=f"justification/rationale/{scope}", statement=c.rationale)


def unconditional(c: CapabilityDecision, scope: str) -> Iterable[Element]:
    """What stands in place of evidence where the policy asks for none."""
    yield Assumption(
        id=f"assumption/unconditional/{scope}",
        statement=f"The policy releases it unconditionally: nothing measured shows “{shortened(c.title, MOST_TITLE)}”.",
    )


def about_strip(strip: StripDecision, receipt: Receipt | None) -> Iterable[Element]:
    """The stripped checkpoint, how far its removal is proven, and what stays in it."""
    yield Context(id="context/stripped", statement="The stripped checkpoint.", sha256=strip.model)
    cheap = receipt is not None and any(one.cheap for one in receipt.restored or ())
    word, means = CHEAP if cheap and strip.tier == "weights_absent" else TIER[strip.tier]
    yield Context(id="context/stripped/tier", statement=f"How far the removal is proven: {word}. {means}")
    if receipt is None:
        return
    for at, left in enumerate(residuals(receipt), start=1):
        yield Justification(
            id=f"justification/residual/{at}", statement=f"{left.name} stays in it: {sentence(left.text)}"
        )
    for at, one in enumerate(receipt.restored or (), start=1):
        yield Assumption(id=f"assumption/restored/{at}", statement=f"It can be brought back: {sentence(cost_of(one))}")
    for at, kept in enumerate(receipt.remaining or (), start=1):
        yield Assumption(id=f"assumption/remaining/{at}", statement=f"{kept.capability} remains: {sentence(kept.why)}")
