"""`verify` says whose recipe a strip is by, and refuses one that takes the id of another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from releasegate.__main__ import run
from tests.layouts import LAYOUTS
from tests.tiny_checkpoints import RECIPES

RECIPE = "chameleon-hf/image_generation"
ROWS = "rows: {vocabulary: "


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate repository in which one stands, with a checkpoint in `model`."""
    shutil.copytree(RECIPES, tmp_path / "policies" / "recipes")
    (tmp_path / "evals").mkdir()
    LAYOUTS["chameleon-hf"].write(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe_file(root: Path, name: str = RECIPE) -> Path:
    return root / "policies" / "recipes" / f"{name}.yaml"


def rewritten(root: Path, *changes: tuple[str, str], name: str = RECIPE) -> Path:
    text = recipe_file(root).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    recipe_file(root, name).write_text(text)
    return recipe_file(root, name)


def weakened(root: Path) -> Path:
    """The recipe under the id that ships, with fewer rows."""
    return rewritten(
        root,
        ('"IMGIMG*Z"', '"IMGIMGA*Z"'),
        ("expect: {tensor: model.vqmodel.quantize.embedding.weight}", "expect: {min: 1, max: 8}"),
    )


def strip(name: str = RECIPE) -> None:
    assert run(["strip", "model", "--recipe", name, "--out", "out", "-q"]) == 0


def verify(*more: str) -> int:
    return run(["verify", "out", "--source", "model", "-q", *more])


def test_the_shipped_recipe_is_named_with_what_it_names(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strip()
    capsys.readouterr()
    assert verify() == 0
    assert (
        "the shipped recipe: it names 16 rows of lm_head.weight, 2 tensors of"
        in capsys.readouterr().out.splitlines()[0]
    )
    assert verify("--format", "json") == 0
    (one,) = json.loads(capsys.readouterr().out)["recipes"]
    assert (one["id"], one["is"], one["means"]) == (RECIPE, "shipped", "the shipped recipe")


def test_a_weaker_recipe_under_a_shipped_id_is_told_by_strip_and_refused_by_verify(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = weakened(root)
    strip()
    assert "NOT the shipped recipe of that id" in capsys.readouterr().out
    assert verify() == 2
    said = capsys.readouterr()
    assert (
        "is by a recipe that is NOT the shipped recipe of that id: chameleon-hf/image_generation, sha256:" in said.err
    )
    assert said.out == ""
    assert verify("--recipe", str(file)) == 0
    told = capsys.readouterr().out
    assert "the recipe that was named with --recipe, NOT the shipped recipe of that id" in told
    assert "ok: the source has what the recipe expects of it, and 3 of its tensors are to change or go" in told


def test_a_shipped_strip_is_not_by_another_recipe_that_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strip()
    assert verify("--recipe", str(weakened(root))) == 2
    assert "NOT the recipe that was named with --recipe" in capsys.readouterr().err


def test_a_recipe_of_ones_own_is_no_other_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(root, (f"id: {RECIPE}", "id: chameleon-hf/mine"), name="chameleon-hf/mine")
    strip("chameleon-hf/mine")
    assert verify() == 0
    told = capsys.readouterr().out
    assert "chameleon-hf/mine (sha256 " in told
    assert "a recipe of your own" in told
    assert verify("--recipe", str(recipe_file(root))) == 2
    assert f"is not by the recipe {RECIPE}, which was named" in capsys.readouterr().err


def test_the_lock_of_the_gate_repository_names_recipes_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weakened(root)
    strip()
    assert run(["lock", "--repo", str(root)]) == 0
    capsys.readouterr()
    assert verify() == 0
    assert "as the lock of the gate repository names it, NOT the shipped recipe of that id" in capsys.readouterr().out
    shutil.copy(RECIPES / f"{RECIPE}.yaml", recipe_file(root))
    assert run(["lock", "--repo", str(root)]) == 0
    assert verify() == 2
    assert "NOT the recipe that the lock of the gate repository names" in capsys.readouterr().err
    rewritten(root, ("title: ", "title: Edited, "))
    assert verify() == 2, "what is not as it was locked names nothing"
