"""Every chat template that a checkpoint holds, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from releasegate.checkpoint.chat_template import MAX_TEMPLATE
from releasegate.checkpoint.files import MAX_JSON, open_regular, read_json_object

CONFIGS = ("tokenizer_config.json", "processor_config.json", "chat_template.json")
"""JSON files that hold templates under `chat_template`."""
GGUF = "tokenizer.chat_template"


class Holder(Protocol):
    """What may hold templates: a checkpoint, or a folder that is looked at."""

    @property
    def root(self) -> Path:
        """The folder."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Every file with its size in bytes."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration; of a GGUF file, its keys."""


def templates_of(contents: Holder) -> Iterator[tuple[str, str]]:
    """Place and text of each template: of files of their own, of configurations, of the keys of a GGUF file."""
    for name in sorted(contents.sizes):
        if name.endswith(".jinja") and contents.sizes[name] <= MAX_TEMPLATE:
            with open_regular(contents.root / name) as file:
                yield name, file.read(MAX_TEMPLATE).decode("utf-8", "replace")
        elif name in CONFIGS and contents.sizes[name] < MAX_JSON:
            yield from _named(f"{name}: chat_template", read_json_object(contents.root / name).get("chat_template"))
    for key, value in contents.config.items():
        if str(key).startswith(GGUF):
            yield from _named(str(key), value)


def _named(place: str, stated: Any) -> Iterator[tuple[str, str]]:
    """A template, or several, each with its name."""
    if isinstance(stated, str):
        yield place, stated
    elif isinstance(stated, Mapping):
        yield from ((f"{place}.{name}", text) for name, text in stated.items() if isinstance(text, str))
    elif isinstance(stated, list):
        for one in stated:
            if isinstance(one, Mapping) and isinstance(one.get("template"), str):
                yield f"{place}.{str(one.get('name'))[:40]}", one["template"]
