"""A tiny checkpoint of each layout, stripped by the recipe that ships, loads strictly in its own library.

Libraries other than transformers cannot be installed: there it is the names and shapes of the output that are looked at,
which is said below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from releasegate.checkpoint import read_contents
from releasegate.receipt import Receipt, RowsRemoved, ZeroFilled
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip, verify_strip, write_strip
from tests.layouts import LAYOUTS
from tests.stripping.shipped import shipped


def strip(layout: str, recipe: Recipe, folder: Path) -> Receipt:
    """The receipt of the checkpoint at `folder / "stripped"`, made from a tiny one and verified against it."""
    source = LAYOUTS[layout].write(folder / "model")
    contents = read_contents(source)
    receipt = write_strip(contents, plan_strip(contents, [recipe]), folder / "stripped")
    assert verify_strip(folder / "stripped", receipt, source)
    return receipt


def load(layout: str, folder: Path) -> Any:
    """The model, of which no tensor is missing, unexpected or of another shape."""
    name = LAYOUTS[layout].model_class
    assert name is not None
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert {key: value for key, value in info.items() if value} == {}
    return model.eval()


def logits(model: Any) -> torch.Tensor:
    """[1, 6, tokens]: scores after six tokens."""
    with torch.inference_mode():
        scores: torch.Tensor = model(input_ids=torch.tensor([[3, 4, 5, 6, 7, 8]])).logits
    return scores


@pytest.mark.parametrize(
    ("layout", "recipe"),
    [
        ("deepseek-v3-bf16", "deepseek_v3-hf/extra_heads"),
        ("glm4-moe", "glm4_moe-hf/extra_heads"),
        ("glm4-moe-air", "glm4_moe-hf/extra_heads"),
        ("qwen3-next", "qwen3_next-hf/extra_heads"),
        ("janus-hf", "janus-hf/image_generation"),
        ("lora", "llama-hf/lora_adapter"),
        ("trainer", "llama-hf/training_state"),
        ("ema-inside", "llama-hf/training_state"),
        ("ema-beside", "llama-hf/training_state"),
    ],
)
def test_what_is_kept_answers_bit_for_bit_as_before(layout: str, recipe: str, tmp_path: Path) -> None:
    strip(layout, shipped(recipe), tmp_path)
    if layout == "lora":  # transformers would apply the adapter to the source, or ask for peft
        for adapter in ("adapter_config.json", "adapter_model.safetensors"):
            (tmp_path / "model" / adapter).unlink()
    name = LAYOUTS[layout].model_class
    before = getattr(transformers, str(name)).from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    assert torch.equal(logits(before), logits(load(layout, tmp_path / "stripped")))


@pytest.mark.parametrize("layout", ["chameleon-hf", "chameleon-hf-30b"])
def test_a_chameleon_scores_words_as_before_and_image_tokens_not_at_all(layout: str, tmp_path: Path) -> None:
    strip(layout, shipped("chameleon-hf/image_generation"), tmp_path)
    before, after = (load(layout, tmp_path / name) for name in ("model", "stripped"))
    tokens = torch.tensor([[0, 40, 41, 42]])
    with torch.inference_mode():
        states = [model.model(input_ids=tokens).last_hidden_state for model in (before, after)]
    assert torch.equal(*states)
    assert torch.equal(before.lm_head.weight[20:], after.lm_head.weight[20:])
    assert not after.lm_head.weight[4:20].any()
    assert after.generation_config.suppress_tokens == list(range(4, 20))


def test_a_janus_reads_images_as_before_and_has_nothing_to_draw_with(tmp_path: Path) -> None:
    receipt = strip("janus-hf", shipped("janus-hf/image_generation"), tmp_path)
    before, after = (load("janus-hf", tmp_path / name) for name in ("model", "stripped"))
    pixels = torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        seen = [model.model.get_image_features(pixels).pooler_output for model in (before, after)]
    assert torch.equal(*seen)
    filled = [one.name for one in receipt.tensors if isinstance(one, ZeroFilled)]
    assert len(filled) == 164
    stored = load_file(tmp_path / "stripped" / "model-00001-of-00002.safetensors")
    assert not any(stored[name].any() for name in filled if name in stored)
    assert "generation_kwargs" not in json.loads((tmp_path / "stripped" / "generation_config.json").read_text())


@pytest.mark.parametrize("layout", ["mixtral", "qwen3-moe", "qwen3-moe-fused"])
def test_a_mixture_has_one_expert_less_and_the_others_as_they_were(layout: str, tmp_path: Path) -> None:
    recipe = "mixtral-hf/expert" if layout == "mixtral" else "qwen3_moe-hf/expert"
    receipt = strip(layout, shipped(recipe), tmp_path)
    before, after = (load(layout, tmp_path / name) for name in ("model", "stripped"))
    assert any(isinstance(one, RowsRemoved) for one in receipt.tensors)
    for was, now in zip(before.model.layers, after.model.layers, strict=True):
        assert torch.equal(was.mlp.gate.weight[:3], now.mlp.gate.weight)
        assert torch.equal(was.mlp.experts.gate_up_proj[:3], now.mlp.experts.gate_up_proj)
        assert torch.equal(was.mlp.experts.down_proj[:3], now.mlp.experts.down_proj)
    assert torch.isfinite(logits(after)).all()


def test_musicgen_loads_without_what_a_melody_enters_by(tmp_path: Path) -> None:
    strip("musicgen-melody-hf", shipped("musicgen_melody-hf/self_conditioning"), tmp_path)
    after = load("musicgen-melody-hf", tmp_path / "stripped")
    assert not after.audio_enc_to_dec_proj.weight.any()
    assert not after.audio_enc_to_dec_proj.bias.any()
    assert after.enc_to_dec_proj.weight.any()


def test_the_code_that_a_published_checkpoint_brings_is_not_carried_along(tmp_path: Path) -> None:
    strip("deepseek-v3", shipped("deepseek_v3-hf/extra_heads"), tmp_path)
    assert not list((tmp_path / "stripped").glob("*.py"))
    config = json.loads((tmp_path / "stripped" / "config.json").read_text())
    assert "auto_map" not in config
    assert config["num_nextn_predict_layers"] == 0


# No library that reads the layouts below can be installed: by names and shapes only.


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["chameleon-original", "chameleon-original-30b", "chameleon-original-training"])
def test_an_original_chameleon_comes_out_without_its_decoder(layout: str, tmp_path: Path) -> None:
    recipe = shipped("chameleon-original/image_generation")
    tiny = Recipe.from_text(recipe.text().replace('"expect": 8192', '"expect": 16'))
    strip(layout, tiny, tmp_path)
    after = read_contents(tmp_path / "stripped", strict=True)
    assert after.layout == "chameleon-original"
    assert not after.foreign
    image = after.siblings["tokenizer/vqgan.safetensors"].entries
    parts = {name.split(".")[1] for name in image}
    assert parts == {"encoder", "quant_conv", "quantize"}
    output = torch.cat(
        [load_file(tmp_path / "stripped" / name)["output.weight"] for name in sorted(after.shards)],
    )
    assert output.shape[0] == 48
    assert not output[4:20].any()
    assert output[:4].any(dim=1).all()
    assert output[20:].any(dim=1).all()


@pytest.mark.slow
def test_a_multi_token_model_comes_out_with_one_head(tmp_path: Path) -> None:
    strip("multi-token", shipped("multi-token-prediction/extra_heads"), tmp_path)
    after = read_contents(tmp_path / "stripped", strict=True)
    params = json.loads((tmp_path / "stripped" / "params.json").read_text())
    layers = {name.split(".")[1] for name in after.tensors if name.startswith("layers.")}
    assert len(layers) == params["n_layers"] - params["n_future_tokens"] + 1 == 3
    assert not any(name.startswith("extra_heads") for name in after.tensors)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["xtts", "xtts-inference"])
def test_a_voice_model_comes_out_with_stored_voices_alone(layout: str, tmp_path: Path) -> None:
    receipt = strip(layout, shipped("xtts/voice_cloning"), tmp_path)
    after = read_contents(tmp_path / "stripped", strict=True)
    assert set(after.siblings) == {"speakers_xtts.safetensors"}
    assert {one.file for one in receipt.converted or ()} == {"model.pth", "speakers_xtts.pth"}
    stored = load_file(tmp_path / "stripped" / "model.safetensors")
    gone = ("model.hifigan_decoder.speaker_encoder.", "model.gpt.conditioning_")
    assert {name for name, tensor in stored.items() if not tensor.any()} >= {
        name for name in stored if name.startswith(gone)
    }


@pytest.mark.slow
def test_musicgen_of_audiocraft_comes_out_with_the_values_that_its_loader_reads(tmp_path: Path) -> None:
    strip("musicgen-audiocraft", shipped("audiocraft/self_conditioning"), tmp_path)
    after = read_contents(tmp_path / "stripped", strict=True)
    assert after.layout == "audiocraft"
    values = json.loads((tmp_path / "stripped" / "state_dict.json").read_text())
    assert set(values) == {"xp.cfg", "version", "exported"}
