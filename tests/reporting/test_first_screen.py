"""The first screen: the answer, worst first, with nothing that speaks against the release out of sight."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from releasegate.decision import Decision
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.first.changing import changes
from releasegate.reporting.first.leaning import leant_on
from releasegate.reporting.first.screen import first_screen
from releasegate.reporting.views.first import FirstScreen
from tests.reporting.example_run import Example, example, viewed
from tests.reporting.voice_run import Cast, voice_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run")


def first_of(made: Example, **changed: Any) -> FirstScreen:
    return viewed(replace(made, decision=made.decision.model_copy(update=changed))).first


def test_a_name_in_the_policy_stands_beside_the_digest(made: Example) -> None:
    named = made.plan.policy.model.model_copy(update={"name": "Quetzal-7B"})
    plan = made.plan.model_copy(update={"policy": made.plan.policy.model_copy(update={"model": named})})
    fact = first_screen(made.decision, plan, defaultdict(tuple), ()).facts[0]
    assert (fact.name, fact.text, fact.digest) == ("model, layout toy", "Quetzal-7B", made.decision.model)
    unnamed = viewed(made).first.facts[0]
    assert (unnamed.name, unnamed.text, unnamed.digest) == ("model", "layout toy", made.decision.model)


def test_it_says_what_it_is_about_and_that_nobody_had_to_approve(made: Example) -> None:
    facts = {fact.name: fact for fact in viewed(made).first.facts}
    assert list(facts) == ["model", "policy", "channel", "opened", "approvals", "evidence"]
    assert facts["policy"].digest == made.decision.policy_digest
    assert facts["channel"].text == "open weights"
    assert facts["approvals"].text == "none asked for"


def test_a_capability_is_told_by_its_numbers(made: Example) -> None:
    lines = {line.title: (line.mark.word, line.sentence) for line in viewed(made).first.capabilities}
    assert lines == {
        "Draws things": ("Stripped", "Draws things: 0.667 as trained, 0.000 after the strip, limit at most 0.2."),
        "Names things": ("Released", "Unconditional: it goes out whatever is measured."),
    }


def test_a_capability_that_a_waiver_holds_says_so_and_names_the_route_that_was_taken(made: Example) -> None:
    first = made.decision.capabilities[0]
    waived = first.findings[0].model_copy(update={"status": "waived"})
    mark = {"section": "safeguards", "safeguards": "mark", "requirement": "marked", "metric": "drawing/masked"}
    against = first.findings[0].model_copy(update={**mark, "status": "violated"})
    c = first.model_copy(update={"findings": (against, waived), "route": "misuse", "verdict": "release"})
    assert reason(c, (), made.plan) == "Draws things: 0.667, limit at most 0.2, held by a waiver."


def many(made: Example, withheld: int, released: int) -> Decision:
    """The same decision about many capabilities, the withheld ones at the end."""
    one = made.decision.capabilities[1]
    every = [one.model_copy(update={"id": f"free-{i}"}) for i in range(released)]
    every += [one.model_copy(update={"id": f"kept-{i}", "verdict": "withhold"}) for i in range(withheld)]
    return made.decision.model_copy(update={"capabilities": tuple(every), "verdict": "withhold"})


@pytest.mark.parametrize(("withheld", "released", "shown"), [(2, 48, 8), (20, 30, 20), (0, 9, 9), (1, 5, 6)])
def test_of_many_capabilities_all_that_are_kept_in_are_in_sight(
    made: Example, withheld: int, released: int, shown: int
) -> None:
    first = first_screen(many(made, withheld, released), made.plan, defaultdict(tuple), ())
    words = [line.mark.word for line in first.capabilities]
    assert words == ["Withheld"] * withheld + ["Released"] * (shown - withheld)
    assert [line.mark.word for line in first.released] == ["Released"] * (withheld + released - shown)


def test_the_capabilities_below_stand_in_the_order_of_the_first_screen(made: Example) -> None:
    free, drawn = reversed(made.decision.capabilities)
    view = viewed(replace(made, decision=made.decision.model_copy(update={"capabilities": (free, drawn)})))
    assert [c.anchor for c in view.capabilities] == [line.anchor for line in view.first.capabilities]
    assert [c.id for c in view.capabilities] == [drawn.id, free.id]


def test_a_clean_release_has_nothing_to_change(tmp_path: Path) -> None:
    made = example(tmp_path / "run", drawn=0, strip=False)
    assert made.decision.verdict == "release"
    assert viewed(made).first.would_change == ()


def test_what_more_evidence_may_settle_stands_before_what_was_refuted(made: Example) -> None:
    capability = made.decision.capabilities[0]
    (weak,) = capability.findings
    unsettled = {"status": "not_shown", "reason": "unsettled"}
    findings = (
        weak,
        weak.model_copy(
            update={**unsettled, "requirement": "far", "settle": "3 hits in 40; needs 1,208 items at that rate"}
        ),
        weak.model_copy(update={**unsettled, "requirement": "near", "settle": "needs 12 items"}),
        weak.model_copy(
            update={"status": "not_shown", "reason": "does_not_count", "requirement": "elsewhere", "settle": None}
        ),
        weak.model_copy(
            update={"status": "not_shown", "reason": "does_not_count", "requirement": "too", "settle": None}
        ),
        weak.model_copy(update={"status": "met", "reason": None, "requirement": "met"}),
    )
    held = capability.model_copy(update={"verdict": "withhold", "findings": findings})
    told = changes(made.decision.model_copy(update={"capabilities": (held,), "strip": None, "verdict": "withhold"}))
    assert [([name for _, name in change.findings], change.text) for change in told] == [
        (["near"], "Needs 12 items."),
        (["far"], "3 hits in 40; needs 1,208 items at that rate."),
        (["weak"], "Refuted (40 of 60): only a weaker model would do."),
        (
            ["elsewhere", "too"],
            "Does not count at this channel: enforce it in the weights, or publish where it counts.",
        ),
    ]
    assert told[0].findings == (("finding-source-near", "near"),)


@pytest.mark.parametrize(
    ("limit", "remedy"), [(0.2, "a weaker model"), (0.9, "a weaker model, or a judge that errs less")]
)
def test_where_no_number_of_items_would_do_it_says_what_would(made: Example, limit: float, remedy: str) -> None:
    capability = made.decision.capabilities[0]
    hopeless = {"status": "not_shown", "reason": "unsettled", "limit": limit}
    settle = {"settle": "40 hits in 60; no number of items would show 0.2 at that rate"}
    found = capability.findings[0].model_copy(update=hopeless | settle)
    held = capability.model_copy(update={"verdict": "withhold", "findings": (found,)})
    (change,) = changes(made.decision.model_copy(update={"capabilities": (held,), "strip": None}))
    assert change.text == f"At that rate, 40 hits in 60, no number of items would do; {remedy} would."


def test_a_limit_that_only_the_judge_leaves_open_is_said_to_be_so(made: Example) -> None:
    (weak,) = made.decision.capabilities[0].findings
    open_ = {"status": "not_shown", "reason": "unsettled"}
    for tested, told in ((0.15, "which the judge's errors leave open."), (None, "which is not shown.")):
        worst = weak.slices[0].model_copy(update={**open_, "tested_limit": tested})
        found = weak.model_copy(update={**open_, "slices": (worst,)})
        held = made.decision.capabilities[0].model_copy(update={"verdict": "withhold", "findings": (found,)})
        assert reason(held, (), made.plan).endswith(told)


def test_a_strip_that_is_awaited_would_change_it(tmp_path: Path) -> None:
    made = example(tmp_path / "run", strip=False)
    first = viewed(made).first
    assert "Strip drawing, and measure the stripped checkpoint." in [change.text for change in first.would_change]
    assert "No stripped checkpoint was measured yet, so nothing is decided about it." in first.notices


def test_what_counts_for_less_than_it_says_is_said_first(made: Example) -> None:
    said = " ".join(first_of(made, rehearsal=True, replay=True, verdict_without_waivers="withhold").notices)
    for words in ("Rehearsal: ", "Replay: ", "without them, the verdict would be “Withhold”"):
        assert words in said


def test_items_that_failed_are_listed_with_their_measurement(tmp_path: Path) -> None:
    wanting = viewed(voice_run(tmp_path / "run", Cast(failed=9))).first.not_measured.every
    assert any(line.endswith("items failed") and line.startswith("voice as trained: ") for line in wanting)


def test_public_items_are_told_in_one_sentence_and_a_void_waiver_last(made: Example) -> None:
    public = "public items, which the model's author may have trained on; attempt 1"
    leans = (f"a: 5 {public}", "b: 2 of dimension voice: these, not others", f"c: 7 {public}")
    decision = made.decision.model_copy(
        update={"leans_on": leans, "idle_waivers": ("waiver w does not count: it is old",)}
    )
    assert list(leant_on(decision)) == [
        f"{public}: 5 of a, 7 of c",
        "b: speaks for the 2 measured values of voice, not for others",
        "no support: waiver w does not count: it is old",
    ]


def test_a_thousand_lines_are_folded_up_and_none_is_lost(made: Example) -> None:
    lines = tuple(f"eval-{i} on source: " + "x" * 10_000 for i in range(1000))
    found = first_of(made, not_measured=lines).not_measured
    assert len(found.shown) == 6
    assert len(found.every) == 1000 + 2, "two measurements lost an item each"
    assert max(map(len, found.every)) < 400
