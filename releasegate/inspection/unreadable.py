"""A model of text that nothing here would read: no tokenizer, one of another model, or one that loses plain text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from releasegate.checkpoint.tokenizers import (
    CONFIG,
    EXPORT,
    FILE,
    NO_TOKENS,
    PLAIN,
    beyond_fault,
    comes_back,
    holds_tokens,
    size_fault,
    stated_rows,
    tried,
)
from releasegate.errors import CheckpointError
from releasegate.inspection.odd.oddity import Oddity

MULTI_TOKEN = "multi-token-prediction"
_OF_BYTES = frozenset({"ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer"})
"""Classes of tokenizers that need no file."""


def unreadable(
    root: Path,
    layout: str,
    config: Mapping[str, Any],
    texts: Mapping[str, Any],
    sizes: Mapping[str, int],
    ids: Collection[int],
) -> Iterator[Oddity]:
    """Yield why a gate of a language model would open no attempt with this folder, as far as its files alone tell.

    Only a `tokenizer.json` is tried with plain text, in a process of its own; of other tokenizers the files are looked for.

    Args:
        root: the folder.
        layout: its name.
        config: the configuration.
        texts: what its JSON files hold, by name.
        sizes: its files.
        ids: of the tokens that stand in `tokenizer.json`.
    """
    kind, _, form = layout.rpartition("-")
    if layout != MULTI_TOKEN and (form not in ("hf", "lora") or kind not in causal_kinds()):
        return
    stated = texts.get(CONFIG)
    of_bytes = isinstance(stated, Mapping) and stated.get("tokenizer_class") in _OF_BYTES
    if not holds_tokens(sizes):
        if not of_bytes:
            yield Oddity(".", NO_TOKENS, EXPORT)
        return
    if FILE in sizes:
        yield from _tried(root, stated_rows(config), texts.get(FILE), ids)


def _tried(root: Path, rows: int | None, data: Any, ids: Collection[int]) -> Iterator[Oddity]:
    added = data.get("added_tokens") if isinstance(data, Mapping) else None
    later = {one.get("id") for one in added if isinstance(one, Mapping)} if isinstance(added, list) else set()
    try:
        returned = tried(root / FILE, PLAIN)
    except CheckpointError as error:
        first = error.problems[0]
        yield Oddity(FILE, first.what, first.fix)
        return
    if rows is not None:
        for what in (size_fault(ids, rows), beyond_fault([one for one in ids if one not in later], rows)):
            if what is not None:
                yield Oddity(FILE, what, EXPORT)
                return
    lost = sum(not comes_back(*pair) for pair in zip(PLAIN, returned, strict=True))
    if lost:
        yield Oddity(FILE, f"does not give plain text back: {lost} of {len(PLAIN)} English sentences are lost", EXPORT)


@cache
def causal_kinds() -> frozenset[str]:
    """Return every `model_type` for which the installed transformers has a causal language model, read from its source."""
    found = find_spec("transformers")
    places = found.submodule_search_locations if found is not None else None
    source = Path(places[0], "models", "auto", "modeling_auto.py") if places else None
    if source is None or not source.is_file():
        return frozenset()
    _, _, after = source.read_text("utf-8").partition("\nMODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
    return frozenset(re.findall(r'\("([\w.-]+)",', after.partition("\n)\n")[0]))
