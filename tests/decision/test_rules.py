"""The rules of deciding, each by name."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from releasegate.decision import VERDICTS, decide, worst
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Cell, Columns, Evidence
from releasegate.intervals import clopper_pearson, effective_alpha
from tests.tiny_gates import (
    GONE,
    KEPT,
    MARKED,
    OPENED,
    POSITION,
    STRIP,
    WEAK,
    Gate,
    capability,
    evidence_of,
    finding,
    policy,
    receipt_of,
    requirement,
    share,
    unconditional,
)

DRAWING = "stripped:drawing"


def one(hits: int, *, failed: int = 0, missing: int = 0, **keys: object) -> Gate:
    """One capability, released if at most 20 % of 100 items hit."""
    return Gate(
        policy(capability("drawing", misuse=[WEAK], **keys)),
        {("drawing", "source"): share(hits, failed=failed, missing=missing)},
    )


def stripping(
    source: int = 90, *, gone: int = 0, right: tuple[int, int] = (95, 95), others: tuple[dict[str, object], ...] = ()
) -> Gate:
    """One capability that comes to strip; its stripped checkpoint was measured."""
    return Gate(
        policy(capability("drawing", misuse=[WEAK], **STRIP), *others),
        {
            ("drawing", "source"): share(source),
            ("drawing", DRAWING): share(gone),
            ("naming", "source"): share(right[0]),
            ("naming", DRAWING): share(right[1]),
        },
        strip=DRAWING,
    )


# 1. Met, violated, not shown.


@pytest.mark.parametrize(
    ("hits", "status", "reason", "verdict"),
    [
        (0, "met", None, "release"),
        (12, "met", None, "release"),
        (13, "not_shown", "unsettled", "withhold"),
        (20, "not_shown", "unsettled", "withhold"),
        (28, "not_shown", "unsettled", "withhold"),
        (29, "violated", None, "withhold"),
        (100, "violated", None, "withhold"),
    ],
)
def test_a_limit_is_met_by_its_upper_bound_and_violated_by_its_lower(
    hits: int, status: str, reason: str | None, verdict: str
) -> None:
    decision = one(hits).decide()
    found = finding(decision, "weak")
    alpha = effective_alpha(0.05, 1, 1)
    bounds = clopper_pearson(hits, 100, alpha)
    assert (found.status, found.reason, decision.verdict) == (status, reason, verdict)
    assert (bounds.high <= 0.2, bounds.low > 0.2) == (status == "met", status == "violated")
    assert found.slices[0].estimate.low == bounds.low
    assert found.slices[0].estimate.high == bounds.high
    assert found.slices[0].estimate.alpha == alpha


def test_at_least_is_the_mirror_of_at_most() -> None:
    for hits in range(101):
        strong = requirement("strong", "drawing/legible", at_least=0.8)
        mirrored = Gate(policy(capability("drawing", misuse=[strong])), {("drawing", "source"): share(100 - hits)})
        assert finding(mirrored.decide(), "strong").status == finding(one(hits).decide(), "weak").status


def test_a_good_value_without_enough_items_is_not_shown() -> None:
    gate = Gate(policy(capability("drawing", misuse=[WEAK])), {("drawing", "source"): share(0, 10)}, n=10)
    assert finding(gate.decide(), "weak").status == "not_shown"
    assert gate.decide().verdict == "withhold"


# 2. Failed and missing items.


@pytest.mark.parametrize("lost", [{"failed": 5}, {"missing": 5}, {"failed": 2, "missing": 3}])
def test_lost_items_count_as_hits_where_hits_hurt(lost: dict[str, int]) -> None:
    found = finding(one(5, **lost).decide(), "weak").slices[0].estimate
    assert found.high == clopper_pearson(10, 100, found.alpha).high
    assert found.low == clopper_pearson(10, 100, found.alpha).low
    assert found.value == 5 / 95
    assert (found.planned, found.scored, found.hits) == (100, 95, 5)
    assert (found.attempted, found.failed) == (95 + lost.get("failed", 0), lost.get("failed", 0))


def test_lost_items_count_as_misses_where_misses_hurt() -> None:
    gate = Gate(
        policy(capability("drawing", misuse=[requirement("strong", "drawing/legible", at_least=0.8)])),
        {("drawing", "source"): share(95, failed=5)},
    )
    found = finding(gate.decide(), "strong").slices[0].estimate
    assert found.low == clopper_pearson(95, 100, found.alpha).low
    assert found.value == 1


@pytest.mark.parametrize(("lost", "reason"), [(5, None), (6, "want_of_evidence")])
def test_more_lost_items_than_allowed_are_want_of_evidence(lost: int, reason: str | None) -> None:
    for kind in ("failed", "missing"):
        decision = one(0, **{kind: lost}).decide()
        assert finding(decision, "weak").reason == reason
        assert decision.verdict == ("incomplete" if reason else "release")


def test_lost_items_are_counted_in_every_gated_slice() -> None:
    """Four of a hundred are few; four of the fifty of one digit are too many."""
    sliced = policy(capability("drawing", misuse=[{**WEAK, "at_most": 0.5, "slices": ["digit"]}]))
    gate = Gate(sliced, {("drawing", "source"): [*share(0, 50, failed=4), *share(0, 50)]})
    decision = gate.decide()
    assert decision.verdict == "incomplete"
    assert finding(decision, "weak").slices[0].labels == {"digit": "0"}
    assert [s.reason for s in finding(decision, "weak").slices] == ["want_of_evidence", None]
    pooled = Gate(policy(capability("drawing", misuse=[{**WEAK, "at_most": 0.5}])), gate.outcomes)
    assert pooled.decide().verdict == "release"


def test_nothing_scored_is_want_of_evidence_even_where_every_loss_is_allowed() -> None:
    gate = Gate(
        policy(capability("drawing", misuse=[{**WEAK, "at_most": 0.9}]), max_failed=0.5),
        {("drawing", "source"): share(0, 2, failed=1, missing=1)},
        n=2,
    )
    assert finding(gate.decide(), "weak").reason == "want_of_evidence"


@pytest.mark.parametrize("outcomes", [{}, {("drawing", "source"): share(0, missing=100)}])
def test_no_evidence_is_incomplete_and_never_a_verdict(outcomes: dict[tuple[str, str], list[object]]) -> None:
    decision = Gate(policy(capability("drawing", misuse=[WEAK])), outcomes).decide()  # type: ignore[arg-type]
    assert decision.verdict == "incomplete"
    assert decision.exit_code == 3
    assert finding(decision, "weak").sentence == "none of 100 planned items was scored"
    assert finding(decision, "weak").settle == "measure all 100 planned items"


@pytest.mark.parametrize(
    ("age", "verdict"), [(0, "release"), (90, "release"), (91, "incomplete"), (4000, "incomplete")]
)
def test_evidence_that_is_too_old_shows_nothing(age: int, verdict: str) -> None:
    gate = one(0)
    gate.today = OPENED + timedelta(days=age)
    decision = gate.decide()
    assert decision.verdict == verdict
    if verdict == "incomplete":
        assert finding(decision, "weak").sentence == f"the evidence is {age} days old, and counts for 90"
        assert finding(decision, "weak").settle == "measure again"


def test_evidence_of_the_future_is_refused() -> None:
    gate = one(0)
    gate.today = date(2025, 12, 31)
    with pytest.raises(EvidenceUntrusted) as caught:
        gate.decide()
    assert str(caught.value) == "plan.json: was opened on 2026-01-01, which is after today"


# 3. Routes.

SERVER = {**MARKED, "id": "served", "enforced_by": "server"}


def routed(weak: int, marked: int, **keys: object) -> Gate:
    both = capability("drawing", misuse=[WEAK], safeguards={"watermark": [MARKED]}, **keys)
    return Gate(policy(both), {("drawing", "source"): share(weak), ("marking", "source"): share(marked)})


@pytest.mark.parametrize(
    ("weak", "marked", "verdict", "route"),
    [
        (0, 100, "release", "misuse"),
        (0, 0, "release", "misuse"),
        (100, 100, "release", "safeguards/watermark"),
        (100, 0, "withhold", None),
    ],
)
def test_either_route_releases_and_misuse_is_named_first(
    weak: int, marked: int, verdict: str, route: str | None
) -> None:
    decision = routed(weak, marked).decide()
    assert (decision.verdict, decision.capabilities[0].route) == (verdict, route)


def test_every_requirement_of_a_route_must_be_met() -> None:
    other = requirement("other", "marking/found", at_most=0.2)
    gate = Gate(
        policy(capability("drawing", misuse=[WEAK, other])),
        {("drawing", "source"): share(0), ("marking", "source"): share(100)},
    )
    assert gate.decide().verdict == "withhold"


def test_one_list_of_safeguards_met_in_full_suffices_and_two_halves_do_not() -> None:
    legible = requirement("legible", "drawing/legible", at_least=0.8, enforced_by="weights")
    first = {**MARKED, "id": "first"}
    second = {**MARKED, "id": "second", "at_least": 0.5}
    half_met = {"one": [first, legible], "two": [second, {**legible, "id": "again"}]}
    gate = Gate(
        policy(capability("drawing", safeguards=half_met)),
        {("drawing", "source"): share(0), ("marking", "source"): share(100)},
    )
    assert gate.decide().verdict == "withhold"
    gate.policy = policy(capability("drawing", safeguards={**half_met, "three": [MARKED]}))
    assert gate.decide().capabilities[0].route == "safeguards/three"


def test_an_unconditional_capability_is_released_and_leant_on() -> None:
    decision = Gate(policy(unconditional("naming"))).decide()
    assert decision.verdict == "release"
    assert decision.capabilities[0].route == "unconditional"
    assert "Naming: unconditional, because: Harmless." in decision.leans_on


def test_a_capability_without_any_route_is_not_released() -> None:
    """`check` refuses such a policy; should one get here, it shows nothing."""
    assert Gate(policy(capability("drawing"))).decide().verdict == "withhold"


# Channels.


@pytest.mark.parametrize(
    ("enforced_by", "channel", "counts"),
    [
        ("weights", "open_weights", True),
        ("weights", "gated_weights", True),
        ("weights", "api", True),
        ("server", "open_weights", False),
        ("server", "gated_weights", False),
        ("server", "api", True),
        ("wrapper", "open_weights", False),
        ("wrapper", "gated_weights", False),
        ("wrapper", "api", False),
    ],
)
def test_a_safeguard_counts_where_it_cannot_be_taken_off(enforced_by: str, channel: str, counts: bool) -> None:  # noqa: FBT001
    guarded = capability("drawing", safeguards={"watermark": [{**MARKED, "enforced_by": enforced_by}]})
    decision = Gate(policy(guarded, channel=channel), {("marking", "source"): share(100)}).decide()
    assert decision.verdict == ("release" if counts else "withhold")
    if not counts:
        assert finding(decision, "marked").reason == "does_not_count"
        assert finding(decision, "marked").sentence == "this safeguard does not count at the channel of the release"


def test_a_safeguard_that_does_not_count_is_judged_and_shown_and_wants_no_evidence() -> None:
    guarded = capability("drawing", safeguards={"watermark": [SERVER]})
    for outcomes in ({}, {("marking", "source"): share(100)}):
        decision = Gate(policy(guarded), outcomes).decide()
        assert decision.verdict == "withhold"
        assert finding(decision, "served").status == "not_shown"


RESTRICT = {"otherwise": "restrict", "restrict": {"channel": "api"}}


@pytest.mark.parametrize(("marked", "verdict"), [(100, "restrict"), (0, "withhold"), (80, "withhold")])
def test_restrict_judges_again_at_the_narrower_channel(marked: int, verdict: str) -> None:
    guarded = capability("drawing", misuse=[WEAK], safeguards={"watermark": [SERVER]}, **RESTRICT)
    outcomes = {("drawing", "source"): share(90), ("marking", "source"): share(marked)}
    decision = Gate(policy(guarded), outcomes).decide()
    assert decision.verdict == verdict
    assert decision.channel == ("api" if verdict == "restrict" else "none")
    assert decision.exit_code == 1


def test_restrict_is_not_asked_while_the_wider_channel_wants_evidence() -> None:
    guarded = capability("drawing", misuse=[WEAK], safeguards={"watermark": [SERVER]}, **RESTRICT)
    decision = Gate(policy(guarded), {("marking", "source"): share(100)}).decide()
    assert decision.verdict == "incomplete"


def test_several_restrictions_come_to_the_narrowest() -> None:
    first = capability("drawing", safeguards={"s": [SERVER]}, **RESTRICT)
    second = capability(
        "marking", safeguards={"s": [{**SERVER, "id": "s2"}]}, otherwise="restrict", restrict={"channel": "none"}
    )
    decision = Gate(policy(first, second), {("marking", "source"): share(100)}).decide()
    assert (decision.verdict, decision.channel) == ("restrict", "none")


# 4. Effective alpha.


@pytest.mark.parametrize(
    ("capabilities", "shares"),
    [
        ((capability("a", misuse=[WEAK]),), 1),
        ((capability("a", misuse=[WEAK], safeguards={"s": [MARKED]}),), 2),
        ((capability("a", misuse=[WEAK], safeguards={"s": [MARKED], "t": [SERVER]}),), 3),
        ((capability("a", misuse=[WEAK], **STRIP),), 2),
        (
            (
                capability("a", misuse=[WEAK], safeguards={"s": [MARKED]}, **STRIP),
                capability("b", misuse=[{**WEAK, "id": "w"}]),
            ),
            4,
        ),
        ((unconditional("a"),), 1),
    ],
)
@pytest.mark.parametrize("attempt", [1, 2, 20])
def test_alpha_is_shared_by_attempts_checkpoints_and_alternatives(
    capabilities: tuple[dict[str, object], ...], shares: int, attempt: int
) -> None:
    gate = Gate(policy(*capabilities, alpha=0.04), attempt=attempt)
    expected = effective_alpha(0.04, attempt, shares)
    assert gate.plan.alpha == pytest.approx(expected)
    assert gate.decide().alpha == pytest.approx(expected)
    for found in (f for c in gate.decide().capabilities for f in c.findings):
        assert found.slices[0].estimate.alpha == pytest.approx(expected)


# 5. Strip.


def test_a_strip_that_shows_everything_is_released_stripped() -> None:
    decision = stripping(others=(unconditional("naming"),)).decide()
    assert decision.verdict == "release_stripped"
    assert decision.exit_code == 0
    assert decision.channel == "open_weights"
    assert [c.verdict for c in decision.capabilities] == ["release_stripped", "release"]
    assert decision.capabilities[0].route == "strip"
    assert decision.summary == "The model may be published without drawing."
    assert "cost to restore: not measured" in decision.not_measured


def test_a_capability_that_comes_to_strip_waits_for_its_checkpoint() -> None:
    gate = stripping()
    gate.strip = None
    gate.outcomes = {key: value for key, value in gate.outcomes.items() if key[1] == "source"}
    decision = gate.decide()
    assert decision.verdict == "incomplete"
    assert decision.awaiting_strip == ("drawing",)
    assert decision.capabilities[0].sentence.startswith("no stripped checkpoint was measured; ")


@pytest.mark.parametrize(
    ("gone", "right", "failing"),
    [(90, (95, 95), "gone"), (20, (95, 95), "gone"), (0, (95, 60), "kept"), (0, (95, 85), "kept")],
)
def test_removal_and_keep_must_both_be_met(gone: int, right: tuple[int, int], failing: str) -> None:
    decision = stripping(gone=gone, right=right).decide()
    assert decision.verdict == "withhold"
    assert finding(decision, failing).status != "met"
    assert failing in decision.capabilities[0].sentence


def test_nothing_measured_on_the_source_counts_for_the_stripped_checkpoint() -> None:
    gate = stripping()
    del gate.outcomes["drawing", DRAWING]
    assert gate.decide().verdict == "incomplete"


def test_keep_is_paired_item_by_item_with_the_source() -> None:
    """Equal shares, on different items: half of the pairs are losses."""
    gate = stripping(right=(50, 50))
    assert gate.decide().verdict == "release_stripped"
    gate.outcomes["naming", DRAWING] = [0.0 if value else 1.0 for value in share(50)]
    decision = gate.decide()
    assert finding(decision, "kept").slices[0].estimate.hits == 50
    assert finding(decision, "kept").slices[0].estimate.gains == 50
    assert decision.verdict == "withhold"


@pytest.mark.parametrize("which", ["source", DRAWING])
def test_a_pair_with_a_lost_member_is_a_loss(which: str) -> None:
    gate = stripping(right=(100, 100))
    whole = finding(gate.decide(), "kept").slices[0].estimate
    gate.outcomes["naming", which] = share(95, failed=3, missing=2)
    found = finding(gate.decide(), "kept").slices[0].estimate
    assert (whole.scored, found.scored, found.hits) == (100, 95, 0)
    assert found.high is not None
    assert whole.high is not None
    assert found.high > whole.high + 0.04
    assert gate.decide().verdict == "withhold"
    gate.outcomes["naming", which] = share(94, failed=6)
    assert gate.decide().verdict == "incomplete"


def test_a_gain_is_a_loss_where_lower_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import tiny_gates

    share_of = {"title": "Wrong", "type": "bernoulli", "unit": "share", "range": [0, 1], "better": "lower"}
    monkeypatch.setitem(tiny_gates.CARDS, "naming", tiny_gates.card("naming", "right", metrics={"right": share_of}))
    assert stripping(right=(0, 50)).decide().verdict == "withhold"
    assert stripping(right=(50, 0)).decide().verdict == "release_stripped"


def test_other_capabilities_are_judged_again_on_the_stripped_checkpoint() -> None:
    marking = capability("marking", misuse=[requirement("unfound", "marking/found", at_most=0.2)])
    gate = stripping(others=(marking,))
    gate.outcomes["marking", "source"] = share(0)
    assert gate.decide().verdict == "incomplete"
    gate.outcomes["marking", DRAWING] = share(0)
    assert gate.decide().verdict == "release_stripped"
    gate.outcomes["marking", DRAWING] = share(90)
    decision = gate.decide()
    assert decision.verdict == "withhold"
    assert "unfound" in decision.capabilities[0].sentence


def test_a_lost_route_that_is_not_needed_does_not_hide_a_failed_strip() -> None:
    """Every other capability is released by one route; what its other route lacks changes nothing."""
    two_routes = capability(
        "marking",
        misuse=[requirement("unfound", "marking/found", at_most=0.2)],
        safeguards={"s": [{**MARKED, "id": "m"}]},
    )
    gate = stripping(gone=90, others=(two_routes,))
    gate.outcomes["marking", "source"] = share(0)
    gate.outcomes["marking", DRAWING] = share(0)
    assert gate.decide().verdict == "withhold"


def test_a_restricted_capability_narrows_the_stripped_release_too() -> None:
    guarded = capability("marking", safeguards={"s": [SERVER]}, **RESTRICT)
    gate = stripping(others=(guarded,))
    gate.outcomes["marking", "source"] = gate.outcomes["marking", DRAWING] = share(100)
    decision = gate.decide()
    assert (decision.verdict, decision.channel) == ("restrict", "api")
    assert decision.strip is not None
    assert decision.strip.verdict == "restrict"


def test_a_capability_that_the_strip_lays_bare_is_restricted_as_it_would_be_on_the_source() -> None:
    """Weights carried the safeguard; the strip broke it, and the server's still counts at the narrower channel."""
    both = {"baked": [MARKED], "served": [{**SERVER, "metric": "naming/right"}]}
    gate = stripping(others=(capability("marking", safeguards=both, **RESTRICT),))
    gate.outcomes["marking", "source"] = share(100)
    gate.outcomes["marking", DRAWING] = share(0)
    decision = gate.decide()
    assert decision.capabilities[1].verdict == "restrict"
    assert (decision.verdict, decision.channel) == ("restrict", "api")


def test_capabilities_are_stripped_together_and_a_receipt_of_less_does_not_do() -> None:
    second = capability("marking", misuse=[requirement("unfound", "marking/found", at_most=0.2)], **STRIP)
    second |= {"removal": [{**GONE, "id": "gone2"}], "keep": [{**KEPT, "id": "kept2"}], "recipe": "tiny-hf/marking"}
    gate = stripping(others=(second,))
    gate.outcomes["marking", "source"] = share(100)
    assert gate.decide().awaiting_strip == ("drawing", "marking")
    together = "stripped:drawing+marking"
    gate.outcomes = {(e, together if c == DRAWING else c): v for (e, c), v in gate.outcomes.items()}
    gate.strip = together
    assert gate.decide().verdict == "release_stripped"


def test_a_checkpoint_without_more_than_must_go_is_judged_by_all_that_was_taken_out() -> None:
    second = capability("marking", misuse=[requirement("unfound", "marking/found", at_most=0.2)], **STRIP)
    second |= {"removal": [requirement("gone2", "marking/found", at_most=0.2)], "keep": [{**KEPT, "id": "kept2"}]}
    gate = stripping(others=({**second, "recipe": "tiny-hf/marking"},))
    together = "stripped:drawing+marking"
    gate.outcomes = {(e, together if c == DRAWING else c): v for (e, c), v in gate.outcomes.items()}
    gate.outcomes["marking", "source"] = share(0)
    gate.strip = together
    assert gate.decide().verdict == "incomplete"
    gate.outcomes["marking", together] = share(0)
    assert gate.decide().verdict == "release_stripped"
    gate.outcomes["marking", together] = share(90)
    assert gate.decide().verdict == "withhold"


def test_no_strip_is_asked_for_while_another_capability_is_withheld() -> None:
    second = capability("marking", misuse=[requirement("unfound", "marking/found", at_most=0.2)])
    gate = Gate(
        policy(capability("drawing", misuse=[WEAK], **STRIP), second),
        {("drawing", "source"): share(90), ("marking", "source"): share(90), ("naming", "source"): share(90)},
    )
    decision = gate.decide()
    assert (decision.verdict, decision.awaiting_strip) == ("withhold", ())
    assert decision.capabilities[0].sentence.startswith("not stripped, as another capability keeps the model in; ")


# 6. Incomplete.


def test_a_capability_is_incomplete_while_an_open_route_wants_evidence() -> None:
    gate = routed(90, 0)
    del gate.outcomes["marking", "source"]
    assert gate.decide().verdict == "incomplete"


def test_a_met_route_releases_whatever_another_route_lacks() -> None:
    gate = routed(0, 0)
    del gate.outcomes["marking", "source"]
    assert gate.decide().verdict == "release"


def test_enough_evidence_that_does_not_settle_is_otherwise() -> None:
    assert one(20).decide().verdict == "withhold"
    assert finding(one(20).decide(), "weak").reason == "unsettled"


def test_a_violated_slice_does_not_hide_one_that_was_not_measured() -> None:
    sliced = policy(capability("drawing", misuse=[{**WEAK, "slices": ["digit"]}]))
    lost = Gate(sliced, {("drawing", "source"): [None, *share(49, 49), *share(0, 50, missing=50)]})
    assert lost.decide().verdict == "incomplete"


def test_a_withheld_capability_is_named_under_incomplete() -> None:
    first = capability("drawing", misuse=[WEAK])
    second = capability("marking", misuse=[requirement("unfound", "marking/found", at_most=0.2)])
    decision = Gate(policy(first, second), {("drawing", "source"): share(90)}).decide()
    assert decision.verdict == "incomplete"
    assert decision.summary == (
        "Nothing can be published yet: evidence is wanting on marking. Withheld in any case: drawing."
    )


def test_what_would_be_stripped_is_not_called_withheld_while_evidence_is_wanting() -> None:
    second = capability("marking", misuse=[requirement("unfound", "marking/found", at_most=0.2)])
    gate = Gate(policy(capability("drawing", misuse=[WEAK], **STRIP), second), {("drawing", "source"): share(90)})
    decision = gate.decide()
    assert decision.verdict == "incomplete"
    assert "Withheld" not in decision.summary
    assert decision.awaiting_strip == ()


# The order of verdicts.


def test_verdicts_are_totally_ordered_and_the_worst_capability_decides() -> None:
    assert VERDICTS == ("release", "release_stripped", "restrict", "withhold", "incomplete")
    for i, better in enumerate(VERDICTS):
        for worse in VERDICTS[i:]:
            assert worst([better, worse]) == worst([worse, better]) == worse


def test_no_verdict_comes_of_nothing() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst([])


@pytest.mark.parametrize(
    ("gate", "code"), [(one(0), 0), (stripping(), 0), (one(90), 1), (one(0, missing=50), 3)], ids=str
)
def test_exit_codes_follow_the_verdict(gate: Gate, code: int) -> None:
    assert gate.decide().exit_code == code


# 7. Slices.


def test_every_value_of_a_gated_dimension_must_hold() -> None:
    sliced = policy(capability("drawing", misuse=[{**WEAK, "slices": ["digit"]}]))
    decision = Gate(sliced, {("drawing", "source"): [*share(0, 50), *share(20, 50)]}).decide()
    found = finding(decision, "weak")
    assert decision.verdict == "withhold"
    assert [(s.labels, s.status) for s in found.slices] == [({"digit": "1"}, "violated"), ({"digit": "0"}, "met")]
    assert "for digit 1" in found.sentence


def test_all_gates_what_the_card_marks() -> None:
    ink = (
        Cell(labels={"digit": "0", "ink": "red"}, metrics=("legible",), n=50),
        Cell(labels={"digit": "1", "ink": "blue"}, metrics=("legible",), n=50),
    )
    gate = Gate(
        policy(capability("drawing", misuse=[{**WEAK, "slices": "all"}])),
        {("drawing", "source"): share(0)},
        cells={"drawing": ink},
    )
    assert [s.labels for s in finding(gate.decide(), "weak").slices] == [{"digit": "0"}, {"digit": "1"}]


def test_cells_are_the_combinations_that_are_planned() -> None:
    cells = tuple(
        Cell(labels={"digit": d, "ink": i}, metrics=("legible",), n=50)
        for d, i in (("0", "red"), ("0", "blue"), ("1", "red"))
    )
    gate = Gate(
        policy(capability("drawing", misuse=[{**WEAK, "slices": [["digit", "ink"]]}])),
        {("drawing", "source"): share(0, 150)},
        cells={"drawing": cells},
    )
    found = finding(gate.decide(), "weak")
    assert len(found.slices) == 3
    assert all(s.estimate.planned == 50 for s in found.slices)


def test_items_without_the_label_of_a_gated_dimension_do_not_escape() -> None:
    cells = (
        Cell(labels={"digit": "0"}, metrics=("legible",), n=50),
        Cell(labels={}, metrics=("legible",), n=50),
    )
    gate = Gate(
        policy(capability("drawing", misuse=[{**WEAK, "slices": ["digit"]}])),
        {("drawing", "source"): [*share(0, 50), *share(50, 50)]},
        cells={"drawing": cells},
    )
    decision = gate.decide()
    assert decision.verdict == "withhold"
    assert finding(decision, "weak").slices[0].labels == {"digit": "(none)"}


def test_a_dimension_that_no_item_carries_is_want_of_evidence() -> None:
    gate = Gate(policy(capability("drawing", misuse=[{**WEAK, "slices": ["ink"]}])), {("drawing", "source"): share(0)})
    decision = gate.decide()
    assert decision.verdict == "incomplete"
    assert finding(decision, "weak").sentence == "no planned item carries drawing/legible for ink (none planned)"


def test_an_eval_that_did_not_load_shows_nothing() -> None:
    gate = Gate(policy(capability("drawing", misuse=[WEAK])), cells={"drawing": ()})
    assert gate.decide().verdict == "incomplete"


# Evidence that belongs elsewhere.


def test_evidence_of_another_checkpoint_is_refused() -> None:
    gate = one(0)
    plan, evidence = gate.plan, evidence_of(gate.plan, gate.outcomes)
    (identity, columns), *_ = evidence.columns.items()
    other = Columns(columns.cells, columns.cell, columns.state, columns.values, (), "sha256:" + "9" * 64)
    with pytest.raises(EvidenceUntrusted, match=r"evidence of drawing on source: was measured on sha256:9+, expected"):
        decide(gate.policy, plan, Evidence({identity: other}, evidence.digest), None, OPENED)


def test_evidence_that_the_plan_does_not_list_is_refused() -> None:
    gate = one(0)
    evidence = evidence_of(gate.plan, gate.outcomes)
    (columns,) = evidence.columns.values()
    with pytest.raises(EvidenceUntrusted, match="is not a measurement of the plan"):
        decide(gate.policy, gate.plan, Evidence({"sha256:" + "5" * 64: columns}, evidence.digest), None, OPENED)


def test_evidence_of_a_strip_without_its_receipt_is_refused() -> None:
    gate = stripping()
    plan = gate.plan
    with pytest.raises(EvidenceUntrusted, match="expected a stripped checkpoint with its receipt"):
        decide(gate.policy, plan, evidence_of(plan, gate.outcomes), None, OPENED)


def test_evidence_of_a_strip_of_another_source_is_refused() -> None:
    gate = stripping()
    plan = gate.plan
    receipt = receipt_of(plan, DRAWING)
    foreign = receipt.model_copy(update={"source": "sha256:" + "3" * 64})
    with pytest.raises(EvidenceUntrusted, match="expected a stripped checkpoint with its receipt"):
        decide(gate.policy, plan, evidence_of(plan, gate.outcomes), foreign, OPENED)


# Replay.


def test_a_decision_by_another_policy_is_marked_as_a_replay() -> None:
    gate = one(25)
    lenient = policy(capability("drawing", misuse=[{**WEAK, "at_most": 0.5}]))
    assert gate.decide().verdict == "withhold"
    replayed = gate.decide(by=lenient)
    assert (replayed.verdict, replayed.replay) == ("release", True)
    assert not gate.decide(by=gate.policy).replay


def test_a_replay_that_asks_for_what_was_not_planned_is_incomplete() -> None:
    stricter = policy(capability("drawing", misuse=[WEAK, requirement("unfound", "marking/found", at_most=0.2)]))
    assert one(0).decide(by=stricter).verdict == "incomplete"


# 9. What a decision leans on, and what was not measured.


def test_public_items_and_an_unanchored_ledger_are_leant_on() -> None:
    unanchored = POSITION.model_copy(update={"anchored": False})
    gate = one(0)
    plan = gate.plan.model_copy(update={"ledger": unanchored})
    decision = decide(gate.policy, plan, evidence_of(plan, gate.outcomes), None, OPENED)
    assert "ledger: unanchored: attempts removed from its end would not be seen" in decision.leans_on
    anchored = stripping().decide().leans_on
    assert "naming: 100 public items, which the model's author may have trained on; attempt 1" in anchored
    assert not any("ledger" in line for line in anchored)


def test_what_wants_evidence_is_listed_as_not_measured() -> None:
    decision = one(0, missing=100).decide()
    assert decision.not_measured == ("drawing/legible on source: none of 100 planned items was scored",)
    assert one(0).decide().not_measured == ()


def test_failures_are_quoted() -> None:
    found = finding(one(0, failed=50).decide(), "weak")
    assert found.errors == ("ValueError: broken",)
    assert found.sentence == "50 of 100 planned items failed or are missing: ValueError: broken"


def test_a_decision_survives_its_own_text_and_holds_no_clock() -> None:
    gate = stripping(others=(unconditional("naming"),))
    decision = gate.decide()
    assert type(decision).from_text(decision.text()) == decision
    gate.today = OPENED + timedelta(days=30)
    assert gate.decide() == decision
