"""Settings of a checkpoint that hand control to somebody else: code, kernels, remote repositories, files of a machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

RUNS = (
    "auto_map",
    "custom_pipelines",
    "custom_pipeline",
    "custom_generate",
    "_target_",
    "trust_remote_code",
    "use_kernels",
)
"""Keys that make a loader run code, whatever they say; false and empty ones apart."""
_IMPLEMENTATION = re.compile(
    r"^_?(?:\w+_)?(?:attn|attention|experts|moe|kernel)_implementation(?:_internal|_autoset)?$"
)
_BUILT_IN = re.compile(
    r"(?:paged[|_])?(?:eager|sdpa|flash_attention_[234]|flex_attention|sdpa_paged|grouped_mm|batched_mm|deepgemm|sonicmoe)"
)
_KERNEL = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w.+-]+)?:[A-Za-z_]\w*")
"""`org/repository@revision:function`, which loaders fetch and run."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_REMOTE = re.compile(r"(?:^|_)(?:repo|repo_id|repository|kernel_config|plugin|plugins|entry_?point|hook|hooks|script)$")
_ORIGIN = re.compile(
    r"^_?(?:name_or_path|tokenizer_file|vocab_file|merges_file|special_tokens_map_file|tokenizer_name)$"
)
"""Where transformers notes what a file was made from; nothing is read from there."""
_ABSOLUTE = re.compile(r"(?:/|~/|[A-Za-z]:[\\/]|\\\\)[^/\\\s]+[/\\].*")
_CLIMBS = re.compile(r"(?:^|[/\\])\.\.[/\\]")
MOST_TEXT = 1_000
"""Characters of a value that may be a path or an address; templates and licences are longer."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A setting that hands control over.

    Attributes:
        place: its dotted path.
        what: what it does, with a verb in front.
    """

    place: str
    what: str


def handed_over(data: Any, *, adapter: bool = False) -> Iterator[Handed]:
    """Settings, at any depth, that make a loader run or fetch what is not in the checkpoint.

    Args:
        data: of a JSON file.
        adapter: whether the file is of an adapter, which names its base model.

    >>> [one.place for one in handed_over({"a": [{"_attn_implementation": "org/kernel:run"}], "_attn_implementation": "sdpa"})]
    ['a.0._attn_implementation']
    """
    left: list[tuple[str, str, Any]] = [("", "", data)]
    for place, key, value in left:  # grows while it is walked
        start = f"{place}." if place else ""
        what = _what(key, value, adapter=adapter)
        if what is not None:
            yield Handed(place, what)
        elif isinstance(value, Mapping):
            inner = key if _IMPLEMENTATION.match(key) else None  # one for each part of the model
            left += [(f"{start}{name}", inner or str(name), one) for name, one in value.items()]
        elif isinstance(value, list):
            left += [(f"{start}{at}", key, one) for at, one in enumerate(value)]


def _what(key: str, value: Any, *, adapter: bool) -> str | None:
    if key in RUNS and value not in (None, False, {}, [], ""):
        return "asks for code to be run that is not of the library"
    if not isinstance(value, str) or not value or len(value) > MOST_TEXT:
        return None
    if _IMPLEMENTATION.match(key) and not _BUILT_IN.fullmatch(value):
        return "names an implementation that the library does not have, and would fetch"
    if _KERNEL.fullmatch(value):
        return "names a function of a repository elsewhere, which a loader fetches and runs"
    if key == "base_model_name_or_path" and not adapter:
        return "names another model, whose weights a loader adds"
    if _REMOTE.search(key):
        return "names code or a repository elsewhere"
    if _CLIMBS.search(value):
        return "leads out of the folder"
    if not _ORIGIN.match(key) and (_URL.fullmatch(value) or _ABSOLUTE.fullmatch(value)):
        return "names a place outside of the checkpoint"
    return None
