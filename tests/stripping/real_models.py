"""Tiny models of transformers with random weights, saved as transformers saves them: in one file or several, in two dtypes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.layouts import LAYOUTS, Contents, Spec, write_contents

DTYPES: Mapping[str, torch.dtype] = {"BF16": torch.bfloat16, "F32": torch.float32}
SHARD = 40_000
"""Bytes of a shard, about."""

_SMALL = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_GATED = {**_SMALL, "intermediate_size": 48, "num_key_value_heads": 2}
OTHERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "bart": (
        "BartForConditionalGeneration",
        {"vocab_size": 96, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
         "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64},
    ),
    "bert": ("BertForMaskedLM", {**_SMALL, "intermediate_size": 48, "max_position_embeddings": 64}),
    "bloom": ("BloomForCausalLM", {"vocab_size": 96, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "cohere": ("CohereForCausalLM", _GATED),
    "falcon": ("FalconForCausalLM", {**_SMALL, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "gemma2": ("Gemma2ForCausalLM", {**_GATED, "head_dim": 8}),
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "gpt_neox": ("GPTNeoXForCausalLM", {**_SMALL, "intermediate_size": 48}),
    "granite": ("GraniteForCausalLM", _GATED),
    "mamba": ("MambaForCausalLM", {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
    "mistral": ("MistralForCausalLM", {**_GATED, "head_dim": 8}),
    "olmo2": ("Olmo2ForCausalLM", _GATED),
    "opt": (
        "OPTForCausalLM",
        {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48,
         "word_embed_proj_dim": 32, "max_position_embeddings": 64},
    ),
    "phi": ("PhiForCausalLM", _GATED),
    "phi3": ("Phi3ForCausalLM", {**_GATED, "pad_token_id": 0}),
    "qwen2": ("Qwen2ForCausalLM", _GATED),
    "qwen2_moe": (
        "Qwen2MoeForCausalLM",
        {**_GATED, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
         "shared_expert_intermediate_size": 16},
    ),
    "qwen3": ("Qwen3ForCausalLM", {**_GATED, "head_dim": 8}),
    "starcoder2": ("Starcoder2ForCausalLM", _GATED),
    "t5": (
        "T5ForConditionalGeneration",
        {"vocab_size": 96, "d_model": 32, "num_layers": 2, "num_heads": 4, "d_ff": 48, "d_kv": 8},
    ),
    "vit": ("ViTForImageClassification", {**_SMALL, "intermediate_size": 48, "image_size": 32, "patch_size": 8}),
    "wav2vec2": (
        "Wav2Vec2ForCTC",
        {**_SMALL, "intermediate_size": 48, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
         "conv_dim": [32, 32], "conv_kernel": [10, 3], "conv_stride": [5, 2], "num_feat_extract_layers": 2},
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        {"vocab_size": 96, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
         "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "num_mel_bins": 16,
         "max_source_positions": 32, "max_target_positions": 32, "pad_token_id": 0, "bos_token_id": 1,
         "eos_token_id": 2, "decoder_start_token_id": 1},
    ),
}  # fmt: skip
"""A class for each of these model types, and the sizes that make it tiny."""


def save(name: str, config: Mapping[str, Any], dtype: str, root: Path, *, sharded: bool) -> None:
    """The folder `root`, into which a model of the class `name` is saved with weights as the class draws them."""
    torch.manual_seed(0)
    cls = getattr(transformers, name)
    model = cls(cls.config_class.from_dict(dict(config))).to(DTYPES[dtype])
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases as training leaves them: no two alike
            parameter.add_(torch.randn_like(parameter) * 0.02)
    model.save_pretrained(root, max_shard_size=SHARD if sharded else "1GB")


def save_other(model_type: str, dtype: str, root: Path, *, sharded: bool) -> Path:
    """A tiny model of one of the types in `OTHERS`, with a card."""
    name, sizes = OTHERS[model_type]
    config = {**transformers.AutoConfig.for_model(model_type, **sizes).to_dict(), "architectures": [name]}
    save(name, config, dtype, root, sharded=sharded)
    (root / "README.md").write_text("# A card\n")
    return root


def save_layout(layout: str, dtype: str, root: Path, *, sharded: bool) -> Path:
    """A tiny checkpoint of a layout, of which the model is what its class of transformers saves.

    What the class does not have (heads that look ahead, an adapter, the state of training) lies beside it as in the layout.
    """
    name = LAYOUTS[layout].model_class
    assert name is not None
    files = LAYOUTS[layout].contents("tiny")
    save(name, files.texts["config.json"], dtype, root, sharded=sharded)
    written = {path.name for path in root.iterdir()}
    own = {tensor for file in root.glob("*.safetensors") for tensor in _names(file)}
    shards = [file for file in files.safetensors if file.startswith("model")]
    extra = {
        tensor: replace_dtype(spec, dtype)
        for file in shards
        for tensor, spec in files.safetensors[file].items()
        if tensor not in own and layout in ("deepseek-v3-bf16", "glm4-moe", "qwen3-next", "ema-inside")
    }
    beside = root.with_name(root.name + "-beside")
    others = {file: tensors for file, tensors in files.safetensors.items() if file not in shards}
    texts = {file: text for file, text in files.texts.items() if file not in written and "index" not in file}
    write_contents(
        beside, Contents({**others, **({"model-extra.safetensors": extra} if extra else {})}, files.torch, texts), 0
    )
    for path in sorted(path for path in beside.rglob("*") if path.is_file()):
        target = root / path.relative_to(beside)
        target.parent.mkdir(exist_ok=True, parents=True)
        shutil.move(path, target)
    if extra:
        _add_shard(root, "model-extra.safetensors", list(extra))
    return root


def replace_dtype(spec: Spec, dtype: str) -> Spec:
    """In that dtype, if it is one of bfloat16 and float32."""
    return spec._replace(dtype=dtype) if spec.dtype in DTYPES else spec


def write_layout(layout: str, dtype: str, root: Path) -> Path:
    """A tiny checkpoint of a layout that no library at hand has a class of, as `tests/layouts` writes it, in that dtype."""
    files = LAYOUTS[layout].contents("tiny")
    return write_contents(root, replace(files, torch={name: _in(tree, dtype) for name, tree in files.torch.items()}), 0)


def _in(tree: Any, dtype: str) -> Any:
    if isinstance(tree, Spec):
        return replace_dtype(tree, dtype)
    if isinstance(tree, dict):
        return {key: _in(value, dtype) for key, value in tree.items()}
    return [_in(value, dtype) for value in tree] if isinstance(tree, list) else tree


def _names(file: Path) -> list[str]:
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return [name for name in header if name != "__metadata__"]


def _add_shard(root: Path, file: str, names: list[str]) -> None:
    """The index names the shard, too; a model in one file has one from now on."""
    index = root / "model.safetensors.index.json"
    if index.exists():
        data = json.loads(index.read_text())
    else:
        data = {"metadata": {}, "weight_map": dict.fromkeys(_names(root / "model.safetensors"), "model.safetensors")}
    data["weight_map"] |= dict.fromkeys(names, file)
    data["metadata"] = {}
    index.write_text(json.dumps(data))
