"""A run in a notebook: frames that agree with the evidence and with the decision, and a summary that runs nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import releasegate
from releasegate.errors import EvidenceUntrusted, NotFound
from releasegate.evidence import Failed
from releasegate.notebook import Run
from releasegate.repository.deciding_run import Decided
from tests.reporting.example_run import Example, Words, example
from tests.reporting.many_samples import many_samples
from tests.reporting.test_outputs import HOSTILE, Tags


def stored(made: Example) -> Example:
    """The run, its decision in its folder."""
    made.run.write_decision(made.decision)
    return made


DAY = date(2025, 1, 2)


@pytest.fixture
def source_only(tmp_path: Path) -> Example:
    """A run that needs no strip, so that everything it was decided on lies in its folder."""
    return stored(example(tmp_path / "run", drawn=0, opened=DAY))


def opened(made: Example) -> Run:
    return releasegate.Run.open(made.run.root, made.run.root)


def test_samples_are_the_stored_ones(source_only: Example) -> None:
    run, plan = opened(source_only), source_only.plan
    frame = run.samples
    assert list(frame.columns) == [
        "eval", "role", "checkpoint", "item", "slice.kind", "metric", "value", "outcome", "error",
    ]  # fmt: skip
    rows = 0
    for m in plan.measurements:
        if m.checkpoint != "source":
            continue
        part = frame[(frame["eval"] == m.eval) & (frame["role"] == m.role)]
        for sample in source_only.run.evidence.samples(plan, m):
            own = part[part["item"] == sample.item].set_index("metric")
            assert set(own["slice.kind"]) == {"three"}
            if isinstance(sample, Failed):
                assert np.isnan(own.value).all()
                assert set(own.outcome) == {"failed"}
                assert set(own.error) == {"the harness broke"}
            else:
                assert own.value.to_dict() == sample.values
                assert set(own.outcome) == {"measured"}
            rows += len(own)
    assert rows == len(frame)


def test_estimates_and_findings_are_those_of_the_decision(source_only: Example) -> None:
    run = opened(source_only)
    [finding] = [f for c in source_only.decision.capabilities for f in c.findings]
    assert run.estimates.loc[0, "high"] == finding.slices[0].estimate.high
    assert run.findings.loc[0, ["requirement", "status", "limit"]].tolist() == ["weak", "met", 0.2]
    assert run.decision == source_only.decision
    assert run.plan == source_only.plan


def test_evidence_that_was_changed_is_refused(source_only: Example) -> None:
    before, after = b'"legible":0.0', b'"legible":1.0'
    shard = next(path for path in source_only.run.root.rglob("*.jsonl") if before in path.read_bytes())
    shard.write_bytes(shard.read_bytes().replace(before, after, 1))
    with pytest.raises(EvidenceUntrusted):
        opened(source_only)


def test_a_decision_that_the_evidence_does_not_make_is_refused(source_only: Example) -> None:
    text = source_only.run.decision_path.read_text()
    source_only.run.decision_path.write_text(text.replace('"verdict": "release"', '"verdict": "withhold"', 1))
    with pytest.raises(EvidenceUntrusted, match="is not what the evidence"):
        opened(source_only)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no run here"):
        releasegate.Run.open(tmp_path)


def test_why_items_failed_is_not_told_where_samples_may_not_be_shown(tmp_path: Path) -> None:
    made = example(tmp_path / "run", Words(error="what a person said"))
    policy = made.plan.policy.model_copy(update={"samples": "unshown"})
    evidence, plan = made.run.evidence.read(made.plan), made.plan.model_copy(update={"policy": policy})
    open_, closed = (Run(Decided(made.run, p, made.decision, evidence, made.receipt)) for p in (made.plan, plan))
    assert set(open_.samples.error.dropna()) == {"what a person said"}
    assert "what a person said" in str(open_.decision)
    assert closed.samples.error.isna().all()
    assert closed.samples.drop(columns="error").equals(open_.samples.drop(columns="error"))
    assert "what a person said" not in closed._repr_html_() + str(closed.decision) + closed.samples.to_csv()
    assert closed.estimates.equals(open_.estimates)


def test_a_hundred_thousand_samples_are_there_in_seconds(tmp_path: Path) -> None:
    """At a tenth of them here, so that it stays quick; reading them is what takes the time, and grows with their number."""
    run = releasegate.Run.open(many_samples(tmp_path / "run", 10_000).root, tmp_path)
    begun = time.process_time()
    frame = run.samples
    assert frame["item"].nunique() == 9_000 - 200
    assert (frame.outcome == "failed").sum() > 10
    assert frame[frame.outcome == "failed"].error.str.startswith("RuntimeError: item ").all()
    assert time.process_time() - begun < 3


def test_the_summary_is_inert_and_has_no_colour_of_its_own(tmp_path: Path) -> None:
    text = " ".join(HOSTILE)
    run = opened(stored(example(tmp_path / "run", Words(title=text, rationale=text), drawn=0, opened=DAY)))
    page = Tags(run._repr_html_())
    assert page.found == {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.attributes == {"style"}
    assert set(re.findall(r'style="([^"]*)"', run._repr_html_())) == {"text-align: left"}
    assert page.comments == 0
    assert "Release" in page.text
    assert "\u202e" not in page.text


def test_the_package_loads_nothing_until_a_run_is_asked_for() -> None:
    script = (
        "import releasegate, sys; print({'pydantic', 'pandas', 'numpy', 'releasegate.notebook'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="has no attribute 'Walk'"):
        releasegate.Walk  # noqa: B018


def test_the_summary_says_that_a_verdict_rests_on_waivers(source_only: Example) -> None:
    run = opened(source_only)
    waived = run.decision.model_copy(update={"verdict_without_waivers": "withhold"})
    shown = Run(replace(run._decided, decision=waived))._repr_html_()
    assert "Rests on waivers: without them, the verdict would be “Withhold”" in shown
    assert "waivers" not in run._repr_html_()


def test_a_folder_without_a_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no run here") as raised:
        releasegate.Run.open(tmp_path)
    assert raised.value.__notes__ == ["fix: run `releasegate gate` or `releasegate plan --open`"]
