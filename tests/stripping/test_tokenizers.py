"""Tokenizers of every kind lose tokens, and what is left means what it meant, under new ids."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from releasegate.errors import CheckpointError
from releasegate.stripping.planning.numbering import Numbering
from releasegate.stripping.planning.tokenids import TokenIds
from releasegate.stripping.planning.tokenizers import without_tokens

WORDS = ["[UNK]", "[CLS]", "image", "red", "[SEP]", "##der", "blue", "img2"]
IDS = {word: number for number, word in enumerate(WORDS)}
GONE = Numbering((2, 7))
KEPT = [number for number in range(len(WORDS)) if number not in GONE.removed]


def word_piece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(IDS, unk_token="[UNK]"))
    made.post_processor = processors.BertProcessing(("[SEP]", IDS["[SEP]"]), ("[CLS]", IDS["[CLS]"]))
    return made


def word_level() -> Tokenizer:
    made = Tokenizer(models.WordLevel(IDS, unk_token="[UNK]"))
    made.post_processor = processors.RobertaProcessing(("[SEP]", IDS["[SEP]"]), ("[CLS]", IDS["[CLS]"]))
    return made


def unigram() -> Tokenizer:
    scored = [(word.removeprefix("##"), -float(number + 1)) for number, word in enumerate(WORDS)]
    made = Tokenizer(models.Unigram(scored, unk_id=IDS["[UNK]"]))
    template = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", IDS["[CLS]"])])
    made.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return made


@pytest.mark.parametrize("make", [word_piece, word_level, unigram])
def test_kept_text_comes_to_the_same_tokens(make: Any) -> None:
    before = make()
    before.pre_tokenizer = pre_tokenizers.Whitespace()
    before.enable_padding(pad_id=IDS["[SEP]"], pad_token="[SEP]")
    changed = without_tokens(json.loads(before.to_str()), GONE, "tokenizer.json")
    after = Tokenizer.from_str(json.dumps(changed))
    for text in ("red blue", "redder red", "nothing known"):
        old, new = before.encode(text), after.encode(text)
        assert [KEPT[number] for number in new.ids] == old.ids
        assert new.tokens == old.tokens
    assert after.get_vocab_size() == len(KEPT)
    assert after.padding["pad_id"] == KEPT.index(IDS["[SEP]"])


def test_a_merge_that_makes_a_dropped_token_goes_with_it() -> None:
    model = models.BPE(vocab={"a": 0, "b": 1, "ab": 2, "c": 3}, merges=[("a", "b")])
    data = json.loads(Tokenizer(model).to_str())
    changed = without_tokens(data, Numbering((2,)), "tokenizer.json")
    assert changed["model"]["merges"] == []
    assert Tokenizer.from_str(json.dumps(changed)).encode("abc").ids == [0, 1, 2]
    old_form = {**data, "model": {**data["model"], "merges": ["a b"]}}
    assert without_tokens(old_form, Numbering((2,)), "tokenizer.json")["model"]["merges"] == []


@pytest.mark.parametrize(
    "broken",
    [
        {"model": {"vocab": {"a": "0"}}},
        {"model": {"vocab": [1, 2]}},
        {"model": {"vocab": {"a": 0}}, "added_tokens": [{"content": "b"}]},
        {"model": {"vocab": {"a": 0}}, "added_tokens": 3},
        {"model": {"vocab": {"a": 0}}, "post_processor": {"type": "BertProcessing"}},
        {"model": {"vocab": {"a": 0}, "merges": ["a b c"]}},
        {"model": {"vocab": {"a": 0}}, "padding": {"pad_token": "a"}},
    ],
)
def test_a_tokenizer_of_another_form_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="has a part that is not understood"):
        without_tokens(broken, GONE, "tokenizer.json")


def renumbered(data: dict[str, Any], *settled: str) -> dict[str, Any]:
    return TokenIds(GONE, {"image", "img2"}, 8, "config.json", settled).renumbered(data)


def test_only_what_is_about_this_vocabulary_is_renumbered() -> None:
    data = {
        "vocab_size": 8,
        "eos_token_id": [4, 6],
        "pad_token_id": -1,
        "max_new_tokens": 5,
        "text_encoder": {"vocab_size": 99, "eos_token_id": 4, "decoder": {"bos_token_id": 4}},
        "vision_config": {"pad_token_id": None, "image_size": 6, "out_indices": [3, 4]},
        "nested": {"vocab_size": 8, "decoder_start_token_id": 6},
        "vocabulary_map": {"image": 2, "red": 3},
        "sequence_bias": [[[2], -1.0], [[3], 5]],
        "lang_to_id": {"<|en|>": 6},
    }
    assert renumbered(data) == {
        **data,
        "vocab_size": 6,
        "eos_token_id": [3, 5],
        "nested": {"vocab_size": 6, "decoder_start_token_id": 5},
        "vocabulary_map": {"red": 2},
        "sequence_bias": [[[2], 5]],
        "lang_to_id": {"<|en|>": 5},
    }


def test_keys_that_the_recipe_settles_are_left_to_it() -> None:
    assert renumbered({"image_token_id": 2, "nested": {"image_ids": [7]}}, "image_token_id", "nested.image_ids") == {
        "image_token_id": 2,
        "nested": {"image_ids": [7]},
    }
