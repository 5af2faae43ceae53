"""How likely tokens are after others. What several options share is read once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.subjects.causal_net import (
    ENOUGH,
    SCORES,
    Budget,
    CausalNet,
    Memory,
    batches,
    in_halves,
    left_padded,
    right_padded,
)
from releasegate.subjects.language import NoAnswer, Predicted, Score

MOST_OPTIONS = 64
"""Options that are scored in one pass; of more, the prompt is read again for every such group."""
NOT_FINITE = "the model's scores are not all finite numbers"


@dataclass(frozen=True)
class Choice:
    """A prompt and its options, in tokens.

    Attributes:
        given: how many tokens the prompt is, at least 1.
        wholes: for each option the prompt's tokens and its own, of which there is at least one.
    """

    given: int
    wholes: tuple[tuple[int, ...], ...]

    @property
    def shared(self) -> int:
        """How many tokens all options begin with, the prompt's at most."""
        first, last = min(self.wholes), max(self.wholes)
        pairs = zip(first[: self.given], last, strict=False)
        return next((place for place, (one, other) in enumerate(pairs) if one != other), self.given)

    @property
    def longest(self) -> int:
        """Tokens of the longest option, its prompt included."""
        return max(map(len, self.wholes))


@torch.inference_mode()
def scored(net: CausalNet, choices: Sequence[Choice], budget: Budget) -> list[list[Score] | NoAnswer]:
    """The scores of each choice's options."""
    parts = [(row, part) for row, choice in enumerate(choices) for part in _groups(choice, alone=net.alone)]
    sizes = [_size(part, budget.tokens * net.vocabulary / SCORES) for _, part in parts]
    found: dict[int, list[Score | NoAnswer]] = {place: [] for place in range(len(parts))}
    for batch in batches(sizes, budget, alone=net.alone, enough=ENOUGH if net.device.type == "cpu" else None):
        chosen = [parts[place][1] for place in batch]
        single = all(len(part.wholes) == 1 for part in chosen)
        made = in_halves(chosen, lambda some, single=single: (_single if single else _several)(net, some))  # type: ignore[misc]
        found |= dict(zip(batch, made, strict=True))
    of_row: list[list[Score | NoAnswer]] = [[] for _ in choices]
    for place, (row, _) in enumerate(parts):
        of_row[row] += found[place]
    return [_together(scores) for scores in of_row]


def _groups(choice: Choice, *, alone: bool) -> list[Choice]:
    """The choice in parts that one pass scores."""
    most = 1 if alone else MOST_OPTIONS
    return [Choice(choice.given, choice.wholes[start : start + most]) for start in range(0, len(choice.wholes), most)]


def _size(choice: Choice, weight: float) -> int:
    """The tokens of a choice, or what its scores take, in tokens: the place of each has `weight` times as much.

    >>> _size(Choice(2, ((1, 2, 3, 4), (1, 2, 5))), 0.1), _size(Choice(2, ((1, 2, 3, 4), (1, 2, 5))), 10.0)
    (6, 40)
    """
    own = len(choice.wholes) * (choice.longest - choice.shared)
    return max(choice.shared + own, math.ceil(weight * own))


def _together(scores: Sequence[Score | NoAnswer]) -> list[Score] | NoAnswer:
    """The scores of all options, or why one has none."""
    failed = next((score for score in scores if isinstance(score, NoAnswer)), None)
    return failed or [score for score in scores if isinstance(score, Score)]


def _single(net: CausalNet, choices: Sequence[Choice]) -> list[list[Score | NoAnswer]]:
    """The scores of choices with one option each: in one pass over all but the last token."""
    wholes = [choice.wholes[0] for choice in choices]
    own = [len(whole) - choice.given for whole, choice in zip(wholes, choices, strict=True)]
    ids, kept = left_padded([whole[:-1] for whole in wholes], net.device)
    scores, _ = net.read(ids, kept, None, max(own))  # [n, longest option, v]
    return [
        [_score(row[len(row) - count :], whole[-count:])] for row, whole, count in zip(scores, wholes, own, strict=True)
    ]


def _several(net: CausalNet, choices: Sequence[Choice]) -> list[list[Score | NoAnswer]]:
    """The scores of choices: a pass over what the options of each share, and one over what is left of all options."""
    ids, kept = left_padded([choice.wholes[0][: choice.shared] for choice in choices], net.device)
    first, memory = net.read(ids, kept, None, 1)  # [n, 1, v]
    options = [(row, whole) for row, choice in enumerate(choices) for whole in choice.wholes]
    rests = [whole[choices[row].shared : -1] for row, whole in options]
    rows = torch.tensor([row for row, _ in options], device=net.device)
    scores = first[rows]
    if any(rests):
        memory.pick(rows)
        ids, more = right_padded(rests, net.device)
        then, _ = net.read(ids, torch.cat((kept[rows], more), dim=1), memory, ids.shape[1])
        scores = torch.cat((scores, then), dim=1)  # [m, 1 + longest rest, v]
    found: list[list[Score | NoAnswer]] = [[] for _ in choices]
    for (row, whole), each in zip(options, scores, strict=True):
        begin = choices[row].given - choices[row].shared
        own = whole[choices[row].given :]
        found[row].append(_score(each[begin : begin + len(own)], own))
    return found


def _score(scores: Tensor, tokens: Sequence[int]) -> Score | NoAnswer:
    """The score of tokens, of the scores [t, v] at their places."""
    likeliest, logprobs = judged(scores, torch.tensor(tokens, device=scores.device))
    total = float(logprobs.double().sum())
    if not torch.isfinite(logprobs).all() or bool(scores.isnan().any()):
        return NoAnswer(NOT_FINITE)
    return Score(min(total, 0.0), len(tokens), likeliest.tolist() == list(tokens))


def judged(scores: Tensor, tokens: Tensor) -> Predicted:
    """The likeliest token at each place and the log-probability of the true one, of scores [t, v] and tokens int64 [t]."""
    normal = functional.log_softmax(scores.float(), dim=-1)
    return Predicted(normal.argmax(-1), normal.gather(-1, tokens[:, None])[:, 0])


@torch.inference_mode()
def predicted(net: CausalNet, windows: Sequence[Sequence[int]], budget: Budget) -> list[Predicted]:
    """What becomes of each token but the first; see `PredictsTokens.predict`. The windows are read piece by piece.

    Raises:
        FloatingPointError: scores are not all finite.
    """
    found: dict[int, Predicted] = {}
    for batch in batches([len(window) for window in windows], budget, alone=net.alone):
        made = in_halves([windows[row] for row in batch], lambda some: _predicted(net, some))
        found |= dict(zip(batch, made, strict=True))
    return [found[row] for row in range(len(windows))]


def _predicted(net: CausalNet, windows: Sequence[Sequence[int]]) -> list[Predicted]:
    ids, kept = right_padded(windows, net.device)
    n, t = ids.shape
    piece = max(1, SCORES // (n * net.vocabulary))
    memory: Memory | None = None
    parts: list[Predicted] = []
    for start in range(0, t - 1, piece):
        end = min(start + piece, t - 1)
        scores, memory = net.read(ids[:, start:end], kept[:, :end], memory, end - start)
        flat = judged(scores.flatten(0, 1), ids[:, start + 1 : end + 1].flatten())
        parts.append(Predicted(*(each.view(n, -1).cpu() for each in flat)))
    likeliest = torch.cat([part.likeliest for part in parts], dim=1)
    logprobs = torch.cat([part.logprobs for part in parts], dim=1)
    lengths = [len(window) - 1 for window in windows]
    made = [Predicted(likeliest[row, :length], logprobs[row, :length]) for row, length in enumerate(lengths)]
    if not all(bool(torch.isfinite(each.logprobs).all()) for each in made):
        raise FloatingPointError(NOT_FINITE)
    return made
