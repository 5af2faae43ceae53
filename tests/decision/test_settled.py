"""When a measurement is settled, what is then no gap, and that stopping there changes no verdict."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from releasegate.decision import Decision
from releasegate.decision.settled import may_stop, settled_by
from releasegate.evidence import Columns
from releasegate.plan import SOURCE
from tests.decision.test_losing_by_method import _MADE as MADE
from tests.decision.test_losing_by_method import QUICK, THOROUGH_EACH, place, trials
from tests.decision.test_losing_evidence import Case, cases
from tests.tiny_gates import (
    OPENED,
    STRIP,
    WEAK,
    Gate,
    Outcome,
    Outcomes,
    capability,
    evidence_of,
    finding,
    policy,
    requirement,
    share,
    unconditional,
)
from tests.tiny_methods import Trial, clustered
from tests.tiny_waivers import with_trust

SLICED = {**WEAK, "slices": ["digit"]}
ONE, ZERO = 1.0, 0.0


def drawing(*outcomes: Outcome, n: int = 100, of: Any = WEAK, **release: Any) -> Gate:
    """A withheld capability with one requirement, and the outcomes of its first items."""
    listed = [*outcomes, *[None] * (n - len(outcomes))]
    return Gate(policy(capability("drawing", misuse=[of]), **release), {("drawing", SOURCE): listed}, n=n)


def stopped(gate: Gate) -> list[tuple[str, str, int, int]]:
    """What stopped early."""
    return [(s.eval, s.checkpoint, s.attempted, s.planned) for s in gate.decide().settled]


def test_what_was_not_attempted_after_a_stop_is_no_gap() -> None:
    gate = drawing(*[ONE] * 40)
    found = finding(gate.decide(), "weak")
    estimate = found.slices[0].estimate
    assert (gate.decide().verdict, found.status) == ("withhold", "violated")
    assert (estimate.planned, estimate.attempted, estimate.scored, estimate.not_attempted) == (100, 40, 40, 60)
    assert "40 of 40, settled after 40 of 100 items, lower bound" in found.sentence
    assert stopped(gate) == [("drawing", SOURCE, 40, 100)]
    assert gate.decide().not_measured == ("drawing on source: 60 of 100 items, left alone once all was settled",)


def test_before_it_is_settled_what_is_missing_is_wanted() -> None:
    gate = drawing(*[ONE] * 20)
    assert (finding(gate.decide(), "weak").reason, stopped(gate)) == ("want_of_evidence", [])


def test_a_slice_that_was_cut_short_is_unsettled_and_the_violated_one_stands_first() -> None:
    gate = drawing(*[ONE] * 40, of=SLICED)
    found = finding(gate.decide(), "weak")
    assert [(s.labels["digit"], s.status, s.reason) for s in found.slices] == [
        ("0", "violated", None),
        ("1", "not_shown", "unsettled"),
    ]
    assert found.status == "violated"


def test_where_a_violation_may_be_waived_no_slice_is_left_open() -> None:
    """A waiver covers a violation, never what nobody looked at: with keys for waivers every slice is measured to a fate."""
    half = drawing(*[ONE] * 25, of=SLICED)
    assert half.decide().verdict == "withhold"
    waivable = replace(half, policy=with_trust(half.policy))
    found = finding(waivable.decide(), "weak")
    assert (found.status, found.reason) == ("not_shown", "want_of_evidence")
    both = replace(waivable, outcomes={("drawing", SOURCE): [*[ONE] * 90, *[None] * 10]})
    assert finding(both.decide(), "weak").status == "violated"
    assert stopped(both) == [("drawing", SOURCE, 90, 100)]
    failed = replace(waivable, outcomes={("drawing", SOURCE): [*[ONE] * 50, *["failed"] * 50]})
    assert finding(failed.decide(), "weak").reason == "want_of_evidence"


def test_a_hole_before_the_stop_is_a_gap_and_one_after_it_is_none() -> None:
    whole = [ONE] * 40
    for hole in (0, 10):
        holed = drawing(*[None if i == hole else o for i, o in enumerate(whole)], ONE, ONE, of=SLICED)
        assert holed.decide().verdict == "incomplete"
    assert drawing(*whole, None, ONE, ONE, of=SLICED).decide().verdict == "withhold"


def test_failures_among_the_items_attempted_keep_it_from_being_settled() -> None:
    few = drawing(*[ONE] * 39, "failed", of=SLICED, max_failed=0.05)
    many = drawing(*["failed"] * 4, *[ONE] * 36, of=SLICED, max_failed=0.05)
    assert (few.decide().verdict, many.decide().verdict) == ("withhold", "incomplete")
    assert finding(many.decide(), "weak").reason == "want_of_evidence"


def test_failures_after_the_stop_do_not_count() -> None:
    """Else losing them would bring a verdict about."""
    gate = drawing(*[ONE] * 50, *["failed"] * 50, of=SLICED)
    assert gate.decide().verdict == "withhold"
    assert stopped(gate) == []


def test_every_requirement_on_an_eval_must_be_decided() -> None:
    both = [WEAK, requirement("less", "drawing/legible", at_most=0.95)]
    gate = Gate(policy(capability("drawing", misuse=both)), {("drawing", SOURCE): share(60, missing=40)})
    assert stopped(gate) == []
    assert finding(gate.decide(), "less").reason == "want_of_evidence"
    early = [WEAK, {**both[1], "at_most": 0.5, "sequential": True}]
    gate = Gate(policy(capability("drawing", misuse=early)), gate.outcomes)
    assert stopped(gate) == [("drawing", SOURCE, 60, 100)]


def test_a_safeguard_that_does_not_count_at_the_channel_is_decided_all_the_same() -> None:
    marked = requirement("marked", "marking/found", at_least=0.8, enforced_by="server")
    outcomes: Outcomes = {("marking", SOURCE): share(0, missing=50)}
    gate = Gate(policy(capability("drawing", safeguards={"mark": [marked]})), outcomes)
    assert stopped(gate) == [("marking", SOURCE, 50, 100)]
    assert finding(gate.decide(), "marked").reason == "does_not_count"


def test_the_baseline_of_what_is_kept_never_stops_and_the_stripped_checkpoint_may() -> None:
    naming = requirement("unknown", "naming/right", at_most=0.2)
    made = policy(capability("drawing", misuse=[WEAK], **STRIP), capability("naming", misuse=[naming]))
    plan = Gate(made).plan
    measurements = {(m.eval, m.checkpoint): m for m in plan.measurements}
    assert {key: may_stop(made, plan, m) for key, m in measurements.items()} == {
        ("drawing", SOURCE): True,
        ("naming", SOURCE): False,
        ("drawing", "stripped:drawing"): True,
        ("naming", "stripped:drawing"): True,
    }
    outcomes: Outcomes = {("naming", SOURCE): share(60, missing=40), ("drawing", SOURCE): share(0)}
    assert stopped(Gate(made, outcomes)) == []


def test_what_is_kept_stops_only_with_a_whole_baseline() -> None:
    made = policy(capability("drawing", misuse=[WEAK], **STRIP), unconditional("naming"))
    stripped = "stripped:drawing"
    outcomes: Outcomes = {
        ("drawing", SOURCE): share(100),
        ("naming", SOURCE): share(100),
        ("drawing", stripped): share(0),
        ("naming", stripped): share(0, missing=20),
    }
    gate = Gate(made, outcomes, stripped)
    assert stopped(gate) == [("naming", stripped, 80, 100)]
    assert finding(gate.decide(), "kept").status == "violated"
    for gap in (10, 99):
        base: list[Outcome] = [None if i == gap else ONE for i in range(100)]
        assert stopped(replace(gate, outcomes=outcomes | {("naming", SOURCE): base})) == []


def test_sampled_clusters_are_never_settled_early() -> None:
    trial = Trial(
        clustered("sampled"), "right", {"at_least": 0.8}, [(i % 20, ZERO) for i in range(60)],
        labels=[{"speaker": f"s{i:02}"} for i in range(20)], planned=(4,) * 20,
    )  # fmt: skip
    assert (trial.decide().settled, trial.found.reason) == ((), "want_of_evidence")


def test_an_eval_whose_figures_want_all_items_is_never_settled_early() -> None:
    made = policy(capability("drawing", misuse=[WEAK]))
    plan = Gate(made).plan
    cards = {
        name: card.model_copy(update={"items": card.items.model_copy(update={"whole": True})})
        for name, card in plan.cards.items()
    }
    (measurement,) = plan.measurements
    assert may_stop(made, plan, measurement)
    assert not may_stop(made, plan.model_copy(update={"cards": cards}), measurement)


def test_what_nothing_is_judged_on_is_never_settled() -> None:
    made = policy(capability("drawing", misuse=[WEAK]), capability("marking", misuse=[{**WEAK, "id": "x"}]))
    other = policy(capability("drawing", misuse=[{**WEAK, "metric": "marking/found"}]))
    plan = Gate(made).plan
    assert not may_stop(other, plan, plan.measurements[0])


def test_another_policy_is_asked_what_settles_it() -> None:
    """A run that stopped under its own policy is incomplete under one that asks for more, and settled under another."""
    gate = drawing(*[ONE] * 40)
    asks = policy(capability("drawing", misuse=[{**WEAK, "at_most": 0.6}]))
    assert gate.decide(by=asks).verdict == "incomplete"
    assert gate.decide(by=policy(capability("drawing", misuse=[{**WEAK, "at_most": 0.1}]))).verdict == "withhold"


def test_old_evidence_shows_nothing_however_settled() -> None:
    gate = drawing(*[ONE] * 40)
    later = replace(gate, today=OPENED.replace(year=2027))
    assert (later.decide().verdict, finding(later.decide(), "weak").reason) == ("incomplete", "want_of_evidence")


# Stopping changes no verdict.


def statuses(decision: Decision) -> list[tuple[str, str, str, str | None]]:
    """What was found of each requirement on each checkpoint."""
    found = [f for c in decision.capabilities for f in c.findings] + list(
        decision.strip.findings if decision.strip else ()
    )
    return [(f.requirement, f.checkpoint, f.status, f.reason) for f in found]


def first_stop(trial: Trial, shard: int) -> int | None:
    """The number of items after which the runner stops, shard by shard; None: it measures all."""
    name = "stripped:talking" if "margin" in trial.limit else SOURCE
    measurement = trial.plan.find("tested", name)
    if measurement is None:
        return None
    for n in range(shard, len(trial.gate), shard):
        part = trial.with_items(gate=[(c, o if i < n else None) for i, (c, o) in enumerate(trial.gate)])
        columns: dict[str, Columns] = dict(part.evidence(trial.plan).columns)
        if settled_by(trial.plan, columns, measurement):
            return n
    return None


def stopping_changes_nothing(trial: Trial, shard: int) -> None:
    """The runner records every item; what is missing in a trial is lost later, before the stop or after it."""
    n = first_stop(trial, shard)
    event(f"stops: {n is not None}")
    if n is None:
        return
    whole = trial.decide()
    part = trial.with_items(gate=[(c, o if i < n else None) for i, (c, o) in enumerate(trial.gate)])
    assert part.decide().verdict == whole.verdict
    assert statuses(part.decide()) == statuses(whole)
    assert all(reason is None for name, _, _, reason in statuses(whole) if name == "tested")


@given(method=st.sampled_from(sorted(MADE)), data=st.data(), shard=st.sampled_from([1, 7, 20]))
@settings(QUICK)
def test_stopping_changes_no_verdict(method: str, data: st.DataObject, shard: int) -> None:
    stopping_changes_nothing(data.draw(trials(method)), shard)


@pytest.mark.slow
@pytest.mark.parametrize("method", MADE)
@given(data=st.data(), shard=st.sampled_from([7, 20]))
@THOROUGH_EACH
def test_stopping_changes_no_verdict_in_thousands_of_cases(method: str, data: st.DataObject, shard: int) -> None:
    stopping_changes_nothing(data.draw(trials(method)), shard)


def as_stopped(case: Case) -> Outcomes:
    """The outcomes of a case up to where each measurement stopped."""
    found: Outcomes = {}
    columns = dict(evidence_of(case.plan, case.outcomes).columns)
    for key, values in case.outcomes.items():
        measurement = case.plan.find(*key)
        assert measurement is not None
        n = len(values)
        for end in range(5, n, 5):
            cut: Outcomes = {key: [*values[:end], *[None] * (n - end)]}
            some = {**columns, **evidence_of(case.plan, cut).columns}
            if settled_by(case.plan, some, measurement):
                n = end
                break
        found[key] = [*values[:n], *[None] * (len(values) - n)]
    return found


@given(case=cases())
@settings(QUICK, max_examples=100)
def test_stopping_every_measurement_of_a_policy_changes_no_verdict(case: Case) -> None:
    short = as_stopped(case)
    event(f"stops: {short != case.outcomes}")
    whole, part = case.decide(), case.decide(short)
    assert (part.verdict, statuses(part)) == (whole.verdict, statuses(whole))


@given(case=cases(), chance=st.randoms(use_true_random=False), become=st.sampled_from([None, "failed"]))
@settings(QUICK, max_examples=100)
def test_losing_what_a_stopped_run_holds_never_improves_the_verdict(
    case: Case, chance: random.Random, become: Outcome
) -> None:
    short = as_stopped(case)
    before = case.decide(short)
    for _ in range(2):
        key = chance.choice(sorted(short)) if short else None
        if key is None:
            return
        lost = set(chance.sample(range(len(short[key])), chance.choice([1, 1, 2, 5])))
        short = short | {key: [become if i in lost and o is not None else o for i, o in enumerate(short[key])]}
        after = case.decide(short)
        awaited = before.verdict == "incomplete" and (bool(before.awaiting_strip) or before.strip is not None)
        assert place(after) >= place(before) or (awaited and after.verdict == "withhold" and after.strip is None)
        before = after


CALIBRATED = sorted(name for name in MADE if "judge" in name or "threshold" in name)


@given(method=st.sampled_from(CALIBRATED), data=st.data(), chance=st.randoms(use_true_random=False))
@settings(QUICK)
def test_losing_calibration_of_a_stopped_run_never_improves_the_verdict(
    method: str, data: st.DataObject, chance: random.Random
) -> None:
    trial = data.draw(trials(method))
    n = first_stop(trial, 5) or len(trial.gate)
    part = trial.with_items(gate=[(c, o if i < n else None) for i, (c, o) in enumerate(trial.gate)])
    before, listed = part.decide(), list(part.calibration or ())
    event(f"stopped: {before.settled != ()}")
    for become in (None, "failed"):
        lost = set(chance.sample(range(len(listed)), 1))
        fewer = [(c, become if i in lost and o is not None else o) for i, (c, o) in enumerate(listed)]
        assert place(part.with_items(calibration=fewer).decide()) >= place(before)
