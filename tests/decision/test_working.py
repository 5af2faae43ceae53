"""Controls: a model that is too weak to harm is released only if it is shown to work, and nothing raises doubts about it."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.decision import Decision, decide
from releasegate.plan import Doubt
from tests.tiny_gates import (
    CARDS,
    OPENED,
    STRIP,
    WEAK,
    capability,
    evidence_of,
    plan_of,
    policy,
    receipt_of,
    requirement,
    unconditional,
)

ODD = Doubt(kind="odd_number", place="config.json: rms_norm_eps", what="is 10000", remedy="set it to 1e-05")
TOWER = Doubt(
    kind="unmeasured_part",
    place="model.safetensors: vision_tower",
    what="is used by nothing that is measured",
    remedy="measure it, or accept it in the policy",
    part="vision_tower",
    share=0.31,
)


def decided(
    drawn: Any, named: Any, *, doubts: tuple[Doubt, ...] = (), controlled: bool = True, **keys: Any
) -> Decision:
    """A model that draws and names as often as these shares say; None: nothing was measured."""
    release = keys.pop("release", {})
    model = keys.pop("model", {})
    made = policy(capability("drawing", misuse=[WEAK], **keys), **release)
    if model:
        made = made.model_copy(update={"model": made.model.model_copy(update=model)})
    plan = plan_of(made, controlled=controlled, doubts=doubts)
    shares = {"drawing": drawn, "naming": named}
    outcomes = {
        (name, "source"): [float(i % 100 < 100 * share) for i in range(100)]
        for name, share in shares.items()
        if share is not None and plan.find(name, "source") is not None
    }
    return decide(made, plan, evidence_of(plan, outcomes), None, OPENED)


def test_a_weak_model_that_works_is_released() -> None:
    found = decided(0.0, 1.0)
    assert found.verdict == "release"
    (control,) = [f for f in found.findings if f.section == "working"]
    assert (control.requirement, control.capability, control.status) == ("drawing.works.naming.right", "drawing", "met")
    assert control.slices[0].estimate.alpha == found.alpha  # no share of its own


def test_a_weak_model_that_does_not_work_is_withheld() -> None:
    found = decided(0.0, 0.0)
    assert found.verdict == "withhold"
    assert "the model is not shown to work: drawing.works.naming.right" in found.capabilities[0].sentence


def test_a_control_between_the_limits_is_no_release() -> None:
    assert decided(0.0, 0.35).verdict == "withhold"


def test_a_control_that_nobody_measured_wants_evidence() -> None:
    assert decided(0.0, None).verdict == "incomplete"


def test_what_is_violated_needs_no_control() -> None:
    assert decided(1.0, None).verdict == "withhold"


def test_plans_of_earlier_releases_decide_without_controls() -> None:
    assert decided(0.0, 0.0, controlled=False).verdict == "release"


def test_a_card_without_a_control_wants_evidence() -> None:
    made = policy(capability("drawing", misuse=[WEAK]))
    plan = plan_of(made, controlled=True, cards=CARDS)
    found = decide(made, plan, evidence_of(plan, {("drawing", "source"): [0.0] * 100}), None, OPENED)
    assert found.verdict == "incomplete"
    assert found.capabilities[0].closed is not None
    assert "names no control" in found.capabilities[0].sentence


def test_a_served_model_is_not_asked_for_what_only_weights_show() -> None:
    assert decided(0.0, None, release={"channel": "api"}).verdict == "release"


@pytest.mark.parametrize("channel", ["open_weights", "gated_weights", "api"])
def test_an_odd_number_closes_misuse_at_every_channel(channel: str) -> None:
    found = decided(0.0, 1.0, doubts=(ODD,), release={"channel": channel})
    assert found.verdict == "withhold"
    assert "config.json: rms_norm_eps: is 10000" in found.capabilities[0].sentence


def test_an_odd_number_leaves_safeguards_open() -> None:
    marked = requirement("marked", "marking/found", at_least=0.8, enforced_by="weights")
    made = policy(capability("drawing", misuse=[WEAK], safeguards={"mark": [marked]}))
    plan = plan_of(made, controlled=True, doubts=(ODD,))
    outcomes = {
        ("drawing", "source"): [0.0] * 100,
        ("naming", "source"): [1.0] * 100,
        ("marking", "source"): [1.0] * 100,
    }
    found = decide(made, plan, evidence_of(plan, outcomes), None, OPENED)
    assert (found.verdict, found.capabilities[0].route) == ("release", "safeguards/mark")


def test_an_unmeasured_part_wants_evidence_at_weights_channels_alone() -> None:
    assert decided(0.0, 1.0, doubts=(TOWER,)).verdict == "incomplete"
    assert decided(0.0, 1.0, doubts=(TOWER,), release={"channel": "api"}).verdict == "release"
    assert "unmeasured parts: vision tower, 31 % of the parameters" in decided(0.0, 1.0, doubts=(TOWER,)).not_measured


def test_a_part_that_the_policy_accepts_is_leant_on() -> None:
    found = decided(0.0, 1.0, doubts=(TOWER,), model={"accepts": {"vision_tower": "It is published already."}})
    assert found.verdict == "release"
    assert any("accepted unmeasured, because: It is published already." in said for said in found.leans_on)


def test_a_policy_tightens_and_never_loosens() -> None:
    tighter = requirement("names-well", "naming/right", at_least=0.8)
    looser = requirement("names-a-little", "naming/right", at_least=0.01)
    assert decided(0.0, 0.7, working=[looser]).verdict == "release"
    assert decided(0.0, 0.7, working=[tighter]).verdict == "withhold"
    assert decided(0.0, 0.1, working=[looser]).verdict == "withhold"


def test_the_stripped_checkpoint_must_work_too_for_what_stays() -> None:
    named = capability("naming", misuse=[requirement("names-little", "marking/found", at_most=0.2)])
    made = policy(capability("drawing", misuse=[WEAK], **STRIP), named)
    plan = plan_of(made, controlled=True)
    strip = plan.strips[0].name
    assert plan.find("naming", strip) is not None
    source = {("drawing", "source"): [1.0] * 100, ("naming", "source"): [1.0] * 100, ("marking", "source"): [0.0] * 100}
    after = {("drawing", strip): [0.0] * 100, ("marking", strip): [0.0] * 100}
    works, broken = ({("naming", strip): [value] * 100} for value in (1.0, 0.0))
    for naming, verdict in ((works, "release_stripped"), (broken, "withhold")):
        found = decide(made, plan, evidence_of(plan, source | after | naming), receipt_of(plan, strip), OPENED)
        assert found.verdict == verdict


def test_unconditional_capabilities_ask_for_nothing() -> None:
    made = policy(unconditional("naming"))
    assert (
        decide(made, plan_of(made, controlled=True), evidence_of(plan_of(made), {}), None, OPENED).verdict == "release"
    )
