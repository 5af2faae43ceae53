"""The network of a language model with several heads, each of which predicts one token further ahead than the last.

The layout is that of facebook/multi-token-prediction (Gloeckle et al. 2024, arXiv 2404.19737): blocks of Llama's form under
Meta's names. `layers.*` holds the trunk and, as its last block, the head of the next token; each block of `extra_heads.*` is
the head of one token further. All heads read the trunk's last states and share `norm` and `output`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from releasegate.records import Record
from releasegate.subjects.configuration import contradiction

Count = Annotated[int, Field(ge=1, le=1 << 20)]


class MultiTokenParams(Record):
    """What stands in `params.json`: Llama's own keys, and how many tokens are predicted at once."""

    dim: Count
    """Channels of a state."""
    n_layers: Annotated[int, Field(ge=1, le=1024)]
    """Blocks, those of the trunk and of every head together."""
    n_heads: Annotated[int, Field(ge=1, le=1024)]
    """Heads of attention in a block."""
    n_kv_heads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Of keys and values; absent: as many as `n_heads`."""
    vocab_size: Annotated[int, Field(ge=2, le=1 << 22)]
    multiple_of: Count = 256
    """The feed-forward's width is rounded up to a multiple of it."""
    ffn_dim_multiplier: Annotated[float, Field(gt=0, le=64)] | None = None
    norm_eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    rope_theta: Annotated[float, Field(gt=1, le=1e12)] = 10000.0
    max_seq_len: Annotated[int, Field(ge=2, le=1 << 24)] = 4096
    """Tokens of the longest text that it reads."""
    n_future_tokens: Annotated[int, Field(ge=1, le=64)]
    """Heads, that of the next token included."""

    @model_validator(mode="after")
    def _together(self) -> MultiTokenParams:
        if self.n_future_tokens > self.n_layers:
            raise contradiction(f"n_layers {self.n_layers} has no room for {self.n_future_tokens} heads")
        if self.dim % (2 * self.n_heads):
            raise contradiction(f"dim {self.dim} cannot be shared by {self.n_heads} heads of an even width")
        if self.n_heads % self.groups:
            raise contradiction(f"{self.n_heads} heads cannot share {self.groups} heads of keys and values")
        return self

    @property
    def groups(self) -> int:
        """Heads of keys and values."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    @property
    def width(self) -> int:
        """Channels of a head of attention."""
        return self.dim // self.n_heads

    @property
    def hidden(self) -> int:
        """Channels inside the feed-forward: Llama's rule, two thirds of four times `dim`, scaled and rounded up."""
        wide = 8 * self.dim // 3
        if self.ffn_dim_multiplier is not None:
            wide = int(self.ffn_dim_multiplier * wide)
        return -(-wide // self.multiple_of) * self.multiple_of


class Turn(NamedTuple):
    """By how much the channels of queries and keys are turned at each place; both float32 [n or 1, 1, t, width / 2]."""

    cosine: Tensor
    sine: Tensor


@dataclass
class BlockMemory:
    """Keys and values of one block, of the tokens that it has read; both [n, groups, length, width], or None of none."""

    keys: Tensor | None = None
    values: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens that are remembered, of each row."""
        return 0 if self.keys is None else self.keys.shape[2]

    def add(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and all values, with those of the next tokens at their end."""
        self.keys = keys if self.keys is None else torch.cat((self.keys, keys), dim=2)
        self.values = values if self.values is None else torch.cat((self.values, values), dim=2)
        return self.keys, self.values

    def cut(self, length: int) -> None:
        """Nothing; only the first `length` tokens are remembered."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[:, :, :length], self.values[:, :, :length]

    def pick(self, rows: Tensor) -> None:
        """Nothing; its rows are now copies of the rows int64 [m] of what it was."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


class Attention(nn.Module):
    """Causal attention with rotated queries and keys; [n, t, dim] to [n, t, dim]."""

    def __init__(self, params: MultiTokenParams) -> None:
        super().__init__()
        inner, narrow = params.n_heads * params.width, params.groups * params.width
        self.wq = nn.Linear(params.dim, inner, bias=False)
        self.wk = nn.Linear(params.dim, narrow, bias=False)
        self.wv = nn.Linear(params.dim, narrow, bias=False)
        self.wo = nn.Linear(inner, params.dim, bias=False)
        self._width = params.width

    def forward(self, states: Tensor, turn: Turn, seen: Tensor | None, memory: BlockMemory | None) -> Tensor:
        n, t, _ = states.shape
        queries = turned(self._heads(self.wq(states)), turn)  # [n, heads, t, width]
        keys = turned(self._heads(self.wk(states)), turn)  # [n, groups, t, width]
        values = self._heads(self.wv(states))
        if memory is not None:
            keys, values = memory.add(keys, values)
        mixed = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=seen,
            is_causal=seen is None and t > 1,
            enable_gqa=keys.shape[1] != queries.shape[1],
        )
        out: Tensor = self.wo(mixed.transpose(1, 2).reshape(n, t, -1))
        return out

    def _heads(self, channels: Tensor) -> Tensor:
        """[n, heads, t, width] of [n, t, heads x width]."""
        n, t, _ = channels.shape
        return channels.view(n, t, -1, self._width).transpose(1, 2)


class FeedForward(nn.Module):
    """A gated feed-forward part; [n, t, dim] to [n, t, dim]."""

    def __init__(self, params: MultiTokenParams) -> None:
        super().__init__()
        self.w1 = nn.Linear(params.dim, params.hidden, bias=False)
        self.w2 = nn.Linear(params.hidden, params.dim, bias=False)
        self.w3 = nn.Linear(params.dim, params.hidden, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.w2(functional.silu(self.w1(states)) * self.w3(states))
        return out


class Block(nn.Module):
    """One block; [n, t, dim] to [n, t, dim]."""

    def __init__(self, params: MultiTokenParams) -> None:
        super().__init__()
        self.attention = Attention(params)
        self.feed_forward = FeedForward(params)
        self.attention_norm = nn.RMSNorm(params.dim, eps=params.norm_eps)
        self.ffn_norm = nn.RMSNorm(params.dim, eps=params.norm_eps)

    def forward(self, states: Tensor, turn: Turn, seen: Tensor | None, memory: BlockMemory | None) -> Tensor:
        states = states + self.attention(self.attention_norm(states), turn, seen, memory)
        out: Tensor = states + self.feed_forward(self.ffn_norm(states))
        return out


class StoredRope(nn.Module):
    """The frequencies that some files of weights carry along. They follow from `params.json`, and are not read."""

    def __init__(self, params: MultiTokenParams) -> None:
        super().__init__()
        self.register_buffer("freqs", torch.zeros(params.width // 2))


class MultiTokenNet(nn.Module):
    """The network. Untouched by `memory`, a call reads whole texts, as training does.

    Args:
        params: its sizes.
        rope: whether the file of weights has `rope.freqs`.
    """

    def __init__(self, params: MultiTokenParams, *, rope: bool = False) -> None:
        super().__init__()
        self.params_ = params
        self.tok_embeddings = nn.Embedding(params.vocab_size, params.dim)
        trunk_and_first = params.n_layers - params.n_future_tokens + 1
        self.layers = nn.ModuleList(Block(params) for _ in range(trunk_and_first))
        if params.n_future_tokens > 1:
            self.extra_heads = nn.ModuleList(Block(params) for _ in range(params.n_future_tokens - 1))
        self.norm = nn.RMSNorm(params.dim, eps=params.norm_eps)
        self.output = nn.Linear(params.dim, params.vocab_size, bias=False)
        if rope:
            self.rope = StoredRope(params)

    @property
    def heads(self) -> int:
        """Heads, that of the next token included."""
        return self.params_.n_future_tokens

    def trunk(self, ids: Tensor, reading: Reading | None = None) -> Tensor:
        """[n, t, dim], the states that every head reads.

        Args:
            ids: int64 [n, t].
            reading: where the tokens stand and what was read before; absent: whole texts from their beginning.
        """
        at = reading or whole(ids.shape[1], ids.device)
        turn = turn_at(at.places, self.params_)
        states: Tensor = self.tok_embeddings(ids)
        for number, block in enumerate(self.layers[:-1]):
            states = block(states, turn, at.seen, at.memory_of(f"layers.{number}"))
        return states

    def state(self, head: int, states: Tensor, reading: Reading | None = None) -> Tensor:
        """[n, t, dim], what `output` of head `head` reads, of the trunk's states [n, t, dim].

        Args:
            head: 0 for the next token, 1 for the one after it, and so on.
            states: of the trunk.
            reading: as of `trunk`.
        """
        at = reading or whole(states.shape[1], states.device)
        block = self.layers[-1] if head == 0 else self.extra_heads[head - 1]
        turn = turn_at(at.places, self.params_)
        out: Tensor = self.norm(block(states, turn, at.seen, at.memory_of(f"heads.{head}")))
        return out

    def head(self, head: int, states: Tensor, reading: Reading | None = None) -> Tensor:
        """[n, t, vocabulary], the scores of head `head`: of the token 1 + `head` places on; see `state`."""
        out: Tensor = self.output(self.state(head, states, reading))
        return out

    def forward(self, ids: Tensor, heads: int | None = None) -> list[Tensor]:
        """The scores of the first `heads` heads (absent: of all), each [n, t, vocabulary], of whole texts int64 [n, t]."""
        states = self.trunk(ids)
        return [self.head(number, states) for number in range(self.heads if heads is None else heads)]


@dataclass
class Reading:
    """Where the next tokens of some texts stand, and what was read of them before.

    Attributes:
        places: int64 [n or 1, t], the place of each token in its text, from 0.
        seen: bool [n, 1, t, length], which tokens, of those that were read and these, each token looks at; absent: all
            before it and itself, nothing having been read before.
        memory: of each block, by name; absent: nothing is remembered.
    """

    places: Tensor
    seen: Tensor | None = None
    memory: dict[str, BlockMemory] | None = None

    def memory_of(self, block: str) -> BlockMemory | None:
        """The memory of a block, if anything is remembered."""
        return None if self.memory is None else self.memory.setdefault(block, BlockMemory())


def whole(t: int, device: torch.device) -> Reading:
    """The reading of whole texts of `t` tokens."""
    return Reading(torch.arange(t, device=device)[None])


def turn_at(places: Tensor, params: MultiTokenParams) -> Turn:
    """The turn of tokens at `places`, int64 [n or 1, t]."""
    channels = torch.arange(0, params.width, 2, device=places.device, dtype=torch.float32) / params.width
    angles = places[:, None, :, None].float() / params.rope_theta**channels  # [n or 1, 1, t, width / 2]
    return Turn(angles.cos(), angles.sin())


def turned(heads: Tensor, turn: Turn) -> Tensor:
    """[n, heads, t, width]: neighbouring channels (2i, 2i + 1) as one complex number each, turned.

    Real parts come first and imaginary ones second, in queries and keys alike, so that their products are the same.
    """
    real, imaginary = heads[..., ::2].float(), heads[..., 1::2].float()
    cosine, sine = turn
    both = (real * cosine - imaginary * sine, real * sine + imaginary * cosine)
    return torch.cat(both, dim=-1).to(heads.dtype)
