"""What a report says of approvals."""

from __future__ import annotations

from releasegate.approval import Wanted
from releasegate.policy import ApprovalSpec
from releasegate.reporting.first.approving import approvals, waiting
from tests.tiny_approvals import approval, of
from tests.tiny_gates import WEAK, Gate, capability, policy, share, unconditional

OUT = Gate(policy(unconditional("naming")))
HELD = Gate(policy(capability("drawing", misuse=[WEAK])), {("drawing", "source"): share(90)})
ASKED = policy(unconditional("naming")).model_copy(update={"approvals": (ApprovalSpec(role="lead"),)})


def told(gate: Gate, *wanted: Wanted) -> tuple[str, str]:
    fact = approvals(gate.decide(), gate.plan, wanted)
    return fact.text, fact.note


def test_who_approved_and_who_is_missing_is_told() -> None:
    assert told(OUT) == ("none asked for", "")
    one = of(approval("bob", "lead"), asks={"lead": 2, "safety": 1})
    assert told(OUT, *one) == ("awaiting lead (1 of 2), safety", "lead: Bob Example, 2026-02-01")
    assert waiting(OUT.decide(), one) == ["Awaiting approval: lead (1 of 2), safety. Nothing goes out before."]
    every = of(approval("bob", "lead"), approval("cyd", "safety"), asks={"lead": 1, "safety": 1})
    assert told(OUT, *every) == ("lead: Bob Example, 2026-02-01; safety: Cyd Example, 2026-02-01", "")
    assert waiting(OUT.decide(), every) == []


def test_what_goes_nowhere_waits_for_nobody() -> None:
    assert told(HELD, Wanted("lead", 2)) == ("asked for: lead", "nothing waits for them, as nothing goes out")
    assert waiting(HELD.decide(), [Wanted("lead", 2)]) == []


def test_where_nobody_looked_for_approvals_none_is_claimed_to_be_there() -> None:
    assert told(Gate(ASKED)) == ("asked for: lead", "not looked for here")
