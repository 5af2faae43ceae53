"""GitLab's job that ships, included by a project of a user and run here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml

from tests.gitlab_jobs import Pipeline
from tests.tiny_repository import Tiny

TOP = Path(__file__).parents[1]
TEMPLATE = TOP / ".ci" / "gitlab" / "releasegate.yml"
PROJECT = """\
include:
  - {project: lab/releasegate, ref: v0.1.0, file: /.ci/gitlab/releasegate.yml}
gate:
  extends: .releasegate
  variables:
    RELEASEGATE_POLICY: %s
    RELEASEGATE_MODEL: checkpoint
    RELEASEGATE_INSTALL: ""
    RELEASEGATE_REHEARSE: "%s"
"""

Start = Callable[..., Pipeline]


def called(folder: Path, text: str) -> Path:
    """A folder with a command `releasegate`."""
    folder.mkdir()
    (folder / "releasegate").write_text(text)
    (folder / "releasegate").chmod(0o755)
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A pipeline of a project with these files and this `releasegate`."""

    def run(
        files: Path, gate: str, policy: str = "policies/tiny.yaml", rehearse: str = "true", **more: str
    ) -> Pipeline:
        project = tmp_path / "project"
        shutil.copytree(files, project)
        (project / ".gitlab-ci.yml").write_text(PROJECT % (json.dumps(policy), rehearse))
        git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
            subprocess.run([*git, *arguments], check=True)
        path = f"{called(tmp_path / 'bin', gate)}{os.pathsep}{os.environ['PATH']}"
        env = {"PATH": path, "PYTHONPATH": str(TOP), "HOME": str(tmp_path)}
        pipeline = Pipeline(tmp_path / "jobs", project, more, env, {"/.ci/gitlab/releasegate.yml": TEMPLATE})
        pipeline.run()
        return pipeline

    return run


REAL = f"#!{sys.executable}\nfrom releasegate.__main__ import main\nmain()\n"
FAKE = """#!/usr/bin/env bash
printf '%s\\0' "$@" >"$KEPT"
for part in "$@"; do
  case "$part" in junit=*) [ -n "${SILENT:-}" ] || echo "<testsuites/>" >"${part#*=}" ;; esac
done
exit "$CODE"
"""


@pytest.mark.slow
def test_a_job_has_the_reports_that_gitlab_shows(made: Tiny, start: Start) -> None:
    pipeline = start(made.rehearsable(100).root, REAL)
    assert pipeline.jobs["gate"].code == 0, pipeline.jobs["gate"].log
    reports = pipeline.reports["gate"]
    assert JUnitXml.fromfile(str(reports["junit"])).tests > 1
    [entry] = json.loads(reports["codequality"].read_text())
    assert entry["location"]["path"] == "policies/tiny.yaml"
    assert (pipeline.folder / "gate/artifacts/runs/releasegate/report.html").is_file()


@pytest.mark.slow
def test_a_wrong_policy_is_an_entry_of_the_report(made: Tiny, start: Start) -> None:
    made.change(made.policy, "otherwise: strip", "otherwise: drop")
    pipeline = start(made.root, REAL)
    assert pipeline.jobs["gate"].code == 2
    entries = json.loads(pipeline.reports["gate"]["codequality"].read_text())
    assert "must be one of strip, restrict, withhold" in entries[0]["description"]


def planted(tmp_path: Path) -> Path:
    """A project whose author committed reports of their own."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "runs" / "releasegate").mkdir(parents=True)
    for name in ("releasegate-junit.xml", "releasegate-quality.json", "releasegate.md", "runs/releasegate/report.html"):
        (tmp_path / "files" / name).write_text("all is well")
    return tmp_path / "files"


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_job_ends_as_the_gate_does_and_shows_no_planted_report(tmp_path: Path, start: Start, code: int) -> None:
    pipeline = start(planted(tmp_path), FAKE, CODE=str(code), KEPT=str(tmp_path / "kept"))
    assert pipeline.jobs["gate"].code == code
    assert pipeline.reports["gate"]["junit"].read_text() == "<testsuites/>\n"
    assert not (pipeline.folder / "gate/artifacts/runs/releasegate/report.html").exists()
    quality = pipeline.reports["gate"]["codequality"]
    assert not quality.exists() or quality.read_text() == ""


def test_a_gate_that_ends_without_a_verdict_is_no_yes(tmp_path: Path, start: Start) -> None:
    """As one does whose harness calls `os._exit(0)`."""
    pipeline = start(planted(tmp_path), FAKE, CODE="0", SILENT="1", KEPT=str(tmp_path / "kept"))
    assert pipeline.jobs["gate"].code == 2
    assert not pipeline.reports["gate"]["junit"].exists()


def test_a_policy_is_one_argument_whatever_it_is_called(tmp_path: Path, start: Start) -> None:
    hostile = f'$(touch {tmp_path}/a)`touch {tmp_path}/b`"; touch {tmp_path}/c #'
    start(planted(tmp_path), FAKE, hostile, RELEASEGATE_ARTEFACT="paper *", CODE="1", KEPT=str(tmp_path / "kept"))
    arguments = (tmp_path / "kept").read_text().split("\0")[:-1]
    assert arguments[-2:] == ["--", hostile]
    assert arguments[arguments.index("--artefact") :][:4] == ["--artefact", "paper", "--artefact", "*"]
    assert [name for name in "abc" if (tmp_path / name).exists()] == []


def test_whether_it_is_a_rehearsal_is_never_guessed(tmp_path: Path, start: Start) -> None:
    pipeline = start(planted(tmp_path), FAKE, rehearse="yes", CODE="0", KEPT=str(tmp_path / "kept"))
    assert pipeline.jobs["gate"].code == 2
    assert not (tmp_path / "kept").exists()
