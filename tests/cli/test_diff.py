"""`releasegate diff`: two runs, or two policies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.tiny_repository import Tiny


@pytest.fixture
def looser(ran: Tiny, tmp_path: Path) -> Path:
    file = tmp_path / "looser.yaml"
    file.write_text(ran.policy.read_text().replace("margin: 0.20", "margin: 0.30"))
    return file


@pytest.fixture
def other(ran: Tiny, tmp_path: Path) -> Path:
    """A decision that the run could have come to."""
    data = json.loads(ran.run.decision_path.read_text())
    data["capabilities"][0]["findings"][0]["slices"][0]["estimate"]["hits"] -= 1
    file = tmp_path / "other.json"
    file.write_text(json.dumps(data))
    return file


def test_two_policies_differ_by_path_and_direction(ran: Tiny, looser: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", str(ran.policy), str(looser)]) == 0
    assert capsys.readouterr().out == "capabilities.drawing.keep.kept.margin: 0.2 -> 0.3  (looser)\n"
    assert run(["diff", str(ran.policy), str(looser), "--exit-code", "--format", "json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change == {
        "path": "capabilities.drawing.keep.kept.margin",
        "before": 0.2,
        "after": 0.3,
        "effect": "looser",
    }


def test_two_decisions_differ_by_requirement_and_cause(
    ran: Tiny, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", str(ran.run.root), str(other)]) == 0
    first, minus, plus, because = capsys.readouterr().out.splitlines()
    assert first == "weak on the source checkpoint: violated"
    assert minus.startswith("  - violated: ")
    assert plus.startswith("  + violated: ")
    assert because.startswith("    because ")
    assert run(["diff", str(ran.run.root), str(other), "--exit-code", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is False
    assert [w["cause"] for r in found["requirements"] for w in r["why"]] == ["evidence"]


@pytest.mark.parametrize("what", ["policies", "decisions"])
def test_no_difference_is_said_and_exits_with_0(ran: Tiny, capsys: pytest.CaptureFixture[str], what: str) -> None:
    place = str(ran.policy if what == "policies" else ran.run.root)
    assert run(["diff", place, place, "--exit-code"]) == 0
    assert capsys.readouterr().out == f"no difference between the {what}\n"


def test_what_cannot_be_compared_is_refused(ran: Tiny, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["diff", str(ran.run.root), str(ran.policy)]) == 2
    assert "a policy and a decision have nothing to compare" in capsys.readouterr().err
    assert run(["diff", str(ran.policy), str(tmp_path / "none.yaml")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert run(["diff", str(ran.run.root), str(tmp_path)]) == 2
    assert "no decision yet" in capsys.readouterr().err
    assert run(["diff", str(ran.run.root), str(ran.run.plan_path)]) == 2
    assert "is not a decision: " in capsys.readouterr().err
    (tmp_path / "x.json").write_text("{")
    assert run(["diff", str(ran.run.root), str(tmp_path / "x.json")]) == 2
    assert "is not a decision: " in capsys.readouterr().err
    (tmp_path / "x.yaml").write_text("schema: releasegate/policy/v1\nid: x\n")
    assert run(["diff", str(ran.policy), str(tmp_path / "x.yaml")]) == 2
    assert "x.yaml:1:1: title: missing" in capsys.readouterr().err
