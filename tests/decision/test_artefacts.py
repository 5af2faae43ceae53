"""The rules of artefacts: what becomes of each thing that would go out, and that none decides about another."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import binom

from releasegate.decision import ArtefactDecision, Decision
from releasegate.intervals import effective_alpha
from releasegate.policy import CHECKPOINTS, Policy
from tests.tiny_gates import (
    GONE,
    KEPT,
    MARKED,
    STRIP,
    WEAK,
    Gate,
    Outcomes,
    capability,
    finding,
    policy,
    requirement,
    share,
    unconditional,
)

DRAWING = "stripped:drawing"
EVERYTHING = {"weights": "open_weights", "paper": "open_weights", "demo": "api"}
SERVED = {**MARKED, "id": "served", "enforced_by": "server"}
RESTRICT = {"otherwise": "restrict", "restrict": {"channel": "api"}}
UNFOUND = requirement("unfound", "marking/found", at_most=0.2)
STRIP_MARKING = {
    "otherwise": "strip",
    "recipe": "tiny-hf/marking",
    "removal": [requirement("gone2", "marking/found", at_most=0.2)],
    "keep": [{**KEPT, "id": "kept2"}],
}


def named(decision: Decision, name: str) -> ArtefactDecision:
    """What was decided on one artefact."""
    return next(a for a in decision.artefacts if a.name == name)


def verdicts(decision: Decision) -> dict[str, str]:
    return {a.name: a.verdict for a in decision.artefacts}


def voice(**keys: Any) -> Policy:
    """A voice that nobody may have, and how it is made, which anybody may read."""
    cloning = capability("cloning", misuse=[WEAK], artefacts=["weights", "demo"], **keys)
    return policy(cloning, artefacts=EVERYTHING)


def test_the_paper_goes_out_and_the_weights_do_not() -> None:
    decision = Gate(voice(), {("drawing", "source"): share(90)}).decide()
    assert verdicts(decision) == {"weights": "withhold", "paper": "release", "demo": "withhold"}
    assert {a.name: a.granted for a in decision.artefacts} == {
        "weights": "none",
        "paper": "open_weights",
        "demo": "none",
    }
    assert (decision.verdict, decision.channel) == ("withhold", "none")
    assert decision.summary == (
        "The weights may not be published, because of cloning. The paper may be published: nothing that is judged goes "
        "out with it. The demo may not be published, because of cloning."
    )


def test_a_policy_about_a_channel_alone_is_about_the_weights() -> None:
    decision = Gate(policy(capability("drawing", misuse=[WEAK])), {("drawing", "source"): share(0)}).decide()
    (only,) = decision.artefacts
    assert (only.name, only.asked, only.granted, only.verdict) == ("weights", "open_weights", "open_weights", "release")
    assert only.sentence == "The weights may be published unchanged."
    assert [c.id for c in only.capabilities] == ["drawing"]
    assert decision.summary == "The model may be published as it is."


def test_a_list_of_the_weights_alone_comes_to_the_same_as_their_channel() -> None:
    for hits in (0, 90):
        outcomes: Outcomes = {("drawing", "source"): share(hits)}
        listed = Gate(policy(capability("drawing", misuse=[WEAK]), artefacts={"weights": "api"}), outcomes).decide()
        alone = Gate(policy(capability("drawing", misuse=[WEAK]), channel="api"), outcomes).decide()
        apart = ("policy_digest", "plan", "summary")
        plain = [{k: v for k, v in d.plain().items() if k not in apart} for d in (listed, alone)]
        assert plain[0] == plain[1]


@pytest.mark.parametrize(("marked", "demo"), [(100, "release"), (0, "withhold")])
def test_each_artefact_is_judged_at_its_own_channel(marked: int, demo: str) -> None:
    """A server's safeguard protects what is served, and not what anybody has."""
    guarded = capability("drawing", safeguards={"s": [SERVED]})
    gate = Gate(
        policy(guarded, artefacts={"weights": "open_weights", "demo": "api"}), {("marking", "source"): share(marked)}
    )
    decision = gate.decide()
    assert verdicts(decision) == {"weights": "withhold", "demo": demo}
    assert named(decision, "demo").granted == ("api" if demo == "release" else "none")
    (drawing,) = decision.capabilities
    assert (drawing.verdict, drawing.route) == ("withhold", None)


def test_findings_that_differ_by_channel_are_told_apart() -> None:
    guarded = capability("drawing", misuse=[WEAK], safeguards={"s": [SERVED, {**MARKED, "id": "baked"}]})
    gate = Gate(
        policy(guarded, artefacts={"weights": "open_weights", "paper": "gated_weights", "demo": "api"}),
        {("drawing", "source"): share(90), ("marking", "source"): share(100)},
    )
    found = gate.decide().capabilities[0].findings
    assert [(f.requirement, f.channel, f.reason or f.status) for f in found] == [
        ("weak", None, "violated"),
        ("served", "open_weights", "does_not_count"),
        ("served", "api", "met"),
        ("baked", None, "met"),
    ]


def test_findings_that_are_the_same_at_all_channels_stand_once() -> None:
    guarded = capability("drawing", safeguards={"s": [SERVED]})
    for artefacts in ({"weights": "open_weights", "demo": "gated_weights"}, {"weights": "api", "demo": "api"}):
        decision = Gate(policy(guarded, artefacts=artefacts), {("marking", "source"): share(100)}).decide()
        assert [f.channel for f in decision.capabilities[0].findings] == [None]


def test_only_what_an_artefact_carries_is_judged_for_it() -> None:
    both = policy(
        capability("drawing", misuse=[WEAK], artefacts=["weights"]),
        capability("marking", misuse=[UNFOUND], artefacts=["training_recipe"]),
        artefacts={"weights": "open_weights", "training_recipe": "open_weights"},
    )
    for drawn, found in ((0, 90), (90, 0)):
        decision = Gate(both, {("drawing", "source"): share(drawn), ("marking", "source"): share(found)}).decide()
        assert verdicts(decision) == {
            "weights": "withhold" if drawn else "release",
            "training_recipe": "withhold" if found else "release",
        }
        assert [[c.id for c in a.capabilities] for a in decision.artefacts] == [["drawing"], ["marking"]]


def test_evidence_that_one_artefact_lacks_leaves_the_others_alone() -> None:
    both = policy(
        capability("drawing", misuse=[WEAK], artefacts=["weights"]),
        capability("marking", misuse=[UNFOUND], artefacts=["data"]),
        artefacts={"weights": "open_weights", "data": "open_weights"},
    )
    decision = Gate(both, {("drawing", "source"): share(0)}).decide()
    assert verdicts(decision) == {"weights": "release", "data": "incomplete"}
    assert decision.verdict == "incomplete"
    assert named(decision, "data").sentence == "The data may not be published yet: evidence is wanting on marking."


def test_a_capability_that_no_listed_artefact_carries_is_judged_for_all() -> None:
    """`check` refuses such a policy; should one get here, nothing goes out unjudged."""
    for artefacts in ({"paper": "open_weights"}, {"paper": "open_weights", "code": "api"}):
        decision = Gate(
            policy(capability("drawing", misuse=[WEAK]), artefacts=artefacts), {("drawing", "source"): share(90)}
        ).decide()
        assert set(verdicts(decision).values()) == {"withhold"}


def test_a_release_of_nothing_has_no_verdict() -> None:
    """`check` refuses such a policy; should one get here, nothing is decided."""
    nothing = policy(capability("drawing", misuse=[WEAK]), channel=None)
    with pytest.raises(ValueError, match="empty"):
        Gate(nothing, {("drawing", "source"): share(0)}).decide()


def test_the_order_in_which_artefacts_are_listed_changes_nothing() -> None:
    turned = dict(reversed(EVERYTHING.items()))
    one = policy(capability("drawing", misuse=[WEAK]), artefacts=EVERYTHING)
    other = policy(capability("drawing", misuse=[WEAK]), artefacts=turned)
    assert Gate(one).decide().text() == Gate(other).decide().text()


# Restrictions.


def test_an_artefact_is_restricted_to_what_is_narrower_than_its_own_channel() -> None:
    guarded = capability("drawing", safeguards={"s": [SERVED]}, **RESTRICT)
    outcomes: Outcomes = {("marking", "source"): share(100)}
    decision = Gate(policy(guarded, artefacts={"weights": "open_weights", "demo": "api"}), outcomes).decide()
    assert verdicts(decision) == {"weights": "restrict", "demo": "release"}
    assert [a.granted for a in decision.artefacts] == ["api", "api"]
    assert (decision.verdict, decision.channel) == ("restrict", "api")


def test_a_restricted_release_says_what_was_stripped() -> None:
    naming = capability("naming", safeguards={"s": [{**SERVED, "metric": "naming/right"}]}, **RESTRICT)
    kept = {**STRIP, "keep": [requirement("kept", "marking/found", margin=0.1)]}
    outcomes: Outcomes = {("drawing", "source"): share(90), ("drawing", DRAWING): share(0)}
    outcomes |= {(name, place): share(100) for name in ("marking", "naming") for place in ("source", DRAWING)}
    gate = Gate(policy(capability("drawing", misuse=[WEAK], **kept), naming), outcomes, strip=DRAWING)
    decision = gate.decide()
    assert (decision.verdict, decision.channel) == ("restrict", "api")
    assert decision.summary.endswith("because of naming. Only without drawing.")


def test_a_restriction_never_widens_a_channel() -> None:
    guarded = capability("drawing", misuse=[WEAK], otherwise="restrict", restrict={"channel": "gated_weights"})
    outcomes: Outcomes = {("drawing", "source"): share(90)}
    decision = Gate(policy(guarded, artefacts={"weights": "open_weights", "demo": "api"}), outcomes).decide()
    demo = named(decision, "demo")
    assert (demo.verdict, demo.granted) == ("withhold", "none")
    assert demo.capabilities[0].sentence.startswith("withheld, as gated_weights is not narrower than api: ")


# Strips.


def stripping(*others: dict[str, Any], artefacts: dict[str, str] = EVERYTHING, found: int | None = None) -> Gate:
    """Drawing comes to strip; its stripped checkpoint was measured and shows everything."""
    outcomes: Outcomes = {
        ("drawing", "source"): share(90),
        ("drawing", DRAWING): share(0),
        ("naming", "source"): share(95),
        ("naming", DRAWING): share(95),
    }
    if found is not None:
        outcomes["marking", "source"] = share(found)
    return Gate(
        policy(capability("drawing", misuse=[WEAK], **STRIP), *others, artefacts=artefacts), outcomes, strip=DRAWING
    )


def test_weights_and_demo_share_one_stripped_checkpoint() -> None:
    decision = stripping().decide()
    assert verdicts(decision) == {"weights": "release_stripped", "paper": "release", "demo": "release_stripped"}
    assert {a.name: a.checkpoint for a in decision.artefacts} == {
        "weights": DRAWING,
        "paper": "source",
        "demo": DRAWING,
    }
    assert decision.verdict == "release_stripped"
    assert decision.strip is not None
    assert [f.requirement for f in decision.strip.findings] == ["gone", "kept"]
    assert named(decision, "weights").sentence == "The weights may be published without drawing."


@pytest.mark.parametrize("name", ["code", "data", "training_recipe", "paper"])
def test_what_is_no_checkpoint_is_not_stripped(name: str) -> None:
    gate = Gate(
        policy(capability("drawing", misuse=[WEAK], artefacts=[name], **STRIP), artefacts={name: "open_weights"}),
        {("drawing", "source"): share(90), ("naming", "source"): share(95)},
    )
    decision = gate.decide()
    assert (decision.verdict, decision.awaiting_strip) == ("withhold", ())
    sentence = decision.capabilities[0].sentence
    assert sentence.startswith(f"withheld, as the {name.replace('_', ' ')} cannot be stripped: weak: at most 0.2 is ")


def test_what_is_no_checkpoint_is_judged_on_the_source_whatever_the_strip_shows() -> None:
    drawing = capability("drawing", misuse=[WEAK], artefacts=["weights", "paper"], **STRIP)
    gate = stripping()
    gate.policy = policy(drawing, artefacts=EVERYTHING)
    assert verdicts(gate.decide()) == {"weights": "release_stripped", "paper": "withhold", "demo": "release"}
    gate.outcomes["drawing", "source"] = share(0)
    assert verdicts(gate.decide()) == {"weights": "release", "paper": "release", "demo": "release"}


def test_a_withheld_artefact_does_not_prevent_the_strip_of_another() -> None:
    """Marking keeps the weights in, and the demo does not carry it."""
    marking = capability("marking", misuse=[UNFOUND], artefacts=["weights"])
    gate = stripping(marking, found=90)
    decision = gate.decide()
    assert verdicts(decision) == {"weights": "withhold", "paper": "release", "demo": "release_stripped"}
    gate.strip = None
    gate.outcomes = {key: values for key, values in gate.outcomes.items() if key[1] == "source"}
    decision = gate.decide()
    assert decision.awaiting_strip == ("drawing",)
    assert verdicts(decision) == {"weights": "withhold", "paper": "release", "demo": "incomplete"}


def test_a_withheld_artefact_asks_for_no_strip() -> None:
    """Nothing else needs one: the weights could not go out without drawing either."""
    marking = capability("marking", misuse=[UNFOUND], artefacts=["weights"])
    drawing = capability("drawing", misuse=[WEAK], artefacts=["weights"], **STRIP)
    gate = Gate(
        policy(drawing, marking, artefacts=EVERYTHING),
        {("drawing", "source"): share(90), ("marking", "source"): share(90), ("naming", "source"): share(95)},
    )
    decision = gate.decide()
    assert (decision.awaiting_strip, decision.strip) == ((), None)
    assert verdicts(decision) == {"weights": "withhold", "paper": "release", "demo": "release"}
    assert decision.capabilities[0].sentence.startswith("not stripped, as another capability keeps the model in; ")


def test_an_artefact_that_needs_no_strip_is_judged_on_the_source_alone() -> None:
    """The strip of the weights would break what the demo shows, and does not touch the demo."""
    drawing = capability("drawing", misuse=[WEAK], artefacts=["weights"], **STRIP)
    marking = capability("marking", misuse=[UNFOUND], artefacts=["demo"])
    gate = stripping(marking, found=0)
    gate.policy = policy(drawing, marking, artefacts=EVERYTHING)
    gate.outcomes["marking", DRAWING] = share(90)
    decision = gate.decide()
    assert verdicts(decision) == {"weights": "release_stripped", "paper": "release", "demo": "release"}
    assert named(decision, "demo").checkpoint == "source"
    gate.outcomes["drawing", DRAWING] = share(90)
    assert verdicts(gate.decide()) == {"weights": "withhold", "paper": "release", "demo": "release"}


def test_one_strip_takes_out_what_either_artefact_needs_stripped() -> None:
    drawing = capability("drawing", misuse=[WEAK], artefacts=["weights"], **STRIP)
    marking = capability("marking", misuse=[UNFOUND], artefacts=["demo"], **STRIP_MARKING)
    gate = Gate(
        policy(drawing, marking, artefacts=EVERYTHING),
        {("drawing", "source"): share(90), ("marking", "source"): share(90), ("naming", "source"): share(95)},
    )
    assert gate.decide().awaiting_strip == ("drawing", "marking")
    together = "stripped:drawing+marking"
    gate.outcomes |= {("drawing", together): share(0), ("marking", together): share(0), ("naming", together): share(95)}
    gate.strip = together
    decision = gate.decide()
    assert verdicts(decision) == {"weights": "release_stripped", "paper": "release", "demo": "release_stripped"}
    assert decision.strip is not None
    assert decision.strip.capabilities == ("drawing", "marking")
    gate.outcomes["marking", together] = share(90)
    assert verdicts(gate.decide()) == {"weights": "release_stripped", "paper": "release", "demo": "withhold"}


def test_a_strip_of_less_serves_the_artefact_that_needs_no_more() -> None:
    drawing = capability("drawing", misuse=[WEAK], artefacts=["weights"], **STRIP)
    marking = capability("marking", misuse=[UNFOUND], artefacts=["demo"], **STRIP_MARKING)
    gate = stripping(marking, found=90)
    gate.policy = policy(drawing, marking, artefacts=EVERYTHING)
    decision = gate.decide()
    assert verdicts(decision) == {"weights": "release_stripped", "paper": "release", "demo": "incomplete"}
    assert decision.awaiting_strip == ("drawing", "marking")


def test_a_stripped_artefact_is_judged_again_at_its_own_channel() -> None:
    """The server's mark survives the strip: that protects what is served, and not what anybody has."""
    marking = capability("marking", safeguards={"baked": [{**MARKED, "id": "baked"}], "served": [SERVED]})
    gate = stripping(marking, found=100)
    gate.outcomes["marking", DRAWING] = share(100)
    assert verdicts(gate.decide()) == {"weights": "release_stripped", "paper": "release", "demo": "release_stripped"}
    only_served = capability("marking", safeguards={"served": [SERVED]}, artefacts=["demo"])
    gate.policy = policy(capability("drawing", misuse=[WEAK], **STRIP), only_served, artefacts=EVERYTHING)
    assert verdicts(gate.decide()) == {"weights": "release_stripped", "paper": "release", "demo": "release_stripped"}
    gate.outcomes["marking", DRAWING] = share(0)
    decision = gate.decide()
    assert verdicts(decision) == {"weights": "release_stripped", "paper": "release", "demo": "withhold"}
    assert decision.strip is not None
    assert decision.strip.verdict == "withhold"


def test_what_the_strip_shows_is_told_apart_by_channel_too() -> None:
    both = capability("marking", misuse=[UNFOUND], safeguards={"s": [SERVED]}, **RESTRICT)
    gate = stripping(both, artefacts={"weights": "gated_weights", "demo": "open_weights"}, found=0)
    gate.outcomes["marking", DRAWING] = share(0)
    decision = gate.decide()
    assert decision.strip is not None
    assert [f.channel for f in decision.strip.findings] == [None] * 4
    gate.policy = policy(
        capability("drawing", misuse=[WEAK], **STRIP),
        capability("marking", misuse=[UNFOUND], safeguards={"s": [SERVED]}),
        artefacts={"weights": "gated_weights", "demo": "api"},
    )
    decision = gate.decide()
    assert decision.strip is not None
    assert [(f.requirement, f.channel) for f in decision.strip.findings] == [
        ("gone", None),
        ("kept", None),
        ("unfound", None),
        ("served", "gated_weights"),
        ("served", "api"),
    ]


# The exit code.


def test_the_exit_code_is_that_of_the_worst_artefact_asked_for() -> None:
    decision = Gate(voice(), {("drawing", "source"): share(90)}).decide()
    assert decision.exit_code == decision.exit_code_for(()) == 1
    assert decision.exit_code_for(("paper",)) == 0
    assert decision.exit_code_for(("paper", "weights")) == 1
    assert Gate(voice()).decide().exit_code_for(("demo",)) == 3
    with pytest.raises(ValueError, match="empty"):
        decision.exit_code_for(("code",))


# Alpha.

A, B = (capability(name, misuse=[{**WEAK, "id": name}]) for name in ("a", "b"))


def carried(of: dict[str, Any], *artefacts: str) -> dict[str, Any]:
    return {**of, "artefacts": list(artefacts)}


@pytest.mark.parametrize(
    ("capabilities", "artefacts", "shares"),
    [
        ((A, B), ("weights", "demo"), 1),
        ((A, B), ("weights", "demo", "paper"), 1),
        ((carried(A, "weights"), carried(B, "paper")), ("weights", "paper"), 2),
        ((carried(A, "weights", "paper"), carried(B, "weights")), ("weights", "paper"), 2),
        ((carried(A, "weights", "paper"), carried(B, "paper", "weights")), ("weights", "paper"), 1),
        ((carried(A, "weights"), carried(B, "paper"), unconditional("c")), ("weights", "paper", "demo"), 3),
        ((A, carried(unconditional("c"), "paper")), ("weights", "paper"), 2),
        (({**A, **STRIP}, carried(B, "paper")), ("weights", "paper"), 4),
    ],
)
def test_alpha_is_shared_by_the_sets_of_capabilities_that_go_out(
    capabilities: tuple[dict[str, Any], ...], artefacts: tuple[str, ...], shares: int
) -> None:
    made = policy(*capabilities, artefacts=dict.fromkeys(artefacts, "open_weights"))
    assert made.shares == shares
    assert Gate(made).plan.alpha == Gate(made).decide().alpha == effective_alpha(0.05, 1, shares)


@pytest.mark.parametrize("n", [100, 300, 600])
def test_either_of_two_artefacts_is_falsely_released_at_alpha_at_most(n: int) -> None:
    """Two artefacts carry one capability each, both exactly at the limit: the chance that either goes out, exactly."""
    limit, alpha = 0.2, 0.05
    both = policy(
        capability("drawing", misuse=[WEAK], artefacts=["weights"]),
        capability("marking", misuse=[UNFOUND], artefacts=["paper"]),
        artefacts={"weights": "open_weights", "paper": "open_weights"},
        alpha=alpha,
    )
    alone = policy(capability("drawing", misuse=[WEAK]), alpha=alpha)

    def most(of: Policy, name: str) -> int:
        """The most hits with which the artefact is released."""
        few, many = 0, int(limit * n)
        while many - few > 1:
            middle = (few + many) // 2
            released = verdicts(_at(of, middle, n))[name] == "release"
            few, many = (middle, many) if released else (few, middle)
        assert [verdicts(_at(of, hits, n))[name] for hits in (few, many)] == ["release", "withhold"]
        return few

    p = float(binom.cdf(most(both, "weights"), n, limit))
    assert p == float(binom.cdf(most(both, "paper"), n, limit))
    unshared = float(binom.cdf(most(alone, "weights"), n, limit))
    first = effective_alpha(alpha, 1, 1)
    assert 0 < 1 - (1 - p) ** 2 <= first < alpha
    assert 2 * first > 1 - (1 - unshared) ** 2 > first


def _at(of: Policy, hits: int, n: int) -> Decision:
    names = {r.eval for c in of.capabilities for _, _, r in c.sections()}
    return Gate(of, {(name, "source"): share(hits, n) for name in names}, n=n).decide()


def test_checkpoints_are_the_artefacts_that_may_be_stripped() -> None:
    every = policy(
        capability(
            "drawing", misuse=[WEAK], artefacts=["weights", "code", "data", "training_recipe", "paper", "demo"], **STRIP
        ),
        artefacts=dict.fromkeys(("weights", "code", "data", "training_recipe", "paper", "demo"), "open_weights"),
    )
    decision = Gate(every, {("drawing", "source"): share(90), ("naming", "source"): share(95)}).decide()
    assert {a.name for a in decision.artefacts if a.verdict == "incomplete"} == set(CHECKPOINTS)
    assert finding(decision, "weak").channel is None
    assert GONE["id"] not in {f.requirement for f in decision.capabilities[0].findings}
