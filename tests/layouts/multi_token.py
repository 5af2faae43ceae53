"""Heads that predict tokens further ahead, as Meta released them (facebook/multi-token-prediction).

Source: the model card says that the state dict is Llama's, that the trunk and the next-token head are numbered
contiguously and that the other heads are `extra_heads`; a public port to MLX (read) shows that `n_layers` in
`params.json` counts trunk and all heads, so that `layers` ends at `n_layers - n_future_tokens`, and that `norm` and
`output` are shared. The dtype and whether `rope.freqs` is stored are unverified. No library that is installed loads it.
"""

from __future__ import annotations

from tests.layouts.layout import CARD, Contents, Shapes, Size, typed, under
from tests.layouts.llama import LLAMA_2_7B, Body, meta_block
from tests.layouts.tokenizers_files import tokenizer_model
from tests.layouts.torch_parts import norm

FUTURE_TOKENS = 4
TINY_BODY = Body(64, 6, 4, 4, 192, 64)


def contents(size: Size) -> Contents:
    """The files of the 7B with four heads: 29 layers, the last of them the next-token head, and three extra heads."""
    body = LLAMA_2_7B if size == "real" else TINY_BODY
    block = meta_block(body)
    shapes: Shapes = {"tok_embeddings.weight": (body.vocabulary, body.hidden)}
    for number in range(body.layers - FUTURE_TOKENS + 1):
        shapes |= under(f"layers.{number}", block)
    for number in range(FUTURE_TOKENS - 1):
        shapes |= under(f"extra_heads.{number}", block)
    shapes |= {**norm("norm", body.hidden), "output.weight": (body.vocabulary, body.hidden)}
    params = {
        "dim": body.hidden,
        "n_layers": body.layers,
        "n_heads": body.heads,
        "vocab_size": body.vocabulary,
        "multiple_of": 256 if size == "real" else 32,
        "norm_eps": 1e-05,
        "n_future_tokens": FUTURE_TOKENS,
    }
    return Contents(
        torch={"consolidated.pth": typed(shapes, "BF16")},
        texts={**CARD, "params.json": params, "tokenizer.model": tokenizer_model(64)},
    )
