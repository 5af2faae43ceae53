"""Settings and templates that hand control over do not go out of a strip."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import read_contents
from releasegate.checkpoint.escapes import escapes
from releasegate.checkpoint.settings import handed_over
from releasegate.errors import CheckpointError, StripError, VerifyError
from releasegate.receipt import Receipt, Unread
from releasegate.recipe import Recipe
from releasegate.stripping import outline, plan_strip, verify_strip, write_strip
from tests.layouts import LAYOUTS
from tests.tiny_checkpoints import chameleon_recipe, recipe, tiny

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


def keeping(*files: str) -> Recipe:
    """The recipe for the tiny checkpoint, which keeps these files too."""
    plain = chameleon_recipe().plain()
    keep = plain["keep"]
    return recipe(keep={**keep, "files": [*keep["files"], *files]})


def refused(root: Path, *files: str) -> str:
    contents = read_contents(root)
    plan = plan_strip(contents, [keeping(*files)])
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


HIDDEN: list[tuple[str, str, str]] = [
    ("results.json", json.dumps([{"auto_map": {"AutoModel": "x.Y"}}]), "0.auto_map"),
    ("hydra.yaml", "model:\n  _target_: pkg.Class\n", "model._target_"),
    ("hydra.yml", "decoder: https://example.org/decoder.pt\n", "decoder"),
    ("pipeline.toml", '[model]\ncustom_pipeline = "org/pipe"\n', "model.custom_pipeline"),
]
UNREADABLE: list[tuple[str, str, str]] = [
    ("generation_config.json", '{"a": 1, "a": {"auto_map": "x"}}', "is not valid JSON"),
    ("processor_config.json", '{"a": 1', "is not valid JSON"),
    ("hydra.yaml", "a: !!python/object/apply:os.system [ls]\n", "cannot be read as YAML"),
    ("hydra.yaml", "a: 1\n---\nb: 2\n", "cannot be read as YAML"),
    ("pipeline.toml", "a = 1\na = 2\n", "cannot be read as TOML"),
]


def stripped(root: Path, *files: str) -> Receipt:
    contents = read_contents(root)
    return write_strip(contents, plan_strip(contents, [keeping(*files)]), root.with_name("out"))


@pytest.mark.parametrize(("file", "text", "place"), HIDDEN)
def test_lists_and_other_formats_are_read_for_such_settings(tmp_path: Path, file: str, text: str, place: str) -> None:
    made = tiny()
    made.texts[file] = text
    assert f"{file}: {place}" in refused(made.write(tmp_path / "model"), file)


@pytest.mark.parametrize(("file", "text", "said"), UNREADABLE)
def test_settings_that_cannot_be_read_do_not_go_out(tmp_path: Path, file: str, text: str, said: str) -> None:
    made = tiny()
    made.texts[file] = text
    root = made.write(tmp_path / "model")
    with pytest.raises((StripError, CheckpointError), match=re.escape(said)):
        stripped(root, file)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_was_passed_on_unread_stands_in_the_receipt(tmp_path: Path) -> None:
    made = tiny()
    made.texts["generation_config.json"] = json.dumps({"top_k": 5, "teacher": "none"})
    made.texts["notes.txt"] = "made by hand"
    made.texts["hydra.yaml"] = "".join(f"key_{at}: {at}\n" for at in range(60))
    root = made.write(tmp_path / "model")
    receipt = stripped(root, "notes.txt", "hydra.yaml")
    listed = {one.file: one for one in receipt.unread or ()}
    assert listed["generation_config.json"].keys == ("teacher",)
    assert listed["notes.txt"] == Unread(file="notes.txt")
    assert (len(listed["hydra.yaml"].keys), listed["hydra.yaml"].more) == (50, 10)
    assert "README.md" not in listed
    assert verify_strip(root.with_name("out"), receipt)
    silent = receipt.model_copy(update={"unread": tuple(one for one in receipt.unread or () if one.keys)})
    with pytest.raises(VerifyError, match=r"notes\.txt: was passed on unread"):
        verify_strip(root.with_name("out"), silent)
    assert verify_strip(root.with_name("out"), receipt.model_copy(update={"unread": None}))
