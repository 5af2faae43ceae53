"""Each recipe that ships, held against the names and shapes of the checkpoints that it is for.

Nothing but the texts of a checkpoint is written here; that the recipes read and strip real files is tested beside.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import Contents, read_contents
from releasegate.errors import RecipeMismatch
from releasegate.recipe import Recipe
from releasegate.stripping import StripPlan, plan_strip
from tests.layouts import LAYOUTS, Size, Spec
from tests.layouts import Contents as Files
from tests.stripping.shipped import RECIPES, contents_of, shipped


@dataclass(frozen=True)
class Case:
    """What a recipe does to a published checkpoint.

    Attributes:
        gone: bytes of the tensors that are removed or filled with zeros.
        outcomes: how many tensors come to each outcome.
        dropped: files that are left out.
        keys: keys that are set or taken out, with their values.
        huge: whether naming its tensors takes seconds.
    """

    layout: str
    recipe: str
    gone: int
    outcomes: dict[str, int]
    dropped: tuple[str, ...] = ()
    keys: dict[str, Any] = field(default_factory=dict)
    huge: bool = False


CODE = ("configuration_deepseek.py", "modeling_deepseek.py")
STATE = ("optimizer.pt", "rng_state.pth", "scheduler.pt", "trainer_state.json", "training_args.bin")
LISTS = ("checklist.chk", "tokenizer/checklist.chk")
CASES = [
    Case("chameleon-hf", "chameleon-hf/image_generation", 263_168, {"rows_zeroed": 1, "zero_filled": 2}),
    Case("chameleon-hf-30b", "chameleon-hf/image_generation", 263_168, {"rows_zeroed": 1, "zero_filled": 2}),
    Case(
        "chameleon-original",
        "chameleon-original/image_generation",
        157_442_572,
        {"rows_zeroed": 1, "removed": 166},
        dropped=LISTS,
    ),
    Case(
        "chameleon-original-30b",
        "chameleon-original/image_generation",
        157_442_572,
        {"rows_zeroed": 1, "removed": 166},
        dropped=LISTS,
    ),
    Case(
        "chameleon-original-training",
        "chameleon-original/image_generation",
        227_376_960,
        {"rows_zeroed": 1, "removed": 221},
        dropped=LISTS,
    ),
    Case(
        "multi-token",
        "multi-token-prediction/extra_heads",
        1_214_300_160,
        {"removed": 27},
        keys={"n_layers": 29, "n_future_tokens": 1},
    ),
    Case(
        "deepseek-v3",
        "deepseek_v3-hf/extra_heads",
        15_424_227_552,
        {"removed": 1564},
        dropped=CODE,
        keys={"auto_map": None, "num_nextn_predict_layers": 0},
        huge=True,
    ),
    Case(
        "deepseek-v3-bf16",
        "deepseek_v3-hf/extra_heads",
        26_926_853_120,
        {"removed": 788},
        keys={"num_nextn_predict_layers": 0},
        huge=True,
    ),
    Case(
        "glm4-moe",
        "glm4_moe-hf/extra_heads",
        11_079_924_864,
        {"removed": 502},
        keys={"num_nextn_predict_layers": 0},
        huge=True,
    ),
    Case(
        "glm4-moe-air", "glm4_moe-hf/extra_heads", 7_233_147_392, {"removed": 404}, keys={"num_nextn_predict_layers": 0}
    ),
    Case("qwen3-next", "qwen3_next-hf/extra_heads", 3_300_942_848, {"removed": 1553}, huge=True),
    Case("xtts", "xtts/voice_cloning", 217_416_000, {"zero_filled": 349}, dropped=("dvae.pth", "mel_stats.pth")),
    Case("musicgen-audiocraft", "audiocraft/self_conditioning", 72_704, {"zero_filled": 3}),
    Case("musicgen-melody-hf", "musicgen_melody-hf/self_conditioning", 79_872, {"zero_filled": 2}),
    Case(
        "janus-hf",
        "janus-hf/image_generation",
        227_992_854,
        {"zero_filled": 352},
        keys={"generation_kwargs": None},
    ),
    Case("lora", "llama-hf/lora_adapter", 0, {}, dropped=("adapter_config.json", "adapter_model.safetensors")),
    Case("trainer", "llama-hf/training_state", 0, {}, dropped=STATE),
    Case("ema-inside", "llama-hf/training_state", 26_953_662_464, {"removed": 291}),
    Case("ema-beside", "llama-hf/training_state", 0, {}, dropped=("ema_model.safetensors",)),
    Case(
        "mixtral",
        "mixtral-hf/expert",
        11_274_289_152,
        {"removed": 96, "rows_removed": 32},
        keys={"num_local_experts": 7},
    ),
    Case(
        "qwen3-moe",
        "qwen3_moe-hf/expert",
        452_984_832,
        {"removed": 144, "rows_removed": 48},
        keys={"num_experts": 127},
    ),
    Case("qwen3-moe-fused", "qwen3_moe-hf/expert", 0, {"rows_removed": 144}, keys={"num_experts": 127}),
]
NAMES = [case.layout for case in CASES]


def recipe_for(case: Case, size: Size) -> Recipe:
    """The recipe that ships; a tiny Chameleon in the original layout has 16 image tokens, which no file of it states."""
    recipe = shipped(case.recipe)
    if case.layout.startswith("chameleon-original") and size == "tiny":
        return Recipe.from_text(recipe.text().replace('"expect": 8192', '"expect": 16'))
    return recipe


def gone(contents: Contents, plan: StripPlan) -> int:
    """Bytes of the tensors that are removed or filled with zeros."""
    entries = {name: place.entry for name, place in contents.tensors.items()}
    entries |= {
        f"{file}:{name}": entry for file, found in plan.siblings.items() for name, entry in found.entries.items()
    }
    return sum(entries[name].size for name, edit in plan.tensors.items() if not edit.partial)


def test_every_recipe_that_ships_is_tried_here() -> None:
    ids = {path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml")}
    assert ids == {case.recipe for case in CASES}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case.huge else [], id=case.layout) for case in CASES]
)
def test_a_recipe_fits_the_published_checkpoint(case: Case, tmp_path: Path) -> None:
    contents = contents_of(LAYOUTS[case.layout].contents("real"), tmp_path / "model")
    plan = plan_strip(contents, [shipped(case.recipe)])
    assert Counter(edit.outcome for edit in plan.tensors.values()) == case.outcomes
    assert gone(contents, plan) == case.gone
    assert plan.dropped == case.dropped
    assert {key.key: key.value for key in plan.keys if key.tokens is None} == case.keys
    assert all(residual.why for residual in plan.residual)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_recipe_fits_a_tiny_checkpoint_of_the_layout(case: Case, tmp_path: Path) -> None:
    contents = contents_of(LAYOUTS[case.layout].contents("tiny"), tmp_path / "model")
    plan = plan_strip(contents, [recipe_for(case, "tiny")])
    assert {edit.outcome for edit in plan.tensors.values()} == set(case.outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if not case.huge], ids=lambda case: case.layout)
def test_a_plan_is_the_same_of_real_files_with_holes_for_data(case: Case, tmp_path: Path) -> None:
    files = LAYOUTS[case.layout].contents("real")
    real = read_contents(LAYOUTS[case.layout].write(tmp_path / "real", "real", sparse=True))
    plans = [plan_strip(one, [shipped(case.recipe)]) for one in (real, contents_of(files, tmp_path / "named"))]
    assert plans[0].tensors == plans[1].tensors
    assert plans[0].converted == plans[1].converted
    assert gone(real, plans[0]) == case.gone


def with_tensor(files: Files, contents: Contents, name: str) -> Files:
    """`files` with one more tensor in the model's first file."""
    file = next(iter(contents.shards))
    if file in files.torch:
        return replace(files, torch={**files.torch, file: {**files.torch[file], name: Spec("F32", (2, 2))}})
    tensors = {**files.safetensors[file], name: Spec("F32", (2, 2))}
    texts = dict(files.texts)
    if contents.index_file:
        index = texts[contents.index_file]
        texts[contents.index_file] = {**index, "weight_map": {**index["weight_map"], name: file}}
    return replace(files, safetensors={**files.safetensors, file: tensors}, texts=texts)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_tensor_that_the_recipe_does_not_know_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    files = LAYOUTS[case.layout].contents("tiny")
    changed = with_tensor(files, contents_of(files, tmp_path / "before"), "decoder_v2.weight")
    with pytest.raises(RecipeMismatch, match=r"does not account for 1 tensor: 'decoder_v2\.weight'"):
        plan_strip(contents_of(changed, tmp_path / "model"), [recipe_for(case, "tiny")])


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_file_that_the_recipe_does_not_know_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    files = LAYOUTS[case.layout].contents("tiny")
    changed = replace(files, texts={**files.texts, "samples.jsonl": "{}\n"})
    with pytest.raises(RecipeMismatch, match=r"does not account for 1 file: 'samples\.jsonl'"):
        plan_strip(contents_of(changed, tmp_path / "model"), [recipe_for(case, "tiny")])


def without(files: Files, gone: str) -> Files:
    """`files` without the tensors whose name begins with `gone`."""
    kept = {
        file: {name: spec for name, spec in tensors.items() if not name.startswith(gone)}
        for file, tensors in files.safetensors.items()
    }
    texts = {
        name: {**text, "weight_map": {k: v for k, v in text["weight_map"].items() if not k.startswith(gone)}}
        if name.endswith(".index.json")
        else text
        for name, text in files.texts.items()
    }
    return replace(files, safetensors=kept, texts=texts)


@pytest.mark.parametrize(
    ("layout", "recipe", "part"),
    [
        ("janus-hf", "janus-hf/image_generation", "model.generation_head.proj_out"),
        ("chameleon-hf", "chameleon-hf/image_generation", "model.vqmodel.post_quant_conv.bias"),
        ("mixtral", "mixtral-hf/expert", "model.layers.1.block_sparse_moe.experts.3.w3"),
        ("qwen3-moe", "qwen3_moe-hf/expert", "model.layers.0.mlp.gate"),
        ("glm4-moe", "glm4_moe-hf/extra_heads", "model.layers.2."),
        ("qwen3-next", "qwen3_next-hf/extra_heads", "mtp.layers."),
        ("musicgen-melody-hf", "musicgen_melody-hf/self_conditioning", "audio_enc_to_dec_proj.bias"),
    ],
)
def test_a_part_that_is_missing_is_not_what_the_recipe_expects(
    layout: str, recipe: str, part: str, tmp_path: Path
) -> None:
    contents = contents_of(without(LAYOUTS[layout].contents("tiny"), part), tmp_path / "model")
    with pytest.raises(RecipeMismatch, match="expected"):
        plan_strip(contents, [shipped(recipe)])


def with_config(files: Files, file: str, **keys: Any) -> Files:
    return replace(files, texts={**files.texts, file: {**files.texts[file], **keys}})


@pytest.mark.parametrize(
    ("layout", "recipe", "file", "keys", "what"),
    [
        ("glm4-moe", "glm4_moe-hf/extra_heads", "config.json", {"num_hidden_layers": 3}, "matches 0 tensors"),
        ("deepseek-v3", "deepseek_v3-hf/extra_heads", "config.json", {"num_hidden_layers": None}, "no whole number"),
        ("multi-token", "multi-token-prediction/extra_heads", "params.json", {"n_future_tokens": 3}, "18 .* expected"),
        ("multi-token", "multi-token-prediction/extra_heads", "params.json", {"n_layers": 5}, r"account for 9 tensors"),
        ("mixtral", "mixtral-hf/expert", "config.json", {"num_local_experts": 3}, "matches 12 tensors, and 6"),
        ("qwen3-moe", "qwen3_moe-hf/expert", "config.json", {"num_experts": 8}, "are not 8 equal slices"),
    ],
)
def test_a_boundary_that_the_tensors_do_not_bear_out_is_refused(
    layout: str, recipe: str, file: str, keys: dict[str, Any], what: str, tmp_path: Path
) -> None:
    files = with_config(LAYOUTS[layout].contents("tiny"), file, **keys)
    with pytest.raises(RecipeMismatch, match=what):
        plan_strip(contents_of(files, tmp_path / "model"), [shipped(recipe)])


def test_heads_under_the_numbers_of_layers_are_not_kept_unseen(tmp_path: Path) -> None:
    files = LAYOUTS["multi-token"].contents("tiny")
    tree = dict(files.torch["consolidated.pth"])
    tree |= {name.replace("extra_heads.0", "layers.3"): spec for name, spec in tree.items() if "extra_heads.0" in name}
    changed = replace(files, torch={"consolidated.pth": tree})
    with pytest.raises(RecipeMismatch, match=r"does not account for 9 tensors: 'layers\.3"):
        plan_strip(contents_of(changed, tmp_path / "model"), [shipped("multi-token-prediction/extra_heads")])


def test_the_rows_of_a_split_output_are_found_in_the_shards_that_hold_them(tmp_path: Path) -> None:
    contents = contents_of(LAYOUTS["chameleon-original-30b"].contents("tiny"), tmp_path / "model")
    case = next(case for case in CASES if case.layout == "chameleon-original-30b")
    rows = {
        name: edit.rows
        for name, edit in plan_strip(contents, [recipe_for(case, "tiny")]).tensors.items()
        if name.startswith("output")
    }
    assert rows == {"output.weight@consolidated.00": ((4, 11),), "output.weight@consolidated.01": ((0, 7),)}


def test_what_is_published_of_a_voice_model_is_lent_to_nobody_and_said(tmp_path: Path) -> None:
    contents = contents_of(LAYOUTS["xtts"].contents("tiny"), tmp_path / "model")
    plan = plan_strip(contents, [shipped("xtts/voice_cloning")])
    assert plan.converted == ("model.pth", "speakers_xtts.pth")
    assert any(residual.tensors == "speakers_xtts.pth:*" for residual in plan.residual)


def test_two_shipped_recipes_apply_to_one_checkpoint_if_each_accounts_for_all_of_it(tmp_path: Path) -> None:
    files = LAYOUTS["lora"].contents("tiny").joined(Files(texts={"trainer_state.json": {}}))
    contents = contents_of(files, tmp_path / "model")
    with pytest.raises(RecipeMismatch, match=r"account for 1 file: 'trainer_state\.json'"):
        plan_strip(contents, [shipped("llama-hf/lora_adapter")])


def test_recipes_are_the_same_whatever_the_order_of_their_keys() -> None:
    for case in CASES:
        recipe = shipped(case.recipe)
        assert Recipe.from_text(json.dumps(recipe.plain())) == recipe
