"""A recipe that cannot be read stops those who ask for it, and nobody else; each of its errors is said once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.tiny_checkpoints import WIDE, chameleon_recipe_text, tiny
from tests.tiny_repository import Tiny

GOOD, BAD = WIDE, "chameleon-hf/bad"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkpoint in a gate repository with a good recipe, a broken one, and one whose file is ignored."""
    folder = tmp_path / "policies" / "recipes" / "chameleon-hf"
    folder.mkdir(parents=True)
    (tmp_path / "evals").mkdir()
    (folder / "drawing.yaml").write_text(chameleon_recipe_text())
    (folder / "bad.yaml").write_text(f"schema: releasegate/recipe/v1\nid: {BAD}\nedit: []\n")
    (folder / "late.yml").write_text("")
    return tiny().write(tmp_path / "model")


def strip(root: Path, name: str) -> int:
    return run(["strip", str(root), "--recipe", name, "--repo", str(root.parent), "-q", "--plan-only"])


def test_a_strip_reads_its_own_recipe_alone(root: Path) -> None:
    assert strip(root, GOOD) == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (BAD, "policies/recipes/chameleon-hf/bad.yaml:"),
        ("chameleon-hf/drawnig", f"no such recipe\n  fix: did you mean `{GOOD}`?"),
        ("zzz", f"zzz: no such recipe\n  fix: use one of {BAD}, {GOOD}"),
        ("chameleon-hf/late", "chameleon-hf/late.yml: is ignored: recipes end in .yaml\n  fix: rename it to"),
        (f"policies/recipes/{GOOD}.yaml", f"is a file, and a recipe is named by its id, LAYOUT/CAPABILITY\n  fix: give `{GOOD}`"),
        ("x.yaml", "x.yaml: is a file, and a recipe is named by its id, LAYOUT/CAPABILITY\n  fix: put it at policies/recipes/"),
        ("../../model/config", "no such recipe"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_used_is_said_to_be_so(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    assert strip(root, name) == 2
    assert says in capsys.readouterr().err


def test_an_inspection_tries_the_others_and_names_what_it_did_not_try(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(root), "--repo", str(root.parent), "-q"]) == 0
    said = capsys.readouterr()
    assert f"recipe {GOOD}: accounts for every tensor" in said.out
    first, second = said.err.splitlines()
    assert first.startswith(f"recipe {BAD} was not tried: policies/recipes/chameleon-hf/bad.yaml:")
    assert second == "policies/recipes/chameleon-hf/late.yml was not tried: recipes end in .yaml"


@pytest.mark.parametrize("command", ["check", "list"])
def test_all_that_is_wrong_is_said_once_however_many_policies_there_are(
    made: Tiny, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    policy = made.policy.read_text()
    (made.policy.parent / "other.yaml").write_text(policy.replace("id: tiny", "id: other", 1))
    folder = made.root / "policies" / "recipes" / "x"
    folder.mkdir()
    (folder / "bad.yaml").write_text("schema: releasegate/recipe/v1\nid: x/bad\n")
    (folder / "late.yml").write_text("")
    assert run([command, "--repo", str(made.root)]) == 2
    said = capsys.readouterr()
    assert said.err.count("bad.yaml:1:1: title: missing") == 1
    assert "late.yml: is ignored: recipes end in .yaml" in said.err
    if command == "list":
        assert GOOD in said.out
    else:
        assert run([command, str(made.policy)]) == 0


def test_a_policy_whose_recipe_is_broken_is_refused(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / "policies" / "recipes" / f"{GOOD}.yaml"
    path.write_text(path.read_text().replace("rationale:", "rational:"))
    assert run(["check", str(made.policy)]) == 2
    assert "drawing.yaml" in capsys.readouterr().err


def test_a_list_as_json_is_whole_json_beside_the_errors(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "recipes", "--repo", str(root.parent), "--format", "json"]) == 2
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["recipes"]] == [GOOD]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("recipe", "schema: is a recipe, and a policy is wanted\n  fix: it is checked by `releasegate check` without a file"),
        ("policytest", "schema: is a policy test, and a policy is wanted\n  fix: run it with `releasegate test FILE`"),
        ("eval", "schema: is an eval card, and a policy is wanted"),
    ],
)  # fmt: skip
def test_a_check_of_another_kind_of_file_says_what_it_is(
    root: Path, capsys: pytest.CaptureFixture[str], kind: str, says: str
) -> None:
    path = root.parent / "policies" / "x.yaml"
    path.write_text(f"schema: releasegate/{kind}/v1\n")
    assert run(["check", str(path)]) == 2
    assert says in capsys.readouterr().err
