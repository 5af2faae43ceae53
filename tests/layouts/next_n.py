"""Mixtures of experts with a head that looks ahead: DeepSeek-V3 (twice), GLM-4-MoE (twice), Qwen3-Next.

The bodies: `DeepseekV3ForCausalLM`, `Glm4MoeForCausalLM`, `Qwen3NextForCausalLM` of transformers, instantiated and saved.
The heads, which these classes skip when loading: for DeepSeek-V3 a layer past the last one, with `enorm`, `hnorm`,
`eh_proj`, and copies of embedding and head (public `README_WEIGHTS.md` and listings of the published files: 91,991
tensors of 688,574,839,360 bytes, which these shapes give); for GLM-4-MoE the same names (public loaders), for Qwen3-Next
`mtp.*` (public converters, which count 17 tensors beside the experts in its successor). Sizes: the class's defaults for
DeepSeek-V3 and Qwen3-Next; a published config for GLM-4.5-Air (46 layers); for GLM-4.5 (92 layers) unverified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.layouts.experts import each, router
from tests.layouts.layout import Contents, Shapes, Size, Spec, Tensors, under
from tests.layouts.llama import Body, attention, gated, layer
from tests.layouts.moe import TINY_EXPERTS, whole, whole_typed
from tests.layouts.torch_parts import linear, norm

BLOCK = 128
"""Rows and columns that share one scale in 8-bit weights."""


def _look_ahead(body: Body, block: Shapes) -> Shapes:
    """The layer past the last one: a block, what joins two hidden states, copies of embedding and head."""
    return {
        "embed_tokens.weight": (body.vocabulary, body.hidden),
        **norm("enorm", body.hidden),
        **norm("hnorm", body.hidden),
        **linear("eh_proj", body.hidden, 2 * body.hidden),
        **block,
        **norm("shared_head.norm", body.hidden),
        **linear("shared_head.head", body.vocabulary, body.hidden),
    }


def deepseek_v3(size: Size, *, eight_bit: bool) -> Contents:
    """DeepSeek-V3 as published, in 8 bits with its code beside, or cast to bfloat16 without code."""
    if size == "real":
        body, count, width, dense = Body(7168, 61, 128, 128, 18432, 129280), 256, 2048, 3
        ranks = {"q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64}
        ranks["v_head_dim"] = 128
    else:
        body, count, width, dense = Body(64, 2, 4, 4, 96, 64), TINY_EXPERTS, 32, 1
        ranks = {"q_lora_rank": 32, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16}
    latent = _latent_attention(body, ranks)
    mixture = {
        **each(body.hidden, width, count),
        **router(body.hidden, count, corrected=True),
        **under("shared_experts", gated(body.hidden, width)),
    }
    sparse = layer(body.hidden, latent, mixture)
    layers = [layer(body.hidden, latent, gated(body.hidden, body.intermediate))] * dense
    layers += [sparse] * (body.layers - dense) + [_look_ahead(body, sparse)]
    config: dict[str, Any] = {
        **ranks,
        "first_k_dense_replace": dense,
        "moe_intermediate_size": width,
        "n_group": 8 if size == "real" else 1,
        "n_routed_experts": count,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8 if size == "real" else 2,
        "num_nextn_predict_layers": 1,
        "topk_group": 4 if size == "real" else 1,
    }
    blocks = [_eight_bit(one) if eight_bit else _corrected(one) for one in layers]
    code: dict[str, str] = {}
    if eight_bit:
        scheme = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8"}
        config["quantization_config"] = {**scheme, "weight_block_size": [BLOCK, BLOCK]}
        config["auto_map"] = {
            "AutoConfig": "configuration_deepseek.DeepseekV3Config",
            "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM",
        }
        code = {"configuration_deepseek.py": "# code\n", "modeling_deepseek.py": "# code\n"}
    made = whole_typed(size, body, blocks, "deepseek_v3", "DeepseekV3ForCausalLM", config)
    return made.joined(Contents(texts=code))


def _latent_attention(body: Body, ranks: dict[str, int]) -> Shapes:
    query = ranks["qk_nope_head_dim"] + ranks["qk_rope_head_dim"]
    both = ranks["qk_nope_head_dim"] + ranks["v_head_dim"]
    return {
        **linear("q_a_proj", ranks["q_lora_rank"], body.hidden),
        **norm("q_a_layernorm", ranks["q_lora_rank"]),
        **linear("q_b_proj", body.heads * query, ranks["q_lora_rank"]),
        **linear("kv_a_proj_with_mqa", ranks["kv_lora_rank"] + ranks["qk_rope_head_dim"], body.hidden),
        **norm("kv_a_layernorm", ranks["kv_lora_rank"]),
        **linear("kv_b_proj", body.heads * both, ranks["kv_lora_rank"]),
        **linear("o_proj", body.hidden, body.heads * ranks["v_head_dim"]),
    }


COPIES = {"embed_tokens.weight": "model.embed_tokens.weight", "shared_head.head.weight": "lm_head.weight"}
"""What the layer past the last one holds a copy of."""


def _corrected(shapes: Shapes) -> Tensors:
    """In bfloat16, but the router's bias in float32."""
    return {
        name: Spec("F32" if name.endswith("e_score_correction_bias") else "BF16", shape, COPIES.get(name, ""))
        for name, shape in shapes.items()
    }


def _eight_bit(shapes: Shapes) -> Tensors:
    """Projections of attention, feed-forward part and experts in 8 bits, each with a scale for every block."""
    tensors: Tensors = {}
    for name, spec in _corrected(shapes).items():
        if name.startswith(("self_attn.", "mlp.")) and len(spec.shape) == 2 and name != "mlp.gate.weight":
            tensors[name] = Spec("F8_E4M3", spec.shape)
            scales = (-(-spec.shape[0] // BLOCK), -(-spec.shape[1] // BLOCK))
            tensors[f"{name}_scale_inv"] = Spec("F32", scales)
        else:
            tensors[name] = spec
    return tensors


@dataclass(frozen=True)
class Glm:
    """The sizes of a GLM-4-MoE."""

    body: Body
    experts: int
    width: int
    dense: int
    normed: bool


AIR = Glm(Body(4096, 46, 96, 8, 10944, 151552, head=128), 128, 1408, 1, normed=False)
FULL = Glm(Body(5120, 92, 96, 8, 12288, 151552, head=128), 160, 1536, 3, normed=True)


def glm4_moe(size: Size, real: Glm) -> Contents:
    """GLM-4-MoE of the sizes `real`, or a tiny one of the same form."""
    tiny = Glm(Body(64, 2, 4, 2, 96, 64, head=16), TINY_EXPERTS, 32, 1, real.normed)
    glm = real if size == "real" else tiny
    body = glm.body
    attending = attention(body, bias=True)
    if glm.normed:
        attending |= {**norm("q_norm", body.head_width), **norm("k_norm", body.head_width)}
    mixture = {
        **each(body.hidden, glm.width, glm.experts),
        **router(body.hidden, glm.experts, corrected=True),
        **under("shared_experts", gated(body.hidden, glm.width)),
    }
    sparse = layer(body.hidden, attending, mixture)
    layers = [layer(body.hidden, attending, gated(body.hidden, body.intermediate))] * glm.dense
    layers += [sparse] * (body.layers - glm.dense) + [_look_ahead(body, sparse)]
    config = {
        "attention_bias": True,
        "first_k_dense_replace": glm.dense,
        "head_dim": body.head_width,
        "moe_intermediate_size": glm.width,
        "n_group": 1,
        "n_routed_experts": glm.experts,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8 if size == "real" else 2,
        "num_nextn_predict_layers": 1,
        "topk_group": 1,
        "use_qk_norm": glm.normed,
    }
    return whole_typed(size, body, [_corrected(one) for one in layers], "glm4_moe", "Glm4MoeForCausalLM", config)


def qwen3_next(size: Size) -> Contents:
    """Qwen3-Next: three layers in four attend linearly; the head is `mtp.*`, without embedding or head of its own."""
    if size == "real":
        body, count, width = Body(2048, 48, 16, 2, 5120, 151936, head=256), 512, 512
        keys, values, key, value = 16, 32, 128, 128
    else:
        body, count, width = Body(64, 4, 4, 2, 96, 64, head=16), TINY_EXPERTS, 32
        keys, values, key, value = 2, 4, 16, 16
    hidden = body.hidden
    mixture = {
        **each(hidden, width, count),
        **router(hidden, count),
        **under("shared_expert", gated(hidden, width)),
        "shared_expert_gate.weight": (1, hidden),
    }
    attending = _gated_attention(body)
    full = layer(hidden, attending, mixture)
    both = 2 * keys * key + values * value
    linear_layer = {
        "linear_attn.dt_bias": (values,),
        "linear_attn.A_log": (values,),
        "linear_attn.conv1d.weight": (both, 1, 4),
        **linear("linear_attn.in_proj_qkvz", both + values * value, hidden),
        **linear("linear_attn.in_proj_ba", 2 * values, hidden),
        **norm("linear_attn.norm", value),
        **linear("linear_attn.out_proj", hidden, values * value),
        **{name: shape for name, shape in full.items() if not name.startswith("self_attn.")},
    }
    config: dict[str, Any] = {
        "decoder_sparse_step": 1,
        "full_attention_interval": 4,
        "head_dim": body.head_width,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": key,
        "linear_num_key_heads": keys,
        "linear_num_value_heads": values,
        "linear_value_head_dim": value,
        "moe_intermediate_size": width,
        "num_experts": count,
        "num_experts_per_tok": 10 if size == "real" else 2,
        "shared_expert_intermediate_size": width,
    }
    layers = [full if number % 4 == 3 else linear_layer for number in range(body.layers)]
    head = {
        **linear("mtp.fc", hidden, 2 * hidden),
        **norm("mtp.pre_fc_norm_embedding", hidden),
        **norm("mtp.pre_fc_norm_hidden", hidden),
        **under("mtp.layers.0", full),
        **norm("mtp.norm", hidden),
    }
    return whole(size, body, layers, "qwen3_next", "Qwen3NextForCausalLM", config, head)


def _gated_attention(body: Body) -> Shapes:
    """Attention in which each query brings a gate of the same width."""
    return {
        **attention(body),
        **linear("q_proj", 2 * body.heads * body.head_width, body.hidden),
        **norm("q_norm", body.head_width),
        **norm("k_norm", body.head_width),
    }
