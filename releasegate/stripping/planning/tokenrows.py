"""Which side of a tensor counts tokens, where the vocabulary may be as long as something else: hidden size, heads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from releasegate.checkpoint import Contents
from releasegate.stripping.planning.tokenids import SIZE

SIZES = (SIZE, "n_vocab", "vocabulary_size", "padded_vocab_size")
_HEADS = ("num_attention_heads", "num_key_value_heads", "n_heads", "n_kv_heads", "n_head", "num_heads")
_OF_TOKENS = re.compile(
    r"(?!.*(?:pos|patch|time|type))(?:.*embed.*|.*wte|.*word_emb.*|emb|emb_layers|shared|.*lm_heads?|.*linears|heads)|vocab.*"
)
"""What a component of a name is called that embeds tokens, or tells them apart at the end."""
_OUTPUT = re.compile(r"output\.(?:weight|bias)")


def counts_tokens(name: str, shape: tuple[int, ...], side: int, others: Set[int]) -> bool:
    """Whether a side of a tensor that is as long as the vocabulary has a place for each token.

    It has, unless the configuration has something else of that length: then the name decides. Without a name that tells
    it, a matrix that lies in no numbered layer is taken for one of tokens, since a head that is missed is a leak.

    Args:
        name: of the tensor.
        shape: of the whole, where it lies in shards.
        side: the one in question.
        others: lengths that the configuration has of other things.

    >>> counts_tokens("layers.0.q_proj.weight", (32, 32), 0, {32}), counts_tokens("odd.weight", (32, 32), 0, {32})
    (False, True)
    >>> counts_tokens("emb.3.weight", (32, 32), 0, {32}), counts_tokens("emb.3.weight", (32, 32), 1, {32})
    (True, False)
    """
    if shape[side] not in others:
        return True
    if shape.index(shape[side]) != side:
        return False  # the other side of a square
    parts = name.rpartition(":")[2].lower().split(".")
    named = any(_OF_TOKENS.fullmatch(part) for part in parts) or _OUTPUT.fullmatch(".".join(parts[-2:])) is not None
    return named or (len(shape) > 1 and not any(part.isdecimal() for part in parts))


def vocabulary_sizes(contents: Contents) -> set[int]:
    """How long the vocabularies are, as the configuration states and the tokenizer lists them."""

    def stated(data: Mapping[str, Any]) -> set[int]:
        below = [stated(value) for value in data.values() if isinstance(value, Mapping)]
        return set().union({data[key] for key in SIZES if type(data.get(key)) is int}, *below)

    ids = contents.vocabulary.values()
    return stated(contents.config) | ({max(ids) + 1} if ids else set())


def other_lengths(config: Mapping[str, Any]) -> frozenset[int]:
    """Lengths that a configuration states, or that come of its heads, of anything but vocabularies and tokens."""
    return frozenset(_lengths(config))


def _lengths(config: Mapping[str, Any]) -> Iterator[int]:
    plain = {key: value for key, value in config.items() if type(value) is int and value > 0}
    for key, value in plain.items():
        if "vocab" not in key and "token" not in key:
            yield value
    hidden = next((plain[key] for key in ("hidden_size", "dim", "n_embd", "d_model") if key in plain), 0)
    heads = [plain[key] for key in _HEADS if key in plain]
    for width in {plain.get("head_dim", 0), *(hidden // count for count in heads)}:
        yield from (count * width for count in heads if width)
    for key, value in config.items():
        if isinstance(value, Mapping) and "vocab" not in key:
            yield from _lengths(value)
