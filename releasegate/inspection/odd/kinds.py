"""What a key of a configuration is about, by its name: the classes of transformers name alike what does alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

KeyKind = Literal["epsilon", "base", "rotated", "scale", "dropout", "activation", "experts", "window"]

_EPSILON = re.compile(r"(?:^|_)(?:eps|epsilon)$")
_BASE = re.compile(
    r"(?:^|_)(?:rope_theta|rotary_emb(?:edding)?_base|rope(?:_local)?_base(?:_freq)?|freq_base(?:_swa)?)$"
)
_ROTATED = re.compile(r"^(?:partial_rotary_factor|rotary_pct)$")
_SCALE = re.compile(
    r"multiplier|soft_?cap(?:ping)?$|^query_pre_attn_scalar$|(?:^|_)(?:logits?|attn|route|softmax|embedding|residual)_scale$"
    r"|^attn_scale$|^logits_scaling$|^scale_(?:emb|depth)$|^dim_model_base$|routed?_scaling_factor$|^qk_scale_factor$"
    r"|^router_scaling_factor$|^rescale_factor$|^image_std$|^lora_alpha$|^embedding_scale$|^attention_value_scale$"
)
_NO_SCALE = re.compile(
    r"depth_multiplier|width_multiplier|ffn_(?:dim_)?multiplier|depthwise|embed_dim|_init|multiplier_of|mup_width"
)
_DROPOUT = re.compile(r"drop(?:out|path)?(?:_(?:rate|prob|p|ratio))?$|pdrop$|layerdrop$")
_ACTIVATION = re.compile(r"^(?:hidden_act|hidden_activation|activation_function|hidden_act_fn|act_fn|activation)$")
_EXPERTS = re.compile(r"^(?:num_experts_per_tok(?:en)?|moe_top_?k|top_k_experts)$")
_WINDOW = re.compile(r"^(?:sliding_window|attention_window_size|local_attention)$")
_KINDS: tuple[tuple[KeyKind, re.Pattern[str]], ...] = (
    ("epsilon", _EPSILON),
    ("base", _BASE),
    ("rotated", _ROTATED),
    ("activation", _ACTIVATION),
    ("experts", _EXPERTS),
    ("window", _WINDOW),
    ("dropout", _DROPOUT),
)


def kind_of_key(key: str) -> KeyKind | None:
    """What the key is about, if it is looked at.

    >>> [kind_of_key(key) for key in ("rms_norm_eps", "rope_theta", "logit_scale", "hidden_size")]
    ['epsilon', 'base', 'scale', None]
    """
    found = next((kind for kind, pattern in _KINDS if pattern.search(key)), None)
    if found is not None:
        return found
    return "scale" if _SCALE.search(key) and not _NO_SCALE.search(key) else None


def walked(
    config: Mapping[str, Any], before: tuple[str, ...] = (), depth: int = 0
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a configuration with its path, objects in it included. Lists count as values."""
    for key, value in config.items():
        path = (*before, str(key))
        if isinstance(value, Mapping) and depth < 8:
            yield from walked(value, path, depth + 1)
        else:
            yield path, value
