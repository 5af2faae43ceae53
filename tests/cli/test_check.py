"""`check` in the forms that CI systems read: each problem at its line, notes beside them, and no file stops another."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from junitparser import Failure, JUnitXml

from releasegate.__main__ import run
from releasegate.cli import cli
from releasegate.cli.checked import FORMS
from tests.tiny_checkpoints import WIDE
from tests.tiny_repository import Tiny

BROKEN = "broken\u202e, 100 %: x.yaml"


@pytest.fixture
def made(ran: Tiny, tmp_path: Path) -> Tiny:
    """A copy of a repository in a folder of a git repository, with a policy that is wrong and one that is none."""
    copy = Tiny(tmp_path / "top" / "gates")
    shutil.copytree(ran.root, copy.root)
    (tmp_path / "top" / ".git").mkdir()
    text = copy.policy.read_text()
    (copy.root / "policies" / "wrong.yaml").write_text(text.replace("otherwise: strip", "otherwise: drop", 1))
    (copy.root / "policies" / BROKEN).write_text("a: [\n")
    return copy


def check(made: Tiny, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed of a good, a wrong, a broken and a missing policy."""
    named = [str(made.root / "policies" / name) for name in ("tiny.yaml", "wrong.yaml", BROKEN, "missing.yaml")]
    assert run(["check", *named, "--format", form]) == 2
    said = capsys.readouterr()
    assert form == "text" or said.err == ""
    return said.out if form != "text" else said.err


@pytest.fixture
def wrong_line(made: Tiny) -> int:
    lines = (made.root / "policies" / "wrong.yaml").read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if "otherwise: drop" in line)


def test_the_name_of_a_file_is_no_line_of_its_own(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    file = made.root / "policies" / "a\n::error::planted.yaml"
    shutil.copy(made.policy, file)
    assert run(["check", str(file)]) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if line.lstrip().startswith("::")] == []


def test_a_name_that_is_no_text_is_told_in_every_form(made: Tiny, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    file = made.root / "policies" / os.fsdecode(b"\xff.yaml")
    file.write_text("a: 1\n")
    for form in FORMS:
        assert run(["check", str(file), "--format", form]) == 2
        said = capsysbinary.readouterr()
        assert said.out
        assert b"bug" not in said.err
        if form == "json":
            assert json.loads(said.out)["problems"][0]["where"].startswith("policies/\udcff.yaml")


def test_a_pipe_in_the_place_of_a_document_is_refused_and_never_waited_for(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(made.root / "policies" / "pipe.yaml")
    assert run(["check", str(made.root / "policies" / "pipe.yaml"), str(made.policy)]) == 2
    assert "pipe.yaml: is no regular file\n  fix: " in capsys.readouterr().err


def test_each_problem_is_a_command_at_its_line(made: Tiny, wrong_line: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = check(made, "github", capsys).splitlines()
    assert any(line.startswith(f"::error file=gates/policies/wrong.yaml,line={wrong_line},col=") for line in lines)
    assert any("file=gates/policies/broken⟨U+202E⟩%2C 100 %25%3A x.yaml,line=2," in line for line in lines)
    assert any("missing.yaml" in line for line in lines)
    assert all(line.startswith(("::error file=", "::notice file=")) for line in lines)


def test_each_problem_is_a_result_and_an_entry(made: Tiny, wrong_line: int, capsys: pytest.CaptureFixture[str]) -> None:
    [one] = json.loads(check(made, "sarif", capsys))["runs"]
    places = [r["locations"][0]["physicalLocation"] for r in one["results"] if r["level"] == "error"]
    named = {(p["artifactLocation"]["uri"], p["region"]["startLine"]) for p in places}
    assert ("gates/policies/wrong.yaml", wrong_line) in named
    entries: list[dict[str, Any]] = json.loads(check(made, "gitlab", capsys))
    assert {e["location"]["path"] for e in entries} >= {"gates/policies/wrong.yaml"}
    assert len({e["fingerprint"] for e in entries}) == len(entries)


def test_each_file_is_a_case(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    [suite] = JUnitXml.fromstring(check(made, "junit", capsys).encode())
    found = {case.name: [type(result) for result in case.result] for case in suite}
    assert found["gates/policies/tiny.yaml"] == []
    assert found["gates/policies/wrong.yaml"] == [Failure]
    assert len(found) == 4


def test_the_text_and_json_name_the_same_problems(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    text, data = check(made, "text", capsys), json.loads(check(made, "json", capsys))
    assert len(data["problems"]) >= 3
    for p in data["problems"]:
        shown = p["where"].replace("\u202e", "\\u202e")  # a terminal is told of such a mark, and does not act on it
        assert f"{shown}: {p['what']}\n  fix: {p['fix']}" in text
    assert "\u202e" not in text


def test_nothing_wrong_is_said_as_well(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    wide = made.root / "policies" / "recipes" / f"{WIDE}.yaml"
    wide.write_text(wide.read_text().replace("\nkeep:\n", "\nkeep:\n  exactly: class\n"))
    said = {}
    for form in FORMS:
        assert run(["check", str(made.policy), "--format", form]) == 0
        said[form] = capsys.readouterr().out
    assert (said["github"], json.loads(said["gitlab"]), json.loads(said["sarif"])["runs"][0]["results"]) == ("", [], [])
    assert JUnitXml.fromstring(said["junit"].encode()).failures == 0
    assert json.loads(said["json"])["problems"] == []


def test_the_forms_are_those_that_help_names() -> None:
    command = cli.get_command(click.Context(cli), "check")
    assert command is not None
    [option] = [p for p in command.params if isinstance(p, click.Option) and "--format" in p.opts]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == {"text", *FORMS}


def test_a_policy_that_hardly_any_model_passes_is_noted(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(made.policy)]) == 0
    assert "half-way" not in capsys.readouterr().err
    made.change(made.policy, "at_most: 0.20}\n    otherwise", "at_most: 0.02}\n    otherwise")
    assert run(["check", str(made.policy)]) == 0
    noted = capsys.readouterr().err
    assert (
        "note: policies/tiny.yaml: a model half-way between every limit and the ideal passes (release) with a chance"
        in noted
    )
    assert "least of all weak" in noted
