"""Janus as DeepSeek released it: one torch file, under the names of its own code.

Names and shapes: public code of deepseek-ai/Janus (`janus/models/vq_model.py`, `modeling_vlm.py`, and `siglip_vit.py` in a
copy of it; read) and transformers' conversion script, which renames all of them. `gen_vision_model` draws and
`vision_model` reads; the names of one end in those of the other. The buffer `codebook_used` and the pooling of the vision
model (`attn_pool`) have no counterpart in Hugging Face's layout. Sizes as for that layout; that everything is in
bfloat16 is unverified.
"""

from __future__ import annotations

import re
from typing import Any

from tests.layouts.janus import REAL, TINY, Janus
from tests.layouts.layout import CARD, Contents, Shapes, Size, typed, under
from tests.layouts.llama import body_tensors, head_tensors
from tests.layouts.tokenizers_files import plain_vocabulary, tokenizer_json
from tests.layouts.torch_parts import conv, linear, norm
from tests.layouts.vqgan import VQ, codebook, decoder, encoder

RENAMED = {
    r"^mid\.block_1\.": "mid.0.",
    r"^mid\.attn_1\.": "mid.1.",
    r"^mid\.block_2\.": "mid.2.",
    r"^(down|up)\.": "conv_blocks.",
    r"\.block\.": ".res.",
}
"""What the conversion script wrote into the names of the image tokenizer's parts, and what stood there before."""


def contents(size: Size) -> Contents:
    """The files."""
    janus = REAL if size == "real" else TINY
    hidden, vq = janus.body.hidden, janus.vq
    shapes: Shapes = {
        **under("vision_model.vision_tower", _vision_tower(janus)),
        **under("aligner", _aligner(hidden, janus.vision)),
        **under("gen_vision_model", _image_tokenizer(vq)),
        **under("gen_aligner", _aligner(hidden, vq.width)),
        **linear("gen_head.output_mlp_projector", hidden, hidden, bias=True),
        **linear("gen_head.vision_head", vq.codes, hidden, bias=True),
        "gen_embed.weight": (vq.codes, vq.width),
        **body_tensors(janus.body, "language_model.model"),
        **under("language_model", head_tensors(janus.body)),
    }
    return Contents(torch={"pytorch_model.bin": typed(shapes, "BF16")}, texts=_texts(janus))


def _image_tokenizer(vq: VQ) -> Shapes:
    return {
        **under("encoder", _renamed(encoder(vq))),
        **under("decoder", _renamed(decoder(vq, outermost_first=False))),
        **codebook(vq),
        "quantize.codebook_used": (65536,),
    }


def _renamed(shapes: Shapes) -> Shapes:
    found: Shapes = {}
    for name, shape in shapes.items():
        for new, old in RENAMED.items():
            name = re.sub(new, old, name)
        found[name] = shape
    return found


def _vision_tower(janus: Janus) -> Shapes:
    width = janus.vision
    shapes: Shapes = {
        "pos_embed": (1, (janus.picture // janus.patch) ** 2, width),
        **conv("patch_embed.proj", width, 3, janus.patch, janus.patch),
    }
    for number in range(janus.layers):
        one = {
            **norm("norm1", width, bias=True),
            **linear("attn.qkv", 3 * width, width, bias=True),
            **linear("attn.proj", width, width, bias=True),
            **norm("norm2", width, bias=True),
            **_perceptron(width),
        }
        shapes |= under(f"blocks.{number}", one)
    pool = {
        "latent": (1, 1, width),
        **linear("q", width, width, bias=True),
        **linear("kv", 2 * width, width, bias=True),
        **linear("proj", width, width, bias=True),
        **norm("norm", width, bias=True),
        **_perceptron(width),
    }
    return {**shapes, **norm("norm", width, bias=True), **under("attn_pool", pool)}


def _perceptron(width: int) -> Shapes:
    return {**linear("mlp.fc1", 4 * width, width, bias=True), **linear("mlp.fc2", width, 4 * width, bias=True)}


def _aligner(wide: int, narrow: int) -> Shapes:
    return {**linear("layers.0", wide, narrow, bias=True), **linear("layers.2", wide, wide, bias=True)}


def _texts(janus: Janus) -> dict[str, Any]:
    hidden, vq = janus.body.hidden, janus.vq
    names = {**plain_vocabulary(61), "<image_placeholder>": 61, "<begin_of_image>": 62, "<end_of_image>": 63}
    projector = {"depth": 2, "n_embed": hidden, "projector_type": "mlp_gelu"}
    config = {
        "architectures": ["MultiModalityCausalLM"],
        "model_type": "multi_modality",
        "torch_dtype": "bfloat16",
        "vision_config": {
            "cls": "CLIPVisionTower",
            "model_type": "vision",
            "params": {"image_size": janus.picture, "model_name": "siglip_large_patch16_384", "select_layer": -1},
        },
        "aligner_config": {
            "cls": "MlpProjector",
            "model_type": "aligner",
            "params": {**projector, "input_dim": janus.vision},
        },
        "gen_vision_config": {
            "cls": "VQ-16",
            "model_type": "gen_vision",
            "params": {"image_token_size": vq.codes, "n_embed": vq.width},
        },
        "gen_aligner_config": {
            "cls": "MlpProjector",
            "model_type": "gen_aligner",
            "params": {**projector, "input_dim": vq.width},
        },
        "gen_head_config": {
            "cls": "vision_head",
            "model_type": "gen_head",
            "params": {"image_token_embed": hidden, "image_token_size": vq.codes, "n_embed": hidden},
        },
        "language_config": {"model_type": "llama", **janus.body.config()},
    }
    return {
        **CARD,
        "config.json": config,
        "preprocessor_config.json": {"image_processor_type": "VLMImageProcessor", "image_size": janus.picture},
        "processor_config.json": {"processor_class": "VLChatProcessor", "image_tag": "<image_placeholder>"},
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": "</s>"},
        "tokenizer.json": tokenizer_json(names, ("<image_placeholder>", "<begin_of_image>", "<end_of_image>")),
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizerFast"},
    }
