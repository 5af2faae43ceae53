"""Tokenizer files that are small and valid."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any


def tokenizer_json(vocabulary: Mapping[str, int], special: Iterable[str] = ()) -> dict[str, Any]:
    """A `tokenizer.json` with `vocabulary`, some of it marked as special; it merges nothing."""
    added = [
        {
            "id": vocabulary[token],
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in special
    ]
    model: dict[str, Any] = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": dict(vocabulary),
        "merges": [],
    }
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return {"version": "1.0", **empty, "added_tokens": added, "model": model}


def plain_vocabulary(size: int) -> dict[str, int]:
    """`size` names that stand for words."""
    return {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"word{number}": number for number in range(3, size)}}


def tokenizer_model(size: int) -> bytes:
    """A SentencePiece model with the names of `plain_vocabulary`: repeated (piece, score, type) in field 1."""
    return b"".join(_field(_piece(name, number)) for name, number in plain_vocabulary(size).items())


def _piece(name: str, number: int) -> bytes:
    kind = {0: 2, 1: 3, 2: 3}.get(number, 1)  # unknown, control, normal
    text = name.encode()
    return b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", -float(number)) + b"\x18" + bytes([kind])


def _field(message: bytes) -> bytes:
    return b"\x0a" + bytes([len(message)]) + message
