"""What CI systems read of ours is valid by their published schemas, pinned, and told in the documentation."""

from __future__ import annotations

import importlib.resources
import json
import re
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
GITLAB = sorted([*(TOP / "templates").glob("*.yml"), *(TOP / "examples").glob("*/.gitlab-ci.yml")])


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


def steps(file: Path) -> list[dict[str, Any]]:
    """Every step of a workflow or an action."""
    data = read(file)
    jobs = [data["runs"]] if "runs" in data else data["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("file", [TOP / "action.yml", *WORKFLOWS], ids=lambda file: file.name)
def test_no_script_holds_an_expression(file: Path) -> None:
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


def test_the_action_tells_every_input_and_output_apart() -> None:
    data = read(TOP / "action.yml")
    page = (TOP / "docs" / "ci.md").read_text()
    assert [name for name in (*data["inputs"], *data["outputs"]) if f"`{name}`" not in page] == []
    used = set(re.findall(r"inputs\.([\w-]+)", (TOP / "action.yml").read_text()))
    assert used == set(data["inputs"])
