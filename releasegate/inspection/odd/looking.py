"""Everything odd about a checkpoint: its configurations first, then its tensors, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from releasegate.inspection.odd.configured import configured_oddities
from releasegate.inspection.odd.generating import LISTS, generating_oddities
from releasegate.inspection.odd.lengths import emptied_oddities, length_oddities, read_rows
from releasegate.inspection.odd.oddity import Files, Oddity
from releasegate.inspection.odd.order import order_oddities
from releasegate.inspection.odd.places import embedding_and_head
from releasegate.inspection.odd.receipted import Exempt, exempt_of
from releasegate.inspection.odd.rewriting import rewriting_oddities
from releasegate.inspection.odd.sizes import size_oddities
from releasegate.inspection.odd.tokens import words_of

GENERATION = "generation_config.json"
PREPARED = ("preprocessor_config.json", "processor_config.json", "adapter/adapter_config.json")
"""Other files whose numbers are looked at."""


def oddities(files: Files, digest: str | None) -> Iterator[Oddity]:
    """What is odd, each once.

    Args:
        files: of the checkpoint.
        digest: its model digest, if it is known.
    """
    named = {tensor.name: tensor for tensor in files.tensors}
    exempt = exempt_of(files.root, named, digest)
    for name, config in ((files.config_file, files.config), *files.texts.items()):
        if name in (files.config_file, GENERATION, *PREPARED):
            yield from configured_oddities(name, config, files.kind)
            yield from generating_oddities(name, config, files.kind, exempt=_kept_back(name, config, exempt))
    yield from rewriting_oddities(files.root)
    yield from _rows(files, exempt)
    for part in (files.tensors, files.beside):
        yield from size_oddities(files.root, part)


def _kept_back(file: str, config: Mapping[str, Any], exempt: Exempt) -> frozenset[tuple[str, str]]:
    """Lists that name no token but those whose rows a strip emptied."""
    tokens = exempt.tokens()
    return frozenset(
        (file, key) for key in LISTS if isinstance(config.get(key), list) and tokens and _whole(config[key]) <= tokens
    )


def _whole(ids: list[Any]) -> set[Any]:
    flat = [one for each in ids for one in (each if isinstance(each, list) else [each])]
    return {one if isinstance(one, int) else None for one in flat}


def _rows(files: Files, exempt: Exempt) -> Iterator[Oddity]:
    embedding, head = embedding_and_head(files.tensors)
    sides = [one for one in (embedding, head) if one is not None]
    if not sides:
        return
    words = words_of(files.vocabulary, sides[0].shape[0])
    known = {side.name: read_rows(files.root, side) for side in sides}
    for side in sides:
        gone = exempt.rows.get(side.name, frozenset())
        yield from length_oddities(side, known[side.name], words, gone)
    if embedding is not None and head is not None:
        for one, other in ((embedding, head), (head, embedding)):
            gone = exempt.rows.get(one.name, frozenset())
            yield from emptied_oddities(one, known[one.name], known[other.name], words, gone)
        yield from order_oddities(files.root, embedding, head, words, exempt.tokens())
