"""Losing, failing, reordering or diluting evidence never improves a verdict, neither that of the release nor that of any
artefact: random policies, random evidence.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from releasegate.decision import VERDICTS, ArtefactDecision, Decision, Verdict, decide
from releasegate.evidence import Cell
from releasegate.plan import Doubt, Plan
from releasegate.policy import ARTEFACTS, CHANNELS, CHECKPOINTS, Policy
from releasegate.receipt import Receipt
from tests.tiny_gates import (
    OPENED,
    Outcome,
    Outcomes,
    capability,
    evidence_of,
    plan_of,
    policy,
    receipt_of,
    requirement,
    unconditional,
)

EVALS = {"drawing": "legible", "marking": "found", "naming": "right"}
PLANNED = {
    name: (Cell(labels={"digit": "0"}, metrics=(metric,), n=20), Cell(labels={"digit": "1"}, metrics=(metric,), n=20))
    for name, metric in EVALS.items()
}
SHARD = 10


@dataclass(frozen=True, repr=False)
class Case:
    """A policy and its evidence."""

    policy: Policy
    plan: Plan
    receipt: Receipt | None
    outcomes: Outcomes

    def __repr__(self) -> str:
        counts = {key: Counter(map(str, values)) for key, values in self.outcomes.items()}
        release = self.policy.release.channels
        return f"{release}, {[c.plain() for c in self.policy.capabilities]}, {self.receipt and self.receipt.planned}, {counts}"

    def decide(self, outcomes: Outcomes | None = None) -> Decision:
        """The decision on this evidence, or on other evidence."""
        evidence = evidence_of(self.plan, self.outcomes if outcomes is None else outcomes)
        return decide(self.policy, self.plan, evidence, self.receipt, OPENED)


def place(verdict: Verdict) -> int:
    """The place of a verdict in the order: 0 is the best."""
    return VERDICTS.index(verdict)


class Numbered:
    """Names that are used once."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> str:
        self.n += 1
        return f"r{self.n}"


@st.composite
def requirements(draw: st.DrawFn, name: Numbered, section: str) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        usual = {"misuse": "drawing", "removal": "drawing", "safeguards": "marking", "keep": "naming"}[section]
        eval_id = draw(st.sampled_from([usual] * 5 + sorted(EVALS)))
        keys: dict[str, Any] = {}
        if section == "keep":
            keys["margin"] = draw(st.sampled_from([0.3, 0.5]))
        else:
            usual = "at_least" if section == "safeguards" else "at_most"
            side = draw(st.sampled_from([usual] * 4 + ["at_most", "at_least"]))
            keys[side] = draw(st.sampled_from([0.4, 0.6]))
        if section == "safeguards":
            keys["enforced_by"] = draw(st.sampled_from(["weights", "server", "server", "wrapper"]))
        if draw(st.integers(0, 3)) == 0:
            keys["slices"] = draw(st.sampled_from([["digit"], "all", [["digit"]]]))
        if draw(st.integers(0, 3)) == 0:
            keys["values"] = {"digit": draw(st.sampled_from([["0"], ["1"], ["0", "1"], ["0", "7"]]))}
        return requirement(name(), f"{eval_id}/{EVALS[eval_id]}", **keys)

    return [one() for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]


@st.composite
def artefacts(draw: st.DrawFn) -> dict[str, str] | None:
    """What would go out, mostly with a checkpoint; None: a policy about a channel alone."""
    if draw(st.integers(0, 2)) == 0:
        return None
    often = [*CHECKPOINTS, *CHECKPOINTS, *ARTEFACTS]
    listed = draw(st.lists(st.sampled_from(often), min_size=1, max_size=3, unique=True))
    return {name: draw(st.sampled_from(CHANNELS[:3])) for name in listed}


@st.composite
def capabilities(draw: st.DrawFn, number: int, name: Numbered, listed: dict[str, str] | None) -> dict[str, Any]:
    made = draw(routes(number, name))
    if listed is not None and (draw(st.booleans()) or not set(CHECKPOINTS) & set(listed)):
        made["artefacts"] = draw(st.lists(st.sampled_from(sorted(listed)), min_size=1, unique=True))
    return made


@st.composite
def routes(draw: st.DrawFn, number: int, name: Numbered) -> dict[str, Any]:
    if draw(st.integers(0, 5)) == 0:
        return unconditional(f"c{number}")
    keys: dict[str, Any] = {}
    lists = draw(st.sampled_from([0, 1, 1, 2]))
    if lists == 0 or draw(st.booleans()):
        keys["misuse"] = draw(requirements(name, "misuse"))
    if lists:
        keys["safeguards"] = {f"s{i}": draw(requirements(name, "safeguards")) for i in range(lists)}
    keys["otherwise"] = draw(st.sampled_from(["strip", "strip", "restrict", "restrict", "withhold"]))
    if keys["otherwise"] == "restrict":
        keys["restrict"] = {"channel": "api"}
    if keys["otherwise"] == "strip":
        keys |= {"recipe": f"tiny-hf/c{number}", "removal": draw(requirements(name, "removal"))}
        keys["keep"] = draw(requirements(name, "keep"))
    return capability(f"c{number}", **keys)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name = Numbered()
    through = draw(artefacts())
    listed = [draw(capabilities(i, name, through)) for i in range(draw(st.integers(1, 3)))]
    out: dict[str, Any] = {} if through is None else {"artefacts": through}
    made = policy(*listed, max_failed=draw(st.sampled_from([0.0, 0.1, 0.3])), **out)
    plan = plan_of(made, cells=PLANNED, shard=SHARD, controlled=draw(st.booleans()), doubts=draw(doubts()))
    outcomes = draw(outcomes_on(plan, "source"))
    awaiting = decide(made, plan, evidence_of(plan, outcomes), None, OPENED).awaiting_strip
    needed = plan.strip_of(awaiting)
    any_strip = st.sampled_from([None, *(s.name for s in plan.strips)])
    strip = needed.name if needed is not None and draw(st.integers(0, 3)) else draw(any_strip)
    if strip is not None:
        outcomes |= draw(outcomes_on(plan, strip))
    return Case(made, plan, receipt_of(plan, strip) if strip else None, outcomes)


@st.composite
def doubts(draw: st.DrawFn) -> tuple[Doubt, ...]:
    kind = draw(st.sampled_from([None, None, None, "odd_number", "unmeasured_part"]))
    return (
        () if kind is None else (Doubt(kind=kind, place="config.json: x", what="is odd", remedy="mend it", part="x"),)
    )


HITS = {"low": [0, 0, 0, 2], "high": [20, 20, 20, 18], "middle": [10]}


@st.composite
def outcomes_on(draw: st.DrawFn, plan: Plan, checkpoint: str) -> Outcomes:
    """Mostly clear evidence, and on a stripped checkpoint mostly what it should show."""
    found: Outcomes = {}
    for m in plan.measurements:
        if m.checkpoint != checkpoint:
            continue
        level = draw(st.sampled_from(["low", "low", "high", "high", "middle"]))
        if checkpoint != "source" and draw(st.integers(0, 5)):
            level = "low" if m.eval == "drawing" else "high"
        if m.eval == "naming" and draw(st.integers(0, 3)):
            level = "high"
        listed = [o for cell in m.cells for o in draw(cell_outcomes(cell.n, level))]
        found[m.eval, checkpoint] = cut(listed, draw(st.sampled_from([len(listed)] * 3 + [5, 10, 20, 30])))
    return found


def cut(outcomes: list[Outcome], n: int) -> list[Outcome]:
    """The outcomes of the first `n` items."""
    return [*outcomes[:n], *[None] * (len(outcomes) - n)]


@st.composite
def cell_outcomes(draw: st.DrawFn, n: int, level: str) -> list[Outcome]:
    hits = draw(st.sampled_from(HITS[level]))
    lost = draw(st.sampled_from([*[0] * 12, 1, 2, n]))
    values: list[Outcome] = [*[1.0] * hits, *[0.0] * (n - hits)]
    for place in range(lost):
        values[place] = draw(st.sampled_from(["failed", None])) if lost < n else None
    return values


Loss = Callable[[Outcomes, random.Random], Outcomes]


def on_some_items(become: Outcome) -> Loss:
    def loss(outcomes: Outcomes, chance: random.Random) -> Outcomes:
        result = {key: list(values) for key, values in outcomes.items()}
        if not result:
            return result
        key = chance.choice(sorted(result))
        values = result[key]
        for place in chance.sample(range(len(values)), chance.choice([1, 1, 2, 4, len(values) // 2])):
            if become is not None and values[place] is None:
                continue
            values[place] = become
        return result

    return loss


def without_a_slice(outcomes: Outcomes, chance: random.Random) -> Outcomes:
    result = dict(outcomes)
    if result:
        key = chance.choice(sorted(result))
        half = len(result[key]) // 2
        kept, lost = result[key][:half], [None] * half
        result[key] = [*kept, *lost] if chance.random() < 0.5 else [*lost, *result[key][half:]]
    return result


def without_a_shard(outcomes: Outcomes, chance: random.Random) -> Outcomes:
    result = dict(outcomes)
    if result:
        key = chance.choice(sorted(result))
        first = SHARD * chance.randrange(len(result[key]) // SHARD)
        result[key] = [None if first <= i < first + SHARD else o for i, o in enumerate(result[key])]
    return result


def without_a_measurement(outcomes: Outcomes, chance: random.Random) -> Outcomes:
    result = dict(outcomes)
    if result:
        del result[chance.choice(sorted(result))]
    return result


def without_the_end(outcomes: Outcomes, chance: random.Random) -> Outcomes:
    result = dict(outcomes)
    if result:
        key = chance.choice(sorted(result))
        result[key] = cut(result[key], chance.randrange(len(result[key])))
    return result


LOSSES: dict[str, Loss] = {
    "dropping the end": without_the_end,
    "dropping": on_some_items(None),
    "failing": on_some_items("failed"),
    "dropping a slice": without_a_slice,
    "dropping a shard": without_a_shard,
    "dropping a measurement": without_a_measurement,
}
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THOROUGH = settings(QUICK, max_examples=5000)


def never_better(case: Case, loss: Loss, chance: random.Random) -> None:
    before = case.decide()
    event(before.verdict)
    outcomes = case.outcomes
    for _ in range(2):
        outcomes = loss(outcomes, chance)
        after = case.decide(outcomes)
        compare(before, after)
        before = after


def compare(before: Decision, after: Decision) -> None:
    """Nothing, if no verdict is better than it was."""
    steps_down = set()
    for old, new in zip(before.artefacts, after.artefacts, strict=True):
        assert old.name == new.name
        if place(new.verdict) < place(old.verdict):
            assert no_longer_awaited(before, old, new), (old.name, old.verdict, new.verdict)
            steps_down.add(old.name)
    if place(after.verdict) < place(before.verdict):
        incomplete = {a.name for a in before.artefacts if a.verdict == "incomplete"}
        assert (before.verdict, after.verdict) == ("incomplete", "withhold")
        assert incomplete <= steps_down


def no_longer_awaited(before: Decision, old: ArtefactDecision, new: ArtefactDecision) -> bool:
    """The one step down: a strip was still to be measured, and now the source shows too little for any strip to help.

    Nothing may be published before, and nothing after: from "not known yet" to "no".
    """
    wanting = {c.id for c in old.capabilities if c.verdict == "incomplete"}
    awaited = wanting <= set(before.awaiting_strip) or old.checkpoint != "source"
    return (old.verdict, new.verdict) == ("incomplete", "withhold") and awaited and new.checkpoint == "source"


@given(case=cases(), loss=st.sampled_from(sorted(LOSSES)), chance=st.randoms(use_true_random=False))
@settings(QUICK, max_examples=200)
def test_losing_evidence_never_improves_the_verdict(case: Case, loss: str, chance: random.Random) -> None:
    never_better(case, LOSSES[loss], chance)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@given(case=cases(), chance=st.randoms(use_true_random=False))
@THOROUGH
def test_losing_evidence_never_improves_the_verdict_in_thousands_of_cases(
    loss: Loss, case: Case, chance: random.Random
) -> None:
    never_better(case, loss, chance)


def filling_a_gap_with_failures_changes_no_bound(case: Case) -> None:
    """Failed items are no evidence: records that were missing and now say "failed" dilute nothing.

    A gap before an eval is settled keeps it from being settled there, and a failure does not: where that is all that is
    wanting, a sound no is found.
    """
    before = case.decide()
    ends: Outcomes = {}
    for key, values in case.outcomes.items():
        end = max((i + 1 for i, o in enumerate(values) if o is not None), default=0)
        ends[key] = [*values[:end], *["failed" for _ in values[end:]]]
    assert case.decide(ends).verdict == before.verdict
    diluted: Outcomes = {key: ["failed" if o is None else o for o in values] for key, values in case.outcomes.items()}
    after = case.decide(diluted)
    for was, became in zip(verdicts(before), verdicts(after), strict=True):
        assert became == was or (was == "incomplete" and became != "release"), (was, became)


def verdicts(decision: Decision) -> list[Verdict]:
    """That of the release, and that of each artefact."""
    return [decision.verdict, *(a.verdict for a in decision.artefacts)]


@given(cases())
@QUICK
def test_diluting_with_failed_records_changes_nothing(case: Case) -> None:
    filling_a_gap_with_failures_changes_no_bound(case)


@pytest.mark.slow
@given(cases())
@THOROUGH
def test_diluting_with_failed_records_changes_nothing_in_thousands_of_cases(case: Case) -> None:
    filling_a_gap_with_failures_changes_no_bound(case)


@given(cases(), st.permutations(range(40)))
@QUICK
def test_the_order_of_records_changes_nothing(case: Case, order: list[int]) -> None:
    def decided(read: list[int] | None) -> str:
        evidence = evidence_of(case.plan, case.outcomes, order=read)
        return decide(case.policy, case.plan, evidence, case.receipt, OPENED).text()

    assert decided(order) == decided(None)


@given(cases(), st.permutations(range(20)))
@QUICK
def test_which_items_of_a_slice_fail_matters_only_to_pairs(case: Case, order: list[int]) -> None:
    """Both checkpoints reordered alike: the same decision, as pairs stay pairs."""
    both = [*order, *[20 + i for i in order]]
    moved: Outcomes = {key: [values[i] for i in both] for key, values in case.outcomes.items()}
    assert verdicts(case.decide(moved)) == verdicts(case.decide())


@given(cases(), st.integers(2, 50))
@QUICK
def test_trying_again_never_makes_it_easier(case: Case, attempt: int) -> None:
    same = {"controlled": case.plan.controlled is not None, "doubts": case.plan.doubts or ()}
    later = plan_of(case.policy, cells=PLANNED, attempt=attempt, shard=SHARD, **same)
    compare(case.decide(), replace(case, plan=later).decide())


@given(cases())
@QUICK
def test_every_verdict_is_reached_and_explained(case: Case) -> None:
    decision = case.decide()
    event(decision.verdict)
    assert decision.summary
    assert len(decision.capabilities) == len(case.policy.capabilities)
    assert all(c.sentence for c in decision.capabilities)
    released = decision.verdict in ("release", "release_stripped", "restrict")
    assert released == (decision.channel != "none")
    assert decision.verdict == VERDICTS[max(place(a.verdict) for a in decision.artefacts)]
    for a in decision.artefacts:
        event(f"{a.name} {a.verdict}")
        assert a.sentence
        assert (a.granted != "none") == (a.verdict in ("release", "release_stripped", "restrict"))
        assert CHANNELS.index(a.granted) >= CHANNELS.index(a.asked)
        assert a.verdict == VERDICTS[max([0, *(place(c.verdict) for c in a.capabilities)])]
        assert a.name in CHECKPOINTS or (a.checkpoint == "source" and a.verdict != "release_stripped")
    judged = {c.id for a in decision.artefacts for c in a.capabilities}
    assert judged == {c.id for c in decision.capabilities}
    for c in decision.capabilities:
        by_route = c.route is not None
        assert by_route == (c.verdict in ("release", "release_stripped", "restrict")), (c.verdict, c.route)
    for found in [f for c in decision.capabilities for f in c.findings]:
        assert found.sentence
        assert (found.settle is None) == (found.status == "met" or found.reason == "does_not_count")
        assert all(s.estimate.planned >= s.estimate.scored >= s.estimate.hits for s in found.slices)


@given(cases())
@QUICK
def test_what_becomes_of_an_artefact_does_not_depend_on_the_others(case: Case) -> None:
    """Each alone, with the capabilities that it carries, at the same alpha: the same verdict, strip and all.

    But where fewer requirements are settled sooner: what was not measured then is no want of evidence any more.
    """
    decision = case.decide()
    for a in decision.artefacts:
        own = case.policy.carried(a.name)
        if not own:
            assert a.verdict == "release"
            continue
        release = case.policy.release.model_copy(update={"channel": None, "artefacts": {a.name: a.asked}})
        stated = tuple(c.model_copy(update={"artefacts": (a.name,)}) for c in own)
        shares = case.policy.shares
        alone = case.policy.model_copy(update={"release": release, "capabilities": stated})
        alpha = release.alpha * alone.shares / shares
        alone = alone.model_copy(update={"release": release.model_copy(update={"alpha": alpha})})
        assert alone.release.alpha / alone.shares == pytest.approx(case.policy.release.alpha / shares)
        evidence = evidence_of(case.plan, case.outcomes)
        found = decide(alone, case.plan, evidence, case.receipt, OPENED)
        if found.settled != decision.settled:
            continue
        (only,) = found.artefacts
        assert (only.verdict, only.granted, only.checkpoint) == (a.verdict, a.granted, a.checkpoint)
