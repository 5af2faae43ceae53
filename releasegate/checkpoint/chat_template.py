"""The template by which a checkpoint makes one text of a chat: another template asks another question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releasegate.checkpoint.contents import Contents
from releasegate.checkpoint.files import open_regular, read_json_object
from releasegate.errors import CheckpointError
from releasegate.records import digest_of, digest_of_bytes

FILE, CONFIG = "chat_template.jinja", "tokenizer_config.json"
MAX_TEMPLATE = 1 << 20
"""Bytes of a template that is read; those in use have some thousands."""


def read_chat_template(contents: Contents) -> str | None:
    """`sha256:…` of the template in UTF-8, or of the JSON of several named ones; None where there is none.

    A file of its own goes before what the tokenizer's configuration holds, as it does in transformers. A GGUF file holds its
    own.

    Raises:
        CheckpointError: a file is malformed, or too large.
    """
    if contents.layout.endswith("-gguf"):
        return _digest({"chat_template": contents.config.get("tokenizer.chat_template")})
    if FILE in contents.sizes:
        return digest_of_bytes(_text(contents))
    if CONFIG in contents.sizes:
        return _digest(read_json_object(contents.root / CONFIG))
    return None


def _text(contents: Contents) -> bytes:
    path = contents.root / FILE
    with open_regular(path) as file:
        text = file.read(MAX_TEMPLATE + 1)
    if len(text) > MAX_TEMPLATE:
        raise CheckpointError(str(path), f"is larger than {MAX_TEMPLATE:,} bytes", "is it a template?")
    return text


def _digest(config: Mapping[str, Any]) -> str | None:
    template = config.get("chat_template")
    if not template:
        return None
    return digest_of_bytes(template.encode()) if isinstance(template, str) else digest_of(template)
