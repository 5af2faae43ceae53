"""A language model whose weights are at hand: a network and a tokenizer behind the interfaces of `language`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from releasegate.errors import UsageError
from releasegate.subjects.causal_net import Budget, CausalNet
from releasegate.subjects.decoding import Drawn, drawn
from releasegate.subjects.language import Answer, Decoding, NoAnswer, Predicted, Prompt, Score
from releasegate.subjects.scoring import Choice, predicted, scored
from releasegate.subjects.wording import Wording

UNKNOWN = "the tokenizer gives it a token that the model does not have"
SPARE = 8
"""Tokens beside as many as a stop text has bytes, in which it is looked for."""


class TextModel:
    """Scores, goes on with, and predicts texts. It computes on the device of its weights."""

    def __init__(self, net: CausalNet, wording: Wording, budget: Budget | None = None) -> None:
        self._net = net
        self._wording = wording
        self._budget = budget or Budget()

    @property
    def chats(self) -> bool:
        """Whether a chat can be a prompt."""
        return self._wording.chats

    @property
    def vocabulary(self) -> int:
        """How many tokens it scores."""
        return self._net.vocabulary

    @property
    def context(self) -> int:
        """Tokens of the longest text that it reads."""
        return self._net.context

    @property
    def begin(self) -> tuple[int, ...]:
        """The tokens that stand before every text."""
        return self._wording.begin

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end a text."""
        return self._wording.ends

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; see `PredictsTokens`."""
        return self._wording.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; see `PredictsTokens`."""
        return self._wording.decode(ids)

    def score(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Sequence[Score] | NoAnswer]:
        """The scores of each prompt's options; see `ScoresText`.

        Raises:
            UsageError: there are not as many lists of options as prompts, a list is empty, an option is, or a chat cannot be
                a prompt.
        """
        if len(prompts) != len(options) or not all(options) or not all(text for each in options for text in each):
            raise UsageError(
                "score", f"{len(prompts)} prompts, {len(options)} lists of options", "give each some texts"
            )
        choices = [self._fitting(self._wording.choice(*pair)) for pair in zip(prompts, options, strict=True)]
        sound = [choice for choice in choices if isinstance(choice, Choice)]
        scores = iter(scored(self._net, sound, self._budget))
        return [next(scores) if isinstance(choice, Choice) else choice for choice in choices]

    def _fitting(self, choice: Choice | NoAnswer) -> Choice | NoAnswer:
        """The choice, if the model can read it."""
        if isinstance(choice, NoAnswer):
            return choice
        if choice.longest - 1 > self.context:
            return _too_long(choice.longest - 1, self.context)
        return NoAnswer(UNKNOWN) if max(map(max, choice.wholes)) >= self.vocabulary else choice

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int], decoding: Decoding) -> list[Answer | NoAnswer]:
        """One answer a prompt; see `GeneratesText`.

        Raises:
            UsageError: there is not one seed a prompt, the decoding is none, or a chat cannot be a prompt.
        """
        refuse_request(prompts, seeds, decoding)
        given = [self._room(self._wording.prompt(prompt), decoding) for prompt in prompts]
        sound = [row for row, ids in enumerate(given) if not isinstance(ids, NoAnswer)]
        ids = [each for each in given if not isinstance(each, NoAnswer)]
        longest = max((len(stop.encode()) for stop in decoding.stop), default=0) + SPARE

        def stopped(row: int, tokens: Sequence[int]) -> bool:
            return (
                bool(decoding.stop) and _first_stop(self._wording.decode(tokens[-longest:]), decoding.stop) is not None
            )

        made = drawn(self._net, ids, [seeds[row] for row in sound], decoding, self._wording.ends, stopped, self._budget)
        answers: dict[int, Answer | NoAnswer] = {
            row: self._answer(prompt, each, decoding) for row, prompt, each in zip(sound, ids, made, strict=True)
        }
        return [answers[row] if row in answers else NoAnswer(*_why(each)) for row, each in enumerate(given)]

    def _room(self, ids: list[int] | NoAnswer, decoding: Decoding) -> list[int] | NoAnswer:
        """The tokens of a prompt, if the model can read them and what follows."""
        if isinstance(ids, NoAnswer):
            return ids
        if len(ids) + decoding.max_tokens > self.context:
            return _too_long(len(ids) + decoding.max_tokens, self.context)
        return NoAnswer(UNKNOWN) if max(ids) >= self.vocabulary else ids

    def _answer(self, prompt: Sequence[int], made: Drawn | NoAnswer, decoding: Decoding) -> Answer | NoAnswer:
        if isinstance(made, NoAnswer):
            return made
        ends_itself = made.ended and made.tokens[-1] in self._wording.ends
        text = self._wording.after(prompt, made.tokens[:-1] if ends_itself else made.tokens)
        cut = _first_stop(text, decoding.stop)
        return Answer(text[:cut], len(made.tokens), "stop" if made.ended or cut is not None else "length")

    @torch.inference_mode()
    def logits(self, windows: Tensor) -> Tensor:
        """The scores of every next token; see `PredictsTokens`."""
        n, t = windows.shape
        ids = windows.to(self._net.device)
        kept = torch.ones_like(ids, dtype=torch.bool)
        rows = 1 if self._net.alone else n
        found = [self._net.read(ids[row : row + rows], kept[:rows], None, t)[0] for row in range(0, n, rows)]
        return torch.cat(found).float().cpu()

    def predict(self, windows: Sequence[Sequence[int]]) -> list[Predicted]:
        """What becomes of each window; see `PredictsTokens`.

        Raises:
            UsageError: a window has fewer than two tokens, or more than the model reads.
            FloatingPointError: scores are not all finite.
        """
        if any(not 2 <= len(window) <= self.context + 1 for window in windows):
            raise UsageError("predict", "a window is too short or too long", f"give 2 to {self.context + 1} tokens")
        return predicted(self._net, windows, self._budget)

    def extend(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        """The likeliest tokens after each prefix; see `PredictsTokens`.

        Raises:
            UsageError: a prefix is empty, or there is no room for what follows it.
            FloatingPointError: scores are not all finite.
        """
        refuse_prefixes(prefixes, tokens, self.context)
        made = drawn(
            self._net, prefixes, [0] * len(prefixes), Decoding(tokens), frozenset(), lambda *_: False, self._budget
        )
        failed = next((each.why for each in made if isinstance(each, NoAnswer)), None)
        if failed is not None:
            raise FloatingPointError(failed)
        return [each.tokens for each in made if isinstance(each, Drawn)]


def refuse_request(prompts: Sequence[Prompt], seeds: Sequence[int], decoding: Decoding) -> None:
    """Nothing, if texts can be drawn so.

    Raises:
        UsageError: they cannot, or there is not one seed a prompt.
    """
    if len(prompts) != len(seeds):
        raise UsageError("generate", f"{len(prompts)} prompts, {len(seeds)} seeds", "give each prompt a seed")
    if decoding.max_tokens < 1:
        raise UsageError("decoding", f"max_tokens is {decoding.max_tokens}", "ask for one at least")
    if not 0 <= decoding.temperature < float("inf") or not 0 < decoding.top_p <= 1:
        what = f"temperature is {decoding.temperature}, top_p is {decoding.top_p}"
        raise UsageError("decoding", what, "use a temperature from 0 and a top_p above 0 and at most 1")
    if not all(decoding.stop):
        raise UsageError("decoding", "a stop text is empty", "leave it out")


def refuse_prefixes(prefixes: Sequence[Sequence[int]], tokens: int, context: int) -> None:
    """Nothing, if `tokens` tokens can follow each prefix.

    Raises:
        UsageError: they cannot.
    """
    if tokens < 1 or any(not prefix or len(prefix) + tokens > context for prefix in prefixes):
        what = f"{tokens} tokens cannot follow every prefix"
        raise UsageError("prefixes", what, f"give each a token at least, and {context} in all at most")


def _first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first stop text begins."""
    return min((text.index(stop) for stop in stops if stop in text), default=None)


def _too_long(length: int, context: int) -> NoAnswer:
    return NoAnswer(f"takes {length:,} tokens with what is to follow, and the model reads {context:,}")


def _why(given: list[int] | NoAnswer) -> tuple[str]:
    assert isinstance(given, NoAnswer), "every other row was gone on with"
    return (given.why,)
