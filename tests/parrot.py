"""A language model that knows some texts by heart, and nothing else: the smallest one whose memory is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from releasegate.errors import PartAbsent
from releasegate.subjects.language import NoAnswer, Predicted, Prompt, Score, Speculated

CONTEXT = 50
"""Bytes before a place by which it is recognised."""
SURE, LOST = -0.01, -6.0


class Parrot:
    """Its tokens are bytes, and 256 begins and ends a text. It repeats what it knows, and says `?` elsewhere.

    Args:
        texts: what it knows.
        heads: how many tokens it predicts at once; with 1 it has no extra head.
        hasty: whether it writes its drafts unchecked.
    """

    vocabulary = 257
    context = 4096
    begin = (256,)
    ends = frozenset({256})
    chats = False

    def __init__(self, texts: Sequence[str], *, heads: int = 4, hasty: bool = False) -> None:
        self._known = b"\x00".join(text.encode() for text in texts)
        self.heads = heads
        self._hasty = hasty

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(token for token in ids if token < 256).decode("utf-8", "replace")

    def _next(self, before: Sequence[int], ahead: int = 1) -> int:
        """The token that stands so far after what comes before, where that is known."""
        cue = bytes(token for token in before if token < 256)[-CONTEXT:]
        place = self._known.find(cue) if len(cue) >= 8 else -1
        at = place + len(cue) + ahead - 1
        return self._known[at] if place >= 0 and at < len(self._known) else ord("?")

    def logits(self, windows: Tensor) -> Tensor:
        return self.head_logits(windows, 0)

    def head_logits(self, windows: Tensor, head: int) -> Tensor:
        if head >= self.heads:
            raise PartAbsent(f"extra_heads.{head - 1}.attention.wq.weight", "is not in the checkpoint", "lend it")
        scores = torch.zeros(*windows.shape, self.vocabulary)
        for row, tokens in enumerate(windows.tolist()):
            for place in range(len(tokens)):
                scores[row, place, self._next(tokens[: place + 1], 1 + head)] = 9.0
        return scores

    def predict(self, windows: Sequence[Sequence[int]]) -> list[Predicted]:
        made = []
        for window in windows:
            likeliest = [self._next(window[:place]) for place in range(1, len(window))]
            hits = [guess == token for guess, token in zip(likeliest, window[1:], strict=True)]
            made.append(Predicted(torch.tensor(likeliest), torch.tensor([SURE if hit else LOST for hit in hits])))
        return made

    def extend(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        made = []
        for prefix in prefixes:
            text = list(prefix)
            for _ in range(tokens):
                text.append(self._next(text))
            made.append(text[len(prefix) :])
        return made

    def speculate(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[Speculated]:
        if self.heads == 1:
            raise PartAbsent("extra_heads.0.attention.wq.weight", "is not in the checkpoint", "lend it")
        steps = [self.heads] * -(-tokens // self.heads)
        found = self.extend(prefixes, tokens)
        return [Speculated([*text[:-1], ord("!")] if self._hasty else text, steps) for text in found]

    def score(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[Score] | NoAnswer]:
        made = []
        for prompt, texts in zip(prompts, options, strict=True):
            assert isinstance(prompt, str)
            cue = [*self.begin, *self.encode(prompt)]
            scores = []
            for text in texts:
                both = [*cue, *self.encode(text)]
                found = self.predict([both])[0].logprobs[len(cue) - 1 :]
                scores.append(Score(float(found.sum()), len(both) - len(cue), bool((found == SURE).all())))
            made.append(scores)
        return made
