"""What people read of a threat set and of what is excused: summary, explain, diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from releasegate.__main__ import run
from releasegate.cli.summary import print_summary
from releasegate.difference import decision_difference, policy_difference
from releasegate.explanation import RequirementExplained, deciding_samples
from releasegate.plan import SOURCE
from tests.reporting.example_run import Example
from tests.tiny_watermarks import watermark

OUTSIDE = "attack highpass_1500: 41.0 % (30.3–52.3), would not be met"
PROOF = (
    "attack white_noise (audio_watermark/quality_kept at most 0.1: 2 of 100, upper bound 0.076 at half of the effective "
    "alpha, 0.0152)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return watermark(tmp_path_factory.mktemp("watermark") / "run")


def summary(made: Example) -> str:
    console = Console(width=500, record=True)
    with console.capture() as captured:
        print_summary(console, made.decision, {})
    return captured.get()


def test_the_summary_says_what_defeats_a_safeguard_outside_and_what_is_excused(made: Example) -> None:
    assert made.decision.verdict == "release"
    lines = [line.strip() for line in summary(made).splitlines()]
    assert "highpass_1500 defeats watermark; outside the threat set: Detected 41 %, 41 of 100" in lines
    assert f"leans on: excused attacks of marked on source: {PROOF}" in lines


def test_an_open_requirement_names_what_is_excused(tmp_path: Path) -> None:
    open_one = watermark(tmp_path / "run", detected={"mp3_64k": 10})
    assert open_one.decision.verdict == "withhold"
    assert "for attack mp3_64k: 10 of 100, upper bound" in summary(open_one)
    assert f"excused: {PROOF}" in summary(open_one)


def test_explain_lists_the_threat_set_what_is_excused_and_what_lies_outside(
    made: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", str(made.run.root), "cloning"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  threats   attack none, mp3_64k, lowpass_500, white_noise" in lines
    assert "  slice     attack lowpass_500, the worst of 4 (others: 2 met, 1 excused)" in lines
    assert f"  excused   {PROOF}" in lines
    assert f"  outside   {OUTSIDE} (not gated)" in lines


def test_explain_shows_no_sample_from_outside_as_deciding(tmp_path: Path) -> None:
    """Of pooled items those of other attacks decide nothing."""
    pooled = watermark(tmp_path / "run", slices=None, excused=None, values={"attack": ["none", "lowpass_500"]})
    finding = pooled.decision.capabilities[0].findings[0]
    measurement = pooled.plan.find("audio_watermark", SOURCE)
    assert measurement is not None
    samples = pooled.run.evidence.samples(pooled.plan, measurement)
    shown: RequirementExplained = deciding_samples(finding, pooled.plan, samples, (), 100)
    assert shown.against == 2
    assert {s.labels["attack"] for s in shown.samples} <= {"none", "lowpass_500"}


def reasons(before: Example, after: Example) -> dict[str, str]:
    found = decision_difference(before.decision, after.decision)
    return {why.cause: why.sentence for r in found.requirements for why in r.why}


def test_diff_names_what_became_excused_or_left_the_threat_set(made: Example, tmp_path: Path) -> None:
    assert not decision_difference(made.decision, made.decision).requirements
    found = reasons(watermark(tmp_path / "1", clear={"white_noise": 50}), made)
    assert found["excused"] == f"excused: {PROOF}; was: nothing"
    wider = watermark(tmp_path / "2", values=None)
    assert reasons(made, wider)["outside"] == (
        "outside the threat set: nothing; was: attack highpass_1500 would not be met"
    )


def test_another_proof_of_the_same_excuse_is_a_difference_of_its_own(made: Example, tmp_path: Path) -> None:
    found = reasons(made, watermark(tmp_path / "run", clear={"white_noise": 1}))
    assert list(found) == ["excused"]
    assert "1 of 100" in found["excused"]


def test_diff_of_policies_names_limits_of_excuses_and_values(made: Example, tmp_path: Path) -> None:
    other: dict[str, Any] = {"excused": {"metric": "audio_watermark/quality_kept", "at_most": 0.2}}
    after = watermark(tmp_path / "run", values={"attack": ["none"]}, **other)
    changes = {c.path.split("marked.")[1]: c for c in policy_difference(made.plan.policy, after.plan.policy).changes}
    assert changes["excused.at_most"].effect == "looser"
    assert changes["values.attack"].after == ["none"]


def test_a_decision_with_an_excuse_survives_its_own_text(made: Example) -> None:
    decision = made.decision
    assert type(decision).from_text(decision.text()) == decision
    (found,) = json.loads(decision.text())["capabilities"][0]["findings"]
    assert found["slices"][-1]["excused"]["labels"] == {"attack": "white_noise"}
