"""What published configurations use: ranges by key, and what the defaults of a class say.

The defaults are those of every configuration class of transformers, `class_defaults.json`; `tests/inspection/odd/defaults.py`
writes it. Published checkpoints differ from them, so the ranges here are those of published `config.json` files, widened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from releasegate.inspection.odd.kinds import KeyKind

Range = tuple[float, float]

EPSILON: Range = (0.0, 1e-4)
"""Published: 1e-12 (BERT) to 1e-5 (Llama). A tenfold margin above; a class whose default is larger is held against that."""
BASE: Range = (5e3, 2e8)
"""Published language models: 10,000 (Llama) to 1e8 (Voxtral), with 5,000,000 (Yi-200K) between."""
ONE_BASE: Mapping[str, float] = {
    "chameleon": 1e4, "chameleon-original": 1e4, "multi-token-prediction": 1e4, "gpt_neox": 1e4, "codegen": 1e4,
    "gptj": 1e4, "phi": 1e4, "gemma": 1e4, "gemma2": 1e4, "stablelm": 1e4, "olmo": 1e4, "opt": 1e4,
}  # fmt: skip
"""Kinds of model of which every published checkpoint has one base."""
MORE_BASES: Mapping[str, Sequence[float]] = {
    "falcon_h1": (1e11,),
    "mistral3": (1e9,),
    "phimoe": (1e4,),
    "modernbert": (1e4, 1.6e5),
}
"""Published bases outside the range."""
ROTATED: Range = (0.1, 1.0)
"""Published: .125 (DeepSeek V4), .25 (Pythia) to 1."""
DROPOUT: Range = (0.0, 0.5)
SCALES: Mapping[str, Range] = {
    "logit_scale": (0.03, 2.0),  # Cohere: .0625, .25, .8330078125, 1
    "logits_scaling": (0.5, 32.0),  # Granite: 1, 4, 6, 8, 16
    "embedding_multiplier": (0.5, 60.0),  # Granite 1, 6, 12; Falcon-H1 2.8 to 5.7; HyperCLOVA X 10
    "attention_multiplier": (0.003, 1.0),  # Granite: 1/128, 1/64; others 1/sqrt(head), 1
    "residual_multiplier": (0.1, 1.5),  # Granite .22, .17, .246, .263
    "lm_head_multiplier": (0.005, 2.0),  # Falcon-H1: .0078 to .04
    "key_multiplier": (0.05, 2.0),
    "attention_in_multiplier": (0.1, 4.0),
    "attention_out_multiplier": (0.05, 4.0),
    "ssm_in_multiplier": (0.05, 4.0),
    "ssm_out_multiplier": (0.02, 4.0),
    "final_logit_softcapping": (10.0, 100.0),  # Gemma 2: 30; nanochat 15; 20
    "attn_logit_softcapping": (20.0, 100.0),  # Gemma 2: 50
    "logits_soft_cap": (10.0, 100.0),
    "query_pre_attn_scalar": (16.0, 1024.0),  # Gemma: 128, 144, 168, 224, 256
    "routed_scaling_factor": (0.5, 20.0),  # DeepSeek: 1, 2.5, 16
    "scale_emb": (1.0, 24.0),  # MiniCPM: 12
    "scale_depth": (0.7, 3.0),  # MiniCPM: 1.4
    "rescale_factor": (1 / 256, 1 / 100),  # 1/255; Chameleon .0078
    "lora_alpha": (1.0, 1024.0),  # of PEFT: 8 to 512
    "dim_model_base": (64.0, 1024.0),  # MiniCPM: 256
}
"""Of scales, by key; a scale that is not listed is held against its class's default."""
WIDE = 8.0
"""How many times larger or smaller than its class's default a scale may be that no range is listed for."""
ROPE: Mapping[str, Range] = {
    "factor": (1.0, 128.0),  # 2 to 64
    "low_freq_factor": (0.5, 2.0),  # Llama 3: 1
    "high_freq_factor": (2.0, 8.0),  # Llama 3: 4
    "beta_fast": (8.0, 64.0),  # YaRN: 32
    "beta_slow": (0.25, 4.0),  # YaRN: 1
    "attention_factor": (0.5, 2.0),
    "mscale": (0.25, 2.0),  # DeepSeek: .707, 1
    "mscale_all_dim": (0.0, 2.0),
    "short_mscale": (0.5, 2.0),
    "long_mscale": (0.5, 2.0),
    "short_factor": (0.5, 256.0),  # Phi-3: 1 to 65
    "long_factor": (0.5, 256.0),
    "original_max_position_embeddings": (16.0, 1 << 22),
}
"""Keys under `rope_scaling` and `rope_parameters`."""
ACTIVATIONS: Sequence[frozenset[str]] = (
    frozenset({
        "gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate", "gelu_10",
        "quick_gelu",
    }),
    frozenset({"silu", "swish"}),
)  # fmt: skip
"""Functions that are nearly the same, or are swapped for each other in published configurations."""
MORE_ACTIVATIONS: Mapping[str, frozenset[str]] = {
    "opt": frozenset({"gelu"}),  # Galactica
    "bert": frozenset({"relu", "silu"}),
    "gpt2": frozenset({"relu", "silu", "tanh"}),  # what its class allows, and small models of others use
    "llama": frozenset({"relu", "gelu"}),  # ReLULLaMA; Jais
    "bart": frozenset({"relu", "swish", "silu"}),
    "marian": frozenset({"swish", "relu"}),
    "wav2vec2": frozenset({"relu"}),
    "mpt": frozenset({"relu"}),
    "nemotron": frozenset({"relu2"}),
}
"""Published beside the default of the class."""
LEAST_WINDOW = 64
"""Tokens; ModernBERT's decoder looks back so far. Audio models look back less, and are held against their default."""

_DEFAULTS = "class_defaults.json"


@cache
def _defaults() -> dict[str, dict[str, Any]]:
    text = (files("releasegate.inspection.odd") / _DEFAULTS).read_text()
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def default_of(kind: str, path: Sequence[str]) -> Any:
    """The default that the class of a `model_type` has for a key; None where it has none, or is not known.

    >>> default_of("llama", ["rms_norm_eps"])
    1e-06
    """
    stated = _defaults().get(kind, {})
    return stated.get(".".join(path), stated.get(path[-1]))


def known(kind: str) -> bool:
    """Whether the defaults of a `model_type` are listed.

    >>> known("llama"), known("mini-voice")
    (True, False)
    """
    return kind in _defaults()


def same_activation(one: str, other: str) -> bool:
    """Whether published configurations swap one function for the other.

    >>> same_activation("gelu", "gelu_new"), same_activation("gelu", "relu")
    (True, False)
    """
    return one == other or any(one in group and other in group for group in ACTIVATIONS)


def within(value: float, bounds: Range) -> bool:
    """Whether a number lies in a range, half a thousandth of slack included: numbers pass through float32.

    >>> within(1e-5, (0.0, 1e-5)), within(2.0, (0.0, 1.0))
    (True, False)
    """
    low, high = bounds
    return low - abs(low) * 5e-4 <= value <= high + abs(high) * 5e-4


def is_rope(path: Sequence[str]) -> bool:
    """Whether a key stands among those of rotary positions."""
    return any(re.search(r"rope", step) for step in path[:-1])


__all__ = ["KeyKind", "Range", "default_of", "is_rope", "known", "same_activation", "within"]
