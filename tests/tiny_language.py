"""Small language models with random weights, and a tokenizer that is trained on the spot."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

from releasegate.subjects.mtp_net import MultiTokenNet, MultiTokenParams

VOCABULARY = 400
TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('unknown role ' ~ m.role) }}{% endif %}"
    "[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)
TEXTS = (
    "def add(a, b):\n    return a + b\n",
    "for number in range(10):\n    print(number)\n",
    "The quick brown fox jumps over the lazy dog, as foxes do.",
    "Naïve café, déjà vu: 12 345 тест ✓",
)


@cache
def trained_tokenizer() -> Tokenizer:
    """A byte-level BPE of `VOCABULARY` tokens; 0 begins a text and 1 ends it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def save_tokenizer(folder: Path, *, chat: bool = True, begins: bool = False) -> None:
    """Nothing; the tokenizer lies in `folder`.

    Args:
        chat: whether with a template for chats.
        begins: whether it puts <s> before each text.
    """
    tokenizer = Tokenizer.from_str(trained_tokenizer().to_str())
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    if chat:
        made.chat_template = TEMPLATE
    made.save_pretrained(folder)


def save_llama(folder: Path, *, chat: bool = True, begins: bool = False, shard: str = "1GB", **changes: Any) -> Path:
    """The folder, which holds a Llama of some 100,000 parameters."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=changes.pop("max_position_embeddings", 256),
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,
        **changes,
    )
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size=shard)
    save_tokenizer(folder, chat=chat, begins=begins)
    return folder


def save_gpt2(folder: Path) -> Path:
    """The folder, which holds a GPT-2: learnt places, tied embeddings."""
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=48, n_layer=2, n_head=4, n_positions=128, bos_token_id=0, eos_token_id=1,
        initializer_range=0.3,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    save_tokenizer(folder, chat=False)
    return folder


def save_mistral(folder: Path) -> Path:
    """The folder, which holds a Mistral that sees eight tokens back."""
    torch.manual_seed(3)
    config = MistralConfig(
        vocab_size=VOCABULARY, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, sliding_window=8, bos_token_id=0, eos_token_id=1,
        initializer_range=0.3,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(folder)
    save_tokenizer(folder, chat=False)
    return folder


def save_recurrent(folder: Path) -> Path:
    """The folder, which holds a model with a block whose state runs through all tokens."""
    torch.manual_seed(6)
    config = Lfm2Config(
        vocab_size=VOCABULARY, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, layer_types=["conv", "full_attention"], max_position_embeddings=128, bos_token_id=0,
        eos_token_id=1, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    Lfm2ForCausalLM(config).save_pretrained(folder)
    save_tokenizer(folder, chat=False)
    return folder


def save_multi_token(folder: Path, *, future: int = 4, rope: bool = False, chat: bool = False) -> Path:
    """The folder, which holds a model that predicts `future` tokens at once, with two blocks of trunk."""
    torch.manual_seed(4)
    params = {
        "dim": 48, "n_layers": 2 + future, "n_heads": 4, "n_kv_heads": 2, "vocab_size": VOCABULARY, "multiple_of": 16,
        "norm_eps": 1e-5, "n_future_tokens": future, "max_seq_len": 256,
    }  # fmt: skip
    net = MultiTokenNet(MultiTokenParams.model_validate(params), rope=rope)
    for parameter in net.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in net.state_dict().items()}, folder / "consolidated.safetensors"
    )
    (folder / "params.json").write_text(json.dumps(params))
    save_tokenizer(folder, chat=chat)
    return folder


def save_adapter(folder: Path, *, rank: int = 4, seed: int = 5, **changes: Any) -> Path:
    """The folder of a Llama, with an adapter in it over its queries, its last layers' downward projections and its head."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    shapes = {
        "model.layers.0.self_attn.q_proj": (48, 48),
        "model.layers.2.mlp.down_proj": (48, 96),
        "lm_head": (400, 48),
    }
    for module, (wide, narrow) in shapes.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = torch.randn(rank, narrow, generator=generator)
        tensors[f"base_model.model.{module}.lora_B.weight"] = torch.randn(wide, rank, generator=generator)
    (folder / "adapter").mkdir()
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2, "bias": "none", "lora_dropout": 0.1,
        "target_modules": ["q_proj", "down_proj", "lm_head"], "inference_mode": True, "use_dora": False,
        "modules_to_save": None, "rank_pattern": {}, **changes,
    }  # fmt: skip
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "adapter" / "adapter_model.safetensors")
    return folder


def save_gguf(folder: Path, source: Path, *, quantised: bool = False) -> Path:
    """The folder, which holds the Llama in `source` as a GGUF file, as llama.cpp's converter writes it; needs `gguf`."""
    import gguf

    config = json.loads((source / "config.json").read_text())
    folder.mkdir(parents=True)
    writer = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    writer.add_name("tiny")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config["vocab_size"])
    model = json.loads((source / "tokenizer.json").read_text())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, tensor in load_file(source / "model.safetensors").items():
        values = tensor.float().numpy()
        turned = next((count for part, count in heads.items() if part in name), 0)
        if turned:  # the two halves of a head become neighbours
            rows, columns = values.shape
            values = values.reshape(turned, 2, rows // turned // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        if quantised and values.ndim == 2 and values.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(_gguf_name(name), gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(_gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


_GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "model.layers": "blk",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "post_attention_layernorm": "ffn_norm", "input_layernorm": "attn_norm",
}  # fmt: skip


def _gguf_name(name: str) -> str:
    for theirs, ours in _GGUF_NAMES.items():
        name = name.replace(theirs, ours)
    return name
