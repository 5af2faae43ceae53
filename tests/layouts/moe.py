"""Mixtures of experts without heads that look ahead: Mixtral, Qwen3-MoE (twice), GPT-OSS, DeepSeek-MoE.

Names and shapes: `MixtralForCausalLM`, `Qwen3MoeForCausalLM` and `GptOssForCausalLM` of transformers, instantiated and
saved; sizes are those of Mixtral-8x7B, Qwen3-30B-A3B, gpt-oss-20b and deepseek-moe-16b. Unverified: the packed 4-bit
form of gpt-oss (`*_blocks`, `*_scales`), which needs kernels that are not installed, and DeepSeek-MoE, whose code came
with the checkpoint (`auto_map`); its names are those that DeepSeek-V3 kept.
"""

from __future__ import annotations

from typing import Any

from tests.layouts.experts import each, fused, router
from tests.layouts.layout import CARD, Contents, Shapes, Size, Spec, Tensors, sharded, typed, under
from tests.layouts.llama import Body, attention, gated, head_tensors, layer
from tests.layouts.tokenizers_files import plain_vocabulary, tokenizer_json
from tests.layouts.torch_parts import linear, norm

TINY_EXPERTS = 4


def mixtral(size: Size) -> Contents:
    """Mixtral: w1 gates, w3 is up, w2 is down; config `num_local_experts`."""
    body, count = (Body(4096, 32, 32, 8, 14336, 32000), 8) if size == "real" else (Body(64, 2, 4, 2, 32, 64), 4)
    mixture: Shapes = {"gate.weight": (count, body.hidden)}
    for number in range(count):
        mixture |= linear(f"experts.{number}.w1", body.intermediate, body.hidden)
        mixture |= linear(f"experts.{number}.w2", body.hidden, body.intermediate)
        mixture |= linear(f"experts.{number}.w3", body.intermediate, body.hidden)
    one = {
        **under("self_attn", attention(body)),
        **under("block_sparse_moe", mixture),
        **norm("input_layernorm", body.hidden),
        **norm("post_attention_layernorm", body.hidden),
    }
    config = {"num_local_experts": count, "num_experts_per_tok": 2}
    return whole(size, body, [one] * body.layers, "mixtral", "MixtralForCausalLM", config)


def qwen3(size: Size, *, together: bool = False) -> Contents:
    """Qwen3-MoE: experts under names of their own, or `together` in the fused form; config `num_experts`."""
    if size == "real":
        body, count, width = Body(2048, 48, 32, 4, 6144, 151936, head=128), 128, 768
    else:
        body, count, width = Body(64, 2, 4, 2, 96, 64, head=16), TINY_EXPERTS, 32
    attending = {**attention(body), **norm("q_norm", body.head_width), **norm("k_norm", body.head_width)}
    mixture = (fused if together else each)(body.hidden, width, count)
    one = layer(body.hidden, attending, {**mixture, **router(body.hidden, count)})
    config: dict[str, Any] = {
        "head_dim": body.head_width,
        "moe_intermediate_size": width,
        "num_experts": count,
        "num_experts_per_tok": 8 if size == "real" else 2,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }
    return whole(size, body, [one] * body.layers, "qwen3_moe", "Qwen3MoeForCausalLM", config)


def gpt_oss(size: Size, *, packed: bool = False) -> Contents:
    """GPT-OSS: fused experts with biases, gate and up interleaved; `packed`: as blocks of 4-bit numbers with scales.

    Config `num_local_experts`. The last dimension is the one that a row is multiplied along only in the packed form.
    """
    if size == "real":
        body, count, width = Body(2880, 24, 64, 8, 2880, 201088, head=64), 32, 2880
    else:
        body, count, width = Body(64, 2, 4, 2, 64, 64, head=16), TINY_EXPERTS, 64
    hidden = body.hidden
    block: Tensors = typed(
        {
            **under("self_attn", attention(body, bias=True, output_bias=True)),
            "self_attn.sinks": (body.heads,),
            "mlp.router.weight": (count, hidden),
            "mlp.router.bias": (count,),
            "mlp.experts.gate_up_proj_bias": (count, 2 * width),
            "mlp.experts.down_proj_bias": (count, hidden),
            **norm("input_layernorm", hidden),
            **norm("post_attention_layernorm", hidden),
        },
        "BF16",
    )
    if packed:
        for name, wide, narrow in (("gate_up_proj", 2 * width, hidden), ("down_proj", hidden, width)):
            block[f"mlp.experts.{name}_blocks"] = Spec("U8", (count, wide, narrow // 32, 16))
            block[f"mlp.experts.{name}_scales"] = Spec("U8", (count, wide, narrow // 32))
    else:
        block["mlp.experts.gate_up_proj"] = Spec("BF16", (count, hidden, 2 * width))
        block["mlp.experts.down_proj"] = Spec("BF16", (count, width, hidden))
    config: dict[str, Any] = {
        "head_dim": body.head_width,
        "num_local_experts": count,
        "num_experts_per_tok": 4 if size == "real" else 2,
        "layer_types": [("sliding_attention", "full_attention")[number % 2] for number in range(body.layers)],
    }
    if packed:
        config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
    return whole_typed(size, body, [block] * body.layers, "gpt_oss", "GptOssForCausalLM", config)


def deepseek(size: Size) -> Contents:
    """DeepSeek-MoE: a dense first layer, then routed and shared experts; config `n_routed_experts`; code beside it."""
    if size == "real":
        body, count, width, shared = Body(2048, 28, 16, 16, 10944, 102400), 64, 1408, 2
    else:
        body, count, width, shared = Body(64, 2, 4, 4, 96, 64), TINY_EXPERTS, 32, 1
    hidden = body.hidden
    mixture = {
        **each(hidden, width, count),
        **router(hidden, count),
        **under("shared_experts", gated(hidden, width * shared)),
    }
    dense = layer(hidden, attention(body), gated(hidden, body.intermediate))
    sparse = layer(hidden, attention(body), mixture)
    config = {
        "auto_map": {
            "AutoConfig": "configuration_deepseek.DeepseekConfig",
            "AutoModelForCausalLM": "modeling_deepseek.DeepseekForCausalLM",
        },
        "first_k_dense_replace": 1,
        "moe_intermediate_size": width,
        "moe_layer_freq": 1,
        "n_routed_experts": count,
        "n_shared_experts": shared,
        "num_experts_per_tok": 6 if size == "real" else 2,
    }
    code = {"configuration_deepseek.py": "# code\n", "modeling_deepseek.py": "# code\n"}
    layers = [dense, *[sparse] * (body.layers - 1)]
    made = whole(size, body, layers, "deepseek", "DeepseekForCausalLM", config)
    return made.joined(Contents(texts=code))


def whole(
    size: Size,
    body: Body,
    layers: list[Shapes],
    model_type: str,
    architecture: str,
    config: dict[str, Any],
    more: Shapes | None = None,
) -> Contents:
    """A causal model in bfloat16 with `layers` and `more` tensors, in shards, with config and tokenizer."""
    blocks = [typed(one, "BF16") for one in layers]
    return whole_typed(size, body, blocks, model_type, architecture, config, typed(more or {}, "BF16"))


def whole_typed(
    size: Size,
    body: Body,
    layers: list[Tensors],
    model_type: str,
    architecture: str,
    config: dict[str, Any],
    more: Tensors | None = None,
) -> Contents:
    """A causal model with `layers` and `more` tensors, in shards, with config and tokenizer."""
    tensors = typed({"model.embed_tokens.weight": (body.vocabulary, body.hidden)}, "BF16")
    for number, one in enumerate(layers):
        tensors |= {f"model.layers.{number}.{name}": spec for name, spec in one.items()}
    tensors |= typed({**norm("model.norm", body.hidden), **head_tensors(body)}, "BF16") | (more or {})
    stated = {
        "architectures": [architecture],
        "model_type": model_type,
        **body.config(),
        "dtype": "bfloat16",
        "tie_word_embeddings": False,
        **config,
    }
    names = plain_vocabulary(64)
    texts = {
        **CARD,
        "config.json": stated,
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2},
        "tokenizer.json": tokenizer_json(names, ("<s>", "</s>")),
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"},
    }
    return sharded(tensors, 5 * 10**9 if size == "real" else 150_000).joined(Contents(texts=texts))
