"""Numbers of configurations: published ones are left alone, and what undoes a model by one number is found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.inspection.odd.configured import configured_oddities
from releasegate.inspection.odd.generating import LISTS, generating_oddities
from releasegate.inspection.odd.kinds import kind_of_key
from tests.inspection.odd import defaults
from tests.inspection.odd.layouts import GENERATING, PUBLISHED

TEXT = (
    "llama",
    "mistral",
    "qwen3",
    "gemma2",
    "phi3",
    "gpt_neox",
    "cohere",
    "granite",
    "olmo2",
    "chameleon",
    "mixtral",
    "falcon_h1",
)


def odd(kind: str, config: dict[str, Any], file: str = "config.json") -> list[str]:
    found = [*configured_oddities(file, config, kind), *generating_oddities(file, config, kind)]
    assert all(one.what and one.remedy for one in found)
    return [one.place for one in found]


def config_of(kind: str) -> dict[str, Any]:
    found = defaults.plain_default(kind)
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_configuration_is_left_alone(name: str) -> None:
    kind, stated = PUBLISHED[name]
    assert odd(kind, {"model_type": kind, **stated}) == []


@pytest.mark.parametrize("name", GENERATING)
def test_published_keys_of_generation_are_left_alone(name: str) -> None:
    assert odd("llama", dict(GENERATING[name]), "generation_config.json") == []


def test_there_are_forty_layouts_at_least() -> None:
    assert len(PUBLISHED) >= 40


@pytest.mark.slow
def test_no_class_of_transformers_has_odd_defaults() -> None:
    from transformers import CONFIG_MAPPING

    made = {kind: defaults.plain_default(kind) for kind in sorted(CONFIG_MAPPING.keys())}
    assert {kind: odd(kind, dict(config)) for kind, config in made.items() if config and odd(kind, dict(config))} == {}


@pytest.mark.slow
def test_the_listed_defaults_are_those_of_the_library() -> None:
    stored = json.loads(defaults.PLACE.read_text())
    now = json.loads(defaults.text_of(defaults.defaults()))
    assert {kind for kind in stored if kind in now and stored[kind] != now[kind]} == set()


@pytest.mark.parametrize("kind", TEXT)
def test_the_defaults_of_text_models_are_left_alone_and_each_odd_number_is_found(kind: str) -> None:
    config = config_of(kind)
    assert odd(kind, config) == []
    for path, value in _numbers(config):
        what = kind_of_key(path[-1])
        wrong = {"epsilon": 10.0, "base": value * 1e-5 if value else 1e-3, "scale": value * 1e4}.get(str(what))
        if wrong:
            assert odd(kind, _with(config, path, wrong)) == [f"config.json: {'.'.join(path)}"]


def _numbers(config: dict[str, Any], before: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], float]]:
    found = []
    for key, value in config.items():
        if isinstance(value, dict):
            found += _numbers(value, (*before, key))
        elif (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and kind_of_key(key) in ("epsilon", "base", "scale")
        ):
            found.append(((*before, key), float(value)))
    return found


def _with(config: dict[str, Any], path: tuple[str, ...], value: float) -> dict[str, Any]:
    made = json.loads(json.dumps(config, default=str))
    here = made
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return made


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TEXT), st.floats(1e-3, 1e9))
def test_any_epsilon_that_drowns_what_it_is_added_to_is_odd(kind: str, value: float) -> None:
    assert odd(kind, {"rms_norm_eps": value}) == ["config.json: rms_norm_eps"]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TEXT), st.one_of(st.floats(1e-6, 1e3), st.floats(1e12, 1e30)))
def test_any_base_far_from_published_ones_is_odd(kind: str, value: float) -> None:
    assert odd(kind, {"rope_parameters": {"rope_theta": value}}) == ["config.json: rope_parameters.rope_theta"]


@pytest.mark.parametrize("key", sorted(LISTS))
def test_a_list_that_keeps_tokens_back_is_odd(key: str) -> None:
    assert odd("llama", {key: [[5]]}, "generation_config.json") == [f"generation_config.json: {key}"]
    assert odd("llama", {key: []}) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 50.0}, {"temperature": -1.0}, {"repetition_penalty": 9.0}, {"repetition_penalty": 0.1}, {"top_p": 0.0},
        {"max_new_tokens": 1}, {"max_length": 2}, {"min_new_tokens": 500}, {"no_repeat_ngram_size": 1}, {"guidance_scale": 500.0},
        {"forced_eos_token_id": 2}, {"forced_bos_token_id": 5}, {"eta_cutoff": 0.9}, {"min_p": 0.99}, {"typical_p": 0.001},
    ],
    ids=str,
)  # fmt: skip
def test_a_key_of_generation_that_spoils_answers_is_odd(changed: dict[str, Any]) -> None:
    assert odd("llama", changed, "generation_config.json") == [f"generation_config.json: {next(iter(changed))}"]


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("llama", {"hidden_act": "tanh"}), ("qwen2", {"hidden_act": "relu"}), ("gpt2", {"activation_function": "silu_", }),
        ("gemma2", {"final_logit_softcapping": 0.001}), ("gemma2", {"query_pre_attn_scalar": 1e6}), ("cohere",
        {"logit_scale": 1e-6}),
        ("granite", {"logits_scaling": 5000.0}), ("granite", {"residual_multiplier": 0.0001}), ("gpt_neox", {"rotary_pct": 0.01}),
        ("deepseek_v3", {"routed_scaling_factor": 0.0001}), ("qwen3_moe", {"num_experts_per_tok": 1}), ("mistral",
        {"sliding_window": 2}),
        ("falcon_h1", {"mlp_multipliers": [1e-6, 1.0]}),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_class_never_publishes_is_odd(kind: str, changed: dict[str, Any]) -> None:
    config = {"model_type": kind, "max_position_embeddings": 8192, **changed}
    assert odd(kind, config) == [f"config.json: {next(iter(changed))}"]


def test_an_odd_number_in_a_nested_configuration_is_found_with_its_path() -> None:
    config = {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "rms_norm_eps": 3.0}}
    assert odd("gemma3", config) == ["config.json: text_config.rms_norm_eps"]


def test_the_keys_of_a_gguf_file_are_read_like_others() -> None:
    assert odd("llama", {"llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 1e4}) == []
    found = odd("llama", {"llama.attention.layer_norm_rms_epsilon": 2.0, "llama.rope.freq_base": 3.0})
    assert found == ["config.json: llama.attention.layer_norm_rms_epsilon", "config.json: llama.rope.freq_base"]
