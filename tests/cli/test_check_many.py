"""Many policies are checked as one is: what lies beside them is read once, and every problem is said once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from releasegate import cardcheck
from releasegate.__main__ import run
from tests.tiny_repository import Tiny

MANY = 12


@pytest.fixture
def many(made: Tiny) -> Tiny:
    text = made.policy.read_text()
    for number in range(MANY - 1):
        (made.root / "policies" / f"tiny-{number}.yaml").write_text(
            re.sub("^id: tiny$", f"id: tiny-{number}", text, flags=re.M)
        )
    return made


def test_a_card_is_read_once_for_all_policies(many: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    parse, read = cardcheck.parse_card, []

    def counted(text: str | bytes, source: str) -> object:
        read.append(source)
        return parse(text, source)

    monkeypatch.setattr(cardcheck, "parse_card", counted)
    assert run(["check", "--repo", str(many.root)]) == 0
    assert set(read) == {"evals/drawing/eval.yaml", "evals/naming/eval.yaml"}
    assert len(read) <= 4, "once for the policies, once for what its items may show"


def test_policies_of_two_repositories_are_each_checked_beside_their_own(
    many: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    (other / "policies").mkdir(parents=True)
    (other / "evals").mkdir()
    (other / "policies" / "tiny.yaml").write_text(many.policy.read_text())
    assert run(["check", str(many.policy), str(other / "policies" / "tiny.yaml")]) == 2
    said = capsys.readouterr().err
    assert "no eval 'drawing'" in said
    assert "no subject 'tiny'" in said


def test_a_broken_card_is_said_once_and_a_broken_policy_beside_it_too(
    many: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    many.change(many.root / "evals/naming/eval.yaml", "shard: 25", "shard: none")
    many.change(many.root / "policies/tiny-3.yaml", "title: Draws", "titel: Draws")
    assert run(["check", "--repo", str(many.root)]) == 2
    said = capsys.readouterr().err
    assert said.count("evals/naming/eval.yaml:") == 1
    assert said.count("policies/tiny-3.yaml:") == 2
