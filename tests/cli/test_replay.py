"""`releasegate decide --policy`: stored evidence under another policy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.decision import Decision
from tests.tiny_repository import OPENED, Tiny


@pytest.fixture
def other(ran: Tiny, tmp_path: Path) -> Tiny:
    """A copy of the repository and its run, with a policy to replay it under."""
    copy = Tiny(tmp_path / "repo")
    shutil.copytree(ran.root, copy.root)
    text = copy.policy.read_text().replace("id: tiny", "id: other").replace("max_age", "max_age")
    age = "release: {channel: open_weights, max_age_days: 3650}"
    (copy.root / "policies" / "other.yaml").write_text(text.replace("release: {channel: open_weights}", age))
    return copy


def replay(made: Tiny, *arguments: str) -> int:
    return run(["decide", str(made.run.root), "--policy", str(made.root / "policies" / "other.yaml"), *arguments])


def change(made: Tiny, before: str, after: str) -> None:
    made.change(made.root / "policies" / "other.yaml", before, after)


def test_a_replay_is_marked_and_leaves_the_run_as_it_is(other: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in other.run.root.rglob("*") if path.is_file()}
    assert replay(other) == 0
    assert capsys.readouterr().out.startswith("release_stripped · other (replay: never attested or exported)\n")
    assert {path: path.read_bytes() for path in other.run.root.rglob("*") if path.is_file()} == before


def test_another_limit_gives_another_verdict_and_exit_code(
    other: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(other, "margin: 0.20", "margin: 0.01")
    assert replay(other, "--format", "decision", "--out", str(tmp_path / "replay.json")) == 1
    stored = Decision.from_text((tmp_path / "replay.json").read_bytes())
    assert stored.plain() == json.loads(capsys.readouterr().out)
    assert (stored.verdict, stored.replay, stored.policy) == ("withhold", True, "other")
    assert other.run.read_decision().verdict == "release_stripped"


def test_a_metric_that_was_not_measured_is_not_shown(other: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    folder = other.root / "evals" / "reading"
    shutil.copytree(other.root / "evals" / "naming", folder)
    other.change(folder / "eval.yaml", "id: naming", "id: reading")
    change(
        other,
        "metric: drawing/legible, at_most: 0.20}\n    otherwise",
        "metric: reading/right, at_most: 0.20}\n    otherwise",
    )
    assert replay(other) == 3
    assert "no planned item carries reading/right" in capsys.readouterr().out.replace("\n", " ")


def test_old_evidence_is_old_in_a_replay(other: Tiny) -> None:
    change(other, "max_age_days: 3650", "max_age_days: 1")
    assert OPENED.year == 2026
    assert replay(other) == 3


@pytest.mark.parametrize("name", ["decision.json", "replay.json", "evidence/x.json"])
def test_a_replay_is_never_written_into_the_run(other: Tiny, capsys: pytest.CaptureFixture[str], name: str) -> None:
    before = other.run.decision_path.read_bytes()
    assert replay(other, "--out", str(other.run.root / name)) == 2
    assert "lies in the run, which holds its own decision alone" in capsys.readouterr().err
    assert other.run.decision_path.read_bytes() == before


def test_a_decision_of_the_run_is_written_nowhere_else(
    other: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["decide", str(other.run.root), "--out", str(tmp_path / "d.json")]) == 2
    assert capsys.readouterr().err == (
        "--out: a decision is stored in its run\n  fix: leave it out, or name a --policy to replay\n"
    )


def test_a_policy_about_another_model_is_refused(other: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    change(other, "subject: tiny", "subject: chameleon")
    assert replay(other) == 2
    assert "is about subject chameleon, and the run measured subject tiny" in capsys.readouterr().err


def test_a_policy_with_a_mistake_is_refused_at_its_place(other: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    change(other, "at_most: 0.20", "at_most: 2")
    assert replay(other) == 2
    assert "policies/other.yaml:11:" in capsys.readouterr().err
