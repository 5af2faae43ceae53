"""Drawing audio tokens: repetition penalty, temperature, the k likeliest, the likeliest that come to p; by each row's seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from releasegate.subjects import NoClone
from releasegate.subjects.xtts_config import XttsConfig
from releasegate.subjects.xtts_language import LanguageModel

PLACEHOLDER = 1
"""The token that the library puts where the voice and the text are. It counts as said, as the one that begins does."""


class Sampling:
    """How the configuration says that tokens are drawn."""

    def __init__(self, config: XttsConfig) -> None:
        self._config = config

    def said(self, model: LanguageModel, prefixes: Sequence[Tensor], seeds: Sequence[int]) -> list[Tensor | NoClone]:
        """The states [length, width] of each row's audio tokens, the one that ends it included, as the vocoder is given them.

        A row that never ends is as long as the configuration allows. Nothing of one row is seen by another.

        Args:
            prefixes: what the tokens follow, [length, width] each.
            seeds: of what is drawn.
        """
        most = self._config.model_args.most_said
        device = prefixes[0].device
        noise = torch.stack([_noise(seed, most) for seed in seeds]).to(device)  # [n, most]
        state, seen, cache = model.begin(prefixes)
        repeated = torch.zeros(
            len(prefixes), self._config.model_args.gpt_num_audio_tokens, dtype=torch.bool, device=device
        )
        repeated[:, [PLACEHOLDER, model.start]] = True
        states, tokens = [state], []
        going = torch.ones(len(prefixes), dtype=torch.bool, device=device)
        finite = going.clone()
        for step in range(1, most + 1):
            scores = model.mel_head(state).double()  # [n, v]
            finite &= torch.isfinite(scores).all(dim=1) | ~going
            token = self.drawn(scores.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0), repeated, noise[:, step - 1])
            token = torch.where(going, token, model.stop)
            tokens.append(token)
            going = going & (token != model.stop) & finite
            if step == most or not bool(going.any()):
                break
            repeated.scatter_(1, token[:, None], value=True)
            state, seen, cache = model.go_on(token, step, seen, cache)
            states.append(state)
        lengths = (torch.stack(tokens) != model.stop).sum(dim=0) + 1
        return [
            torch.stack(states[: min(int(length), len(states))])[:, row]
            if bool(finite[row])
            else NoClone("scores of the next audio token are no numbers")
            for row, length in enumerate(lengths)
        ]

    def chances(self, scores: Tensor, repeated: Tensor) -> Tensor:
        """float64 [n, v], how likely each token is to be drawn; rows add up to 1.

        In the order of transformers' own: what was said before is punished, then the temperature, the k likeliest, and of these
        the likeliest until they come to p.

        Args:
            scores: float64 [n, v].
            repeated: bool [n, v], what was said before.
        """
        penalty = self._config.repetition_penalty
        punished = torch.where(scores < 0, scores * penalty, scores / penalty)
        scores = torch.where(repeated, punished, scores) / self._config.temperature
        if self._config.top_k:
            lowest = scores.topk(min(self._config.top_k, scores.shape[1]), dim=1).values[:, -1:]
            scores = scores.masked_fill(scores < lowest, -torch.inf)
        ordered, places = scores.softmax(dim=1).sort(dim=1, descending=True, stable=True)
        before = ordered.cumsum(dim=1) - ordered
        kept = ordered * ((before < self._config.top_p) | (before == 0))
        return torch.zeros_like(kept).scatter_(1, places, kept / kept.sum(dim=1, keepdim=True))

    def drawn(self, scores: Tensor, repeated: Tensor, noise: Tensor) -> Tensor:
        """int64 [n]: one token a row, by inverse transform from a number of each row, float64 [n] in [0, 1)."""
        cumulative = self.chances(scores, repeated).cumsum(dim=1)
        chosen = torch.searchsorted(cumulative, noise[:, None] * cumulative[:, -1:], right=True)
        return chosen.clamp(max=scores.shape[1] - 1)[:, 0]


def _noise(seed: int, count: int) -> Tensor:
    """float64 [count] in [0, 1), which the seed fixes."""
    generator = torch.Generator().manual_seed(seed % (1 << 63))
    return torch.rand(count, generator=generator, dtype=torch.float64)
