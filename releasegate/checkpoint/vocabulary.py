"""Which id each token has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.jsontext import shown
from releasegate.errors import VocabularyMalformed

TOKENIZERS = ("tokenizer.json", "tokenizer/text_tokenizer.json")
"""Where a tokenizer stands; the first that is there counts."""


def read_vocabulary(root: Path, names: list[str], config_file: str | None, config: Mapping[str, Any]) -> dict[str, int]:
    """Ids by token, from the configuration's `vocabulary_map` and the tokenizer's file; may be empty.

    Raises:
        JsonMalformed: a file is malformed.
        VocabularyMalformed: a token has no id, or the two do not agree.
    """
    mapped = _ids(root / (config_file or ""), "vocabulary_map", config.get("vocabulary_map"))
    file = next((name for name in TOKENIZERS if name in names), None)
    tokenized = _tokenizer_vocabulary(root / file) if file else None
    if mapped is None:
        return tokenized or {}
    for token, identity in (tokenized or {}).items():
        if mapped.get(token, identity) != identity:
            what = f"gives token {shown(token)} the id {identity}, and {config_file} gives it {mapped[token]}"
            raise VocabularyMalformed(str(root / str(file)), what, "export the tokenizer and the config together")
    return {**tokenized, **mapped} if tokenized else mapped


def _by_place(scored: list[Any]) -> dict[str, int]:
    """Ids of the tokens of a Unigram model, which lists them with their scores: a token's id is its place."""
    return {str(one[0]) if isinstance(one, list) and one else str(one): place for place, one in enumerate(scored)}


def _tokenizer_vocabulary(path: Path) -> dict[str, int] | None:
    data = read_json_object(path)
    model = data.get("model")
    found = model.get("vocab") if isinstance(model, dict) else None
    ids = _ids(path, "model.vocab", _by_place(found) if isinstance(found, list) else found)
    added = data.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise VocabularyMalformed(
            str(path), "has added_tokens that are not a list of objects", "export the tokenizer again"
        )
    extra = _ids(path, "added_tokens", {str(token.get("content")): token.get("id") for token in added}) or {}
    return None if ids is None and not extra else {**(ids or {}), **extra}


def _ids(path: Path, name: str, value: Any) -> dict[str, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise VocabularyMalformed(str(path), f"has a {name} that is not an object", "export the checkpoint again")
    for token, identity in value.items():
        if type(identity) is not int or identity < 0:
            raise VocabularyMalformed(
                str(path), f"has a {name} that gives token {shown(token)} no id", "export the checkpoint again"
            )
    return value
