"""What is said of any decision: a claim holds exactly where something may go out, and nothing reads better than it is."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from releasegate.decision.owners import after_by_capability
from releasegate.reporting.case import assurance_case
from releasegate.reporting.case.record import HOLDING, Goal
from releasegate.reporting.first.screen import first_screen
from releasegate.reporting.formats.estimates import estimate_rows, finding_rows
from releasegate.reporting.wording.words import CAPABILITY
from tests.tiny_gates import (
    GONE,
    KEPT,
    MARKED,
    WEAK,
    Gate,
    Outcome,
    capability,
    policy,
    receipt_of,
    share,
    unconditional,
)

OUT = ("release", "release_stripped", "restrict")


def outcomes(random: Random) -> list[Outcome]:
    lost = random.choice([0, 0, 0, 0, 0, 3, 30])
    return share(min(random.choice([0, 3, 50, 97, 100, 100]), 100 - lost), failed=lost)


def asked(random: Random, name: str) -> dict[str, Any]:
    """A capability with some of the routes that there are."""
    kind = random.choice(["strip", "restrict", "withhold", "unconditional"])
    if kind == "unconditional":
        return unconditional(name)
    keys: dict[str, Any] = {"otherwise": kind, "misuse": [{**WEAK, "id": f"weak-{name}"}]}
    if random.random() < 0.5:
        keys["safeguards"] = {"mark": [{**MARKED, "id": f"marked-{name}", "enforced_by": "server"}]}
    if kind == "restrict":
        keys["restrict"] = {"channel": "api"}
    if kind == "strip":
        gone, kept = {**GONE, "id": f"gone-{name}"}, {**KEPT, "id": f"kept-{name}"}
        keys |= {"recipe": "tiny-hf/drawing", "removal": [gone], "keep": [kept]}
    return capability(name, **keys)


def gate(random: Random) -> Gate:
    """A gate with random outcomes; where it comes to a strip, with the strip and what was measured of it."""
    artefacts = {"artefacts": {"weights": "open_weights", "paper": "open_weights"}} if random.random() < 0.3 else {}
    names = random.sample("abc", random.randint(1, 3))
    made = Gate(policy(*(asked(random, name) for name in names), **artefacts))
    made.outcomes = {(m.eval, "source"): outcomes(random) for m in made.plan.measurements if m.checkpoint == "source"}
    awaited = made.decide().awaiting_strip
    if awaited:
        made.strip = next(s.name for s in made.plan.strips if set(s.name.partition(":")[2].split("+")) == set(awaited))
        stripped = (m for m in made.plan.measurements if m.checkpoint == made.strip)
        works = random.random() < 0.7
        good = {"drawing": share(0), "naming": share(100), "marking": share(100)}
        made.outcomes |= {(m.eval, m.checkpoint): good[m.eval] if works else outcomes(random) for m in stripped}
    return made


@pytest.mark.parametrize("seed", range(40))
def test_a_claim_holds_exactly_where_a_capability_may_go_out(seed: int) -> None:
    made = gate(Random(seed))
    decision, plan = made.decide(), made.plan
    case = assurance_case(decision, plan, receipt_of(plan, made.strip) if made.strip else None)
    for artefact in decision.artefacts:
        for carried in artefact.capabilities:
            scope = f"{artefact.name}/{carried.id}" if len(decision.artefacts) > 1 else carried.id
            goal = case.by_id[f"goal/{scope}"]
            assert isinstance(goal, Goal)
            assert (goal.status in HOLDING) == (carried.verdict in OUT)
            assert (goal.status == "assumed") == (carried.route == "unconditional")
    screen = first_screen(decision, plan, after_by_capability(decision, plan.policy), ())
    marks = sorted(line.mark.word for line in (*screen.capabilities, *screen.released))
    assert marks == sorted(CAPABILITY[c.verdict].word for c in decision.capabilities)


@pytest.mark.parametrize("seed", range(40, 50))
def test_tables_have_a_row_for_each_finding_and_for_each_of_its_slices(seed: int) -> None:
    made = gate(Random(seed))
    decision = made.decide()
    findings = [f for c in decision.capabilities for f in c.findings]
    findings += decision.strip.findings if decision.strip else ()
    assert [row["status"] for row in finding_rows(decision, made.plan)].count("met") == sum(
        f.status == "met" for f in findings
    )
    assert len(estimate_rows(decision, made.plan)) == sum(len(f.slices) + len(f.outside) for f in findings)
