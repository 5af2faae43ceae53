"""Leaks in the tensors of the model itself: ties, copies, near copies, scales, moments, leftovers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from releasegate.errors import IndexMismatch, StripError
from tests.attacks.planted.leak import (
    DECODER,
    EMBEDDING,
    FIRST,
    HEAD,
    INDEX,
    LAYER,
    POST,
    SECOND,
    Leak,
    changed,
    decoder,
    head,
    layout,
    made,
    planted,
)
from tests.layouts import Contents, Spec
from tests.stripping.shipped import shipped
from tests.tiny_checkpoints import Tiny

PIECE = f"holds a piece of {HEAD}, which was to go"
NEAR = f"has a near copy of {HEAD}, which was to go, in {LAYER}"
BOTH = f"edits {HEAD}, which is input and output embedding at once"


def in_layer(values: Callable[[Tiny], Any]) -> Callable[[Path], Path]:
    """The control with other values in a tensor that stays."""

    def plant(control: Tiny) -> None:
        control.shards[SECOND][LAYER] = np.ascontiguousarray(values(control))

    return planted(plant)


def more(shard: str, name: str, values: Callable[[Tiny], Any]) -> Callable[[Path], Path]:
    """The control with one more tensor in a shard."""

    def plant(control: Tiny) -> None:
        control.shards[shard][name] = np.ascontiguousarray(values(control))

    return planted(plant)


def embedding(values: Callable[[Any], Any]) -> Callable[[Path], Path]:
    """The control whose input embedding is made of the head."""

    def plant(control: Tiny) -> None:
        control.shards[FIRST][EMBEDDING] = values(head(control)).astype("float32")

    return planted(plant)


def noisy(values: Any, share: float) -> Any:
    """What an average over the last steps of training looks like."""
    noise = np.random.default_rng(5).standard_normal(values.shape)
    return (values + share * values.std() * noise).astype("float32")


def int8(values: Any) -> Any:
    return np.round(values / np.abs(values).max(axis=1, keepdims=True) * 127).astype("int8")


def fp8(root: Path) -> None:
    """The head once more in 8-bit floats, where a layer's weights should be."""
    import torch
    from safetensors import torch as files

    made(root)
    tensors = files.load_file(root / SECOND)
    tensors[LAYER] = files.load_file(root / FIRST)[HEAD].to(torch.float8_e4m3fn)
    files.save_file(tensors, root / SECOND, metadata={"format": "pt"})
    correct_totals(root)


def correct_totals(root: Path) -> None:
    """The index, without the totals."""
    index = json.loads((root / INDEX).read_text())
    (root / INDEX).write_text(json.dumps({"weight_map": index["weight_map"]}))


def reindexed(change: Callable[[dict[str, str]], object]) -> Callable[[Path], None]:
    """The control whose index was edited and whose shards were not."""

    def make(root: Path) -> None:
        index = json.loads((made(root) / INDEX).read_text())
        change(index["weight_map"])
        (root / INDEX).write_text(json.dumps(index))

    return make


def out_of_shard(root: Path) -> None:
    """A tensor that the index still names."""
    made(root)
    tensors = load_file(root / SECOND)
    del tensors[POST]
    save_file(tensors, root / SECOND, metadata={"format": "pt"})


def set_config(**keys: Any) -> Callable[[Tiny], None]:
    return lambda control: control.config.update(keys)


def ties_by_metadata(control: Tiny) -> None:
    control.metadata = {"format": "pt", HEAD: EMBEDDING}


def alias(control: Tiny) -> None:
    """What safetensors leaves of two names for one tensor."""
    del control.shards[FIRST][HEAD]
    ties_by_metadata(control)


def silent(control: Tiny) -> None:
    del control.config["tie_word_embeddings"]


def only_the_embedding(plain: dict[str, Any]) -> None:
    """Zeroes rows of the one matrix that a tied model has."""
    plain["edits"] = [{"zero_rows": EMBEDDING, "rows": {"ids": [[4, 7]]}, "expect": 4}]
    plain["keep"] = {"tensors": ["model.layers.*", "model.norm.weight"], "files": ["*"]}
    plain["residual"] = [{"tensors": EMBEDDING, "why": "the other rows"}]


def without_scale(plain: dict[str, Any]) -> None:
    plain["edits"][0]["drop"] = "model.layers.{>=num_hidden_layers}.*.weight"


def one_row(control: Tiny) -> Any:
    values = control.shards[SECOND][LAYER].copy()
    values.reshape(-1)[101:133] = head(control)[7]
    return values


def scaled_row(control: Tiny) -> Any:
    values = control.shards[SECOND][LAYER].copy()
    values[20] = head(control)[7] * 3
    return values


def turned(control: Tiny) -> Any:
    values = control.shards[SECOND][LAYER].copy()
    values[:, 5:13] = head(control)[4:12].T
    return values


def averaged(contents: Contents) -> Contents:
    """A Llama whose averaged copy goes by another name than the recipe knows."""
    renamed = {
        file: {f"average.{name[4:]}" if name.startswith("ema.") else name: spec for name, spec in tensors.items()}
        for file, tensors in contents.safetensors.items()
    }
    return Contents(renamed, texts={**contents.texts, INDEX: index_of(renamed)})


def index_of(shards: Any) -> dict[str, Any]:
    return {"weight_map": {name: file for file, tensors in shards.items() for name in tensors}}


def second_router(contents: Contents) -> Contents:
    """A mixture that has a bias for each expert beside the router."""
    shards = {file: dict(tensors) for file, tensors in contents.safetensors.items()}
    first = min(shards)
    shards[first]["model.layers.0.block_sparse_moe.gate.bias"] = Spec("BF16", (4,))
    texts = {**contents.texts, **({INDEX: index_of(shards)} if INDEX in contents.texts else {})}
    return Contents(shards, texts=texts)


def no_router(plain: dict[str, Any]) -> None:
    """Drops the expert and leaves its row in the router."""
    del plain["edits"][1]
    plain["residual"] = []


TENSORS: dict[str, Leak] = {
    "03-tied-by-config": Leak(planted(set_config(tie_word_embeddings=True)), f"{BOTH} (config.json ties them)"),
    "03-tied-by-a-nested-config": Leak(
        planted(set_config(text_config={"vocab_size": 18, "tie_word_embeddings": True})),
        f"{BOTH} (config.json ties them)",
    ),
    "03-tied-by-the-default-of-the-class": Leak(
        planted(silent), f"edits {HEAD}, and config.json does not say whether input and output embeddings are tied"
    ),
    "03-tied-by-metadata": Leak(planted(ties_by_metadata), f"edits {HEAD}, which the metadata of {FIRST} ties"),
    "03-tied-by-an-alias": Leak(planted(alias), f"zero_rows {HEAD}: matches 0 tensors, and rows are of one tensor"),
    "03-tied-and-stored-once": Leak(
        layout("llama-tied"),
        f"edits {EMBEDDING}, which is input and output embedding at once",
        recipe=changed("llama-hf/training_state", only_the_embedding),
    ),
    "03-tied-by-copy": Leak(embedding(lambda values: values.copy()), PIECE, StripError),
    "03-untied-and-trained-on": Leak(
        embedding(lambda values: noisy(values, 0.01)),
        f"has a near copy of {HEAD}, which was to go, in {EMBEDDING}: 8 of 8 vectors (rows)",
        StripError,
    ),
    "03-untied-and-scaled": Leak(
        embedding(lambda values: values * 5.65),
        f"has a near copy of {HEAD}, which was to go, in {EMBEDDING}: 8 of 8 vectors (rows)",
        StripError,
    ),
    "04-decoder-in-a-kept-tensor": Leak(
        in_layer(lambda control: decoder(control)["decoder.conv_in.weight"].reshape(32, 36)),
        f"holds a piece of {DECODER}:decoder.conv_in.weight, which was to go",
        StripError,
    ),
    "04-decoder-as-a-near-copy": Leak(
        in_layer(lambda control: noisy(decoder(control)["decoder.conv_in.weight"].reshape(16, 72), 0.02)),
        f"has a near copy of {DECODER}:decoder.conv_in.weight, which was to go, in {LAYER}",
        StripError,
    ),
    "06-copied-to-a-kept-tensor": Leak(in_layer(lambda control: head(control).copy()), PIECE, StripError),
    "06-one-row-inside-a-kept-tensor": Leak(in_layer(one_row), PIECE, StripError),
    "06-one-row-scaled": Leak(in_layer(scaled_row), f"{NEAR}: 1 of 8 vectors (rows)", StripError),
    "06-filled-tensor-in-a-kept-one": Leak(
        planted(
            lambda control: control.shards[SECOND].update(
                {"model.vqmodel.quant_conv.weight": control.shards[SECOND][POST].copy()}
            )
        ),
        f"holds a piece of {POST}, which was to go",
        StripError,
    ),
    "06-as-int8": Leak(in_layer(lambda control: int8(head(control))), f"{NEAR}: 8 of 8 vectors (rows)", StripError),
    "06-as-fp8": Leak(fp8, f"{NEAR}: 8 of 8 vectors (rows)", StripError),
    "06-in-half-precision": Leak(
        in_layer(lambda control: head(control).astype("float16")), f"{NEAR}: 8 of 8 vectors (rows)", StripError
    ),
    "06-transposed": Leak(in_layer(turned), f"{NEAR}: 8 of 8 vectors (transposed)", StripError),
    "06-flat-in-half-precision": Leak(
        in_layer(lambda control: head(control).astype("float16").reshape(-1)),
        f"{NEAR}: 8 of 8 vectors (rows)",
        StripError,
    ),
    "06-the-same-name-in-another-shard": Leak(
        more(SECOND, HEAD, lambda control: head(control).copy()),
        f"has tensor {HEAD!r} in two shards: {FIRST} and {SECOND}",
        IndexMismatch,
    ),
    "06-under-another-name-in-another-shard": Leak(
        more(SECOND, "model.lm_head.weight", lambda control: head(control)),
        "does not account for 1 tensor: 'model.lm_head.weight'",
    ),
    "07-out-of-the-index-and-in-the-shard": Leak(
        reindexed(lambda places: places.pop(POST)), f"does not name tensor '{POST}'", IndexMismatch
    ),
    "07-out-of-the-shard-and-in-the-index": Leak(
        out_of_shard, f"names tensor {POST!r}, which is in no shard", IndexMismatch
    ),
    "07-in-the-index-under-another-shard": Leak(
        reindexed(lambda places: places.update({POST: FIRST})), f"places tensor {POST!r} in {FIRST}", IndexMismatch
    ),
    "09-moments-in-the-model": Leak(
        more(FIRST, f"exp_avg.{HEAD}", lambda control: head(control) * 0.01),
        f"does not account for 1 tensor: 'exp_avg.{HEAD}'",
    ),
    "09-average-under-a-name-of-its-own": Leak(
        layout("ema-inside", averaged),
        "does not account for 11 tensors: 'average.lm_head.weight'",
        recipe=lambda: shipped("llama-hf/training_state"),
    ),
    "09-average-in-a-kept-tensor": Leak(
        in_layer(lambda control: noisy(head(control), 0.05)), f"{NEAR}: 8 of 8 vectors (rows)", StripError
    ),
    "10-scale-of-the-head": Leak(
        more(FIRST, "lm_head.weight_scale", lambda control: np.ones(18, "float32")),
        "does not account for 1 tensor: 'lm_head.weight_scale'",
    ),
    "10-scales-of-a-layer-of-eight-bits": Leak(
        layout("deepseek-v3"),
        "does not account for 21 tensors: 'model.layers.2.mlp.experts.0.down_proj.weight_scale_inv'",
        recipe=changed("deepseek_v3-hf/extra_heads", without_scale),
    ),
    "10-experts-in-one-tensor": Leak(
        layout("qwen3-moe-fused"),
        "does not account for 4 tensors: 'model.layers.0.mlp.experts.down_proj'",
        recipe=changed("qwen3_moe-hf/expert", lambda plain: plain["edits"].pop(1)),
    ),
    "10-router-of-an-expert": Leak(
        layout("mixtral"),
        "does not account for 2 tensors: 'model.layers.0.block_sparse_moe.gate.weight'",
        recipe=changed("mixtral-hf/expert", no_router),
    ),
    "10-bias-of-the-router": Leak(
        layout("mixtral", second_router),
        "does not account for 1 tensor: 'model.layers.0.block_sparse_moe.gate.bias'",
        recipe=lambda: shipped("mixtral-hf/expert"),
    ),
    "11-decoder-that-the-class-ignores": Leak(
        more(SECOND, "model.vqmodel.decoder.conv_in.weight", lambda control: np.ones((2, 2), "float32")),
        "does not account for 1 tensor: 'model.vqmodel.decoder.conv_in.weight'",
    ),
    "11-bias-that-the-class-ignores": Leak(
        more(FIRST, "lm_head.bias", lambda control: np.ones(18, "float32")),
        "does not account for 1 tensor: 'lm_head.bias'",
    ),
    "11-layer-past-the-last": Leak(
        layout("deepseek-v3-bf16"),
        "does not account for 32 tensors: 'model.layers.2.eh_proj.weight'",
        recipe=changed("llama-hf/training_state", lambda plain: plain.update(layout="deepseek_v3-hf")),
    ),
}
