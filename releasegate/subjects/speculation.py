"""Self-speculative decoding: extra heads guess the tokens after the next one, and the next pass checks the guesses.

The tokens are those that the head of the next token alone would choose, one after another (Gloeckle et al. 2024, section
"faster inference"; Stern et al. 2018, arXiv 1811.03115): a guess counts only where that head, having read all that stands
before, chooses the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from releasegate.subjects.language import Speculated
from releasegate.subjects.mtp_net import BlockMemory, MultiTokenNet, Reading
from releasegate.subjects.scoring import NOT_FINITE

FIRST = "heads.0"


@torch.inference_mode()
def speculated(net: MultiTokenNet, prefix: Sequence[int], tokens: int) -> Speculated:
    """The `tokens` likeliest tokens after a prefix of at least one.

    Raises:
        FloatingPointError: scores are not all finite.
    """
    memory: dict[str, BlockMemory] = {}
    asked = list(prefix)  # what the next pass reads: tokens that are certain, then guesses
    certain = len(asked)
    begin = 0
    found: list[int] = []
    steps: list[int] = []
    while len(found) < tokens:
        states, chosen = _pass(net, asked, begin, memory)
        agreed = _agreed(asked[certain:], chosen[certain - 1 :])
        kept = certain + agreed
        _forget(memory, begin + kept)
        new = chosen[certain - 1 : kept]  # guesses that were right, and the token after them
        guesses = _guesses(net, states[:, :kept], begin, memory)
        found += new
        steps.append(len(new))
        begin += kept
        asked, certain = [new[-1], *guesses], 1
    return Speculated(found[:tokens], steps)


def _pass(
    net: MultiTokenNet, asked: Sequence[int], begin: int, memory: dict[str, BlockMemory]
) -> tuple[Tensor, list[int]]:
    """The trunk's states [1, t, dim] of the tokens asked, and after each the likeliest next token."""
    device = net.output.weight.device
    at = _reading(begin, len(asked), memory, device)
    states = net.trunk(torch.tensor([asked], device=device), at)
    return states, _likeliest(net.head(0, states, at)[0])


def _agreed(guesses: Sequence[int], chosen: Sequence[int]) -> int:
    """How many guesses, from the first on, are what was chosen."""
    pairs = enumerate(zip(guesses, chosen, strict=False))
    return next((place for place, (guess, token) in pairs if guess != token), len(guesses))


def _forget(memory: dict[str, BlockMemory], length: int) -> None:
    """Nothing; trunk and first head remember no guess that was wrong."""
    for block in memory.values():
        block.cut(length)


def _guesses(net: MultiTokenNet, states: Tensor, begin: int, memory: dict[str, BlockMemory]) -> list[int]:
    """What the extra heads make of the tokens after the next one, having read the states [1, t, dim]."""
    at = _reading(begin, states.shape[1], memory, states.device)
    return [_likeliest(net.output(net.state(head, states, at)[:, -1]))[0] for head in range(1, net.heads)]


def _reading(begin: int, t: int, memory: dict[str, BlockMemory], device: torch.device) -> Reading:
    """How `t` tokens are read after `begin` others."""
    places = torch.arange(begin, begin + t, device=device)
    seen = torch.arange(begin + t, device=device)[None] <= places[:, None] if begin else None  # [t, begin + t]
    return Reading(places[None], None if seen is None else seen[None, None], memory)


def _likeliest(scores: Tensor) -> list[int]:
    """The likeliest token of each of the scores [t, v].

    Raises:
        FloatingPointError: they are not all finite.
    """
    if not bool(torch.isfinite(scores).all()):
        raise FloatingPointError(NOT_FINITE)
    chosen: list[int] = scores.argmax(-1).tolist()
    return chosen
