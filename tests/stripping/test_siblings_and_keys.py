"""Files beside the model, keys of JSON files, and what no published checkpoint may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from releasegate.checkpoint import Contents, open_checkpoint, read_contents
from releasegate.errors import RecipeMismatch
from releasegate.receipt import KeySet, LentParts
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip, verify_strip, write_strip
from releasegate.stripping.edits import TensorEdit
from tests.layouts import Spec
from tests.stripping.toys import PLAIN, specs, toy, toy_recipe
from tests.tiny_checkpoints import chameleon_recipe, recipe, tiny

CODEC = specs({"decoder.w": (4, 4), "decoder.b": (4,), "encoder.w": (4, 4)})
DECODER = {"drop": "codec.ckpt:decoder.*", "expect": 2}
HEAD = {"zero_rows": "head.weight", "rows": {"vocabulary": "img*"}, "expect": 4}
TEXTS = {"more.json": {"a": {"b": 3, "c": [1]}, "d": 1}}
TENSORS = ["embed.weight", "layers.*", "head.weight"]
WEIGHTS = [{"tensors": "head.weight", "why": "The class needs it."}]


def with_codec(root: Path, **files: Any) -> Contents:
    return toy(root, torch={"codec.ckpt": CODEC}, **files)


def inner(*edits: dict[str, Any], keep: list[str] | None = None, files: list[str] | None = None, **keys: Any) -> Recipe:
    kept = [*TENSORS, "codec.ckpt:encoder.*"] if keep is None else keep
    return toy_recipe(
        *edits, keep={"tensors": kept, "files": ["config.json"] if files is None else files}, residual=[], **keys
    )


def test_a_pickle_beside_the_model_is_edited_by_tensor_and_converted(tmp_path: Path) -> None:
    recipe = inner(DECODER, lent={"tensors": ["codec.ckpt:decoder.w"]})
    plan = plan_strip(with_codec(tmp_path / "a"), [recipe])
    assert plan.tensors == dict.fromkeys(("codec.ckpt:decoder.b", "codec.ckpt:decoder.w"), TensorEdit("removed"))
    assert plan.converted == ("codec.ckpt",)
    assert list(plan.siblings) == ["codec.ckpt"]
    assert plan.lent == LentParts(tensors=("codec.ckpt:decoder.w",))


def test_a_safetensors_file_beside_the_model_is_edited_by_tensor_or_kept_whole(tmp_path: Path) -> None:
    contents = toy(tmp_path / "a", safetensors={"codec.safetensors": CODEC})
    edit = {"zero_fill": "codec.safetensors:decoder.*", "expect": 2}
    plan = plan_strip(contents, [inner(edit, keep=[*TENSORS, "codec.safetensors:encoder.w"])])
    assert (len(plan.tensors), plan.converted, list(plan.siblings)) == (2, (), ["codec.safetensors"])
    whole = toy_recipe(HEAD, keep={"tensors": TENSORS[:2], "files": ["config.json", "codec.*"]})
    assert plan_strip(contents, [whole]).siblings == {}


def test_a_star_does_not_reach_into_other_files(tmp_path: Path) -> None:
    recipe = inner(DECODER, keep=["*", "codec.ckpt:enc*"])
    assert len(plan_strip(with_codec(tmp_path / "a"), [recipe]).tensors) == 2


def test_a_tensor_that_has_the_name_of_one_in_another_file_is_refused(tmp_path: Path) -> None:
    contents = with_codec(tmp_path / "a", tensors={**PLAIN, "codec.ckpt:decoder.w": Spec("F32", (1,))})
    with pytest.raises(RecipeMismatch, match=r"finds tensor 'codec\.ckpt:decoder\.w' in model\.safetensors and in"):
        plan_strip(contents, [inner(DECODER)])


WRONG: dict[str, tuple[Recipe, str]] = {
    "inner_tensor_unaccounted": (
        inner(DECODER, keep=TENSORS),
        "does not account for 1 tensor: 'codec.ckpt:encoder.w'",
    ),
    "inner_tensors_of_another_number": (
        inner({**DECODER, "expect": 3}),
        "drop codec.ckpt:decoder.*: matches 2 tensors, and 3 are expected",
    ),
    "by_tensor_and_as_a_file": (
        inner(DECODER, files=["config.json", "codec.*"]),
        "accounts for file 'codec.ckpt' more than once: its tensors, keep codec.*",
    ),
    "by_tensor_and_dropped": (
        inner(DECODER, {"drop_file": "codec.ckpt", "expect": 1}),
        "accounts for file 'codec.ckpt' more than once: drop_file codec.ckpt, its tensors",
    ),
    "pickle_kept": (
        toy_recipe(HEAD, keep={"tensors": TENSORS[:2], "files": ["*"]}),
        "does not drop 'codec.ckpt', which is a pickle",
    ),
    "pickle_unaccounted": (toy_recipe(HEAD), "does not drop 'codec.ckpt', which is a pickle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_beside_the_model_that_is_not_accounted_for_is_refused(name: str, tmp_path: Path) -> None:
    recipe, what = WRONG[name]
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(with_codec(tmp_path / "a"), [recipe])
    assert caught.value.problems[0].what == what


def test_an_adapter_cannot_be_kept_by_naming_its_tensors(tmp_path: Path) -> None:
    contents = toy(tmp_path / "a", safetensors={"adapter_model.safetensors": CODEC})
    edit = {"drop": "adapter_model.safetensors:decoder.*", "expect": 2}
    with pytest.raises(RecipeMismatch, match=r"does not drop 'adapter_model\.safetensors', which is an adapter"):
        plan_strip(contents, [inner(edit, keep=[*TENSORS, "adapter_model.safetensors:encoder.*"])])


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("modeling.py", "import os\n", "code, which a loader may run"),
        ("model.gguf", "GGUF", "a second form of the weights"),
        ("old.zip", "PK", "an archive, in which weights can hide"),
    ],
)
def test_what_no_checkpoint_may_hold_is_dropped_or_refused_by_what_it_is(
    name: str, content: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeMismatch, match=f"does not drop '{name}', which is {what}"):
        plan_strip(toy(tmp_path / "a", texts={name: content}), [toy_recipe(HEAD)])
    dropping = toy_recipe(HEAD, {"drop_file": name, "expect": 1})
    assert plan_strip(toy(tmp_path / "b", texts={name: content}), [dropping]).dropped == (name,)


def test_a_key_that_asks_for_code_is_taken_out_or_refused(tmp_path: Path) -> None:
    config = {"auto_map": {"AutoModel": "modeling.Model"}}
    with pytest.raises(RecipeMismatch, match=r"leaves auto_map in config\.json, which asks for code"):
        plan_strip(toy(tmp_path / "a", config=config), [toy_recipe(HEAD)])
    unset = toy_recipe(HEAD, {"unset": "config.json", "key": "auto_map"})
    plan = plan_strip(toy(tmp_path / "b", config=config), [unset])
    assert plan.keys == (KeySet(file="config.json", key="auto_map", unset=True),)


def keyed(*edits: dict[str, Any]) -> Recipe:
    keep = {"tensors": TENSORS[:2], "files": ["config.json"]}
    return toy_recipe(HEAD, *edits, keep=keep, residual=WEIGHTS)


def test_keys_are_set_lowered_and_taken_out_by_dotted_path(tmp_path: Path) -> None:
    plan = plan_strip(
        toy(tmp_path / "a", texts=TEXTS),
        [
            keyed(
                {"set": "more.json", "key": "a.b", "less": {"config": "depth"}},
                {"set": "more.json", "key": "a.new", "value": {"x": 1}},
                {"unset": "more.json", "key": "d"},
                {"unset": "more.json", "key": "gone", "expect": {"min": 0, "max": 1}},
                {"unset": "other.json", "key": "gone", "expect": {"min": 0, "max": 1}},
            )
        ],
    )
    assert plan.keys == (
        KeySet(file="more.json", key="a.b", value=1),
        KeySet(file="more.json", key="a.new", value={"x": 1}),
        KeySet(file="more.json", key="d", unset=True),
    )


WRONG_KEYS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "not_there": ([{"unset": "more.json", "key": "e"}], "unset more.json, key e: matches 0 keys, and 1 is expected"),
    "no_object": (
        [{"set": "more.json", "key": "d.e.f", "value": 1}],
        "set more.json: more.json has no object d.e",
    ),
    "no_number": (
        [{"set": "more.json", "key": "a.c", "less": 1}],
        "set more.json: more.json has no whole number a.c that 1 can be taken from",
    ),
    "too_small": (
        [{"set": "more.json", "key": "d", "less": 2}],
        "set more.json: more.json has no whole number d that 2 can be taken from",
    ),
    "inside_another": (
        [{"set": "more.json", "key": "a", "value": 1}, {"unset": "more.json", "key": "a.b"}],
        "sets a of more.json, and a.b inside it",
    ),
    "twice": (
        [{"set": "more.json", "key": "d", "less": 1}, {"set": "more.json", "key": "d", "value": 7}],
        "sets d of more.json twice",
    ),
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_key_that_cannot_be_edited_so_is_refused(name: str, tmp_path: Path) -> None:
    edits, what = WRONG_KEYS[name]
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(toy(tmp_path / "a", texts=TEXTS), [keyed(*edits)])
    assert caught.value.problems[0].what == what


def other(*edits: dict[str, Any]) -> Recipe:
    keep = {"tensors": TENSORS, "files": ["config.json"]}
    return toy_recipe(*edits, id="toy-hf/other", keep=keep, residual=[])


def test_two_recipes_do_not_lower_one_number_from_the_same_start(tmp_path: Path) -> None:
    lower = {"set": "more.json", "key": "d", "less": 1}
    with pytest.raises(RecipeMismatch, match=r"lowers d of more\.json, which another recipe lowers too"):
        plan_strip(toy(tmp_path / "a", texts=TEXTS), [keyed(lower), other(lower)])


def test_two_recipes_agree_on_a_file_that_one_edits_by_tensor(tmp_path: Path) -> None:
    dropping = toy_recipe(
        {"drop_file": "codec.ckpt", "expect": 1},
        id="toy-hf/other",
        keep={"tensors": TENSORS, "files": ["config.json"]},
        residual=[],
    )
    with pytest.raises(RecipeMismatch, match=r"accounts for tensors of codec\.ckpt, which another recipe drops"):
        plan_strip(with_codec(tmp_path / "a"), [inner(DECODER), dropping])


def test_a_bound_that_the_configuration_does_not_state_is_named(tmp_path: Path) -> None:
    recipe = toy_recipe({"drop": "layers.{>=layers-1}.*", "expect": 1}, residual=[])
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(toy(tmp_path / "a"), [recipe])
    assert caught.value.problems[0].what == "layers.{>=layers-1}.*: config.json has no whole number layers"


def test_a_bound_is_a_sum_of_what_the_configuration_states(tmp_path: Path) -> None:
    keep = {"tensors": ["*.weight", "layers.{<depth-1}.*"], "files": ["config.json"]}
    recipe = toy_recipe(
        {"drop": "layers.{>=depth-1}.*", "expect": {"config": "depth", "plus": -1}}, keep=keep, residual=[]
    )
    assert list(plan_strip(toy(tmp_path / "a"), [recipe]).tensors) == ["layers.1.w"]


def test_a_recipe_that_finds_nothing_to_take_away_says_so(tmp_path: Path) -> None:
    recipe = other({"drop_file": "*.pt", "expect": {"min": 0, "max": 3}})
    with pytest.raises(RecipeMismatch, match="takes nothing away from this checkpoint"):
        plan_strip(toy(tmp_path / "a"), [recipe])


def test_a_residual_file_must_stay(tmp_path: Path) -> None:
    listed = [*WEIGHTS, {"files": "more.json", "why": "The class reads it."}]
    keep = {"tensors": TENSORS[:2], "files": ["*.json"]}
    contents = toy(tmp_path / "a", texts=TEXTS)
    assert len(plan_strip(contents, [toy_recipe(HEAD, keep=keep, residual=listed)]).residual) == 2
    dropping = toy_recipe(
        HEAD,
        {"drop_file": "more.json", "expect": 1},
        keep={"tensors": TENSORS[:2], "files": ["config.json"]},
        residual=listed,
    )
    with pytest.raises(RecipeMismatch, match=r"lists as residual 'more\.json', which matches no file that stays"):
        plan_strip(contents, [dropping])


@pytest.mark.parametrize(
    ("kind", "does"),
    [("zero_rows", "zeroes"), ("reinitialise_rows", "reinitialises"), ("remove_slices", "removes")],
)
def test_a_tensor_of_which_a_part_stays_is_listed(kind: str, does: str, tmp_path: Path) -> None:
    how: dict[str, Any] = {"rows": {"ids": [1]}} if kind.endswith("rows") else {"slices": {"ids": [0]}, "of": 2}
    std = {"std": 1.0} if kind == "reinitialise_rows" else {}
    edit = {kind: "layers.0.w", "expect": 1, **how, **std}
    recipe = toy_recipe(edit, keep={"tensors": ["*.weight", "layers.1.w"], "files": ["config.json"]}, residual=[])
    with pytest.raises(RecipeMismatch, match=rf"{does} rows of layers\.0\.w and does not list it under `residual`"):
        plan_strip(toy(tmp_path / "a"), [recipe])


def test_an_ending_in_capitals_makes_no_difference(tmp_path: Path) -> None:
    control = tiny()
    control.siblings["CODEC.SAFETENSORS"] = {"w": np.ones((4, 4), np.float32)}
    root = control.write(tmp_path / "model")
    kept = chameleon_recipe().plain()["keep"]
    made = recipe(keep={**kept, "files": [*kept["files"], "CODEC.*"]})
    for number, contents in enumerate((read_contents(root), open_checkpoint(root))):
        receipt = write_strip(contents, plan_strip(contents, [made]), tmp_path / f"out{number}")
        assert verify_strip(tmp_path / f"out{number}", receipt, root)


def test_half_a_character_in_an_edited_text_is_written_as_it_was(tmp_path: Path) -> None:
    control = tiny()
    control.texts["generation_config.json"] = '{"bos_token_id": 0, "note": "\\ud800"}'
    contents = read_contents(control.write(tmp_path / "model"))
    receipt = write_strip(contents, plan_strip(contents, [chameleon_recipe()]), tmp_path / "out")
    assert verify_strip(tmp_path / "out", receipt, tmp_path / "model")
    assert r'"note": "\ud800"' in (tmp_path / "out" / "generation_config.json").read_text()
