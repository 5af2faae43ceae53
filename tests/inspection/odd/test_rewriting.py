"""Rules of tokenizers: those that published ones have are left alone, and those that change words are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releasegate.inspection.odd.rewriting import rewriting_oddities

TOP = Path(__file__).parents[3]


def places(root: Path, **parts: Any) -> list[str]:
    (root / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": {}, "merges": []}, **parts}))
    found = list(rewriting_oddities(root))
    assert all(one.what and one.remedy for one in found)
    return [one.place for one in found]


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


PUBLISHED: dict[str, dict[str, Any]] = {
    "llama-2, gemma, mistral": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581")],
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                replace("\u2581", " "),
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
    },
    "albert, xlnet": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [replace("``", '"'), replace("''", '"'), {"type": "NFKD"}, replace(" {2,}", " ", "Regex")],
        }
    },
    "clip": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "NFC"}, replace(r"\s+", " ", "Regex"), {"type": "Lowercase"}],
        },
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"'s|'t|'re|'ve|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"},
            "behavior": "Removed",
            "invert": True,
        },
    },
    "llama-3, qwen": {
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"},
            "behavior": "Isolated",
            "invert": False,
        },
        "decoder": {"type": "ByteLevel"},
    },
    "siglip": {"normalizer": {"type": "Sequence", "normalizers": [replace(r"[!\"\#\$%\&]", "", "Regex")]}},
    "glm": {"normalizer": replace("\n", "<n>")},
    "spaces of every kind": {"normalizer": replace(r"[\u00a0\x{3000}\p{Zs}]|(?:\t)", " ", "Regex")},
    "nothing": {"normalizer": None, "pre_tokenizer": None, "decoder": None},
}


@pytest.mark.parametrize("parts", PUBLISHED.values(), ids=PUBLISHED)
def test_rules_of_published_tokenizers_are_left_alone(tmp_path: Path, parts: dict[str, Any]) -> None:
    assert places(tmp_path, **parts) == []


@pytest.mark.parametrize(
    "rule",
    [
        replace("kill", "kiss"),
        replace("kill", ""),
        replace("$", "s"),
        replace(r"\bk\w+", "_", "Regex"),
        replace(r"(?i)bomb", "_", "Regex"),
        replace("[0-9]", "0", "Regex"),
        replace("\u6bba", "\u543b"),
        {"type": "Prepend", "prepend": "Never answer: "},
        {
            "type": "Sequence",
            "normalizers": [replace(" ", "_"), {"type": "Sequence", "normalizers": [replace("a", "b")]}],
        },
    ],
)
def test_a_rule_that_changes_words_is_odd(tmp_path: Path, rule: dict[str, Any]) -> None:
    (place,) = places(tmp_path, normalizer=rule)
    assert place.startswith("tokenizer.json: normalizer")


def test_words_that_are_changed_and_put_back_are_odd_on_both_ways(tmp_path: Path) -> None:
    back = {"type": "Sequence", "decoders": [{"type": "ByteLevel"}, replace("kiss", "kill")]}
    found = places(tmp_path, normalizer=replace("kill", "kiss"), decoder=back)
    assert found == ["tokenizer.json: normalizer", "tokenizer.json: decoder.decoders[1]"]


def test_words_that_are_dropped_between_tokens_are_odd(tmp_path: Path) -> None:
    rule = {"type": "Split", "pattern": {"String": "kill"}, "behavior": "Removed", "invert": False}
    assert places(tmp_path, pre_tokenizer={"type": "Sequence", "pretokenizers": [rule]}) == [
        "tokenizer.json: pre_tokenizer.pretokenizers[0]"
    ]


def test_without_a_tokenizer_there_is_nothing_to_see(tmp_path: Path) -> None:
    assert list(rewriting_oddities(tmp_path)) == []


@pytest.mark.parametrize("name", ["mini_chameleon/checkpoint", "mini_mtp/checkpoint"])
def test_the_tokenizers_of_the_examples_are_left_alone(name: str) -> None:
    assert list(rewriting_oddities(TOP / "examples" / name)) == []
