"""Code that a checkpoint asks its loader to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import read_json_object
from releasegate.errors import CheckpointError


def keys_with_code(root: Path, names: list[str]) -> dict[str, str]:
    """Files that ask for code from the checkpoint to be run, each with the key that does.

    Raises:
        CheckpointError: a configuration is malformed.
    """
    found = {name: _key_with_code(_parsed_or_nothing(root / name)) for name in names if _may_ask(name)}
    return {name: key for name, key in found.items() if key is not None}


def _may_ask(name: str) -> bool:
    large = name.endswith((".index.json", "tokenizer.json")) or Path(name).name == "vocab.json"
    return name.endswith(".json") and not large


def _parsed_or_nothing(path: Path) -> dict[str, Any]:
    if path.name.startswith(("config", "generation_config")) or path.name.endswith("_config.json"):
        return read_json_object(path)
    try:
        return read_json_object(path)
    except CheckpointError:  # a list, such as benchmark results: no loader reads code from it
        return {}


def _key_with_code(data: Mapping[str, Any]) -> str | None:
    """The dotted path of the first `auto_map`, at whatever depth: loaders look for it in nested configurations too."""
    left: list[tuple[str, Any]] = [("", data)]
    for path, value in left:  # grows while it is walked
        if isinstance(value, Mapping):
            if "auto_map" in value:
                return f"{path}auto_map"
            left += [(f"{path}{key}.", inner) for key, inner in value.items() if isinstance(inner, Mapping | list)]
        else:
            left += [(f"{path}{at}.", inner) for at, inner in enumerate(value) if isinstance(inner, Mapping | list)]
    return None
