"""Which tensors are the embedding, the head, norms and layers, by what libraries call them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from releasegate.inspection.odd.arrays import is_read
from releasegate.inspection.stored import Stored

_EMBEDDING = re.compile(
    r"(?:^|\.)(?:embed_tokens|tok_embeddings|wte|embed_in|word_embeddings|token_embd|tokens_embed)\.weight$"
)
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|output|embed_out|output_projection)\.weight$")
_NORM = re.compile(r"(?:^|[._])(?:\w*norm\w*|ln_\w+|\w*_ln|layer_?norm\w*)\.(?:weight|gamma|scale)$", re.IGNORECASE)
_NUMBER = re.compile(r"(?<=\.)[0-9]+(?=\.)")
_ROWS = 8
"""Rows that an embedding has at least."""


def embedding_and_head(tensors: Sequence[Stored]) -> tuple[Stored | None, Stored | None]:
    """The tensor that words are read by, and the one that they are answered by: as many rows as the embedding has.

    Tensor-parallel shards hold parts of them, and then both are None.
    """
    flat = [one for one in tensors if len(one.shape) == 2 and one.shape[0] >= _ROWS and is_read(one)]
    embeddings = [one for one in flat if _EMBEDDING.search(one.name)]
    embedding = max(embeddings, key=lambda one: one.elements, default=None)
    heads = [
        one for one in flat if _HEAD.search(one.name) and one.shape == (embedding.shape if embedding else one.shape)
    ]
    head = min(heads, key=lambda one: len(one.name), default=None)
    again = {one.name for one in (embedding, head) if one and sum(one.name == other.name for other in tensors) > 1}
    return (None if embedding and embedding.name in again else embedding, None if head and head.name in again else head)


def is_norm(name: str) -> bool:
    """Whether a tensor is the weight of a norm.

    >>> [is_norm(name) for name in ("model.norm.weight", "h.0.ln_1.weight", "model.layers.0.mlp.up_proj.weight")]
    [True, True, False]
    """
    return _NORM.search(name) is not None


def families(tensors: Sequence[Stored]) -> dict[str, list[tuple[int, Stored]]]:
    """Tensors that differ by the number of their layer alone, in the order of the layers, by their name with `*`."""
    found: dict[str, list[tuple[int, Stored]]] = defaultdict(list)
    for tensor in tensors:
        numbers = _NUMBER.findall(tensor.name)
        if numbers and is_read(tensor) and len(tensor.name) < 400:
            starred = _NUMBER.sub("*", tensor.name, count=1)
            found[starred].append((int(numbers[0]), tensor))
    return {name: sorted(some, key=lambda pair: pair[0]) for name, some in found.items()}
