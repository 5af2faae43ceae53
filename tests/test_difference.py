"""What changed between two decisions, each change with its cause; and between two policies, each with its direction."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.decision import Decision
from releasegate.difference import decision_difference, found_text, policy_difference
from releasegate.policy import Policy
from tests.tiny_gates import KEPT, MARKED, STRIP, WEAK, Gate, Outcome, capability, policy, share, unconditional


def weak(**keys: Any) -> Policy:
    return policy(capability("drawing", misuse=[{**WEAK, **keys}]))


def decided(of: Policy, drawn: list[Outcome] | None, *, by: Policy | None = None, attempt: int = 1) -> Decision:
    """The decision on a model of which `drawn` was measured."""
    outcomes = {} if drawn is None else {("drawing", "source"): drawn}
    return Gate(of, outcomes, attempt=attempt).decide(by=by)


def why(before: Decision, after: Decision, **keys: Any) -> dict[str, str]:
    """The causes of the one requirement that changed."""
    (changed,) = decision_difference(before, after, **keys).requirements
    return {w.cause: w.sentence for w in changed.why}


def test_a_decision_does_not_differ_from_itself() -> None:
    same = decided(weak(), share(40))
    assert decision_difference(same, same).empty


def test_another_nonce_is_no_difference() -> None:
    same = decided(weak(), share(40))
    assert decision_difference(same, same.model_copy(update={"evidence": "sha256:" + "e" * 64})).empty


def test_other_counts_are_other_evidence() -> None:
    before, after = decided(weak(), share(2)), decided(weak(), share(40))
    found = decision_difference(before, after)
    assert found.verdict is not None
    assert (found.verdict.before, found.verdict.after) == ("release", "withhold")
    assert [(c.capability, c.route_before, c.route_after) for c in found.capabilities] == [("drawing", "misuse", None)]
    assert why(before, after) == {"evidence": "40 of 100, and was 2 of 100"}


def test_lost_items_are_other_evidence() -> None:
    found = why(decided(weak(), share(2)), decided(weak(), share(2, failed=3)))
    assert found == {"evidence": "2 of 97, 3 lost of 100 planned, and was 2 of 100"}


def test_another_limit_is_the_policy_and_not_the_evidence() -> None:
    before, after = decided(weak(), share(2)), decided(weak(), share(2), by=weak(at_most=0.01))
    assert why(before, after) == {"limit": "the limit is at most 0.01, and was at most 0.2"}
    assert {c.path for c in decision_difference(before, after).about} == {"policy_digest", "replay"}


def test_a_rehearsal_and_what_rests_on_waivers_are_differences() -> None:
    real = decided(weak(), share(2))
    rehearsed = real.model_copy(update={"rehearsal": True})
    waived = real.model_copy(update={"verdict_without_waivers": "withhold"})
    [rehearsal], [waiver] = (decision_difference(real, other).about for other in (rehearsed, waived))
    assert (rehearsal.path, rehearsal.before, rehearsal.after) == ("rehearsal", False, True)
    assert (waiver.path, waiver.before, waiver.after) == ("verdict_without_waivers", "release", "withhold")


def test_another_attempt_has_another_alpha() -> None:
    before, after = decided(weak(), share(2)), decided(weak(), share(2), attempt=2)
    assert why(before, after) == {"alpha": "the effective alpha is 0.0076, and was 0.0304"}
    assert {c.path for c in decision_difference(before, after).about} == {"alpha", "attempt"}


def test_other_slices_are_named() -> None:
    before, after = decided(weak(), share(2)), decided(weak(), share(2), by=weak(slices=["digit"]))
    assert why(before, after) == {"slices": "it is judged on 2 slices of digit, and was on all items together"}


@pytest.mark.parametrize("swap", [False, True])
def test_what_was_not_measured_is_the_cause(swap: bool) -> None:  # noqa: FBT001
    pair = (decided(weak(), share(2)), decided(weak(), None))
    found = why(*(reversed(pair) if swap else pair))
    verb = "was" if swap else "is"
    assert found["want_of_evidence"] == f"evidence {verb} wanting: none of 100 planned items was scored"


def test_a_safeguard_that_does_not_count_any_more_is_the_channel() -> None:
    def marked(by: str) -> Policy:
        return policy(capability("drawing", safeguards={"marks": [{**MARKED, "enforced_by": by}]}))

    gate = Gate(marked("weights"), {("marking", "source"): share(100)})
    found = why(gate.decide(), gate.decide(by=marked("wrapper")))
    assert found == {"channel": "the safeguard does not count at the channel, enforced by wrapper"}


def test_a_requirement_of_another_metric_is_named() -> None:
    other = policy(capability("drawing", misuse=[{**WEAK, "metric": "naming/right"}]))
    found = why(decided(weak(), share(2)), Gate(other, {("naming", "source"): share(2)}).decide())
    assert found["metric"] == "it is about naming/right, and was about drawing/legible"


def test_a_new_requirement_is_told_from_one_that_was_not_judged() -> None:
    both = policy(capability("drawing", misuse=[WEAK, {**WEAK, "id": "more"}]))
    before, after = decided(weak(), share(2)), decided(both, share(2))
    assert why(before, after, stated=({"weak"}, {"weak", "more"})) == {"new": "the first policy does not have it"}
    assert why(after, before, stated=({"weak", "more"}, {"weak"})) == {"removed": "the second policy does not have it"}
    assert list(why(before, after, stated=({"weak", "more"}, None))) == ["not_judged"]
    assert list(why(before, after)) == ["not_judged"]


def test_new_and_removed_capabilities_are_listed() -> None:
    more = policy(capability("drawing", misuse=[WEAK]), unconditional("naming"))
    found = decision_difference(decided(weak(), share(2)), decided(more, share(2)))
    assert [(c.capability, c.before, c.after) for c in found.capabilities] == [("naming", None, "release")]
    back = decision_difference(decided(more, share(2)), decided(weak(), share(2)))
    assert [(c.capability, c.before, c.after) for c in back.capabilities] == [("naming", "release", None)]


def test_the_stripped_checkpoint_is_compared_apart_from_the_source() -> None:
    of = policy(capability("drawing", misuse=[WEAK], **STRIP), unconditional("naming"))
    strip = "stripped:drawing"
    outcomes = {
        ("drawing", "source"): share(90),
        ("naming", "source"): share(95),
        ("drawing", strip): share(0),
        ("naming", strip): share(95),
    }
    before = Gate(of, outcomes, strip=strip).decide()
    after = Gate(of, {**outcomes, ("naming", strip): share(60)}, strip=strip).decide()
    (kept,) = decision_difference(before, after).requirements
    assert (kept.requirement, kept.checkpoint) == ("kept", "stripped")
    assert kept.why[0].sentence == "35 losses and 0 gains in 100 pairs, and was 0 losses and 0 gains in 100 pairs"
    assert kept.after is not None
    assert found_text(kept.after).startswith("violated: 35 losses and 0 gains in 100 pairs, bounds 0.")


def voice(**artefacts: str) -> Policy:
    guarded = capability("drawing", safeguards={"s": [{**MARKED, "enforced_by": "server"}]})
    return policy(guarded, artefacts=artefacts)


def test_artefacts_that_come_to_something_else_are_listed() -> None:
    before = Gate(voice(weights="open_weights", demo="api"), {("marking", "source"): share(100)}).decide()
    after = Gate(voice(weights="open_weights", demo="api"), {("marking", "source"): share(0)}).decide()
    found = decision_difference(before, after)
    assert found.verdict is None
    assert [(a.artefact, a.before, a.after, a.granted_before, a.granted_after) for a in found.artefacts] == [
        ("demo", "release", "withhold", "api", "none")
    ]
    assert [(r.requirement, r.channel, [w.cause for w in r.why]) for r in found.requirements] == [
        ("marked", "open_weights", ["evidence"]),
        ("marked", "api", ["evidence"]),
    ]
    assert decision_difference(before, before).empty


def test_artefacts_that_one_policy_does_not_list_are_told_apart() -> None:
    outcomes = {("marking", "source"): share(100)}
    before = Gate(voice(demo="api"), outcomes).decide()
    after = Gate(voice(demo="api", weights="open_weights"), outcomes).decide()
    found = decision_difference(before, after)
    assert [(a.artefact, a.before, a.after) for a in found.artefacts] == [("weights", None, "withhold")]
    (marked,) = found.requirements
    assert (marked.channel, [w.cause for w in marked.why]) == ("open_weights", ["channel"])
    assert [a.artefact for a in decision_difference(after, before).artefacts] == ["weights"]


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_every_change_has_a_cause_and_there_is_none_without_a_change(
    one: int, other: int, limit: float, another: float
) -> None:
    before, after = decided(weak(at_most=limit), share(one)), decided(weak(at_most=another), share(other))
    found = decision_difference(before, after)
    causes = {w.cause for r in found.requirements for w in r.why}
    limits: set[str] = {"limit"} if limit != another else set()
    assert causes == (limits | {"evidence"} if one != other else limits)
    assert found.empty == (one == other and limit == another)


# Policies.


def changes(before: Policy, after: Policy) -> dict[str, tuple[Any, Any, str | None]]:
    return {c.path: (c.before, c.after, c.effect) for c in policy_difference(before, after).changes}


def test_a_policy_does_not_differ_from_itself() -> None:
    assert policy_difference(weak(), weak()).empty


def test_the_order_of_capabilities_and_requirements_is_no_difference() -> None:
    parts = [capability("drawing", misuse=[WEAK, {**WEAK, "id": "more"}]), unconditional("naming")]
    turned = [unconditional("naming"), capability("drawing", misuse=[{**WEAK, "id": "more"}, WEAK])]
    assert policy_difference(policy(*parts), policy(*turned)).empty


@pytest.mark.parametrize(
    ("before", "after", "path", "effect"),
    [
        (weak(), weak(at_most=0.3), "capabilities.drawing.misuse.weak.at_most", "looser"),
        (weak(), weak(at_most=0.1), "capabilities.drawing.misuse.weak.at_most", "stricter"),
        (weak(), weak(slices=["digit"]), "capabilities.drawing.misuse.weak.slices", None),
        (weak(), weak(n_max=7), "capabilities.drawing.misuse.weak.n_max", None),
        (policy(unconditional("a")), policy(unconditional("a"), max_failed=0.2), "release.max_failed", "looser"),
        (policy(unconditional("a")), policy(unconditional("a"), channel="api"), "release.channel", "stricter"),
        (voice(demo="api"), voice(demo="gated_weights"), "release.artefacts.demo", "looser"),
        (policy(unconditional("a")), policy(unconditional("a"), max_age_days=3), "release.max_age_days", "stricter"),
    ],
)
def test_each_change_has_its_path_and_its_direction(
    before: Policy, after: Policy, path: str, effect: str | None
) -> None:
    (change,) = policy_difference(before, after).changes
    assert (change.path, change.effect) == (path, effect)


def test_a_lower_floor_and_a_wider_margin_are_looser() -> None:
    def of(floor: float, margin: float) -> Policy:
        kept = [{**KEPT, "margin": margin}]
        marks = {"marks": [{**MARKED, "at_least": floor}]}
        return policy(capability("drawing", **{**STRIP, "keep": kept}, safeguards=marks))

    found = changes(of(0.9, 0.1), of(0.8, 0.2))
    assert {path.rsplit(".", 1)[1]: effect for path, (_, _, effect) in found.items()} == {
        "at_least": "looser",
        "margin": "looser",
    }


def test_another_route_changes_the_alpha_of_every_requirement() -> None:
    found = changes(weak(), policy(capability("drawing", misuse=[WEAK], safeguards={"marks": [MARKED]})))
    assert found["capabilities.drawing.safeguards"][0] is None
    before, after, effect = found["effective alpha of the first attempt"]
    assert before == pytest.approx(2 * after)
    assert effect == "stricter"
