"""The assurance case says what the decision says: no claim holds that nothing carries, and each leaf is a finding."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from releasegate.decision import Decision, decide
from releasegate.decision.record import Waived
from releasegate.policy import Policy
from releasegate.reporting.case import AssuranceCase, assurance_case
from releasegate.reporting.case.evidencing import Evidencing
from releasegate.reporting.case.record import HOLDING, Argued, Assumption, Goal, Justification, Solution
from releasegate.reporting.case.viewing import case_view
from releasegate.reporting.findings.finding import anchor
from releasegate.repository import starter
from tests.reporting.example_run import DAY, Example, Words, example, rendered, viewed
from tests.tiny_gates import MARKED, STRIP, WEAK, Gate, capability, policy, receipt_of, share


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def case(made: Example) -> AssuranceCase:
    return assurance_case(made.decision, made.plan, made.receipt)


def goal(case: AssuranceCase, name: str) -> Goal:
    found = case.by_id[name]
    assert isinstance(found, Goal)
    return found


def test_a_stripped_release_is_argued_over_the_stripped_checkpoint(case: AssuranceCase) -> None:
    drawing = goal(case, "goal/drawing")
    assert drawing.status == "supported"
    assert drawing.supported_by == ("strategy/drawing/stripped/strip",)
    assert drawing.alternatives == ("strategy/drawing/source/misuse",)
    strip = case.by_id["strategy/drawing/stripped/strip"]
    assert isinstance(strip, Argued)
    assert strip.supported_by == ("goal/stripped/gone", "goal/stripped/kept")
    residual = [n.statement for n in case.nodes if isinstance(n, Justification) and n.id in strip.in_context_of]
    assert residual == ["body.* stays in it: Reading needs it."]


def test_evidence_against_a_claim_challenges_it_and_the_claim_is_defeated(case: AssuranceCase) -> None:
    weak = goal(case, "goal/source/weak")
    assert (weak.status, weak.supported_by, weak.challenged_by) == ("defeated", (), ("solution/source/weak",))


def test_what_is_released_unconditionally_is_assumed_and_never_supported(case: AssuranceCase) -> None:
    captions = goal(case, "goal/captions")
    assert (captions.status, captions.supported_by) == ("assumed", ())
    assert any(isinstance(case.by_id[name], Assumption) for name in captions.in_context_of)


def test_each_finding_is_a_leaf_and_each_leaf_is_a_finding_of_the_page(made: Example, case: AssuranceCase) -> None:
    assert made.decision.strip is not None
    found = [f for c in made.decision.capabilities for f in c.findings] + list(made.decision.strip.findings)
    leaves = [n.finding for n in case.nodes if isinstance(n, Solution)]
    assert sorted(leaves) == sorted(anchor(f) for f in found)
    shown = {f.anchor for c in viewed(made).capabilities for group in c.groups for f in group.findings}
    assert set(leaves) <= shown


def test_the_evidence_names_the_limit_that_its_finding_names(made: Example) -> None:
    (weak,) = (f for f in made.decision.findings if f.requirement == "weak")
    worst = weak.slices[0].model_copy(update={"tested_limit": 0.1895, "refuting_limit": 0.2417})
    evidencing = Evidencing(made.plan, None)
    evidencing.requirement(weak.model_copy(update={"slices": (worst,)}))
    stated = evidencing.nodes["solution/source/weak"].statement
    assert "tested at 0.2417" in stated
    assert "0.1895" not in stated


def test_a_case_is_the_same_to_the_byte_and_reads_back(made: Example, case: AssuranceCase) -> None:
    assert assurance_case(made.decision, made.plan, made.receipt).text() == case.text()
    assert AssuranceCase.from_text(case.text()) == case
    schema = Draft202012Validator(json.loads((starter() / "reports" / "case.schema.json").read_text()))
    assert [error.message for error in schema.iter_errors(case.plain())] == []


def test_without_evidence_nothing_is_supported(made: Example) -> None:
    bare = replace(made.run.evidence.read(made.plan), columns={})
    decision = decide(made.plan.policy, made.plan, bare, None, DAY)
    case = assurance_case(decision, made.plan)
    assert decision.verdict == "incomplete"
    assert goal(case, case.top).status == "undeveloped"
    assert {n.status for n in case.nodes if isinstance(n, Argued) and n.id != "goal/captions"} == {"undeveloped"}


def test_a_claim_that_nothing_carries_cannot_be_stored_as_supported(case: AssuranceCase) -> None:
    for name in [n.id for n in case.nodes if isinstance(n, Argued) and n.status == "supported"]:
        data = case.plain()
        next(n for n in data["nodes"] if n["id"] == name)["supported_by"] = []
        with pytest.raises(ValidationError, match="nothing carries it"):
            AssuranceCase.model_validate_json(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": "goal/captions"}, "stands twice"),
        ({"supported_by": ["goal"]}, "rests on itself"),
        ({"supported_by": ["goal/nowhere"]}, "there is no element"),
        ({"supported_by": ["context/policy"]}, "may not point to"),
        ({"status": "undeveloped"}, "goal/drawing is not"),
    ],
)
def test_a_graph_that_is_not_sound_is_refused(case: AssuranceCase, change: dict[str, object], problem: str) -> None:

    data = case.plain()
    next(n for n in data["nodes"] if n["id"] == "goal/drawing").update(change)
    with pytest.raises(ValidationError, match=problem):
        AssuranceCase.model_validate_json(json.dumps(data))


def test_a_replay_under_another_policy_is_said_to_be_one(made: Example) -> None:
    text = made.plan.policy.text().replace('"id": "toy"', '"id": "other"')
    policy = Policy.from_text(text)
    decision = decide(policy, made.plan, made.run.evidence.read(made.plan), made.receipt, DAY)
    case = assurance_case(decision, made.plan, made.receipt)
    assert case.replay
    assert "assumption/replay" in goal(case, case.top).in_context_of
    assert goal(case, case.top).status in HOLDING


def test_the_page_argues_in_words_signs_and_links_that_lead_somewhere(made: Example) -> None:
    page = rendered(made)
    section = page[page.index('<section id="case"') : page.index('<section id="evidence"')]
    assert "Evidence against it</b> 0." in section
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    for told in ("Claim", "Argument", "supported", "assumed", "defeated", "Routes that were not taken"):
        assert told in words
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', section)) <= set(ids)


def test_hostile_texts_stay_texts_in_the_argument(tmp_path: Path) -> None:
    hostile = "</section><script>alert(1)</script>" + "x" * 10_000
    made = example(tmp_path / "run", Words(title=hostile[:3000], rationale=hostile[:3500]))
    page = rendered(made)
    section = page[page.index('<section id="case"') : page.index('<section id="evidence"')]
    assert "<script>" not in section
    assert "x" * 600 not in section


def changed(decision: Decision, requirement: str, **changes: object) -> Decision:
    """The decision with another finding on the stripped checkpoint, and nothing else changed with it."""
    assert decision.strip is not None
    findings = tuple(
        f.model_copy(update=changes) if f.requirement == requirement else f for f in decision.strip.findings
    )
    return decision.model_copy(update={"strip": decision.strip.model_copy(update={"findings": findings})})


def test_a_waiver_is_named_and_what_rests_on_it_is_not_called_supported(made: Example) -> None:
    waived = Waived(
        status="violated",
        waiver="w1",
        sha256=made.decision.plan,
        owner="R. Lead",
        reason="Known, and small.",
        expires="2030-03-01",
        key="k1",
    )
    decision = changed(made.decision, "kept", status="waived", waived=waived)
    case = assurance_case(decision, made.plan, made.receipt)
    kept = goal(case, "goal/stripped/kept")
    assert (kept.status, kept.challenged_by) == ("waived", ("solution/stripped/kept",))
    assert {goal(case, name).status for name in ("goal", "goal/drawing")} == {"waived"}
    told = case.by_id["justification/stripped/kept/waiver"].statement
    assert told == "Waiver w1 by R. Lead until 2030-03-01, though it is violated: Known, and small."


@pytest.mark.parametrize("status", ["violated", "not_shown"])
def test_a_decision_that_its_findings_do_not_bear_makes_no_case(made: Example, status: str) -> None:
    decision = changed(made.decision, "gone", status=status)
    with pytest.raises(ValidationError, match="the top is undeveloped, and the verdict release_stripped"):
        assurance_case(decision, made.plan, made.receipt)


def test_each_artefact_has_a_claim_and_shared_claims_stand_once(made: Example) -> None:
    (weights,) = made.decision.artefacts
    paper = weights.model_copy(
        update={"name": "paper", "verdict": "release", "checkpoint": "source", "capabilities": ()}
    )
    demo = weights.model_copy(update={"name": "demo", "asked": "api", "granted": "api"})
    decision = made.decision.model_copy(update={"artefacts": (weights, paper, demo)})
    case = assurance_case(decision, made.plan, made.receipt)
    assert goal(case, "goal/paper").status == "assumed"
    assert goal(case, "goal/demo").statement == "Without “Draws things”, the demo may be published behind an API"
    taken = [goal(case, f"goal/{name}/drawing").supported_by for name in ("weights", "demo")]
    assert taken == [("strategy/weights/drawing/stripped/strip",), ("strategy/demo/drawing/stripped/strip",)]
    section = case_view(case)
    shown = [claim for a in section.artefacts for c in a.capabilities for s in c.taken for claim in s.claims]
    assert [claim.repeated for claim in shown] == [False, False, True, True]


def test_a_claim_that_is_not_shown_rests_on_the_slice_that_is_not(made: Example) -> None:
    found = made.decision.capabilities[0].findings[0]
    part = found.slices[0].model_copy(update={"labels": {"kind": "a"}, "status": "met"})
    open_ = {"labels": {"kind": "b"}, "status": "not_shown", "reason": "unsettled"}
    update = {"status": "not_shown", "reason": "unsettled", "slices": (part, part.model_copy(update=open_))}
    elements = Evidencing(made.plan, None)
    elements.requirement(found.model_copy(update=update))
    leaf = elements.nodes[f"solution/source/{found.requirement}"]
    assert isinstance(leaf, Solution)
    assert leaf.slice == {"kind": "b"}


def test_what_the_stripped_checkpoint_narrows_is_argued_on_it_though_the_strip_wants_evidence() -> None:
    by_server = {**MARKED, "enforced_by": "server"}
    strip = capability("a", **STRIP, safeguards={"one": [{**by_server, "id": "marked-a"}]})
    narrow = capability("b", otherwise="restrict", restrict={"channel": "api"}, safeguards={"one": [by_server]})
    other = {**WEAK, "id": "weak-b"}
    made = Gate(policy(strip, {**narrow, "misuse": [other]}), {("drawing", "source"): share(0)})
    made.outcomes |= {("marking", "source"): share(50), ("naming", "source"): share(100)}
    assert made.decide().awaiting_strip == ("a",)
    made.strip = "stripped:a"
    made.outcomes |= {("drawing", "stripped:a"): share(100), ("marking", "stripped:a"): share(100)}
    decision = made.decide()
    assert {c.id: c.verdict for c in decision.artefacts[0].capabilities} == {"a": "incomplete", "b": "restrict"}
    claim = goal(assurance_case(decision, made.plan, receipt_of(made.plan, made.strip)), "goal/b")
    assert claim.status == "supported"
    assert claim.statement == "“B” may go out with the model, through a narrower channel only"
