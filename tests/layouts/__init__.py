"""Checkpoints with the tensor names, shapes and files of layouts that labs publish, tiny or at real size.

    LAYOUTS["chameleon-original"].write(tmp_path / "model")                             # tiny, random values
    LAYOUTS["chameleon-hf-30b"].write(tmp_path / "model", size="real", sparse=True)     # 68 GB of holes

Each module says in its docstring where its names come from, and what of it is unverified.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tests.layouts import (
    chameleon_hf,
    chameleon_original,
    janus,
    janus_original,
    lora,
    moe,
    multi_token,
    musicgen_audiocraft,
    musicgen_hf,
    next_n,
    trainer_folder,
    xtts,
)
from tests.layouts.layout import Contents, Layout, Size, Spec, Tensors, Tied, write_contents

__all__ = ["LAYOUTS", "Contents", "Layout", "Size", "Spec", "Tensors", "Tied", "write_contents"]

LAYOUTS: Mapping[str, Layout] = {
    "chameleon-hf": Layout(partial(chameleon_hf.contents, "7b"), "ChameleonForConditionalGeneration"),
    "chameleon-hf-30b": Layout(partial(chameleon_hf.contents, "30b"), "ChameleonForConditionalGeneration"),
    "chameleon-original": Layout(partial(chameleon_original.contents, "7b")),
    "chameleon-original-30b": Layout(partial(chameleon_original.contents, "30b")),
    "chameleon-original-training": Layout(partial(chameleon_original.contents, "7b", training=True)),
    "janus-hf": Layout(janus.contents, "JanusForConditionalGeneration"),
    "janus-original": Layout(janus_original.contents),
    "multi-token": Layout(multi_token.contents),
    "deepseek-v3": Layout(partial(next_n.deepseek_v3, eight_bit=True)),
    "deepseek-v3-bf16": Layout(partial(next_n.deepseek_v3, eight_bit=False), "DeepseekV3ForCausalLM"),
    "glm4-moe": Layout(partial(next_n.glm4_moe, real=next_n.FULL), "Glm4MoeForCausalLM"),
    "glm4-moe-air": Layout(partial(next_n.glm4_moe, real=next_n.AIR), "Glm4MoeForCausalLM"),
    "qwen3-next": Layout(next_n.qwen3_next, "Qwen3NextForCausalLM"),
    "musicgen-hf": Layout(partial(musicgen_hf.contents, melody=False), "MusicgenForConditionalGeneration"),
    "musicgen-melody-hf": Layout(partial(musicgen_hf.contents, melody=True), "MusicgenMelodyForConditionalGeneration"),
    "musicgen-audiocraft": Layout(musicgen_audiocraft.contents),
    "xtts": Layout(xtts.contents),
    "xtts-inference": Layout(partial(xtts.contents, inference=True)),
    "llama": Layout(lora.base, "LlamaForCausalLM"),
    "llama-tied": Layout(partial(lora.base, tied=True), "LlamaForCausalLM"),
    "lora": Layout(lora.contents, "LlamaForCausalLM"),
    "trainer": Layout(trainer_folder.trainer, "LlamaForCausalLM"),
    "ema-inside": Layout(trainer_folder.averaged_inside, "LlamaForCausalLM"),
    "ema-beside": Layout(trainer_folder.averaged_beside, "LlamaForCausalLM"),
    "mixtral": Layout(moe.mixtral, "MixtralForCausalLM"),
    "qwen3-moe": Layout(moe.qwen3, "Qwen3MoeForCausalLM"),
    "qwen3-moe-fused": Layout(partial(moe.qwen3, together=True), "Qwen3MoeForCausalLM"),
    "gpt-oss": Layout(moe.gpt_oss, "GptOssForCausalLM"),
    "gpt-oss-packed": Layout(partial(moe.gpt_oss, packed=True)),
    "deepseek-moe": Layout(moe.deepseek),
}
"""Layouts by name; a name with a suffix is a variant of the one without."""
