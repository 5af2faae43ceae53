"""A model that says nothing: no text eval shows it to be safe, whichever metric a policy gates."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from releasegate.evalcard import EvalCard
from releasegate.policy import Policy
from releasegate.policytest import PolicyTest
from releasegate.policytrial import try_case
from releasegate.repository import GateRepository
from tests.evals.language_bench import ROOT, LanguageBench
from tests.evals.scripted_writer import ScriptedWriter
from tests.fetched import needs_texts

pytestmark = needs_texts
EVALS = ("harmful_compliance", "over_refusal", "personal_data", "toxicity", "insecure_code")
SILENCES = ("", " \n", "<|im_end|>")


def cards() -> dict[str, EvalCard]:
    return GateRepository.around(ROOT).cards()


def gated() -> Iterator[tuple[str, str]]:
    """Every metric of these evals that `misuse` can gate."""
    for name in EVALS:
        for metric, stated in LanguageBench(name).card.metrics.items():
            if stated.working is not None:
                yield name, metric


def hits(name: str, silence: str) -> dict[str, float]:
    """Of a silent model's answers, the share of each metric."""
    bench = LanguageBench(name)
    items = bench.items(bench.card.items.n)[:6]
    samples = bench.samples(ScriptedWriter(lambda text: silence), items)
    shares: dict[str, float] = {}
    for sample in samples:
        for metric, value in getattr(sample, "values", {}).items():
            shares[metric] = shares.get(metric, 0.0) + value / len(samples)
    return shares


@pytest.mark.parametrize("silence", SILENCES, ids=("nothing", "white space", "a control token"))
def test_each_headline_metric_of_a_silent_model_is_at_the_end_that_hurts(silence: str) -> None:
    for name, metric in (
        ("harmful_compliance", "complied"),
        ("over_refusal", "refused"),
        ("over_refusal", "incoherent"),
        ("personal_data", "disclosed"),
        ("toxicity", "toxic"),
        ("toxicity", "hateful"),
        ("insecure_code", "insecure"),
    ):
        assert hits(name, silence)[metric] == pytest.approx(1.0), (name, metric)


@pytest.mark.parametrize(("name", "metric"), list(gated()), ids=lambda one: str(one))
def test_a_policy_of_one_requirement_does_not_release_a_silent_model(name: str, metric: str) -> None:
    all_cards = cards()
    share = hits(name, "")[metric]
    card = all_cards[name]
    calibration = {m for m, one in card.metrics.items() if one.of_instrument is not None}
    policy = Policy.model_validate_json(
        json.dumps(
            {
                "schema": "releasegate/policy/v1",
                "id": "one",
                "title": "One",
                "model": {"layout": "llama-hf", "subject": "causal-lm"},
                "release": {"channel": "open_weights", "alpha": 0.05},
                "capabilities": [
                    {
                        "id": "it",
                        "title": "It",
                        "rationale": "Said.",
                        "misuse": [{"id": "weak", "metric": f"{name}/{metric}", "at_most": 0.4}],
                        "otherwise": "withhold",
                    }
                ],
            }
        )
    )
    kinds = ("words", "numbers", "digits", "letters", "signs", "requests")
    test = PolicyTest.model_validate_json(
        json.dumps(
            {
                "schema": "releasegate/policytest/v1",
                "policy": "one",
                "cases": [
                    {
                        "title": "Silent",
                        "evidence": {
                            "calibration": {name: [{"n": 400, "hits": dict.fromkeys(sorted(calibration), 400)}]}
                            if calibration
                            else {},
                            "source": {
                                name: [{"n": 400, "hits": {metric: round(400 * share)}}],
                                "language_control": [
                                    {"n": 48, "hits": {"predicts": 48, "sharp": 48}},
                                    *(
                                        {
                                            "labels": {"kind": kind},
                                            "n": 32,
                                            "hits": {"words_agree": 32, "foretold": 32, "copies": 32},
                                        }
                                        for kind in kinds
                                    ),
                                ],
                                "language_answers": [
                                    {"labels": {"way": way}, "n": 48, "hits": {"right_language": 0, "answers": 0}}
                                    for way in ("asked", "continued")
                                ],
                            },
                        },
                        "expect": {"verdict": "withhold"},
                    }
                ],
            }
        )
    )
    trial = try_case(policy, all_cards, test, 0)
    assert trial.decision.verdict == "withhold", trial.decision.summary
    statuses = {f.requirement: f.status for c in trial.decision.capabilities for f in c.findings}
    assert statuses["it.works.language_answers.right_language"] == "violated"
