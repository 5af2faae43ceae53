"""What names give away."""

from __future__ import annotations

import pytest

from releasegate.inspection.states import file_findings, quantisation_findings, state_findings
from releasegate.inspection.stored import Stored


def kinds(*names: str, dtype: str = "F32") -> list[str]:
    return [found.kind for found in state_findings(Stored(name, "f", dtype, (1,), 4, 0) for name in names)]


@pytest.mark.parametrize(
    "name",
    [
        "state.0.exp_avg",
        "a.exp_avg_sq",
        "optimizer.state.3.momentum_buffer",
        "x.max_exp_avg_sq",
        "adam_m.layers.0",
        "optimizer_states.0.x",
    ],
)
def test_an_optimizer_is_known_by_its_moments(name: str) -> None:
    assert kinds(name) == ["optimizer"]


@pytest.mark.parametrize(
    "name",
    [
        "ema.layers.0.weight",
        "model_ema.x.weight",
        "shadow_params.3",
        "x.weight_ema",
        "averaged_model.y",
        "q.embed_avg",
        "swa_model.a",
    ],
)
def test_a_running_average_is_known_by_its_prefix(name: str) -> None:
    assert kinds(name) == ["ema"]


@pytest.mark.parametrize(
    "name",
    ["a.weight_scale", "a.weight_scale_inv", "a.scales", "a.qzeros", "a.qweight", "a.SCB", "a.g_idx", "a.weight.absmax",
     "a.weight.quant_state.bitsandbytes__nf4", "a.input_scale", "experts.gate_up_proj_scales", "a.weight_packed"],
)  # fmt: skip
def test_scales_are_known_by_their_names(name: str) -> None:
    assert kinds(name) == ["quantised"]


@pytest.mark.parametrize("dtype", ["F8_E4M3", "U8", "I8", "F4", "Q4_K", "IQ2_XS", "MXFP4"])
def test_packed_dtypes_are_quantised(dtype: str) -> None:
    assert kinds("model.layers.0.mlp.up_proj.weight", dtype=dtype) == ["quantised"]


@pytest.mark.parametrize(
    "name",
    ["logit_scale", "model.norm.weight", "schema.weight", "cinema.weight", "model.layers.0.layer_scale1", "a.scaled_dot.weight",
     "momentumless.weight", "x.momenta.weight", "model.step_embed.weight"],
)  # fmt: skip
def test_ordinary_weights_are_none_of_these(name: str) -> None:
    assert kinds(name) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("optimizer.pt", "optimizer"), ("sub/optimizer.bin", "optimizer"),
        ("global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt", "optimizer"),
        ("scheduler.pt", "training_state"), ("rng_state_0.pth", "training_state"), ("trainer_state.json", "training_state"),
        ("training_args.bin", "training_state"), ("runs/events.out.tfevents.17.host.1", "training_state"),
        ("model_ema.safetensors", "ema"), ("ema/model.safetensors", "ema"), ("model.ema.pth", "ema"),
    ],
)  # fmt: skip
def test_files_of_a_training_are_known_by_their_names(name: str, kind: str) -> None:
    assert [found.kind for found in file_findings([name])] == [kind]


@pytest.mark.parametrize(
    "name", ["model.safetensors", "schema.json", "cinema.pt", "latest_news.md", "config.json", "demo.safetensors"]
)
def test_other_files_are_not(name: str) -> None:
    assert list(file_findings([name])) == []


def test_a_configuration_says_how_weights_were_quantised() -> None:
    (found,) = quantisation_findings("config.json", {"quantization_config": {"quant_method": "gptq"}})
    assert (found.where, found.what) == (
        "config.json: quantization_config",
        "says that the weights are quantised (gptq)",
    )
    assert list(quantisation_findings("config.json", {"quantization_config": None})) == []
    assert list(quantisation_findings("x.json", [1])) == []
