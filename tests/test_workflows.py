"""The interpreters of CI files refuse what they do not know, and read the rest as the CI systems do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.gitlab_jobs import Pipeline
from tests.workflows import Runner, Unsupported, commands, evaluate, file_commands

CONTEXTS = {"github": {"event_name": "push", "ref": "refs/tags/v1"}, "inputs": {}, "job": {"failed": True}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.event_name == 'PUSH'", True),
        ("github.event_name != 'push' || startsWith(github.ref, 'refs/tags/')", True),
        ("!(github.event_name == 'push') && always()", False),
        ("inputs.nothing == ''", True),
        ("inputs.nothing && 'a' || 'it''s'", "it's"),
        ("failure()", True),
        ("success()", False),
    ],
)
def test_expressions_mean_what_github_means(text: str, value: object) -> None:
    assert evaluate(text, CONTEXTS) == value


@pytest.mark.parametrize("text", ["hashFiles('x')", "nowhere.x", "a[0]", "1 +", "'a' 'b'", "(always()", ""])
def test_an_expression_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(Unsupported):
        evaluate(text, CONTEXTS)


@pytest.mark.parametrize(
    "job",
    [
        "strategy: {matrix: {a: [b]}}, steps: []",
        "container: x, steps: []",
        "steps: [{run: a, shell: pwsh}]",
        "steps: [{uses: somebody/else@v1}]",
        "steps: [{run: a, timeout: 1}]",
    ],
)
def test_a_workflow_that_asks_for_more_is_refused(tmp_path: Path, job: str) -> None:
    file = tmp_path / "w.yml"
    file.write_text(f"on: push\njobs:\n  a: {{runs-on: x, {job}}}\n")
    with pytest.raises(Unsupported):
        Runner(tmp_path / "jobs", env={"PATH": os.environ["PATH"]}).workflow(file)


def test_a_job_hands_outputs_on_and_a_failure_skips_what_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "w.yml"
    file.write_text(
        """\
on: push
jobs:
  a:
    outputs: {said: "${{ steps.one.outputs.said }}"}
    steps:
      - {id: one, run: "echo said=hello >>$GITHUB_OUTPUT; echo LATER=x >>$GITHUB_ENV"}
      - {run: "test $LATER = x"}
  b:
    needs: a
    steps:
      - {env: {SAID: "${{ needs.a.outputs.said }}"}, run: "test $SAID = hello; exit 7"}
      - {name: not run, run: "true"}
      - {name: run, if: always(), run: "true"}
  c: {needs: b, steps: [{run: "true"}]}
"""
    )
    jobs = Runner(tmp_path / "jobs", env={"PATH": os.environ["PATH"]}).workflow(file)
    assert (jobs["a"].code, jobs["b"].code, jobs["c"].skipped) == (0, 7, True)
    assert jobs["b"].steps[1:] == ["run"]


def test_the_files_and_the_log_of_a_step_are_read_as_the_runner_does() -> None:
    assert file_commands("a=b<<c\nd<<END\none\ntwo=2\nEND\n") == {"a": "b<<c", "d": "one\ntwo=2"}
    with pytest.raises(ValueError, match="does not end"):
        file_commands("a<<END\nno end")
    log = "::error file=a,line=1::x%0Ay\n::stop-commands::t\n::error::hidden\n::t::\nlate ##[warning]z\n"
    assert [(a.command, a.text) for a in commands(log)] == [("error", "x\ny"), ("##", "late ##[warning]z")]


def project(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / ".gitlab-ci.yml").write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


@pytest.mark.parametrize(
    "job", ["{script: [a], cache: {}}", "{script: [a], rules: [{exists: [x]}]}", "{script: [a], rules: [{if: a == b}]}"]
)
def test_a_job_of_gitlab_that_asks_for_more_is_refused(tmp_path: Path, job: str) -> None:
    with pytest.raises(Unsupported):
        Pipeline(tmp_path / "jobs", project(tmp_path / "p", f"a: {job}\n")).run()


def test_jobs_of_gitlab_hand_files_on_and_run_by_their_rules(tmp_path: Path) -> None:
    text = """\
stages: [one, two]
first: {stage: one, script: ["echo $WORD >kept"], artifacts: {paths: [kept]}, variables: {WORD: hi}}
second:
  stage: two
  script: ["grep hi kept", "exit 3"]
  allow_failure: {exit_codes: 3}
  rules: [{if: '$CI_COMMIT_TAG =~ /^v[0-9]+/ && $CI_COMMIT_TAG != "v0"'}]
never: {stage: two, script: ["exit 9"], rules: [{if: $CI_MERGE_REQUEST_IID}]}
"""
    jobs = Pipeline(
        tmp_path / "jobs", project(tmp_path / "p", text), {"CI_COMMIT_TAG": "v1"}, {"PATH": os.environ["PATH"]}
    ).run()
    assert (jobs["first"].code, jobs["second"].code, jobs["never"].skipped) == (0, 0, True)
    assert "hi" in jobs["second"].log
