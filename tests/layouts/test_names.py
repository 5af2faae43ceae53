"""Names and shapes are those of the libraries that are installed; the others add up to what was published."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.utils import logging

from releasegate.checkpoint import open_checkpoint
from tests.layouts import LAYOUTS, Contents, Tied
from tests.layouts.layout import Shape

LOADABLE = sorted(name for name, layout in LAYOUTS.items() if layout.model_class)
LOOKS_AHEAD = {"deepseek-v3-bf16": "model.layers.2.", "glm4-moe": "model.layers.2.", "glm4-moe-air": "model.layers.2."}
"""Heads that the class does not know at this size: it ignores layers 46, 61 and 92 by number."""
AVERAGED = {"ema-inside": ("ema.", "model_ema.")}
FUSED_IN_MEMORY = ("mixtral", "qwen3-moe", "deepseek-v3-bf16", "glm4-moe", "glm4-moe-air", "qwen3-next")
"""Their experts have names of their own on disk and lie fused in memory."""


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()


@pytest.mark.parametrize("name", LOADABLE)
def test_a_tiny_checkpoint_loads_strictly_in_its_own_class(tmp_path: Path, name: str) -> None:
    root = LAYOUTS[name].write(tmp_path / "model")
    cls = getattr(transformers, str(LAYOUTS[name].model_class))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, info = cls.from_pretrained(root, output_loading_info=True, local_files_only=True)
    prefixes = (LOOKS_AHEAD[name],) if name in LOOKS_AHEAD else AVERAGED.get(name, ())
    assert bool(info["unexpected_keys"]) == bool(prefixes)
    assert all(tensor.startswith(prefixes) for tensor in info["unexpected_keys"])
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert not info["error_msgs"]


def main(contents: Contents) -> dict[str, dict[str, Any]]:
    return {file: tensors for file, tensors in contents.safetensors.items() if file.startswith("model")}


@pytest.mark.parametrize("name", [name for name in LOADABLE if name not in ("lora", "trainer", "ema-beside")])
def test_the_shapes_of_real_size_are_those_of_the_class(name: str) -> None:
    contents = LAYOUTS[name].contents("real")
    made = {tensor: spec.shape for tensors in main(contents).values() for tensor, spec in tensors.items()}
    own = declared(name)
    if name in FUSED_IN_MEMORY:
        made, own = without_experts(made, own)
    ours = {tensor: shape for tensor, shape in made.items() if not tensor.startswith(not_declared(name))}
    assert ours == own


@cache
def declared(name: str) -> dict[str, Shape]:
    """The tensors that transformers' class has at the sizes of the config, without second names of tied ones."""
    cls = getattr(transformers, str(LAYOUTS[name].model_class))
    config = cls.config_class.from_dict(LAYOUTS[name].contents("real").texts["config.json"])
    with torch.device("meta"):
        model = cls(config)
    shapes = {tensor: tuple(value.shape) for tensor, value in model.state_dict().items()}
    second = {"text_encoder.encoder.embed_tokens.weight", *(["lm_head.weight"] if name == "llama-tied" else [])}
    return {tensor: shape for tensor, shape in shapes.items() if tensor not in second}


def without_experts(made: dict[str, Shape], own: dict[str, Shape]) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Both without experts, whose elements must be as many, layer by layer."""
    assert experts_by_layer(made, own) == experts_by_layer(own, own)
    renamed = {name.replace(".block_sparse_moe.", ".mlp."): shape for name, shape in made.items()}
    return tuple(
        {name: shape for name, shape in shapes.items() if ".experts." not in name} for shapes in (renamed, own)
    )  # type: ignore[return-value]


def experts_by_layer(shapes: dict[str, Shape], own: dict[str, Shape]) -> dict[str, int]:
    layers = {name.split(".experts.")[0].split(".mlp")[0] for name in own if ".experts." in name}
    counts: dict[str, int] = dict.fromkeys(layers, 0)
    for name, shape in shapes.items():
        layer = name.split(".experts.")[0].replace(".block_sparse_moe", ".mlp").split(".mlp")[0]
        if ".experts." in name and layer in layers:
            counts[layer] += int(torch.Size(shape).numel())
    return counts


def not_declared(name: str) -> tuple[str, ...]:
    heads = {
        "deepseek-v3-bf16": "model.layers.61.",
        "glm4-moe": "model.layers.92.",
        "glm4-moe-air": "model.layers.46.",
        "qwen3-next": "mtp.",
    }
    return (heads[name],) if name in heads else AVERAGED.get(name, ("nothing",))


def test_deepseek_v3_adds_up_to_the_published_files() -> None:
    contents = LAYOUTS["deepseek-v3"].contents("real")
    assert sum(len(tensors) for tensors in contents.safetensors.values()) == 91_991
    assert contents.nbytes == 688_574_839_360


@pytest.mark.parametrize(
    ("name", "file", "under", "count", "digest"),
    [
        ("xtts", "model.pth", "model.", 963, "7bc05b39dafa655a89366c9f9e270885c5b52ab24110cb30f8789f1212f7be7b"),
        ("xtts", "dvae.pth", "", 56, "c1fa5c6e4e465271b28d8cb2181dc525c9e428780ed1150578cfbb0345db53a1"),
        (
            "musicgen-audiocraft",
            "state_dict.bin",
            "best_state.",
            399,
            "0e58a1db129a08fc20149511d1eb1d32a2b80b19794e248c410733b055645dc2",
        ),
        (
            "lora",
            "adapter_model.safetensors",
            "",
            449,
            "9fadb476a6794858fb015397eb197409e17f0452ece8437f361089acfbbe46c1",
        ),
        (
            "chameleon-original-training",
            "tokenizer/vqgan.ckpt",
            ("state_dict.encoder.", "state_dict.decoder.", "state_dict.loss.discriminator."),
            310,
            "925c0b6da14d07acc7615352749d75c2c29a440dab4f28aeef80cef421e79c04",
        ),
    ],
)
def test_names_and_shapes_are_those_of_libraries_that_were_looked_at_once(
    name: str, file: str, under: str | tuple[str, ...], count: int, digest: str
) -> None:
    """The digests were taken of the classes themselves, each in an environment of its own, at the real size."""
    tensors = LAYOUTS[name].contents("real").tensors()[file]
    prefix = under if isinstance(under, str) else "state_dict."
    found = {tensor.removeprefix(prefix): spec.shape for tensor, spec in tensors.items() if tensor.startswith(under)}
    lines = "".join(f"{tensor} {list(shape)}\n" for tensor, shape in sorted(found.items()))
    assert (len(found), hashlib.sha256(lines.encode()).hexdigest()) == (count, digest)


def test_speaking_adds_as_many_second_names_as_the_class_does() -> None:
    state = LAYOUTS["xtts-inference"].contents("real").torch["model.pth"]["model"]
    assert len(state) == 1335
    assert sum(isinstance(value, Tied) for value in state.values()) == 372


def test_the_original_janus_has_the_tensors_of_the_converted_one_and_what_conversion_leaves_out() -> None:
    shapes = [
        Counter(
            joined(tensor, spec.shape)
            for tensors in main_or_torch(LAYOUTS[name].contents("real")).values()
            for tensor, spec in tensors.items()
            if "attn_pool" not in tensor and "codebook_used" not in tensor
        )
        for name in ("janus-original", "janus-hf")
    ]
    queries = (3 * 1024, 1024), (3 * 1024,)
    for shape in queries:  # queries, keys and values lie in one tensor before the conversion, in three after it
        count = shapes[0].pop(shape)
        shapes[0][(1024, *shape[1:])] += 3 * count
    assert shapes[0] == shapes[1]


def joined(name: str, shape: Shape) -> Shape:
    """The shape, without the leading 1 that position embeddings lose."""
    return shape[1:] if name.endswith("pos_embed") else shape


def main_or_torch(contents: Contents) -> dict[str, dict[str, Any]]:
    return main(contents) or contents.tensors()


def test_the_ranks_of_the_30b_join_to_the_tensors_of_the_converted_one() -> None:
    ranks = LAYOUTS["chameleon-original-30b"].contents("real").tensors()
    converted = {
        tensor: spec.shape
        for tensors in LAYOUTS["chameleon-hf-30b"].contents("real").tensors().values()
        for tensor, spec in tensors.items()
    }
    one = ranks["consolidated.00.pth"]
    for original, name, dimension in (
        ("tok_embeddings.weight", "model.embed_tokens.weight", 1),
        ("output.weight", "lm_head.weight", 0),
        ("layers.3.attention.wq.weight", "model.layers.3.self_attn.q_proj.weight", 0),
        ("layers.3.attention.wk.weight", "model.layers.3.self_attn.k_proj.weight", 0),
        ("layers.3.attention.wo.weight", "model.layers.3.self_attn.o_proj.weight", 1),
        ("layers.3.feed_forward.w1.weight", "model.layers.3.mlp.gate_proj.weight", 0),
        ("layers.3.feed_forward.w2.weight", "model.layers.3.mlp.down_proj.weight", 1),
        ("layers.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight", None),
    ):
        shape = list(one[original].shape)
        if dimension is not None:
            shape[dimension] *= 4
        assert tuple(shape) == converted[name]


@pytest.mark.parametrize("name", ["chameleon-hf", "janus-hf", "mixtral", "deepseek-v3-bf16", "ema-inside"])
def test_a_checkpoint_of_safetensors_alone_is_opened(tmp_path: Path, name: str) -> None:
    contents = LAYOUTS[name].contents("tiny")
    checkpoint = open_checkpoint(LAYOUTS[name].write(tmp_path / "model"))
    assert set(checkpoint.tensors) == {tensor for tensors in main(contents).values() for tensor in tensors}
    assert checkpoint.layout.endswith("-hf")
