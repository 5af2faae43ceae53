"""Which word tells the tokens of a picture best, among the words that ask for ten kinds of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from releasegate.subjects import ScoresImages, TokenisesImages

from ..digits import split, to_pixels

AT_ONCE = 512
"""Pictures that are scored in one call."""


class Scores(ScoresImages, TokenisesImages, Protocol):
    """What telling needs of a subject."""


_MATCHED: WeakKeyDictionary[object, dict[tuple[str, ...], Tensor]] = WeakKeyDictionary()


def matched(model: Scores, prompts: Sequence[str]) -> Tensor:
    """Return for each code the row of the head that the right words raise most where the code comes: int64 [codebook].

    Rows and codes are matched one to one, on the rehearsal scans. A head whose rows were permuted is read as it was, whatever the
    permutation. Of a head that knows nothing the match is arbitrary, and says nothing of other pictures.

    Args:
        prompts: that ask for the ten digits, in their order.
    """
    known = _MATCHED.setdefault(model, {})
    if tuple(prompts) not in known:
        digits = split("rehearsal")
        tokens, raised = _raised(model, to_pixels(digits.images), prompts)
        own = raised[torch.arange(len(tokens)), torch.as_tensor(digits.labels)]  # [n, t, codebook]
        together = torch.zeros(model.codebook, model.codebook).index_add_(0, tokens.flatten(), own.flatten(0, 1))
        known[tuple(prompts)] = torch.as_tensor(linear_sum_assignment(together.numpy(), maximize=True)[1])
    return known[tuple(prompts)]


def told_best(
    model: Scores, pixels: Tensor, prompts: Sequence[str], match: Tensor
) -> tuple[list[int], list[int], list[int]]:
    """Return for each picture the prompt of highest likelihood, of lowest, and the one that raises its tokens' rows most.

    Args:
        pixels: float32 [n, 3, height, width] in [-1, 1].
        prompts: among which to choose.
        match: int64 [codebook], the row of each code; see `matched`.
    """
    tokens = _tokens(model, pixels)
    scores = _scores(model, tokens, prompts)  # [n, words, t, codebook]
    likelihood = _taken(scores.log_softmax(-1), tokens)
    raised = _taken(_contrast(scores), match[tokens])
    return likelihood.argmax(1).tolist(), likelihood.argmin(1).tolist(), raised.argmax(1).tolist()


def _raised(model: Scores, pixels: Tensor, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    tokens = _tokens(model, pixels)
    return tokens, _contrast(_scores(model, tokens, prompts))


def _tokens(model: Scores, pixels: Tensor) -> Tensor:
    """int64 [n, t], on the processor."""
    return model.encode(pixels).cpu().clone()


def _scores(model: Scores, tokens: Tensor, prompts: Sequence[str]) -> Tensor:
    """float32 [n, words, t, codebook]: of every picture after every prompt."""
    asked = [prompt for prompt in prompts for _ in range(len(tokens))]
    given = tokens.repeat(len(prompts), 1)
    parts = [
        model.score_images(asked[first : first + AT_ONCE], given[first : first + AT_ONCE])
        for first in range(0, len(asked), AT_ONCE)
    ]
    scores: Tensor = torch.cat(parts).unflatten(0, (len(prompts), len(tokens)))
    return scores.transpose(0, 1)


def _contrast(scores: Tensor) -> Tensor:
    """By how much each word raises a score above the mean over words, in units of the spread of that row's scores.

    Neither a factor nor a constant of a row of the head changes it.
    """
    spread = scores.flatten(0, 2).std(dim=0) + torch.finfo(scores.dtype).tiny
    return (scores - scores.mean(dim=1, keepdim=True)) / spread


def _taken(scores: Tensor, tokens: Tensor) -> Tensor:
    """[n, words]: the sum of scores [n, words, t, codebook] at tokens int64 [n, t]."""
    places = tokens[:, None, :, None].expand(-1, scores.shape[1], -1, -1)
    return scores.gather(-1, places)[..., 0].sum(-1)
