"""Llama's body under the two families of names that other layouts build on.

Source of the names: `LlamaForCausalLM` of transformers (instantiated), and Meta's own (public code of
facebookresearch/chameleon, `chameleon/inference/transformer.py`, whose loader takes plain Llama checkpoints).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.layouts.layout import Shapes, under
from tests.layouts.torch_parts import linear, norm


@dataclass(frozen=True)
class Body:
    """The sizes of a body."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    head: int = 0
    """Width of a head; 0 is `hidden / heads`."""

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.head or self.hidden // self.heads

    def config(self) -> dict[str, Any]:
        """The keys of transformers' `config.json` that state these sizes."""
        return {
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
        }


LLAMA_2_7B = Body(4096, 32, 32, 32, 11008, 32000)
TINY = Body(64, 2, 4, 2, 96, 64)


def attention(body: Body, *, bias: bool = False, output_bias: bool = False) -> Shapes:
    """The four projections under transformers' names."""
    inner, narrow = body.heads * body.head_width, body.kv_heads * body.head_width
    return {
        **linear("q_proj", inner, body.hidden, bias=bias),
        **linear("k_proj", narrow, body.hidden, bias=bias),
        **linear("v_proj", narrow, body.hidden, bias=bias),
        **linear("o_proj", body.hidden, inner, bias=output_bias),
    }


def gated(hidden: int, intermediate: int) -> Shapes:
    """A gated feed-forward part under transformers' names."""
    return {
        **linear("gate_proj", intermediate, hidden),
        **linear("up_proj", intermediate, hidden),
        **linear("down_proj", hidden, intermediate),
    }


def layer(hidden: int, self_attention: Shapes, feed_forward: Shapes) -> Shapes:
    """One layer under transformers' names."""
    return {
        **under("self_attn", self_attention),
        **under("mlp", feed_forward),
        **norm("input_layernorm", hidden),
        **norm("post_attention_layernorm", hidden),
    }


def body_tensors(body: Body, prefix: str = "model") -> Shapes:
    """Embedding, layers and last norm of a dense body; without the head."""
    one = layer(body.hidden, attention(body), gated(body.hidden, body.intermediate))
    shapes: Shapes = {f"{prefix}.embed_tokens.weight": (body.vocabulary, body.hidden)}
    for number in range(body.layers):
        shapes |= under(f"{prefix}.layers.{number}", one)
    return shapes | norm(f"{prefix}.norm", body.hidden)


def head_tensors(body: Body) -> Shapes:
    """The head."""
    return linear("lm_head", body.vocabulary, body.hidden)


def meta_block(body: Body, slices: int = 1) -> Shapes:
    """One layer under Meta's names, or one rank's part of it where it is split over `slices` ranks.

    Queries, keys, values, w1 and w3 are split along their rows, wo and w2 along their columns; norms are repeated.
    """
    inner, narrow = body.heads * body.head_width // slices, body.kv_heads * body.head_width // slices
    return {
        **linear("attention.wq", inner, body.hidden),
        **linear("attention.wk", narrow, body.hidden),
        **linear("attention.wv", narrow, body.hidden),
        **linear("attention.wo", body.hidden, inner),
        **linear("feed_forward.w1", body.intermediate // slices, body.hidden),
        **linear("feed_forward.w2", body.hidden, body.intermediate // slices),
        **linear("feed_forward.w3", body.intermediate // slices, body.hidden),
        **norm("attention_norm", body.hidden),
        **norm("ffn_norm", body.hidden),
    }


def meta_intermediate(hidden: int, multiple_of: int) -> int:
    """The width of the feed-forward part that Meta's code derives: two thirds of four times `hidden`, rounded up."""
    return multiple_of * -(-int(2 * 4 * hidden / 3) // multiple_of)
