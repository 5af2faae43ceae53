"""Chameleon in Hugging Face's layout.

Names and shapes: `ChameleonForConditionalGeneration` of transformers (instantiated). Files: transformers'
`convert_chameleon_weights_to_hf.py` (public code read). That the image tokenizer is stored in float32 beside a body in
bfloat16 follows from the script, which assigns tensors as they come; it is unverified on the published files.
"""

from __future__ import annotations

from typing import Any

from tests.layouts.chameleon import IMAGE, SEPARATOR, SIZES, Chameleon, vocabulary
from tests.layouts.layout import CARD, Contents, Shapes, Size, Tensors, sharded, typed, under
from tests.layouts.llama import attention, gated, head_tensors, layer
from tests.layouts.tokenizers_files import tokenizer_json
from tests.layouts.torch_parts import norm
from tests.layouts.vqgan import codebook, encoder


def contents(model: str, size: Size) -> Contents:
    """The files of Chameleon `7b` or `30b`."""
    chameleon = SIZES[model, size]
    limit = 5 * 10**9 if size == "real" else 600_000
    return sharded(_tensors(chameleon), limit).joined(Contents(texts=_texts(chameleon)))


def _tensors(chameleon: Chameleon) -> Tensors:
    body = chameleon.body
    attending = {
        **attention(body),
        **dict.fromkeys(("q_norm.weight", "q_norm.bias"), (body.heads, body.head_width)),
        **dict.fromkeys(("k_norm.weight", "k_norm.bias"), (body.kv_heads, body.head_width)),
    }
    one = layer(body.hidden, attending, gated(body.hidden, body.intermediate))
    shapes: Shapes = {"model.embed_tokens.weight": (body.vocabulary, body.hidden)}
    for number in range(body.layers):
        shapes |= under(f"model.layers.{number}", one)
    shapes |= norm("model.norm", body.hidden)
    image = {**under("model.vqmodel.encoder", encoder(chameleon.vq)), **under("model.vqmodel", codebook(chameleon.vq))}
    return {**typed(shapes, "BF16"), **typed(image, "F32"), **typed(head_tensors(body), "BF16")}


def _texts(chameleon: Chameleon) -> dict[str, Any]:
    names = vocabulary(chameleon)
    names = {"<image>" if name == IMAGE else name: number for name, number in names.items()}
    vq = chameleon.vq
    config = {
        "architectures": ["ChameleonForConditionalGeneration"],
        "model_type": "chameleon",
        **chameleon.body.config(),
        "dtype": "bfloat16",
        "max_position_embeddings": 4096,
        "model_parallel_size": chameleon.ranks,
        "swin_norm": chameleon.swin_norm,
        "tie_word_embeddings": False,
        "vocabulary_map": names,
        "vq_config": {
            "model_type": "chameleon_vqgan",
            "attn_resolutions": [],
            "base_channels": vq.base,
            "channel_multiplier": list(vq.multiples),
            "double_latent": False,
            "embed_dim": vq.width,
            "latent_channels": vq.latent,
            "num_embeddings": vq.codes,
            "num_res_blocks": vq.blocks,
            "resolution": 512 if vq.codes == 8192 else 16,
        },
    }
    special = ("<s>", "<pad>", "</s>", "<unk>", "<image>", SEPARATOR, "<racm3:break>", "<eoss>")
    return {
        **CARD,
        "config.json": config,
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2},
        "tokenizer.json": tokenizer_json(names, special),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "sep_token": SEPARATOR,
            "unk_token": "<unk>",
        },
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
        "preprocessor_config.json": {"image_processor_type": "ChameleonImageProcessor"},
        "processor_config.json": {"image_token": "<image>", "processor_class": "ChameleonProcessor"},
    }
