"""A Llama with a LoRA adapter beside it.

Names and shapes: `LoraConfig` of peft 0.21.2 with every projection adapted and the head saved whole, wrapped around
`LlamaForCausalLM` of transformers and saved (both instantiated). An adapter that saves a module whole holds it under the
base's own name after `base_model.model.`.
"""

from __future__ import annotations

from typing import Any

from tests.layouts.layout import CARD, Contents, Shapes, Size, Spec, Tensors, sharded, typed
from tests.layouts.llama import LLAMA_2_7B, TINY, Body, body_tensors, head_tensors
from tests.layouts.tokenizers_files import plain_vocabulary, tokenizer_json

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def contents(size: Size) -> Contents:
    """The base with `adapter_model.safetensors` and `adapter_config.json`."""
    body, rank = (LLAMA_2_7B, 16) if size == "real" else (TINY, 4)
    return base(size).joined(
        Contents(
            {"adapter_model.safetensors": adapter(body, rank)},
            texts={"adapter_config.json": _adapter_config(rank)},
        )
    )


def base(size: Size, *, tied: bool = False) -> Contents:
    """The base alone; `tied`: its embedding is its head too, and is stored once."""
    body = LLAMA_2_7B if size == "real" else TINY
    tensors = typed(body_tensors(body) | ({} if tied else head_tensors(body)), "BF16")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **body.config(),
        "dtype": "bfloat16",
        "tie_word_embeddings": tied,
    }
    texts = {
        **CARD,
        "config.json": config,
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2},
        "tokenizer.json": tokenizer_json(plain_vocabulary(64), ("<s>", "</s>")),
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"},
    }
    return sharded(tensors, 5 * 10**9 if size == "real" else 60_000).joined(Contents(texts=texts))


def adapter(body: Body, rank: int) -> Tensors:
    """The adapter's tensors: A narrows to the rank, B widens from it, both in float32."""
    shapes: Shapes = {}
    for name, (wide, narrow) in _adapted(body).items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        shapes[f"{stem}.lora_A.weight"] = (rank, narrow)
        shapes[f"{stem}.lora_B.weight"] = (wide, rank)
    head = Spec("F32", (body.vocabulary, body.hidden), like="lm_head.weight")
    return {**typed(shapes, "F32"), "base_model.model.lm_head.weight": head}


def _adapted(body: Body) -> dict[str, tuple[int, int]]:
    return {
        name: (shape[0], shape[1])
        for name, shape in body_tensors(body).items()
        if name.removesuffix(".weight").endswith(TARGETS)
    }


def _adapter_config(rank: int) -> dict[str, Any]:
    return {
        "base_model_name_or_path": "meta-llama/Llama-2-7b-hf",
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "modules_to_save": ["lm_head"],
        "peft_type": "LORA",
        "peft_version": "0.21.2",
        "r": rank,
        "target_modules": list(TARGETS),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
    }
