"""Policy tests: what a case states becomes evidence, and mistakes in a case are errors with their place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.errors import DocumentError
from releasegate.evalcard import Metric
from releasegate.policy import Policy, parse_policy
from releasegate.policytest import PolicyTest, StatedCell, outcomes, parse_policy_test
from releasegate.policytestcheck import problems
from releasegate.policytrial import Trial, try_case
from releasegate.repository import GateRepository
from releasegate.repository.gate_repository import Beside
from tests.tiny_gates import CARDS, MARKED, STRIP, WEAK, capability, policy, unconditional

SHARE = Metric(title="", type="bernoulli", unit="", range=(0, 1), better="higher")
SCORE = Metric(title="", type="bounded_mean", unit="", range=(0, 1), better="higher")
TOP = Path(__file__).parents[1]
POLICY = policy(capability("drawing", misuse=[WEAK], **STRIP), unconditional("naming"))

DRAWS = {"drawing": [{"n": 100, "hits": {"legible": 90}}], "naming": [{"n": 100, "hits": {"right": 95}}]}
CANNOT = {"drawing": [{"n": 100, "hits": {"legible": 2}}]}
REMOVED = {"drawing": [{"n": 100, "hits": {"legible": 0}}], "naming": [{"n": 100, "losses": {"right": 0}}]}


def stated(verdict: str, source: Any = None, stripped: Any = None, **keys: Any) -> dict[str, Any]:
    """A case as JSON data."""
    expect = {"verdict": verdict, **keys.pop("expect", {})}
    evidence = {"source": source or {}, "stripped": stripped or {}, **keys.pop("evidence", {})}
    return {"title": "a case", "evidence": evidence, "expect": expect, **keys}


def text_of(*cases: dict[str, Any]) -> str:
    return json.dumps({"schema": "releasegate/policytest/v1", "policy": "tiny", "cases": cases}, indent=1)


def tried(case: dict[str, Any], of: Any = POLICY) -> Trial:
    located = parse_policy_test(text_of(case), "t.yaml")
    assert problems(located, of, CARDS) == []
    return try_case(of, CARDS, located.record, 0)


@pytest.mark.parametrize(
    "case",
    [
        stated("release", CANNOT, expect={"channel": "open_weights", "source": {"weak": "met"}}),
        stated("release_stripped", DRAWS, REMOVED, expect={"stripped": {"gone": "met", "kept": "met"}}),
        stated("incomplete", DRAWS, expect={"capabilities": {"drawing": "incomplete", "naming": "release"}}),
        stated("incomplete", expect={"source": {"weak": "want_of_evidence"}}),
        stated("incomplete", CANNOT, age_days=91),
        stated("incomplete", {"drawing": [{"n": 100, "hits": {"legible": 0}, "failed": 6}]}),
        stated("release", {"drawing": [{"n": 100, "hits": {"legible": 0}, "failed": 5}]}),
        stated("incomplete", {"drawing": [{"n": 100, "missing": 100}]}),
        stated("incomplete", DRAWS, {"drawing": REMOVED["drawing"]}, expect={"stripped": {"kept": "not_shown"}}),
        stated("withhold", DRAWS, {**REMOVED, "naming": [{"n": 100, "losses": {"right": 40}, "gains": {"right": 3}}]}),
    ],
    ids=lambda case: case["expect"]["verdict"],
)
def test_a_case_comes_to_the_verdict_that_its_evidence_deserves(case: dict[str, Any]) -> None:
    assert tried(case).differences == ()


def test_what_differs_is_said_with_the_reason() -> None:
    found = tried(stated("release", DRAWS, REMOVED, expect={"channel": "api", "source": {"weak": "met"}}))
    assert found.differences[0].startswith("verdict: expected release, got release_stripped: taken out of")
    assert found.differences[1] == "channel: expected api, got open_weights"
    assert found.differences[2].startswith("weak on the source checkpoint: expected met, got violated: at most 0.2 is")


def test_a_requirement_that_was_not_judged_differs() -> None:
    found = tried(stated("release", CANNOT, expect={"stripped": {"gone": "met"}}))
    assert found.differences == ("gone on the stripped checkpoint: expected met, and it was not judged",)


def test_evidence_that_nobody_looks_at_differs() -> None:
    found = tried(stated("release", {**DRAWS, **CANNOT}, REMOVED))
    assert found.differences == ("evidence: a stripped checkpoint is stated, and nothing comes to strip",)


def test_a_cell_of_one_checkpoint_that_the_other_does_not_mention_is_missing_there() -> None:
    halves = [{"labels": {"digit": str(d)}, "n": 50, "hits": {"right": 45}} for d in range(2)]
    lost = [{"labels": {"digit": "0"}, "n": 50, "losses": {"right": 0}}]
    found = tried(stated("incomplete", {**DRAWS, "naming": halves}, {**REMOVED, "naming": lost}))
    assert found.passed
    assert found.decision.strip is not None
    kept = next(f for f in found.decision.strip.findings if f.requirement == "kept")
    estimate = kept.slices[0].estimate
    assert (estimate.planned, estimate.scored) == (100, 50)


def test_losses_and_gains_are_those_of_the_decision() -> None:
    found = tried(
        stated("withhold", DRAWS, {**REMOVED, "naming": [{"n": 100, "losses": {"right": 20}, "gains": {"right": 4}}]})
    )
    assert found.decision.strip is not None
    kept = next(f for f in found.decision.strip.findings if f.requirement == "kept")
    assert (kept.slices[0].estimate.hits, kept.slices[0].estimate.gains) == (20, 4)


def test_slices_of_a_case_are_judged_one_by_one() -> None:
    sliced = policy(capability("drawing", misuse=[{**WEAK, "slices": ["digit"]}]))
    cells = [{"labels": {"digit": str(d)}, "n": 100, "hits": {"legible": hits}} for d, hits in enumerate((0, 60))]
    found = tried(stated("withhold", {"drawing": cells}, expect={"source": {"weak": "violated"}}), sliced)
    assert found.passed
    worst = found.decision.capabilities[0].findings[0].slices[0]
    assert (worst.labels, worst.estimate.hits) == ({"digit": "1"}, 60)


def test_a_safeguard_that_does_not_count_can_be_expected() -> None:
    wrapped = policy(capability("drawing", safeguards={"marks": [{**MARKED, "enforced_by": "wrapper"}]}))
    evidence = {"marking": [{"n": 100, "hits": {"found": 100}}]}
    assert tried(stated("withhold", evidence, expect={"source": {"marked": "does_not_count"}}), wrapped).passed


VOICE = policy(
    capability("drawing", safeguards={"s": [{**MARKED, "enforced_by": "server"}]}),
    artefacts={"weights": "open_weights", "paper": "open_weights", "demo": "api"},
)
MARKS = {"marking": [{"n": 100, "hits": {"found": 100}}]}


def test_a_verdict_can_be_expected_of_each_artefact() -> None:
    right = {"paper": "release", "weights": "withhold", "demo": "release"}
    assert tried(stated("withhold", MARKS, expect={"artefacts": right}), VOICE).differences == ()
    found = tried(stated("withhold", MARKS, expect={"artefacts": {"weights": "release"}}), VOICE)
    assert found.differences == (
        "weights: expected release, got withhold: The weights may not be published, because of drawing.",
    )


def test_what_is_expected_of_a_requirement_must_hold_at_each_channel() -> None:
    found = tried(stated("withhold", MARKS, expect={"source": {"marked": "met"}}), VOICE).differences
    assert found == (
        "marked on the source checkpoint, at open_weights: expected met, got does_not_count: this safeguard does not count "
        "at the channel of the release",
    )
    nowhere = {**VOICE.plain(), "release": {"artefacts": {"weights": "open_weights", "demo": "gated_weights"}}}
    case = stated("withhold", MARKS, expect={"source": {"marked": "does_not_count"}})
    assert tried(case, Policy.from_text(json.dumps(nowhere))).differences == ()


def test_an_artefact_that_the_policy_does_not_list_is_a_mistake() -> None:
    case = stated("withhold", MARKS, expect={"artefacts": {"code": "release"}})
    found = problems(parse_policy_test(text_of(case), "t.yaml"), VOICE, CARDS)
    assert [(p.what, p.fix) for p in found] == [
        ("cases.0.expect.artefacts.code: policy tiny lists no artefact 'code'", "use one of demo, paper, weights")
    ]


@given(st.data())
def test_the_outcomes_of_a_cell_are_the_counts_that_it_states(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    failed = data.draw(st.integers(0, n))
    missing = data.draw(st.integers(0, n - failed))
    hits = data.draw(st.integers(0, n - failed - missing))
    found = outcomes(StatedCell(n=n, hits={"share": hits}, failed=failed, missing=missing), None, {"share": SHARE})
    assert len(found) == n
    assert (found.count("failed"), found.count(None)) == (failed, missing)
    assert sum(o["share"] for o in found if o is not None and o != "failed") == hits


@given(st.data())
def test_pairs_lose_and_gain_what_is_stated(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    right = data.draw(st.integers(0, n))
    losses, gains = data.draw(st.integers(0, right)), data.draw(st.integers(0, n - right))
    better = data.draw(st.sampled_from(["higher", "lower"]))
    metrics = {"share": SHARE.model_copy(update={"better": better})}
    base = outcomes(StatedCell(n=n, hits={"share": right if better == "higher" else n - right}), None, metrics)
    cell = StatedCell(n=n, losses={"share": losses}, gains={"share": gains})
    pairs = [(b["share"], a["share"]) for b, a in zip(base, outcomes(cell, base, metrics), strict=True)]  # type: ignore[index]
    good = 1.0 if better == "higher" else 0.0
    assert sum(b == good != a for b, a in pairs) == losses
    assert sum(a == good != b for b, a in pairs) == gains


def test_values_are_repeated_in_their_order() -> None:
    found = outcomes(StatedCell(n=5, values={"score": (0.1, 0.9)}), None, {"score": SCORE})
    assert [o["score"] for o in found] == [0.1, 0.9, 0.1, 0.9, 0.1]  # type: ignore[index]


# Mistakes.


def drawing(**keys: Any) -> dict[str, Any]:
    return {"drawing": [{"n": 100, "hits": {"legible": 2}, **keys}]}


MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown eval": (
        stated("release", {"drawings": [{"n": 1}]}),
        "evidence.source.drawings: policy tiny gates nothing of an eval 'drawings'",
        "did you mean `drawing`?",
    ),
    "unknown metric": (
        stated("release", drawing(hits={"legible": 1, "legibl": 1})),
        "evidence.source.drawing.0.hits.legibl: eval drawing has no metric 'legibl'",
        "did you mean `legible`?",
    ),
    "unknown dimension": (
        stated("release", drawing(labels={"digits": "1"})),
        "evidence.source.drawing.0.labels.digits: eval drawing has no dimension 'digits'",
        "did you mean `digit`?",
    ),
    "too many hits": (
        stated("release", drawing(failed=99)),
        "evidence.source.drawing.0.hits.legible: 2 hits in 1 measured items",
        "correct the count",
    ),
    "too many lost": (
        stated("release", drawing(failed=99, missing=2)),
        "evidence.source.drawing.0: 101 of 100 items are lost",
        "lose no more than n",
    ),
    "nothing stated": (
        stated("release", {"drawing": [{"n": 100}, {"n": 100, "labels": {"digit": "1"}, "hits": {"legible": 0}}]}),
        "evidence.source.drawing.0: states nothing about its measured items",
        "add `hits:`",
    ),
    "the same labels twice": (
        stated("release", {"drawing": [{"n": 1, "hits": {"legible": 0}}] * 2}),
        "evidence.source.drawing.1: another cell has these labels",
        "state all of it in one cell",
    ),
    "losses on the source": (
        stated("release", drawing(losses={"legible": 1})),
        "evidence.source.drawing.0.losses.legible: only a stripped checkpoint has losses",
        "state `hits:`",
    ),
    "hits of what is kept": (
        stated("release", DRAWS, {"naming": DRAWS["naming"]}),
        "evidence.stripped.naming.0.hits.right: keep compares item by item with the source",
        "state `losses:` and `gains:`",
    ),
    "another n": (
        stated("release", DRAWS, {"naming": [{"n": 99, "losses": {"right": 0}}]}),
        "evidence.stripped.naming.0.n: the source has 100 items with these labels",
        "state the same n",
    ),
    "nothing to compare with": (
        stated("release", CANNOT, {"naming": [{"n": 99, "losses": {"right": 0}}]}),
        "evidence.stripped.naming.0: the source has no cell with these labels to compare with",
        "state it under `source: naming:`",
    ),
    "more losses than pairs": (
        stated("release", DRAWS, {"naming": [{"n": 100, "losses": {"right": 96}, "gains": {"right": 5}}]}),
        "evidence.stripped.naming.0.losses.right: 96 losses, and at most 95 pairs could be",
        "correct the count",
    ),
    "calibration that there is none of": (
        stated("release", CANNOT, evidence={"calibration": CANNOT}),
        "evidence.calibration.drawing: eval drawing has no calibration items",
        "remove it",
    ),
    "values of a share": (
        stated("release", {"drawing": [{"n": 2, "values": {"legible": [0.5]}}]}),
        "evidence.source.drawing.0.values.legible: every value must be 0 or 1",
        "correct the value",
    ),
    "a metric twice": (
        stated("release", drawing(values={"legible": [1]})),
        "evidence.source.drawing.0.hits.legible: legible stands under values as well",
        "state it once",
    ),
    "unknown requirement": (
        stated("release", CANNOT, expect={"source": {"weka": "met"}}),
        "expect.source.weka: no requirement 'weka' is judged on the source checkpoint",
        "did you mean `weak`?",
    ),
    "a requirement that only the strip has": (
        stated("release", CANNOT, expect={"source": {"gone": "met"}}),
        "expect.source.gone: no requirement 'gone' is judged on the source checkpoint",
        "use one of weak",
    ),
    "unknown capability": (
        stated("release", CANNOT, expect={"capabilities": {"draw": "release"}}),
        "expect.capabilities.draw: policy tiny has no capability 'draw'",
        "did you mean `drawing`?",
    ),
}


@pytest.mark.parametrize(("case", "what", "fix"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_case_has_a_place_and_a_remedy(case: dict[str, Any], what: str, fix: str) -> None:
    found = problems(parse_policy_test(text_of(case), "t.yaml"), POLICY, CARDS)
    assert (f"cases.0.{what}", fix) in [(p.what, p.fix) for p in found]
    assert all(p.where.startswith("t.yaml:") and int(p.where.split(":")[1]) > 4 for p in found)


def test_what_the_policy_reads_and_a_case_does_not_state_is_a_mistake() -> None:
    more = CARDS["drawing"].metrics["legible"]
    cards = {**CARDS, "drawing": CARDS["drawing"].model_copy(update={"metrics": {"legible": more, "neat": more}})}
    found = problems(parse_policy_test(text_of(stated("release", drawing(hits={"neat": 1}))), "t.yaml"), POLICY, cards)
    assert [p.what for p in found] == [
        "cases.0.evidence.source.drawing: states nothing about legible, which gone is about"
    ]


def test_evidence_of_a_strip_that_the_policy_never_makes_is_a_mistake() -> None:
    withheld = policy(capability("drawing", misuse=[WEAK]), capability("naming", misuse=[WEAK | {"id": "other"}]))
    found = problems(parse_policy_test(text_of(stated("release", CANNOT, CANNOT)), "t.yaml"), withheld, CARDS)
    assert [p.what for p in found] == ["cases.0.evidence.stripped: nothing of this policy comes to strip"]


def test_two_cases_with_one_title_are_a_mistake() -> None:
    case = stated("release", CANNOT)
    found = problems(parse_policy_test(text_of(case, case), "t.yaml"), POLICY, CARDS)
    assert [p.what for p in found] == ["cases.1.title: two cases have this title"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"release"', '"relase"', "t.yaml:21:16: cases.0.expect.verdict: must be one of release, release_stripped,"),
        ('"n"', '"m"', "unknown key"),
        ("policytest/v1", "policytest/v7", 't.yaml:2:12: schema: unknown version "releasegate/policytest/v7"'),
        ("100", "-1", "must be greater than or equal to 1; got -1"),
        ('"policy": "tiny",', "", "policy: missing"),
    ],
)
def test_a_malformed_test_has_a_place(before: str, after: str, message: str) -> None:
    text = text_of(stated("release", CANNOT))
    assert before in text
    with pytest.raises(DocumentError) as caught:
        parse_policy_test(text.replace(before, after), "t.yaml")
    assert any(message in f"{p.where}: {p.what}" for p in caught.value.problems), caught.value.problems


def test_the_tests_that_ship_cover_every_policy_that_ships() -> None:
    repository = GateRepository.around(TOP)
    tested = {record.policy for record in shipped()}
    assert tested == {path.stem for path in repository.policies()}


def shipped() -> list[PolicyTest]:
    files = sorted((TOP / "policies" / "tests").glob("*.yaml"))
    return [parse_policy_test(f.read_bytes(), f.name).record for f in files]


def test_the_policy_tests_that_ship_pass() -> None:
    repository = GateRepository.around(TOP)
    beside = Beside(repository)
    for record in shipped():
        of = repository.read_policy(TOP / "policies" / f"{record.policy}.yaml", beside).record
        tried_all = [try_case(of, beside.cards, record, number) for number in range(len(record.cases))]
        assert [trial.differences for trial in tried_all] == [()] * len(record.cases)
        assert {case.expect.verdict for case in record.cases} >= {"release", "withhold", "incomplete"}


def test_the_examples_of_the_documentation_pass() -> None:
    page = (TOP / "docs" / "policy-tests.md").read_text()
    blocks = re.findall(r"^```yml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    repository = GateRepository.around(TOP)
    for block in blocks:
        located = parse_policy_test(block, "policy-tests.md")
        of, cards = (
            repository.read_policy(TOP / "policies" / f"{located.record.policy}.yaml").record,
            repository.cards(),
        )
        assert problems(located, of, cards) == []
        assert [try_case(of, cards, located.record, number).differences for number in range(2)] == [(), ()]
        assert len(located.record.cases) == 2


def test_the_voice_model_of_the_documentation_comes_to_what_the_page_says() -> None:
    page = (TOP / "docs" / "concepts.md").read_text()
    (block,) = (b for b in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "artefacts:" in b)
    of = parse_policy(block, "concepts.md").record
    one = CARDS["drawing"]
    metrics = {"false_accept": one.metrics["legible"], "mark_found": one.metrics["legible"]}
    card = one.model_copy(update={"id": "voice_cloning", "metrics": metrics})
    cloned = [{"n": 600, "hits": {"false_accept": 590, "mark_found": 600}}]
    located = parse_policy_test(text_of(stated("withhold", {"voice_cloning": cloned})), "t.yaml")
    trial = try_case(of, {"voice_cloning": card}, located.record, 0)
    assert trial.passed
    for a in trial.decision.artefacts:
        because = "cloning" if a.verdict == "withhold" else "–"
        assert re.search(rf"^{a.name} +{a.verdict} +{a.asked} +{a.granted} +{because}$", page, re.MULTILINE)
    assert [a.verdict for a in trial.decision.artefacts] == ["withhold", "release", "release"]
