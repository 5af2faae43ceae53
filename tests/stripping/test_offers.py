"""What the text files of a strip still offer is named, and what is suppressed, dropped or kept for a reason is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError
from releasegate.stripping import plan_strip, write_strip
from releasegate.stripping.searching.offers import Offer, find_offers, gone_components
from tests.tiny_checkpoints import chameleon_recipe, tiny

IDS = range(4, 8)


def offers(root: Path, gone: tuple[str, ...] = (), **files: Any) -> list[Offer]:
    names = []
    for name, data in files.items():
        names.append(name.replace("__", "."))
        (root / names[-1]).write_text(data if isinstance(data, str) else json.dumps(data))
    return find_offers(root, names, IDS, gone)


def test_a_clean_strip_offers_nothing(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    write_strip(checkpoint, plan_strip(checkpoint, [chameleon_recipe()]), tmp_path / "out")
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert find_offers(tmp_path / "out", names, range(4, 12), ["decoder"]) == []


LISTED = "lists 2 tokens whose rows are gone and not suppressed: 'a' (4), …"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tokenizer__json", {"model": {"vocab": {"a": 4, "b": 5, "c": 9}}}),
        ("tokenizer__json", {"model": {"vocab": [["x", 0]] * 4 + [["a", -1.5], ["b", -2.0]]}}),
        ("tokenizer__json", {"added_tokens": [{"content": "a", "id": 4}, {"content": "b", "id": 5}]}),
        ("vocab__json", {"a": 4, "b": 5, "c": 9}),
        ("added_tokens__json", {"a": 4, "b": 5}),
        ("config__json", {"vocabulary_map": {"a": 4, "b": 5, "c": 9}}),
        ("tokenizer_config__json", {"added_tokens_decoder": {"4": {"content": "a"}, "5": {"content": "b"}, "x": 3}}),
    ],
)
def test_tokens_without_rows_are_named_wherever_they_are_listed(name: str, data: Any, tmp_path: Path) -> None:
    file = name.replace("__", ".")
    assert offers(tmp_path, **{name: data}) == [Offer(file, LISTED)]
    assert offers(tmp_path, **{name: data}, generation_config__json={"suppress_tokens": [4, 5]}) == []
    assert offers(tmp_path, **{name: data}, generation_config__json={"bad_words_ids": [[4], [5]]}) == []
    one = offers(tmp_path, **{name: data}, generation_config__json={"bad_words_ids": [[4], [5, 6]]})
    assert one == [Offer(file, "lists a token whose row is gone and not suppressed: 'b' (5)")]


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("config__json", {"boi_token_id": 5}, "has boi_token_id at token 5, whose row is gone"),
        ("config__json", {"text_config": {"eos_token_id": [2, 6]}}, "has text_config.eos_token_id at token 6, whose row is gone"),
        ("generation_config__json", {"forced_bos_token_id": 7}, "has forced_bos_token_id at token 7, whose row is gone"),
        ("generation_config__json", {"forced_x_ids": [[5, 9], [1, 4]]}, "has forced_x_ids at token 4, whose row is gone"),
        ("generation_config__json", {"suppress_tokens": [4], "x_token_id": 4}, "has x_token_id at token 4, whose row is gone"),
    ],
)  # fmt: skip
def test_an_id_without_a_row_that_has_a_role_is_named(name: str, data: Any, what: str, tmp_path: Path) -> None:
    assert offers(tmp_path, **{name: data}) == [Offer(name.replace("__", "."), what)]


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("tokenizer_config__json", {"boi_token": "<img>"}, "boi_token"),
        ("special_tokens_map__json", {"boi_token": {"content": "<img>", "lstrip": False}}, "boi_token"),
        ("special_tokens_map__json", {"additional_special_tokens": ["<x>", "<img>"]}, "additional_special_tokens"),
        ("processor_config__json", {"image_token": "<img>"}, "image_token"),
    ],
)
def test_a_token_without_a_row_that_has_a_role_is_named(name: str, data: Any, key: str, tmp_path: Path) -> None:
    rest = {"vocab__json": {"<img>": 4, "<x>": 9}, "generation_config__json": {"suppress_tokens": [4]}}
    assert offers(tmp_path, **{name: data}, **rest) == [
        Offer(name.replace("__", "."), f"has {key} at '<img>', whose row is gone")
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("chat_template__jinja", "{{ '<img>' }}"),
        ("chat_template__json", {"chat_template": "{{ '<img>' }}"}),
        ("tokenizer_config__json", {"chat_template": "draw <img>"}),
        ("tokenizer_config__json", {"chat_template": [{"name": "default", "template": "draw <img>"}]}),
    ],
)
def test_a_template_that_writes_a_token_without_a_row_is_named(name: str, data: Any, tmp_path: Path) -> None:
    rest = {"vocab__json": {"<img>": 4, "draw": 5, "<x>": 9}, "generation_config__json": {"suppress_tokens": [4, 5]}}
    what = "writes <img> in its template, and its row is gone"
    assert offers(tmp_path, **{name: data}, **rest) == [Offer(name.replace("__", "."), what)]


@pytest.mark.parametrize(
    ("key", "component"),
    [
        ("vq_config", "model.vqmodel"),
        ("vq_config", "model.vq_model"),
        ("gen_vision_config", "gen_vision_model"),
        ("gen_head_config", "gen_head"),
        ("n_extra_heads", "extra_heads"),
        ("num_mtp_layers", "mtp"),
        ("speaker_encoder_config", "hifigan_decoder.speaker_encoder"),
    ],
)
def test_a_setting_of_a_part_that_is_gone_is_named(key: str, component: str, tmp_path: Path) -> None:
    found = offers(tmp_path, (component,), config__json={"model": {key: {"x": 1}}})
    assert found == [Offer("config.json", f"has model.{key}, and no tensor of {component} is left")]
    for nothing in (None, {}, 0, False, []):
        assert offers(tmp_path, (component,), config__json={"model": {key: nothing}}) == []


def test_settings_of_what_stays_are_not_named(tmp_path: Path) -> None:
    config = {
        "vision_config": {"x": 1},
        "num_hidden_layers": 4,
        "model_type": "x",
        "attention_bias": True,
        "hidden_size": 8,
    }
    assert offers(tmp_path, ("model.vqmodel", "model.layers.61", "model"), config__json=config) == []


def test_components_are_gone_when_none_of_their_tensors_is_left() -> None:
    before = [
        "a.vq.conv.weight",
        "a.vq.norm.bias",
        "a.body.0.weight",
        "a.body.1.weight",
        "a.body.1.bias",
        "head.weight",
    ]
    assert gone_components(before, ["a.body.0.weight"]) == ["a.body.1", "a.vq", "head"]
    assert gone_components(before, ["a.body.1.weight", "a.vq.conv.weight", "head.weight"]) == ["a.body.0", "a.vq.norm"]
    assert gone_components(["scale"], []) == []


@pytest.mark.parametrize("text", ["[1, 2]", "not json", '"text"', "[[]]"])
def test_other_files_that_are_no_objects_are_passed_over(text: str, tmp_path: Path) -> None:
    assert offers(tmp_path, ("vq",), results__json=text) == []
    with pytest.raises(CheckpointError):
        offers(tmp_path, ("vq",), generation_config__json=text)


@pytest.mark.parametrize(
    "data",
    [
        {"model": "x", "added_tokens": 3, "added_tokens_decoder": [1], "vocabulary_map": "x", "chat_template": 70},
        {"model": {"vocab": [1, [], ["a"], [[], 2]]}, "added_tokens": [None, {"content": 4, "id": "x"}]},
        {"x_token_id": {"a": "b"}, "y_token": {"content": {"content": []}}, "forced_x": "y", "suppress_tokens": "z"},
        {"x_token_id": True, "bad_words_ids": [["x"], [[]], None], "vocabulary_map": {"a": True, "b": None}},
    ],
)
def test_odd_values_are_no_offer_and_no_crash(data: Any, tmp_path: Path) -> None:
    for name in ("config__json", "tokenizer__json", "tokenizer_config__json", "generation_config__json", "vocab__json"):
        assert offers(tmp_path, ("vq",), **{name: data}) == []


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("chat_template.jinja", "Draw: <boi>", "writes <boi> in its template, which is no token any more"),
        (
            "tokenizer_config.json",
            {"chat_template": "Draw <boi>"},
            "writes <boi> in its template, which is no token any more",
        ),
        ("processor_config.json", {"a": [{"b": "<boi>"}]}, "names <boi>, which is no token any more"),
    ],
)
def test_tokens_that_were_dropped_are_named_where_they_still_stand(
    name: str, data: Any, what: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(data if isinstance(data, str) else json.dumps(data))
    assert find_offers(tmp_path, [name], (), (), ["<boi>", "draw", "a"]) == [Offer(name, what)]


def test_a_word_that_was_a_token_is_no_offer_nor_is_a_token_that_came_back(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"draw": "draw", "x": "<boi>", "vocabulary_map": {"<boi>": 3}}))
    assert find_offers(tmp_path, ["config.json"], (), (), ["<boi>", "draw"]) == []
