"""A Chameleon of transformers' own class with random weights, as transformers itself saves it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import ChameleonConfig, ChameleonForConditionalGeneration


def save_chameleon(root: Path) -> Path:
    """The folder `root` with a model of two layers in several shards, and a decoder beside it.

    77 tokens; ids 4 to 67 are image tokens.
    """
    codes = {f"IMGIMG{chr(65 + code // 26)}{chr(65 + code % 26)}Z": 4 + code for code in range(64)}
    words = {f"w{index}": 68 + index for index in range(8)}
    config = ChameleonConfig(
        vocab_size=77,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=False,
        vocabulary_map={"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **codes, **words, "<image>": 76},
        vq_config={
            "resolution": 16,
            "base_channels": 32,
            "channel_multiplier": [1, 2, 2],
            "num_embeddings": 64,
            "embed_dim": 16,
            "latent_channels": 16,
            "double_latent": False,
            "num_res_blocks": 1,
            "attn_resolutions": [],
        },
    )
    generator = torch.Generator().manual_seed(0)
    model = ChameleonForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
    model.save_pretrained(root, max_shard_size="500KB")
    decoder = torch.randn((16, 16, 3, 3), generator=generator)
    save_file({"decoder.conv_in.weight": decoder}, root / "vqgan.safetensors")
    return root
