"""Settings and templates that hand control over do not go out of a strip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import read_contents
from releasegate.checkpoint.escapes import escapes
from releasegate.checkpoint.settings import handed_over
from releasegate.errors import StripError
from releasegate.stripping import outline, plan_strip, write_strip
from tests.layouts import LAYOUTS
from tests.tiny_checkpoints import chameleon_recipe, tiny

HANDED: list[tuple[dict[str, Any], str]] = [
    ({"_attn_implementation": "org/kernel:run"}, "_attn_implementation"),
    ({"attn_implementation": "org/kernel"}, "attn_implementation"),
    ({"attn_implementation": {"text_config": "a/b@main:f"}}, "attn_implementation.text_config"),
    ({"experts_implementation": "me/experts"}, "experts_implementation"),
    ({"vision_config": {"deep": [{"x": "org/kernels@v1:run"}]}}, "vision_config.deep.0.x"),
    ({"custom_pipeline": "org/pipe"}, "custom_pipeline"),
    ({"text_config": {"trust_remote_code": True}}, "text_config.trust_remote_code"),
    ({"use_kernels": True}, "use_kernels"),
    ({"base_model_name_or_path": "org/original"}, "base_model_name_or_path"),
    ({"adapter": {"weights_repo": "org/head"}}, "adapter.weights_repo"),
    ({"decoder": "https://example.org/vqgan.safetensors"}, "decoder"),
    ({"decoder": "hf://org/decoder"}, "decoder"),
    ({"decoder": "/mnt/store/decoder.bin"}, "decoder"),
    ({"decoder": "weights/../../decoder.bin"}, "decoder"),
    ({"quantization_config": {"modules": {"_target_": "pkg.Class"}}}, "quantization_config.modules._target_"),
]
HARMLESS: list[dict[str, Any]] = [
    {"_attn_implementation": "sdpa", "attn_implementation": {"text_config": "eager"}},
    {"attn_implementation": None, "use_kernels": False, "auto_map": {}, "trust_remote_code": False},
    {"_name_or_path": "org/model", "tokenizer_file": "/home/ada/.cache/tokenizer.json"},
    {"conv_kernel": [10, 3], "hidden_act": "silu", "model_type": "llama", "note": "a/b and c: d"},
]
ESCAPES = [
    "{{ messages.__globals__ }}",
    "{{ x['__gl' ~ 'obals__'] }}",
    "{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{% set u = '_' %}{{ x[u ~ u ~ 'class' ~ u ~ u] }}",
    "{{ x | attr('role') }}",
    "{{ x | map('attr', y) | list }}",
    "{{ x | map(attribute='a.__class__') | list }}",
    "{{ x | map(attribute=y) | list }}",
    "{% include 'other' %}",
    "{{ cycler.next }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ x[['__cl', 'ass__'] | join] }}",
]
USUAL = [
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m.content }}{% endfor %}{{ bos_token }}",
    "{% generation %}{{ messages[loop.index0 - 1]['tool_calls'][0].function | tojson }}{% endgeneration %}",
    "{% set ns = namespace(a=1) %}{{ messages | map(attribute='role') | join(', ') }} Use __init__ in Python; eval(x) too.",
]


@pytest.mark.parametrize(("data", "place"), HANDED)
def test_a_setting_that_hands_control_over_is_found_at_any_depth(data: dict[str, Any], place: str) -> None:
    assert [one.place for one in handed_over(data)] == [place]


@pytest.mark.parametrize("data", HARMLESS)
def test_what_the_library_has_and_notes_is_no_such_setting(data: dict[str, Any]) -> None:
    assert list(handed_over(data)) == []


def test_an_adapter_names_its_base() -> None:
    assert list(handed_over({"base_model_name_or_path": "org/base"}, adapter=True)) == []


@pytest.mark.parametrize("template", ESCAPES)
def test_a_way_out_of_the_sandbox_is_found(template: str) -> None:
    assert escapes(template)


@pytest.mark.parametrize("template", USUAL)
def test_a_template_that_frames_messages_has_none(template: str) -> None:
    assert escapes(template) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_real_classes_write_hands_nothing_over(layout: str) -> None:
    texts = LAYOUTS[layout].contents("tiny").texts
    for name, text in texts.items():
        if name.endswith(".json") and "tokenizer.json" not in name:
            data = json.loads(text) if isinstance(text, str) else text
            places = [one.place for one in handed_over(data, adapter=name.startswith("adapter_"))]
            assert places == (["auto_map"] if "auto_map" in data else []), name


def refused(root: Path) -> str:
    contents = read_contents(root)
    plan = plan_strip(contents, [chameleon_recipe()])
    with pytest.raises(StripError) as planned:
        outline(contents, plan)
    with pytest.raises(StripError) as written:
        write_strip(contents, plan, root.with_name("out"))
    assert str(planned.value) == str(written.value) or planned.value.problems[0].what == written.value.problems[0].what
    assert not root.with_name("out").exists()
    assert not root.with_name("out.receipt.json").exists()
    return str(written.value)


@pytest.mark.parametrize("key", ["_attn_implementation", "decoder_repo"])
def test_a_strip_does_not_let_such_a_setting_out(tmp_path: Path, key: str) -> None:
    made = tiny()
    made.texts["generation_config.json"] = json.dumps({"eos_token_id": 2, key: "org/kernel:run"})
    assert f"generation_config.json: {key}" in refused(made.write(tmp_path / "model"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tokenizer_config.json", json.dumps({"chat_template": [{"name": "default", "template": ESCAPES[0]}]})),
        ("processor_config.json", json.dumps({"chat_template": {"default": ESCAPES[0]}})),
    ],
)
def test_a_strip_does_not_let_such_a_template_out(tmp_path: Path, file: str, text: str) -> None:
    made = tiny()
    made.texts[file] = text
    said = refused(made.write(tmp_path / "model"))
    assert "is a template that asks for __globals__" in said
