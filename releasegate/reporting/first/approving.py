"""Who has agreed that it goes out, and who has to still."""

from __future__ import annotations

from collections.abc import Sequence

from releasegate.approval import Wanted, awaiting_sentence
from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.reporting.views.first import Fact
from releasegate.reporting.wording.numbers import MOST_TEXT, MOST_TITLE, shortened


def approvals(decision: Decision, plan: Plan, wanted: Sequence[Wanted]) -> Fact:
    """Who has to agree before anything goes out, and who has.

    Args:
        wanted: every role that is asked for; empty where none is, or where nobody looked for approvals.
    """
    given = [f"{one.role}: {who.key.owner}, {who.approval.day}" for one in wanted for who in one.given]
    sentence = awaiting_sentence(wanted)
    if wanted and sentence is None:
        return Fact("approvals", shortened("; ".join(given), MOST_TEXT))
    if sentence is not None and decision.lets_out:
        text = sentence.replace("awaiting approval:", "awaiting")
        return Fact("approvals", shortened(text, MOST_TITLE), note=shortened("; ".join(given), MOST_TEXT))
    asked = [one.role for one in wanted or plan.policy.approvals or ()]
    if not asked:
        return Fact("approvals", "none asked for")
    return Fact("approvals", shortened(f"asked for: {', '.join(asked)}", MOST_TITLE), note=_unlooked(decision, wanted))


def _unlooked(decision: Decision, wanted: Sequence[Wanted]) -> str:
    """Why nothing is said of those that are there."""
    if decision.rehearsal or decision.replay:
        return f"of a {'rehearsal' if decision.rehearsal else 'replay'}, none is given"
    return "nothing waits for them, as nothing goes out" if wanted else "not looked for here"


def waiting(decision: Decision, wanted: Sequence[Wanted]) -> list[str]:
    """What a verdict that lets something out waits for, as a notice; nothing where it waits for nothing."""
    sentence = awaiting_sentence(wanted)
    if sentence is None or not decision.lets_out:
        return []
    return [shortened(f"{sentence[0].upper()}{sentence[1:]}. Nothing goes out before.", MOST_TEXT)]
