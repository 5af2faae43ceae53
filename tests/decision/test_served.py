"""Evidence that came from a server: it supports a release through an API, and shows nothing of weights."""

from __future__ import annotations

import pytest

from releasegate.decision import Decision, decide
from releasegate.evidence import Cell, Collector, Evidence, Measured, evidence_digest
from releasegate.plan import EvalCode, SubjectRef, make_plan
from releasegate.policy import Channel
from tests.tiny_gates import CARDS, OPENED, POSITION, SOURCE_MODEL, capability, policy, requirement

EVAL, METRIC = next((name, next(iter(card.metrics))) for name, card in CARDS.items())


def decided(channel: Channel, *, served: bool) -> Decision:
    """The decision on 200 items, none of which shows the capability."""
    weak = requirement("weak", f"{EVAL}/{METRIC}", at_most=0.2)
    of = policy(capability("talking", misuse=[weak]))
    of = of.model_copy(update={"release": of.release.model_copy(update={"channel": channel})})
    subject = SubjectRef(
        id="tiny", code="by hand", dtype="float32", deterministic=False, served=True if served else None
    )
    cells = (Cell(labels={"digit": "0"}, metrics=(METRIC,), n=200),)
    code = EvalCode(CARDS[EVAL], "sha256:" + "1" * 64, {}, subject, {"gate": cells})
    plan = make_plan(of, {EVAL: code}, {}, SOURCE_MODEL, OPENED.isoformat())
    plan = plan.model_copy(update={"nonce": "ab" * 32, "ledger": POSITION})
    (measurement,) = plan.measurements
    collector = Collector(cells, "by hand")
    collector.bind(plan.source)
    for item in range(200):
        collector.add(Measured(item=item, labels={"digit": "0"}, values={METRIC: 0.0}), "by hand")
    evidence = Evidence({plan.identity(measurement): collector.columns()}, evidence_digest(()))
    return decide(of, plan, evidence, None, OPENED)


def test_it_supports_a_release_through_an_api_and_the_decision_says_what_it_leans_on() -> None:
    found = decided("api", served=True)
    assert found.verdict == "release"
    assert any("not tied to the digest of any weights" in line for line in found.leans_on)
    assert not any("server" in line for line in decided("api", served=False).leans_on)


@pytest.mark.parametrize("channel", ["open_weights", "gated_weights"])
def test_of_weights_it_shows_nothing_whatever_was_measured(channel: Channel) -> None:
    found = decided(channel, served=True)
    assert found.verdict == "incomplete"
    (finding,) = found.capabilities[0].findings
    assert (finding.status, finding.reason) == ("not_shown", "want_of_evidence")
    assert f"that shows nothing of {channel}" in finding.sentence
    assert decided(channel, served=False).verdict == "release"
