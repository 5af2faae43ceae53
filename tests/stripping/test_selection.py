"""Rows and slices come to numbers that each tensor and each shard has, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from releasegate.errors import RecipeMismatch
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip
from releasegate.stripping.edits import TensorEdit
from tests.layouts import Spec, Tensors
from tests.stripping.toys import PLAIN, specs, split, toy, toy_recipe

IMAGES = {"vocabulary": "img*"}


def rows(kind: str = "zero_rows", name: str = "head.weight", **keys: Any) -> dict[str, Any]:
    return {kind: name, "rows": IMAGES, "expect": 4, **keys}


def test_rows_go_by_token_or_by_number_along_any_dimension(tmp_path: Path) -> None:
    recipe = toy_recipe(
        rows(),
        {"reinitialise_rows": "embed.weight", "rows": {"ids": [1, [3, 4], 5]}, "dimension": 1, "std": 0.5, "expect": 4},
    )
    assert plan_strip(toy(tmp_path / "a"), [recipe]).tensors == {
        "embed.weight": TensorEdit("rows_reinitialised", ((1, 1), (3, 5)), 1, 0.5),
        "head.weight": TensorEdit("rows_zeroed", ((6, 9),)),
    }


def test_edits_that_do_the_same_to_rows_of_one_tensor_are_one(tmp_path: Path) -> None:
    more = {"zero_rows": "head.weight", "rows": {"ids": [0, [4, 7]]}, "expect": 5}
    plan = plan_strip(toy(tmp_path / "a"), [toy_recipe(rows(), more)])
    assert plan.tensors["head.weight"].rows == ((0, 0), (4, 9))


def test_a_pattern_and_slices_cut_heads_out_of_every_layer(tmp_path: Path) -> None:
    edit = {"remove_slices": "layers.*", "slices": {"ids": [[1, 2]]}, "of": {"config": "heads"}, "expect": 2}
    residual = [{"tensors": "layers.*", "why": "The other heads stay."}]
    keep = {"tensors": ["*.weight"], "files": ["config.json"]}
    plan = plan_strip(toy(tmp_path / "a"), [toy_recipe(edit, keep=keep, residual=residual)])
    assert set(plan.tensors.values()) == {TensorEdit("rows_removed", ((2, 5),))}
    last = {**edit, "slices": {"last": 1}, "dimension": 1}
    plan = plan_strip(toy(tmp_path / "b"), [toy_recipe(last, keep=keep, residual=residual)])
    assert set(plan.tensors.values()) == {TensorEdit("rows_removed", ((6, 7),), 1)}


def slices(**keys: Any) -> Recipe:
    edit = {"zero_slices": "layers.*", "slices": {"ids": [1]}, "of": 4, "expect": 2, **keys}
    keep = {"tensors": ["*.weight"], "files": ["config.json"]}
    return toy_recipe(edit, keep=keep, residual=[{"tensors": "layers.*", "why": "The others stay."}])


WRONG: dict[str, tuple[Recipe, str]] = {
    "no_such_dimension": (
        toy_recipe(rows(dimension=2)),
        "zero_rows head.weight: a tensor of shape [10, 8] has no dimension 2",
    ),
    "no_such_row": (
        toy_recipe({"zero_rows": "head.weight", "rows": {"ids": [[9, 10]]}, "expect": 2}),
        "zero_rows head.weight: row 10 does not exist; the tensor has 10",
    ),
    "other_number_of_rows": (
        toy_recipe({"zero_rows": "head.weight", "rows": {"ids": [[1, 3]]}, "expect": 2}),
        "zero_rows head.weight: matches 3 rows, and 2 are expected",
    ),
    "tokens_along_another_dimension": (
        toy_recipe(rows(dimension=1)),
        "zero_rows head.weight: row 9 does not exist; the tensor has 8",
    ),
    "all_rows_removed": (
        toy_recipe({"remove_rows": "head.weight", "rows": {"ids": [[0, 7]]}, "dimension": 1, "expect": 8}),
        "removes all 8 rows of head.weight",
    ),
    "two_outcomes": (
        toy_recipe(rows(), {"remove_rows": "head.weight", "rows": {"ids": [1]}, "expect": 1}),
        "wants tensor head.weight with rows zeroed and with rows removed",
    ),
    "two_dimensions": (
        toy_recipe(rows(), {"zero_rows": "head.weight", "rows": {"ids": [1]}, "dimension": 1, "expect": 1}),
        "wants tensor head.weight with rows zeroed and with rows zeroed along dimension 1",
    ),
    "two_deviations": (
        toy_recipe(rows("reinitialise_rows", std=1.0), rows("reinitialise_rows", std=0.5)),
        "wants tensor head.weight with rows reinitialised with std 1 and with rows reinitialised with std 0.5",
    ),
    "dropped_and_zeroed": (
        toy_recipe({"drop": "head.weight", "expect": 1}, rows()),
        "accounts for tensor 'head.weight' more than once: drop head.weight, zero_rows head.weight",
    ),
    "no_such_slice": (slices(slices={"ids": [4]}), "zero_slices layers.*: slice 4 does not exist; there are 4"),
    "more_slices_than_there_are": (
        slices(slices={"last": 5}),
        "zero_slices layers.*: has no last 5 slices; there are 4",
    ),
    "unequal_slices": (slices(of=3), "zero_slices layers.0.w: its 8 rows along dimension 0 are not 3 equal slices"),
    "slices_that_nobody_counts": (
        slices(of={"config": "experts"}),
        "zero_slices layers.*: config.json has no whole number experts",
    ),
    "slices_of_another_number": (slices(expect=3), "zero_slices layers.*: matches 2 tensors, and 3 are expected"),
    "a_number_below_zero": (
        slices(of={"config": "heads", "plus": -9}),
        "zero_slices layers.*: heads - 9 of config.json comes to -5",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_rows_that_the_tensor_does_not_have_are_refused_by_name(name: str, tmp_path: Path) -> None:
    recipe, what = WRONG[name]
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(toy(tmp_path / "a"), [recipe])
    assert caught.value.problems[0].what == what
    assert caught.value.problems[0].fix


@pytest.mark.parametrize("dtype", ["I8", "U8", "BOOL", "I64"])
def test_random_numbers_are_drawn_for_floats_alone(dtype: str, tmp_path: Path) -> None:
    tensors = {**PLAIN, "head.weight": Spec(dtype, (10, 8))}
    with pytest.raises(RecipeMismatch, match=f"a tensor of dtype {dtype} cannot hold random numbers"):
        plan_strip(toy(tmp_path / "a", tensors), [toy_recipe(rows("reinitialise_rows", std=0.1))])


def halves(**shapes: tuple[int, ...]) -> dict[str, Tensors]:
    """Two shards with the same tensors."""
    tensors = specs({name.replace("_", "."): shape for name, shape in shapes.items()})
    return {f"consolidated.0{rank}.safetensors": dict(tensors) for rank in range(2)}


def original(*edits: dict[str, Any]) -> Recipe:
    named = {str(value) for edit in edits for value in list(edit.values())[:1]}
    keep = [name for name in ("embed.weight", "norm.weight", "head.weight") if name not in named]
    return toy_recipe(
        *edits,
        layout="llama-original",
        id="llama-original/drawing",
        keep={"tensors": keep, "files": ["params.json"]},
    )


WHOLE = {"embed_weight": (10, 4), "norm_weight": (8,), "head_weight": (5, 8)}
"""The embedding is split along dimension 1, the head along dimension 0, the norm is repeated."""


def test_rows_of_a_split_tensor_are_those_of_the_joined_one(tmp_path: Path) -> None:
    by_number = {"zero_rows": "head.weight", "rows": {"ids": [[3, 6]]}, "parallel": 0, "expect": 4}
    plan = plan_strip(split(tmp_path / "a", halves(**WHOLE)), [original(by_number)])
    assert plan.tensors == {
        "head.weight@consolidated.00": TensorEdit("rows_zeroed", ((3, 4),)),
        "head.weight@consolidated.01": TensorEdit("rows_zeroed", ((0, 1),)),
    }
    across = {"zero_rows": "embed.weight", "rows": {"ids": [[3, 6]]}, "parallel": 1, "expect": 4}
    plan = plan_strip(split(tmp_path / "b", halves(**WHOLE)), [original(across)])
    assert {edit.rows for edit in plan.tensors.values()} == {((3, 6),)}
    assert len(plan.tensors) == 2


def test_tokens_of_a_split_tensor_are_found_in_each_shard(tmp_path: Path) -> None:
    plan = plan_strip(split(tmp_path / "a", halves(**WHOLE)), [original(rows(parallel=0))])
    assert plan.tensors == {"head.weight@consolidated.01": TensorEdit("rows_zeroed", ((1, 4),))}


def test_a_tensor_in_one_file_may_be_said_to_be_split(tmp_path: Path) -> None:
    one = {"consolidated.safetensors": specs({"embed.weight": (10, 8), "norm.weight": (8,), "head.weight": (10, 8)})}
    plan = plan_strip(split(tmp_path / "a", one), [original(rows(parallel=0))])
    assert plan.tensors == {"head.weight": TensorEdit("rows_zeroed", ((6, 9),))}


def test_whole_tensors_are_counted_by_name_and_edited_in_every_shard(tmp_path: Path) -> None:
    plan = plan_strip(split(tmp_path / "a", halves(**WHOLE)), [original({"drop": "norm.weight", "expect": 1})])
    assert list(plan.tensors) == ["norm.weight@consolidated.00", "norm.weight@consolidated.01"]


WRONG_SHARDS: dict[str, tuple[dict[str, Any], str]] = {
    "nobody_says": (
        {"zero_rows": "head.weight", "rows": {"ids": [1]}, "expect": 1},
        "it is split over 2 files, and nothing says along which dimension they are joined",
    ),
    "tokens_of_a_part": (
        rows(),
        "it is split over 2 files, and nothing says along which dimension they are joined",
    ),
    "repeated_and_not_split": (
        {"zero_rows": "embed.weight", "rows": {"ids": [1]}, "parallel": 0, "expect": 1},
        "its 2 shards come to 20 rows, which is no number of params.json",
    ),
    "split_along_the_other": (
        {"zero_rows": "head.weight", "rows": {"ids": [1]}, "parallel": 1, "expect": 1},
        "its 2 shards come to 5 rows, which is no number of params.json",
    ),
    "unequal_shards": (
        {"remove_rows": "head.weight", "rows": {"ids": [[3, 7]]}, "parallel": 0, "expect": 5},
        "removes 2, 3 rows of the shards, which become unequal",
    ),
    "slices_of_shards": (
        {"zero_slices": "head.weight", "slices": {"ids": [1]}, "of": 5, "expect": 1},
        "it is split over 2 files, so that its slices cannot be told",
    ),
}


@pytest.mark.parametrize("name", WRONG_SHARDS)
def test_a_split_that_cannot_be_told_is_refused(name: str, tmp_path: Path) -> None:
    edit, what = WRONG_SHARDS[name]
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(split(tmp_path / "a", halves(**WHOLE)), [original(edit)])
    assert what in caught.value.problems[0].what


def test_shards_of_unequal_length_need_a_word_on_how_they_are_joined(tmp_path: Path) -> None:
    shards = halves(**WHOLE)
    shards["consolidated.01.safetensors"]["head.weight"] = Spec("F32", (4, 8))
    edit = {"zero_rows": "head.weight", "rows": {"ids": [1]}, "expect": 1}
    with pytest.raises(RecipeMismatch, match="its 2 shards have 5, 4 rows each"):
        plan_strip(split(tmp_path / "a", shards), [original(edit)])
