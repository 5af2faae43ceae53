"""What a recipe takes for a file, or for a tensor, and is neither, is said in words that lead on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import RecipeMismatch, StripError
from releasegate.stripping import plan_strip, write_strip
from tests.stripping.toys import specs, toy, toy_recipe
from tests.tiny_checkpoints import chameleon_recipe, recipe, tiny

UNTIED = {"embed.weight": (10, 8), "layers.0.w": (8, 8)}


@pytest.mark.parametrize(
    ("pattern", "what", "fix"),
    [
        ("model.safetensors", "model.safetensors holds the model's weights", "`drop` the tensors by name"),
        ("*.safetensors", "model.safetensors holds the model's weights", "`drop` the tensors by name"),
        ("config.json", "without config.json nothing says what the model is", "keep it, and `set` or `unset` its keys"),
        ("nowhere", "matches 0 files, and 1 is expected", "is it another version of the layout?"),
    ],
)
def test_the_models_own_files_are_not_left_out_as_files(pattern: str, what: str, fix: str, tmp_path: Path) -> None:
    edits = [{"drop": "layers.1.w", "expect": 1}, {"drop_file": pattern, "expect": 1}]
    kept = {"tensors": ["embed.weight", "layers.0.w", "head.weight"], "files": []}
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(toy(tmp_path / "a"), [toy_recipe(*edits, keep=kept)])
    (problem,) = caught.value.problems
    assert problem.what == f"drop_file {pattern}: {what}"
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize(
    "edit",
    [
        {"zero_rows": "lm_head.weight", "rows": {"vocabulary": "img*"}, "expect": 4},
        {"zero_fill": "lm_head.weight", "expect": 1},
        {"drop": "*lm_head*", "expect": 1},
    ],
)
def test_a_head_that_is_tied_is_said_to_be_absent_for_that(edit: dict[str, Any], tmp_path: Path) -> None:
    contents = toy(tmp_path / "a", specs(UNTIED), {"tie_word_embeddings": True})
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(contents, [toy_recipe(edit)])
    (problem,) = caught.value.problems
    assert problem.what.endswith(
        "matches no tensor: config.json ties it to the input embedding, so that the class makes it of that"
    )
    assert problem.fix.startswith("untie the embeddings first")


def test_a_head_that_is_missing_otherwise_is_counted(tmp_path: Path) -> None:
    edit = {"zero_fill": "lm_head.weight", "expect": 1}
    with pytest.raises(RecipeMismatch, match="matches 0 tensors, and 1 is expected"):
        plan_strip(toy(tmp_path / "a", specs(UNTIED)), [toy_recipe(edit)])


def test_tokens_that_are_still_offered_are_to_be_suppressed(tmp_path: Path) -> None:
    edits = [edit for edit in chameleon_recipe().plain()["edits"] if "set" not in edit]
    kept = chameleon_recipe().plain()["keep"]
    made = recipe(edits=edits, keep={**kept, "files": [*kept["files"], "generation_config.json"]})
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    with pytest.raises(StripError) as caught:
        write_strip(checkpoint, plan_strip(checkpoint, [made]), tmp_path / "out")
    (problem,) = caught.value.problems
    assert "gone and not suppressed" in problem.what
    assert problem.fix == (
        "suppress them (`{set: generation_config.json, key: suppress_tokens, tokens: {vocabulary: PATTERN}}`), "
        "or list the file under `residual`"
    )
