"""Janus in Hugging Face's layout: it reads images through a vision model and draws them through an image tokenizer.

Names and shapes: `JanusForConditionalGeneration` of transformers (instantiated). Sizes are Janus-Pro-1B's; those of its
language model are unverified, the others are the class's defaults, which the conversion script leaves as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.layouts.layout import CARD, Contents, Shapes, Size, sharded, typed, under
from tests.layouts.llama import Body, body_tensors, head_tensors
from tests.layouts.tokenizers_files import plain_vocabulary, tokenizer_json
from tests.layouts.torch_parts import conv, linear, norm
from tests.layouts.vqgan import VQ, codebook, decoder, encoder


@dataclass(frozen=True)
class Janus:
    """Sizes: language model, image tokenizer, and the width, layers, heads, picture and patch of the vision model."""

    body: Body
    vq: VQ
    vision: int
    layers: int
    heads: int
    picture: int
    patch: int


REAL = Janus(
    Body(2048, 24, 16, 16, 5632, 102400),
    VQ(128, (1, 1, 2, 2, 4), 2, 256, 8, 16384, attends=True),
    1024,
    24,
    16,
    384,
    16,
)
TINY = Janus(Body(64, 2, 4, 4, 96, 64), VQ(32, (1, 2), 1, 32, 8, 16, attends=True), 32, 2, 4, 32, 16)


def contents(size: Size) -> Contents:
    """The files."""
    janus = REAL if size == "real" else TINY
    hidden, vq = janus.body.hidden, janus.vq
    shapes: Shapes = {
        **under("model.vision_model", _vision(janus)),
        **under("model.aligner", _aligner(hidden, janus.vision)),
        **under("model.vqmodel.encoder", encoder(vq)),
        **under("model.vqmodel", codebook(vq)),
        **under("model.vqmodel.decoder", decoder(vq, outermost_first=False)),
        "model.generation_embeddings.weight": (vq.codes, vq.width),
        **under("model.generation_aligner", _aligner(hidden, vq.width)),
        **linear("model.generation_head.proj_out", hidden, hidden, bias=True),
        **linear("model.generation_head.vision_head", vq.codes, hidden, bias=True),
        **body_tensors(janus.body, "model.language_model"),
        **head_tensors(janus.body),
    }
    limit = 5 * 10**9 if size == "real" else 10**6
    return sharded(typed(shapes, "BF16"), limit).joined(Contents(texts=_texts(janus)))


def _vision(janus: Janus) -> Shapes:
    width = janus.vision
    shapes = {
        **conv("embeddings.patch_embedding", width, 3, janus.patch, janus.patch),
        "embeddings.position_embedding.weight": ((janus.picture // janus.patch) ** 2, width),
    }
    for number in range(janus.layers):
        one = norm("layer_norm1", width, bias=True)
        for part in ("q_proj", "k_proj", "v_proj", "projection_layer"):
            one |= linear(f"self_attn.{part}", width, width, bias=True)
        one |= norm("layer_norm2", width, bias=True)
        one |= linear("mlp.fc1", 4 * width, width, bias=True) | linear("mlp.fc2", width, 4 * width, bias=True)
        shapes |= under(f"encoder.layers.{number}", one)
    return shapes | norm("post_layernorm", width, bias=True)


def _aligner(wide: int, narrow: int) -> Shapes:
    return {**linear("fc1", wide, narrow, bias=True), **linear("hidden_layers.0", wide, wide, bias=True)}


def _texts(janus: Janus) -> dict[str, Any]:
    hidden, vq = janus.body.hidden, janus.vq
    names = {**plain_vocabulary(61), "<image_placeholder>": 61, "<begin_of_image>": 62, "<end_of_image>": 63}
    config = {
        "architectures": ["JanusForConditionalGeneration"],
        "model_type": "janus",
        "dtype": "bfloat16",
        "image_token_id": 61,
        "tie_word_embeddings": False,
        "text_config": {"model_type": "llama", **janus.body.config(), "tie_word_embeddings": False},
        "vision_config": {
            "model_type": "janus_vision_model",
            "depth": 2,
            "hidden_size": janus.vision,
            "image_size": janus.picture,
            "num_attention_heads": janus.heads,
            "num_hidden_layers": janus.layers,
            "patch_size": janus.patch,
            "projection_dim": hidden,
        },
        "vq_config": {
            "model_type": "janus_vqgan",
            "base_channels": vq.base,
            "channel_multiplier": list(vq.multiples),
            "embed_dim": vq.width,
            "image_token_embed_dim": hidden,
            "latent_channels": vq.latent,
            "num_embeddings": vq.codes,
            "num_hidden_layers": 2,
            "num_patches": janus.picture // janus.patch,
            "num_res_blocks": vq.blocks,
            "projection_dim": hidden,
        },
    }
    return {
        **CARD,
        "config.json": config,
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2, "generation_kwargs": {"boi_token_id": 62}},
        "tokenizer.json": tokenizer_json(names, ("<image_placeholder>", "<begin_of_image>", "<end_of_image>")),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "boi_token": "<begin_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_placeholder>",
        },
        "preprocessor_config.json": {"image_processor_type": "JanusImageProcessor"},
        "processor_config.json": {"processor_class": "JanusProcessor"},
        "chat_template.jinja": "{{ messages }}\n",
    }
