"""A recipe accounts for a whole checkpoint, or says what it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import RecipeMismatch
from releasegate.manifest import stripped_digest
from releasegate.receipt import KeySet, LentParts
from releasegate.recipe import Recipe
from releasegate.stripping import StripPlan, plan_strip
from releasegate.stripping.edits import TensorEdit
from tests.tiny_checkpoints import WIDE, Tiny, chameleon_recipe, recipe, tiny

FIRST = "model-00001-of-00002.safetensors"
PLAIN = chameleon_recipe().plain()
ROWS, FILL, DROP, SET = PLAIN["edits"]


def planned(tmp_path: Path, *recipes: Recipe, made: Tiny | None = None) -> StripPlan:
    return plan_strip(open_checkpoint((made or tiny()).write(tmp_path / "model")), recipes)


def test_the_shipped_recipe_resolves_to_names_and_rows(tmp_path: Path) -> None:
    plan = planned(tmp_path, chameleon_recipe())
    assert plan.tensors == {
        "lm_head.weight": TensorEdit("rows_zeroed", ((4, 11),)),
        "model.vqmodel.post_quant_conv.bias": TensorEdit("zero_filled"),
        "model.vqmodel.post_quant_conv.weight": TensorEdit("zero_filled"),
    }
    assert plan.dropped == ("vqgan.safetensors",)
    assert plan.keys == (KeySet(file="generation_config.json", key="suppress_tokens", tokens=((4, 11),)),)
    names = ("model.vqmodel.post_quant_conv.bias", "model.vqmodel.post_quant_conv.weight")
    assert plan.lent == LentParts(tensors=names, files=("vqgan.safetensors",))
    assert plan.residual[0].tensors == "lm_head.weight"


def test_the_identity_is_that_of_source_and_recipes(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    plan = plan_strip(checkpoint, [chameleon_recipe()])
    assert plan.identity(checkpoint.digest) == stripped_digest(checkpoint.digest, [chameleon_recipe().digest()])


def test_a_decoder_that_is_not_there_is_neither_dropped_nor_lent(tmp_path: Path) -> None:
    made = tiny()
    made.siblings = {}
    plan = planned(tmp_path, chameleon_recipe(), made=made)
    assert (plan.dropped, plan.lent.files) == ((), ())


def edits(*given: dict[str, Any], **keys: Any) -> Recipe:
    return recipe(edits=list(given), **keys)


def keep(*, drop: str = "", add: str = "") -> dict[str, Any]:
    tensors = [pattern for pattern in PLAIN["keep"]["tensors"] if pattern != drop] + ([add] if add else [])
    return {**PLAIN["keep"], "tensors": tensors}


MISMATCHES: dict[str, tuple[Callable[[], Recipe], str]] = {
    "another_layout": (
        lambda: recipe(layout="janus-hf"),
        "is for layout janus-hf, and the checkpoint's is chameleon-hf",
    ),
    "tensor_unaccounted": (
        lambda: recipe(keep=keep(drop="model.norm.weight")),
        "does not account for 1 tensor: 'model.norm.weight'",
    ),
    "file_unaccounted": (
        lambda: recipe(keep={**PLAIN["keep"], "files": ["config.json"]}),
        "does not account for 1 file: 'README.md'",
    ),
    "tensor_twice": (
        lambda: recipe(keep=keep(add="*.norm.weight")),
        "accounts for tensor 'model.norm.weight' more than once: keep model.norm.weight, keep *.norm.weight",
    ),
    "edited_and_kept": (
        lambda: recipe(keep=keep(add="lm_head.*")),
        "accounts for tensor 'lm_head.weight' more than once: zero_rows lm_head.weight, keep lm_head.*",
    ),
    "file_dropped_and_kept": (
        lambda: recipe(keep={**PLAIN["keep"], "files": [*PLAIN["keep"]["files"], "vqgan*"]}),
        "accounts for file 'vqgan.safetensors' more than once: drop_file vqgan.safetensors, keep vqgan*",
    ),
    "number_unmet": (
        lambda: edits(ROWS, {**FILL, "expect": 3}, DROP, SET),
        "zero_fill model.vqmodel.post_quant_conv.*: matches 2 tensors, and 3 are expected",
    ),
    "range_unmet": (
        lambda: edits(ROWS, {**FILL, "expect": {"min": 3, "max": 9}}, DROP, SET),
        "zero_fill model.vqmodel.post_quant_conv.*: matches 2 tensors, and 3 to 9 are expected",
    ),
    "config_unmet": (
        lambda: edits({**ROWS, "expect": {"config": "vocab_size"}}, FILL, DROP, SET),
        "zero_rows lm_head.weight, rows IMGIMG*Z: matches 8 rows, and 18 (vocab_size of config.json) are expected",
    ),
    "config_lacks_it": (
        lambda: edits({**ROWS, "expect": {"config": "vq_config.codes"}}, FILL, DROP, SET),
        "zero_rows lm_head.weight, rows IMGIMG*Z: config.json has no whole number vq_config.codes",
    ),
    "file_number_unmet": (
        lambda: edits(ROWS, FILL, {**DROP, "expect": 2}, SET),
        "drop_file vqgan.safetensors: matches 1 files, and 2 are expected",
    ),
    "rows_of_no_tensor": (
        lambda: edits({**ROWS, "zero_rows": "head.weight"}, FILL, DROP, SET),
        "zero_rows head.weight: matches 0 tensors, and rows are of one tensor",
    ),
    "rows_of_two_tensors": (
        lambda: edits({**ROWS, "zero_rows": "model.layers.*"}, FILL, DROP, SET),
        "zero_rows model.layers.*: matches 2 tensors, and rows are of one tensor",
    ),
    "rows_of_no_token": (
        lambda: edits({**ROWS, "rows": {"vocabulary": "IMAGE*"}}, FILL, DROP, SET),
        "zero_rows lm_head.weight: no token of the vocabulary matches 'IMAGE*'",
    ),
    "rows_beyond": (
        lambda: edits({**ROWS, "zero_rows": "model.vqmodel.quantize.embedding.weight"}, FILL, DROP, SET),
        "zero_rows model.vqmodel.quantize.embedding.weight: row 11 does not exist; the tensor has 8",
    ),
    "key_of_no_file": (
        lambda: edits(ROWS, FILL, DROP, {**SET, "set": "other.json"}),
        "set other.json: matches 0 files, and a key is set in one JSON file",
    ),
    "key_of_the_index": (
        lambda: edits(ROWS, FILL, DROP, SET, {"set": "model.safetensors.index.json", "key": "a", "value": 1}),
        "set model.safetensors.index.json: matches 0 files, and a key is set in one JSON file",
    ),
    "key_twice": (lambda: edits(ROWS, FILL, DROP, SET, SET), "sets suppress_tokens of generation_config.json twice"),
    "residual_matches_nothing": (
        lambda: recipe(residual=[*PLAIN["residual"], {"tensors": "gone.*", "why": "?"}]),
        "lists as residual 'gone.*', which matches no tensor that stays",
    ),
    "residual_is_removed": (
        lambda: recipe(residual=[*PLAIN["residual"], {"tensors": "model.vqmodel.post_quant_conv.*", "why": "?"}]),
        "lists as residual 'model.vqmodel.post_quant_conv.*', which matches no tensor that stays",
    ),
    "zeroed_rows_not_residual": (
        lambda: recipe(residual=PLAIN["residual"][1:]),
        "zeroes rows of lm_head.weight and does not list it under `residual`",
    ),
    "lends_what_it_keeps": (
        lambda: recipe(lent={"tensors": ["model.vqmodel.*"]}),
        "lends 'model.vqmodel.*', which is no tensor that it removes or zeroes",
    ),
    "lends_what_is_not_there": (
        lambda: recipe(lent={"tensors": ["decoder.*"]}),
        "lends 'decoder.*', which is no tensor that it removes or zeroes",
    ),
    "lends_a_kept_file": (
        lambda: recipe(lent={"files": ["README.md"]}),
        "lends 'README.md', which is no file that it drops",
    ),
    "removes_all": (
        lambda: recipe(
            edits=[{"drop": "*", "expect": 10}, DROP, SET], keep={**PLAIN["keep"], "tensors": []}, residual=[], lent={}
        ),
        "removes every tensor",
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_a_recipe_that_does_not_fit_says_how(name: str, tmp_path: Path) -> None:
    make, what = MISMATCHES[name]
    with pytest.raises(RecipeMismatch) as caught:
        planned(tmp_path, make())
    (problem,) = caught.value.problems
    assert problem.where == f"recipe {WIDE}"
    assert problem.what == what
    assert problem.fix


def test_no_recipe_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeMismatch, match="no recipe was given"):
        planned(tmp_path)


def test_a_row_that_is_not_whole_bytes_cannot_be_zeroed(tmp_path: Path) -> None:
    from tests.tiny_checkpoints import safetensors

    root = tiny().write(tmp_path / "model")
    header = {"odd.weight": {"dtype": "F4", "shape": [16, 3], "data_offsets": [0, 24]}}
    (root / "odd.safetensors").write_bytes(safetensors(header, bytes(24)))
    index = json.loads((root / "model.safetensors.index.json").read_text())
    index["weight_map"]["odd.weight"] = "odd.safetensors"
    (root / "model.safetensors.index.json").write_text(json.dumps(index))
    odd = edits(ROWS, FILL, DROP, SET, {**ROWS, "zero_rows": "odd.weight"})
    with pytest.raises(
        RecipeMismatch, match=r"the rows of a tensor of dtype F4 and shape \[16, 3\] are not whole bytes"
    ):
        plan_strip(open_checkpoint(root), [odd])


def test_tied_embeddings_are_refused(tmp_path: Path) -> None:
    made = tiny()
    made.config["tie_word_embeddings"] = True
    with pytest.raises(RecipeMismatch) as caught:
        planned(tmp_path, chameleon_recipe(), made=made)
    assert caught.value.problems[0].what == (
        "edits lm_head.weight, which is input and output embedding at once (config.json ties them)"
    )


def test_one_matrix_for_both_ends_is_refused_whatever_the_config_says(tmp_path: Path) -> None:
    made = tiny()
    del made.shards[FIRST]["model.embed_tokens.weight"]
    residual = [one for one in PLAIN["residual"] if one["tensors"] != "model.embed_tokens.weight"]
    with pytest.raises(RecipeMismatch, match="it is the only matrix of the vocabulary's size"):
        planned(tmp_path, recipe(residual=residual), made=made)


def test_a_tie_that_stands_in_metadata_is_refused(tmp_path: Path) -> None:
    made = tiny()
    made.metadata = {"format": "pt", "lm_head.weight": "model.embed_tokens.weight"}
    with pytest.raises(
        RecipeMismatch, match=r"which the metadata of model-00001-of-00002\.safetensors ties to another name"
    ):
        planned(tmp_path, chameleon_recipe(), made=made)


def second(**changes: Any) -> Recipe:
    """A recipe that takes the codebook too, and zeroes one more row."""
    without = [pattern for pattern in PLAIN["keep"]["tensors"] if "quantize" not in pattern]
    plain = {
        "id": "chameleon-hf/second",
        "edits": [
            {"zero_rows": "lm_head.weight", "rows": {"vocabulary": "<racm3:break>"}, "expect": 1},
            {"drop": "model.vqmodel.quantize.*", "expect": 1},
            {"set": "generation_config.json", "key": "suppress_tokens", "tokens": {"vocabulary": "<racm3:break>"}},
        ],
        "keep": {
            "tensors": [*without, "model.vqmodel.post_quant_conv.*"],
            "files": [*PLAIN["keep"]["files"], "vqgan.safetensors"],
        },
        "residual": [PLAIN["residual"][0]],
        "lent": {},
    }
    return recipe(**{**plain, **changes})


def test_two_recipes_take_away_what_either_takes_away(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    plan = plan_strip(open_checkpoint(root), [second(), chameleon_recipe()])
    assert plan.tensors["lm_head.weight"].rows == ((4, 11), (13, 13))
    assert plan.tensors["model.vqmodel.quantize.embedding.weight"].outcome == "removed"
    assert plan.tensors["model.vqmodel.post_quant_conv.bias"].outcome == "zero_filled"
    assert plan.dropped == ("vqgan.safetensors",)
    assert plan.keys[0].tokens == ((4, 11), (13, 13))
    assert "model.vqmodel.quantize.embedding.weight" not in {residual.tensors for residual in plan.residual}
    assert plan == plan_strip(open_checkpoint(root), [chameleon_recipe(), second()])


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (chameleon_recipe(), "is given twice"),
        (
            second(
                edits=[
                    {"drop": "model.vqmodel.post_quant_conv.*", "expect": 2},
                    {"drop": "model.vqmodel.quantize.*", "expect": 1},
                ],
                keep={
                    "tensors": [*keep(drop="model.vqmodel.quantize.embedding.weight")["tensors"], "lm_head.weight"],
                    "files": [*PLAIN["keep"]["files"], "vqgan.safetensors", "generation_config.json"],
                },
                residual=[],
            ),
            "wants tensor model.vqmodel.post_quant_conv.bias removed, and another recipe wants it filled with zeros",
        ),
        (
            second(
                edits=[
                    *second().plain()["edits"][:2],
                    {"set": "generation_config.json", "key": "suppress_tokens", "value": 1},
                ]
            ),
            "sets suppress_tokens of generation_config.json to something else than another recipe",
        ),
        (
            second(edits=[*second().plain()["edits"][:2], {"drop_file": "generation_config.json", "expect": 1}]),
            "sets a key of generation_config.json, which another recipe drops",
        ),
    ],
)
def test_two_recipes_that_want_different_things_are_refused(other: Recipe, what: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeMismatch) as caught:
        planned(tmp_path, chameleon_recipe(), other)
    assert caught.value.problems[0].what == what


def test_a_bigger_checkpoint_with_an_unknown_tensor_names_it(tmp_path: Path) -> None:
    made = tiny()
    made.shards[FIRST] |= {f"ema.{number}": np.zeros(2, "float32") for number in range(5)}
    with pytest.raises(RecipeMismatch, match=r"does not account for 5 tensors: 'ema\.0', 'ema\.1', 'ema\.2', …"):
        planned(tmp_path, chameleon_recipe(), made=made)
