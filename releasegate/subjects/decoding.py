"""Going on with tokens: the likeliest next one each time, or one that is drawn by the row's own seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from releasegate.subjects.causal_net import Budget, CausalNet, Memory, batches, in_halves, left_padded
from releasegate.subjects.language import Decoding, NoAnswer
from releasegate.subjects.scoring import NOT_FINITE

THINNED = 0.75
"""Rows that are finished leave a batch when at most this share of it is left."""


class Drawn(NamedTuple):
    """The tokens that follow a prompt.

    Attributes:
        tokens: with the one that ends the text, if one does.
        ended: whether it ended by itself.
    """

    tokens: list[int]
    ended: bool


Stopped = Callable[[int, Sequence[int]], bool]
"""Whether the tokens drawn for a row, by its number, hold what ends its text."""


@dataclass
class _Row:
    """A row that is gone on with."""

    number: int
    prompt: Sequence[int]
    noise: Tensor
    tokens: list[int] = field(default_factory=list)
    made: Drawn | NoAnswer | None = None


@torch.inference_mode()
def drawn(
    net: CausalNet,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    decoding: Decoding,
    ends: frozenset[int],
    stopped: Stopped,
    budget: Budget,
) -> list[Drawn | NoAnswer]:
    """What follows each prompt.

    Args:
        net: that scores the next token.
        prompts: at least one token each.
        seeds: of each row's randomness; its lowest 64 bits count.
        decoding: how it is drawn. Its stop texts are looked for by `stopped`.
        ends: tokens that end a text.
        stopped: whether a row's text has ended otherwise.
        budget: of a batch.
    """
    found: dict[int, Drawn | NoAnswer] = {}
    lengths = [len(prompt) + decoding.max_tokens for prompt in prompts]
    for batch in batches(lengths, budget, alone=net.alone):
        made = in_halves(
            batch, lambda some: _batch(net, _rows(some, prompts, seeds, decoding), decoding, ends, stopped)
        )
        found |= dict(zip(batch, made, strict=True))
    return [found[row] for row in range(len(prompts))]


def _rows(
    numbers: Sequence[int], prompts: Sequence[Sequence[int]], seeds: Sequence[int], decoding: Decoding
) -> list[_Row]:
    """The rows before anything is drawn, each with a number in [0, 1) for each token that it may get."""
    count = decoding.max_tokens if decoding.temperature > 0 else 0
    sources = [torch.Generator().manual_seed(seeds[row] & (1 << 64) - 1) for row in numbers]
    noises = [torch.rand(count, generator=source, dtype=torch.float64) for source in sources]
    return [_Row(row, prompts[row], noise) for row, noise in zip(numbers, noises, strict=True)]


def _batch(
    net: CausalNet, rows: Sequence[_Row], decoding: Decoding, ends: frozenset[int], stopped: Stopped
) -> list[Drawn | NoAnswer]:
    """What follows the prompts of one batch."""
    ids, kept = left_padded([row.prompt for row in rows], net.device)
    memory: Memory | None = None
    present = list(rows)
    for step in range(decoding.max_tokens):
        scores, memory = net.read(ids, kept, memory, 1)
        chosen = _choose(scores[:, 0], present, decoding, step)
        for row, token in zip(present, chosen, strict=True):
            if row.made is None:
                _take(row, token, ends, stopped)
        left = [place for place, row in enumerate(present) if row.made is None]
        if not left:
            break
        ids = torch.tensor(chosen, device=net.device)[:, None].clamp(min=0)
        if len(left) <= THINNED * len(present):
            places = torch.tensor(left, device=net.device)
            memory.pick(places)
            ids, kept, present = ids[places], kept[places], [present[place] for place in left]
        kept = torch.cat((kept, kept.new_ones(len(present), 1)), dim=1)
    return [row.made or Drawn(row.tokens, ended=False) for row in rows]


def _take(row: _Row, token: int, ends: frozenset[int], stopped: Stopped) -> None:
    """Nothing; the row has one more token, or is finished."""
    if token < 0:
        row.made = NoAnswer(NOT_FINITE)
        return
    row.tokens.append(token)
    if token in ends or stopped(row.number, row.tokens):
        row.made = Drawn(row.tokens, ended=True)


def _choose(scores: Tensor, rows: Sequence[_Row], decoding: Decoding, step: int) -> list[int]:
    """The next token of each row, of scores [n, v]; -1 where they hold what is no number, or nothing is likely."""
    if decoding.temperature > 0:
        noise = torch.stack([row.noise[step] for row in rows]).to(scores.device)
        chosen = sampled(scores, noise, decoding)
    else:
        chosen = scores.argmax(-1)
    sound = ~scores.isnan().any(-1) & torch.isfinite(scores.amax(-1))
    found: list[int] = torch.where(sound, chosen, -1).tolist()
    return found


def sampled(scores: Tensor, noise: Tensor, decoding: Decoding) -> Tensor:
    """int64 [n], a token for each row, by inverse transform.

    Args:
        scores: [n, v].
        noise: float64 [n] in [0, 1).
        decoding: its temperature, above 0, and its top_p count.
    """
    shares = torch.softmax(scores.double() / decoding.temperature, dim=-1)  # [n, v]
    if decoding.top_p < 1:
        falling, order = shares.sort(dim=-1, descending=True, stable=True)
        falling = torch.where(falling.cumsum(-1) - falling < decoding.top_p, falling, 0.0)
        shares = torch.zeros_like(shares).scatter_(-1, order, falling)
    reached = shares.cumsum(-1)
    place = torch.searchsorted(reached, noise[:, None] * reached[:, -1:], right=True)  # [n, 1]
    last = (
        (shares > 0).long().cumsum(-1).argmax(-1, keepdim=True)
    )  # the last that can be drawn: noise may round up to 1
    return torch.minimum(place, last)[:, 0]
