"""What CI systems read of ours is valid by their published schemas, pinned, and told in the documentation."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.workflows import read

TOP = Path(__file__).parents[1]
WORKFLOWS = sorted(
    [
        *(TOP / ".github" / "workflows").glob("*.yml"),
        *(TOP / "examples").glob("*/.github/workflows/*.yml"),
        *(TOP / "examples").glob("*/workflows/*.yml"),
    ]
)
GITLAB = sorted([*(TOP / ".ci" / "gitlab").glob("*.yml"), *(TOP / "examples").glob("*/.gitlab-ci.yml")])


def problems(schema: str, file: Path) -> list[str]:
    """What check-jsonschema's copy of a published schema has against a file."""
    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{schema}.json"
    validator = Draft7Validator(json.loads(vendored.read_text()))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(yaml_of(file))]


def yaml_of(file: Path) -> dict[str, Any]:
    return read(file)


def test_the_action_is_one() -> None:
    assert problems("github-actions", TOP / "action.yml") == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_is_one(file: Path) -> None:
    assert problems("github-workflows", file) == []


@pytest.mark.parametrize("file", GITLAB, ids=lambda file: file.name)
def test_a_file_for_gitlab_is_one(file: Path) -> None:
    assert problems("gitlab-ci", file) == []


def test_the_examples_of_the_page_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"^```YAML\n(.*?)^```$", (TOP / "docs" / "ci.md").read_text(), re.MULTILINE | re.DOTALL)
    found = {}
    for block in blocks:
        kind = "github-workflows" if "steps:" in block else "gitlab-ci" if "extends:" in block else "pre-commit"
        (tmp_path / f"{kind}.yml").write_text(("on: push\n" if kind == "github-workflows" else "") + block)
        found[kind] = [] if kind == "pre-commit" else problems(kind, tmp_path / f"{kind}.yml")
    assert found == {"github-workflows": [], "gitlab-ci": [], "pre-commit": []}


PINNED = re.compile(r"(?:\./|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d)")


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_an_action_of_somebody_else_is_pinned_by_its_commit(file: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (.+)$", file.read_text(), re.MULTILINE)
    assert used
    assert [one for one in used if not PINNED.match(one)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_job_has_the_rights_that_it_names_and_no_other(file: Path) -> None:
    data = read(file)
    assert data["permissions"] == {}
    for job in data["jobs"].values():
        assert set(job["permissions"]) <= {"contents", "id-token", "security-events", "pull-requests"}
        for step in job["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] in (False, "false")


def audited(folder: Path, answer: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The audit with tools that answer so, and no node."""
    (folder / "bin").mkdir()
    for name, script in {
        "zizmor": "exit 0",
        "pip-audit": f"cat <<'END'\n{answer}\nEND",
        "python": f'exec {sys.executable} "$@"',
    }.items():
        (folder / "bin" / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    for name in ("bash", "dirname", "mktemp", "rm", "grep", "cat"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    return subprocess.run(
        [str(shutil.which("bash")), str(TOP / ".ci" / "audit")],
        env={"PATH": str(folder / "bin"), "VENV": str(folder), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("required", "code"), [("", 0), ("required", 3)])
def test_a_service_that_knows_nothing_is_said_to_be_none(tmp_path: Path, required: str, code: int) -> None:
    done = audited(tmp_path, '{"dependencies": []}', AUDIT=required)
    assert done.returncode == code
    assert "NOT AUDITED: installed packages by pip-audit" in done.stderr
    assert "NOT AUDITED: workflows by actionlint" in done.stderr


def test_a_known_vulnerability_fails_the_audit(tmp_path: Path) -> None:
    listed = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}]}
    done = audited(tmp_path, json.dumps({"dependencies": [listed]}))
    assert done.returncode == 1
    assert "jinja2 2.10: PYSEC-2019-217, fixed in 2.10.1" in done.stdout


def steps(file: Path) -> list[dict[str, Any]]:
    """Every step of a workflow or an action."""
    data = read(file)
    jobs = [data["runs"]] if "runs" in data else data["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("file", [TOP / "action.yml", *WORKFLOWS], ids=lambda file: file.name)
def test_no_script_holds_an_expression(file: Path) -> None:
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("script", ["ci-github/.github/decide", "ci-gitlab/.gitlab/decide"])
def test_a_decision_that_was_killed_ends_the_job_as_it_ended(tmp_path: Path, script: str) -> None:
    """The program killed itself, as a machine without memory does: no verdict, and no code that means one."""
    for folder in ("venv/bin", "measured", "opened"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("judge", "attempt"):
        (tmp_path / "opened" / name).write_text("1")
    program = tmp_path / "venv" / "bin" / "releasegate"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o755)
    env = {"RUNNER_TEMP": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}", "LEDGER_HEAD": ""}
    env |= dict.fromkeys(("JUDGE", "ATTEMPT", "MODEL", "FAMILY", "GITHUB_STEP_SUMMARY"), "x")
    done = subprocess.run(
        ["bash", str(TOP / "examples" / script)], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert done.returncode == 137, done.stderr
    assert not (tmp_path / "decided").exists()


@pytest.mark.parametrize("file", [TOP / "action.yml", *WORKFLOWS, *GITLAB], ids=lambda f: str(f.relative_to(TOP)))
def test_python_looks_for_no_module_in_the_working_tree(file: Path) -> None:
    called = re.findall(r"\S+ (?:\S+ )?-m (?:venv|pip)\b", file.read_text())
    assert [one for one in called if " -I -m " not in one] == []


def test_the_action_tells_every_input_and_output_apart() -> None:
    data = read(TOP / "action.yml")
    page = (TOP / "docs" / "ci.md").read_text()
    assert [name for name in (*data["inputs"], *data["outputs"]) if f"`{name}`" not in page] == []
    used = set(re.findall(r"inputs\.([\w-]+)", (TOP / "action.yml").read_text()))
    assert used == set(data["inputs"])
