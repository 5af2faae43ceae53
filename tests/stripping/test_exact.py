"""What stays of a strip is what its class declares, or what the recipe lists, to the name, the shape and the kind of number.

All of it is told when the strip is planned: names and shapes alone are looked at here, no data is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releasegate.__main__ import run
from releasegate.documents import parse_document
from releasegate.errors import CheckpointError, DocumentError, RecipeMismatch
from releasegate.recipe import Recipe
from releasegate.stripping import StripPlan, plan_strip
from tests.layouts import LAYOUTS, Spec, Tensors
from tests.layouts import Contents as Files
from tests.stripping.shipped import RECIPES, contents_of, shipped
from tests.stripping.toys import PLAIN, specs, toy, toy_recipe
from tests.tiny_checkpoints import WIDE
from tests.tiny_repository import Tiny

Change = Callable[[Tensors], None]
IMAGES = "chameleon-hf/image_generation"
CODEBOOK = "model.vqmodel.quantize.embedding.weight"
PICKLES = ("consolidated.pth", "model.pth", "state_dict.bin")
"""What the model is called in layouts without safetensors."""
STATES = ("state_dict", "model", "best_state")
"""Where tensors stand in them, unless at the top."""


def in_one_file(layout: str) -> Files:
    """A tiny checkpoint of `layout`, whose safetensors shards are one file."""
    files = LAYOUTS[layout].contents("tiny")
    shards = {name: tensors for name, tensors in files.safetensors.items() if name.startswith("model")}
    if not shards:
        return files
    others = {name: tensors for name, tensors in files.safetensors.items() if name not in shards}
    texts = {name: text for name, text in files.texts.items() if not name.endswith(".index.json")}
    whole = {name: spec for tensors in shards.values() for name, spec in tensors.items()}
    return replace(files, safetensors={**others, "model.safetensors": whole}, texts=texts)


def with_tensors(files: Files, change: Change, file: str | None = None) -> Files:
    """`files` with the tensors of the model changed, or those of another `file`."""
    if "model.safetensors" in files.safetensors:
        tensors = dict(files.safetensors["model.safetensors"])
        change(tensors)
        return replace(files, safetensors={**files.safetensors, "model.safetensors": tensors})
    file = file or next(name for name in PICKLES if name in files.torch)
    tree = dict(files.torch[file])
    inner = next((key for key in STATES if isinstance(tree.get(key), dict)), None)
    tensors = dict(tree[inner]) if inner else tree
    change(tensors)
    return replace(files, torch={**files.torch, file: {**tree, inner: tensors} if inner else tensors})


def with_config(files: Files, **keys: Any) -> Files:
    """`files` with keys of the configuration set; those below another by `above__key`."""
    config = dict(files.texts["config.json"])
    for name, value in keys.items():
        above, _, key = name.rpartition("__")
        if above:
            config[above] = {**config[above], key: value}
        else:
            config[key] = value
    return replace(files, texts={**files.texts, "config.json": config})


def planned(files: Files, recipe: Recipe | str, root: Path) -> StripPlan:
    """The plan, by a shipped recipe or another one; a tiny Chameleon in the original layout has 16 image tokens."""
    return plan_strip(contents_of(files, root), [shipped(recipe) if isinstance(recipe, str) else recipe])


def refused(files: Files, recipe: Recipe | str, root: Path) -> str:
    """Why it is refused."""
    with pytest.raises(RecipeMismatch) as caught:
        planned(files, recipe, root)
    return caught.value.problems[0].what


def added(*names: str, shape: tuple[int, ...] = (8, 8), dtype: str = "F32") -> Change:
    """The tensors of these names are there, too."""
    return lambda tensors: tensors.update({name: Spec(dtype, shape) for name in names})


def larger(name: str, side: int = 0, by: int = 8) -> Change:
    """The tensor is longer along one side."""

    def change(tensors: Tensors) -> None:
        spec = tensors[name]
        shape = tuple(length + by * (place == side) for place, length in enumerate(spec.shape))
        tensors[name] = spec._replace(shape=shape)

    return change


def of_dtype(name: str, dtype: str) -> Change:
    """The tensor holds numbers of another kind."""
    return lambda tensors: tensors.update({name: tensors[name]._replace(dtype=dtype)})


def gone(name: str) -> Change:
    """The tensor is not there."""
    return lambda tensors: tensors.pop(name) and None


LAYER = "model.layers.0"
BY_CLASS: list[tuple[str, str, Change, str]] = [
    # a decoder under names of the encoder
    (
        "chameleon-hf",
        IMAGES,
        added(*(f"model.vqmodel.encoder.decoder.up.{number}.weight" for number in range(50))),
        "50 tensors are unexpected, the first model.vqmodel.encoder.decoder.up.0.weight",
    ),
    (
        "janus-hf",
        "janus-hf/image_generation",
        added("model.vqmodel.encoder.decoder.conv_in.weight", shape=(8, 8, 3, 3)),
        "1 tensor is unexpected, the first model.vqmodel.encoder.decoder.conv_in.weight",
    ),
    # factors whose product is what went
    (
        "chameleon-hf",
        IMAGES,
        added(f"{LAYER}.mlp.lora_A", f"{LAYER}.mlp.lora_B"),
        f"2 tensors are unexpected, the first {LAYER}.mlp.lora_A",
    ),
    (
        "mixtral",
        "mixtral-hf/expert",
        added(f"{LAYER}.self_attn.q_proj.lora_A.weight", f"{LAYER}.self_attn.q_proj.lora_B.weight"),
        f"2 tensors are unexpected, the first {LAYER}.self_attn.q_proj.lora_A.weight",
    ),
    (
        "trainer",
        "llama-hf/training_state",
        added(f"{LAYER}.self_attn.q_proj.lora_magnitude_vector", shape=(64,)),
        f"1 tensor is unexpected, the first {LAYER}.self_attn.q_proj.lora_magnitude_vector",
    ),
    (
        "qwen3-moe",
        "qwen3_moe-hf/expert",
        added(f"{LAYER}.self_attn.q_norm.bias", shape=(64, 64)),
        f"1 tensor is unexpected, the first {LAYER}.self_attn.q_norm.bias",
    ),
    (
        "deepseek-v3-bf16",
        "deepseek_v3-hf/extra_heads",
        added("model.layers.1.self_attn.rotary_emb.inv_freq", shape=(64, 64)),
        "1 tensor is ignored silently, the first model.layers.1.self_attn.rotary_emb.inv_freq",
    ),
    # larger than declared
    (
        "chameleon-hf",
        IMAGES,
        larger(f"{LAYER}.self_attn.q_norm.weight"),
        f"1 tensor is of another shape than it declares, the first {LAYER}.self_attn.q_norm.weight",
    ),
    (
        "chameleon-hf",
        IMAGES,
        larger("model.vqmodel.encoder.conv_in.weight"),
        "1 tensor is of another shape than it declares, the first model.vqmodel.encoder.conv_in.weight",
    ),
    (
        "chameleon-hf",
        IMAGES,
        larger(f"{LAYER}.mlp.down_proj.weight", 1),
        f"1 tensor is of another shape than it declares, the first {LAYER}.mlp.down_proj.weight",
    ),
    (
        "musicgen-melody-hf",
        "musicgen_melody-hf/self_conditioning",
        larger("decoder.lm_heads.0.weight"),
        "1 tensor is of another shape than it declares, the first decoder.lm_heads.0.weight",
    ),
    # a transpose of one that is no square has as many numbers
    (
        "chameleon-hf",
        IMAGES,
        lambda tensors: tensors.update(
            {
                f"{LAYER}.mlp.down_proj.weight": tensors[f"{LAYER}.mlp.down_proj.weight"]._replace(
                    shape=tensors[f"{LAYER}.mlp.down_proj.weight"].shape[::-1]
                )
            }
        ),
        f"1 tensor is of another shape than it declares, the first {LAYER}.mlp.down_proj.weight",
    ),
    # whole numbers in place of others, and others of twice the width
    (
        "chameleon-hf",
        IMAGES,
        of_dtype("model.norm.weight", "I32"),
        "1 tensor is of another kind than it declares (whole numbers, or others, or 64 bits for 32), "
        "the first model.norm.weight (I32 and float32)",
    ),
    (
        "chameleon-hf",
        IMAGES,
        of_dtype(f"{LAYER}.mlp.up_proj.weight", "F64"),
        "1 tensor is of another kind than it declares (whole numbers, or others, or 64 bits for 32), "
        f"the first {LAYER}.mlp.up_proj.weight (F64 and float32)",
    ),
    (
        "glm4-moe",
        "glm4_moe-hf/extra_heads",
        of_dtype("model.embed_tokens.weight", "U8"),
        "1 tensor is of another kind than it declares (whole numbers, or others, or 64 bits for 32), "
        "the first model.embed_tokens.weight (U8 and float32)",
    ),
    # missing, where no edit counts it
    (
        "chameleon-hf",
        IMAGES,
        gone("model.vqmodel.encoder.conv_in.bias"),
        "1 tensor is missing, the first model.vqmodel.encoder.conv_in.bias",
    ),
    ("qwen3-next", "qwen3_next-hf/extra_heads", gone("model.norm.weight"), "1 tensor is missing, the first model.norm"),
]


FAST = (0, 2, 7, 12, 15)
"""Of each kind one: each takes two seconds."""


@pytest.mark.parametrize(
    ("layout", "recipe", "change", "said"),
    [
        pytest.param(*one, id=f"{one[0]}-{number}", marks=[] if number in FAST else [pytest.mark.slow])
        for number, one in enumerate(BY_CLASS)
    ],
)
def test_what_the_class_does_not_declare_is_refused_by_name(
    layout: str, recipe: str, change: Change, said: str, tmp_path: Path
) -> None:
    what = refused(with_tensors(in_one_file(layout), change), recipe, tmp_path / "model")
    assert what.startswith("would leave what does not load into ")
    assert said in what


BY_LIST: list[tuple[str, str, Change, str]] = [
    (
        "multi-token",
        "multi-token-prediction/extra_heads",
        added("layers.0.feed_forward.lora_A.weight"),
        "has tensor 'layers.0.feed_forward.lora_A.weight' of shape [8, 8], which `keep.exactly` does not list",
    ),
    (
        "multi-token",
        "multi-token-prediction/extra_heads",
        larger("output.weight"),
        "has tensor 'output.weight' of shape [72, 64], and `keep.exactly` says [64, 64]",
    ),
    (
        "multi-token",
        "multi-token-prediction/extra_heads",
        larger("layers.1.attention.wq.weight"),
        "has tensor 'layers.1.attention.wq.weight' of shape [72, 64], and `keep.exactly` says [64, 64]",
    ),
    (
        "multi-token",
        "multi-token-prediction/extra_heads",
        of_dtype("norm.weight", "I32"),
        "has tensor 'norm.weight' of dtype I32, and `keep.exactly` wants one of F16, BF16, F32",
    ),
    (
        "multi-token",
        "multi-token-prediction/extra_heads",
        gone("layers.2.ffn_norm.weight"),
        "lacks tensor 'layers.2.ffn_norm.weight', which `keep.exactly` lists",
    ),
    (
        "xtts",
        "xtts/voice_cloning",
        added("gpt.gpt.h.0.mlp.lora_A.weight"),
        "has tensor 'model.gpt.gpt.h.0.mlp.lora_A.weight' of shape [8, 8], which `keep.exactly` does not list",
    ),
]


@pytest.mark.parametrize(
    ("layout", "recipe", "change", "said"), BY_LIST, ids=[f"{one[0]}-{n}" for n, one in enumerate(BY_LIST)]
)
def test_what_the_recipe_does_not_list_is_refused_by_name(
    layout: str, recipe: str, change: Change, said: str, tmp_path: Path
) -> None:
    assert said in refused(with_tensors(in_one_file(layout), change), recipe, tmp_path / "model")


SIXTEEN = Recipe.from_text(
    shipped("chameleon-original/image_generation").text().replace('"expect": 8192', '"expect": 16')
)
"""The shipped recipe for the original layout, and a tiny checkpoint, which has 16 image tokens."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            added("encoder.decoder.conv_in.weight", shape=(8, 8, 3, 3)),
            "state_dict.encoder.decoder.conv_in.weight' of shape [8, 8, 3, 3], which `keep.exactly` does not list",
        ),
        (
            added("encoder.up.0.block.0.conv1.weight", shape=(8, 8, 3, 3)),
            "state_dict.encoder.up.0.block.0.conv1.weight' of shape [8, 8, 3, 3], which `keep.exactly` does not list",
        ),
        (larger("encoder.conv_in.weight", 1, 1), "state_dict.encoder.conv_in.weight' of shape ["),
        (of_dtype("encoder.conv_in.bias", "I32"), "state_dict.encoder.conv_in.bias' of dtype I32"),
        (gone("encoder.conv_out.bias"), "lacks tensor 'tokenizer/vqgan.ckpt:state_dict.encoder.conv_out.bias'"),
    ],
)
def test_a_file_beside_the_model_is_held_against_the_list_as_well(change: Change, said: str, tmp_path: Path) -> None:
    files = with_tensors(in_one_file("chameleon-original"), change, "tokenizer/vqgan.ckpt")
    assert said in refused(files, SIXTEEN, tmp_path / "model")


def test_a_clean_checkpoint_says_by_what_it_was_held_against(tmp_path: Path) -> None:
    by_class = planned(in_one_file("chameleon-hf"), IMAGES, tmp_path / "hf")
    assert by_class.exact is not None
    assert (by_class.exact.by, by_class.exact.class_) == ("class", "ChameleonForConditionalGeneration")
    assert (by_class.wide, by_class.tier) == (None, "weights_absent")
    by_list = planned(in_one_file("chameleon-original"), SIXTEEN, tmp_path / "original")
    assert by_list.exact is not None
    assert (by_list.exact.by, by_list.exact.class_, by_list.wide) == ("shapes", None, None)


# A configuration that does not agree with the tensors.


def renamed(names: dict[str, int], fewer: int) -> dict[str, int]:
    """The vocabulary with the last image tokens under names that are none."""
    images = sorted((token for token in names if token.startswith("IMGIMG")), key=names.__getitem__)
    others = {token: f"word{number}" for number, token in enumerate(images[-fewer:])}
    return {others.get(token, token): identity for token, identity in names.items()}


def with_fewer_images(fewer: int, *, claimed: int) -> Files:
    """A Chameleon in which image tokens are called otherwise, in the configuration and the tokenizer, whose rows are there."""
    files = in_one_file("chameleon-hf")
    tokenizer = dict(files.texts["tokenizer.json"])
    names = renamed(files.texts["config.json"]["vocabulary_map"], fewer)
    tokenizer["model"] = {**tokenizer["model"], "vocab": renamed(tokenizer["model"]["vocab"], fewer)}
    files = replace(files, texts={**files.texts, "tokenizer.json": tokenizer})
    return with_config(files, vocabulary_map=names, vq_config__num_embeddings=claimed)


def test_a_configuration_that_counts_half_the_codes_leaves_no_rows_of_the_head(tmp_path: Path) -> None:
    """As many image tokens as the configuration says, and twice as many rows of the codebook and the head."""
    files = with_fewer_images(8, claimed=8)
    assert files.safetensors["model.safetensors"][CODEBOOK].shape[0] == 16
    what = refused(files, IMAGES, tmp_path / "model")
    assert what.startswith("zero_rows lm_head.weight, rows IMGIMG*Z: matches 8 rows, and 16 (the length of")


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"vq_config__num_embeddings": 8}, f"of another shape than it declares, the first {CODEBOOK} ([16, "),
    ({"vq_config__num_embeddings": 32}, f"of another shape than it declares, the first {CODEBOOK} ([16, "),
    ({"vq_config__embed_dim": 4}, "of another shape than it declares, the first model.vqmodel."),
    ({"vocab_size": 40}, "2 tensors are of another shape than it declares, the first lm_head.weight"),
    ({"num_hidden_layers": 1}, "tensors: 'model.layers.1."),
    ({"num_hidden_layers": 3}, "tensors are missing, the first model.layers.2."),
    ({"intermediate_size": 8}, "of another shape than it declares, the first model.layers.0.mlp."),
    ({"num_key_value_heads": 1}, "of another shape than it declares, the first model.layers.0.self_attn.k_"),
    ({"vq_config__num_res_blocks": 0}, "are unexpected, the first model.vqmodel.encoder."),
    (
        {"architectures": ["LlamaForCausalLM"]},
        "names the class LlamaForCausalLM, which is one of llama, and not of",
    ),
]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param(*one, id="-".join(one[0]), marks=[] if number % 3 == 0 else [pytest.mark.slow])
        for number, one in enumerate(CLAIMS)
    ],
)
def test_a_configuration_that_disagrees_with_shapes_is_refused(keys: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in refused(with_config(in_one_file("chameleon-hf"), **keys), IMAGES, tmp_path / "model")


def test_a_codebook_and_a_head_that_grew_together_are_no_more_than_the_tokenizer_has(tmp_path: Path) -> None:
    """The configuration was made to agree with the tensors: what names the rows is the tokenizer's own count."""

    def longer(tensors: Tensors) -> None:
        larger(CODEBOOK, by=16)(tensors)
        larger("model.embed_tokens.weight", by=16)(tensors)
        larger("lm_head.weight", by=16)(tensors)

    files = in_one_file("chameleon-hf")
    size = files.texts["config.json"]["vocab_size"]
    grown = with_config(with_tensors(files, longer), vocab_size=size + 16, vq_config__num_embeddings=32)
    assert "rows IMGIMG*Z: matches 16 rows, and 32 (the length of" in refused(grown, IMAGES, tmp_path / "model")


def test_a_tokenizer_that_has_fewer_tokens_than_the_head_has_rows_of_a_codebook_is_refused(tmp_path: Path) -> None:
    files = in_one_file("chameleon-hf")
    tokenizer = dict(files.texts["tokenizer.json"])
    names = files.texts["config.json"]["vocabulary_map"]
    fewer = {
        token: identity for token, identity in tokenizer["model"]["vocab"].items() if identity not in range(12, 20)
    }
    tokenizer["model"] = {**tokenizer["model"], "vocab": fewer}
    files = with_config(
        replace(files, texts={**files.texts, "tokenizer.json": tokenizer}),
        vocabulary_map={token: identity for token, identity in names.items() if identity not in range(12, 20)},
        vq_config__num_embeddings=8,
    )
    assert "matches 8 rows, and 16" in refused(files, IMAGES, tmp_path / "model")


def test_a_tokenizer_and_a_configuration_that_name_one_row_differently_are_refused(tmp_path: Path) -> None:
    files = in_one_file("chameleon-hf")
    names = dict(files.texts["config.json"]["vocabulary_map"])
    first, second = [token for token in names if token.startswith("IMGIMG")][:2]
    names[first], names[second] = names[second], names[first]
    with pytest.raises(CheckpointError, match=f"gives token {first!r}"):
        planned(with_config(files, vocabulary_map=names), IMAGES, tmp_path / "model")


# Recipes from before, which have no `exactly`.


def test_an_older_recipe_of_a_layout_with_a_class_is_held_against_the_class_all_the_same(tmp_path: Path) -> None:
    older = without_exactly(IMAGES)
    plan = planned(in_one_file("chameleon-hf"), older, tmp_path / "model")
    assert plan.exact is not None
    assert plan.exact.by == "class"
    change = added(f"{LAYER}.mlp.lora_A", f"{LAYER}.mlp.lora_B")
    said = refused(with_tensors(in_one_file("chameleon-hf"), change), older, tmp_path / "other")
    assert "2 tensors are unexpected" in said


def test_an_older_recipe_of_a_layout_without_a_class_is_wide(tmp_path: Path) -> None:
    older = without_exactly("multi-token-prediction/extra_heads")
    change = added("layers.0.feed_forward.lora_A.weight")
    plan = planned(with_tensors(in_one_file("multi-token"), change), older, tmp_path / "model")
    assert (plan.exact, plan.tier) == (None, "named_weights_absent")
    assert plan.wide == "the recipe has no `keep.exactly`, and no library of the layout is at hand"


def without_exactly(name: str) -> Recipe:
    """The shipped recipe as it was before it said what stays exactly."""
    plain = shipped(name).plain()
    del plain["keep"]["exactly"]
    return Recipe.from_text(json.dumps(plain))


@pytest.mark.parametrize("without", ["architectures", "a class"])
def test_a_recipe_that_wants_a_class_that_cannot_be_had_is_refused(without: str, tmp_path: Path) -> None:
    config = {"architectures": None if without == "architectures" else ["ToyForCausalLM"]}
    contents = toy(tmp_path / "a", config=config)
    wanting = toy_recipe({"drop": "layers.1.w", "expect": 1}, keep=kept("layers.0.w", exactly="class"))
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(contents, [wanting])
    what = caught.value.problems[0].what
    assert "does not name the one class" in what or "has no model class ToyForCausalLM" in what


def kept(*tensors: str, exactly: Any) -> dict[str, Any]:
    """What a toy keeps beside its embedding and its head."""
    return {"tensors": ["embed.weight", *tensors, "head.weight"], "files": ["config.json"], "exactly": exactly}


LISTED = [
    {"tensors": ["embed.weight", "head.weight"], "shape": ["vocab_size", "?width"]},
    {"tensors": "layers.{<depth-1}.w", "shape": ["?width", "?width"]},
]


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (
            {**PLAIN, **specs({"layers.0.w": (8, 9)})},
            "has tensor 'layers.0.w' of shape [8, 9], and `keep.exactly` says [8, 8]",
        ),
        (
            {**PLAIN, **specs({"head.weight": (12, 8)})},
            "has tensor 'head.weight' of shape [12, 8], and `keep.exactly` says [10, 8]",
        ),
        ({**PLAIN, **specs({"layers.00.w": (8, 8)})}, "does not account for 1 tensor: 'layers.00.w'"),
    ],
)
def test_a_list_of_ones_own_is_held_against_what_is_there(tensors: Tensors, said: str, tmp_path: Path) -> None:
    listing = toy_recipe({"drop": "layers.1.w", "expect": 1}, keep=kept("layers.0.w", exactly=LISTED))
    with pytest.raises(RecipeMismatch) as caught:
        plan_strip(toy(tmp_path / "a", tensors), [listing])
    assert said in caught.value.problems[0].what


def test_a_list_that_fits_is_counted(tmp_path: Path) -> None:
    listing = toy_recipe({"drop": "layers.1.w", "expect": 1}, keep=kept("layers.0.w", exactly=LISTED))
    plan = plan_strip(toy(tmp_path / "a"), [listing])
    assert plan.exact is not None
    assert (plan.exact.by, plan.exact.tensors) == ("shapes", 3)


# The schema that editors use, and the reader, are of one mind.


def documents(exactly: Any, expect: Any = 1) -> dict[str, Any]:
    """A recipe, as it is read from a file."""
    plain = toy_recipe({"drop": "layers.1.w", "expect": 1}).plain()
    plain["edits"][0]["expect"] = expect
    plain["keep"]["exactly"] = exactly
    return plain


GOOD: list[Any] = [
    "class",
    [],
    [{"tensors": "a.b", "shape": []}],
    [{"tensors": ["a", "b"], "shape": [1, "n", "2*vq.n+1", "?w"]}],
    [{"tensors": "layers.{<n_layers}.{?voice}.w", "shape": ["?w", "3*?w"], "optional": True}],
    [{"tensors": "a", "shape": [2, 3], "parallel": 1, "whole": True}],
]
BAD: list[Any] = [
    "shapes",
    7,
    [{"tensors": "a"}],
    [{"shape": [1]}],
    [{"tensors": "", "shape": [1]}],
    [{"tensors": "a", "shape": [-1]}],
    [{"tensors": "a", "shape": [1.5]}],
    [{"tensors": "a", "shape": 1}],
    [{"tensors": "a", "shape": [1], "dtype": "F32"}],
    [{"tensors": "a", "shape": [1], "whole": False}],
    [{"tensors": "a", "shape": [1], "optional": "yes"}],
    [{"tensors": "a", "shape": [1], "parallel": -1}],
]
READER_ALONE: list[Any] = [
    [{"tensors": "a.*", "shape": [1]}],
    [{"tensors": "a.{n}", "shape": [1]}],
    [{"tensors": "a.{<n", "shape": [1]}],
    [{"tensors": "a", "shape": ["n/2"]}],
    [{"tensors": "a", "shape": [""]}],
    [{"tensors": "a", "shape": ["3*?w"]}],
    [{"tensors": "a", "shape": [1], "parallel": 1}],
]
"""What a schema cannot say, or does not."""
SCHEMA = Draft202012Validator(json.loads((RECIPES / "recipe.schema.json").read_text()))


def read(data: dict[str, Any]) -> Recipe:
    """As it is read from a file."""
    return parse_document(Recipe, json.dumps(data), "recipe.yaml").record


@pytest.mark.parametrize("exactly", GOOD, ids=range(len(GOOD)))
def test_what_the_reader_takes_the_schema_takes(exactly: Any) -> None:
    assert [error.message for error in SCHEMA.iter_errors(documents(exactly))] == []
    assert read(documents(exactly)).plain() == documents(exactly)


@pytest.mark.parametrize("exactly", [*BAD, None], ids=range(len(BAD) + 1))
def test_what_the_reader_refuses_for_its_form_the_schema_marks(exactly: Any) -> None:
    assert not SCHEMA.is_valid(documents(exactly))
    with pytest.raises(DocumentError):
        read(documents(exactly))


@pytest.mark.parametrize("exactly", READER_ALONE, ids=range(len(READER_ALONE)))
def test_what_no_tensor_can_be_called_is_refused(exactly: Any) -> None:
    with pytest.raises(DocumentError, match="keep"):
        read(documents(exactly))


def test_counts_can_be_of_tensors() -> None:
    for expect in ({"tensor": "embed.weight"}, {"tensor": "embed.weight", "dimension": 1}):
        assert SCHEMA.is_valid(documents("class", expect=expect))
        assert read(documents("class", expect=expect))
    for expect in ({"tensor": "embed.weight", "config": "n"}, {"tensor": 1}, {"tensor": "a", "dimension": -1}, {}):
        assert not SCHEMA.is_valid(documents("class", expect=expect))
        with pytest.raises(DocumentError):
            read(documents("class", expect=expect))


def test_a_recipe_without_it_is_read_as_before() -> None:
    plain = toy_recipe({"drop": "layers.1.w", "expect": 1}).plain()
    assert "exactly" not in plain["keep"]
    assert SCHEMA.is_valid(plain)
    assert read(plain).keep.exactly is None


# What `check` says.


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "multi-token-prediction/extra_heads",
            "is wide: it has no `keep.exactly`, so that anything may stand under the names that stay",
        ),
        (IMAGES, "is wide wherever transformers has no class of the checkpoint: it has no `keep.exactly`"),
    ],
)
def test_an_older_recipe_is_called_wide_by_check(
    name: str, said: str, made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made.root / "policies" / "recipes" / f"{name}.yaml"
    assert run(["check", "--repo", str(made.root)]) == 0
    assert f"{name}.yaml" not in capsys.readouterr().err
    file.write_text(json.dumps(without_exactly(name).plain()))
    assert run(["check", "--repo", str(made.root)]) == 0
    assert f"note: policies/recipes/{name}.yaml: {said}\n" in capsys.readouterr().err


def test_a_policy_that_strips_by_a_wide_recipe_is_told_so(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(made.policy)]) == 0
    assert f"note: policies/recipes/{WIDE}.yaml: is wide" in capsys.readouterr().err
