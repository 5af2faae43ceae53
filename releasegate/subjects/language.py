"""What language models do, as harnesses ask for it. This module imports no torch.

A *prompt* is a text that is to be continued as it stands, or a chat that the model's own template turns into one. What becomes
of a prompt depends on it and on its seed alone, whatever else is asked for at once. A row that came to nothing while others
did not is a `NoAnswer`: an item that failed, and is never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "filtered"]
"""Why a text ends: it is complete or met a stop text; it has as many tokens as were asked for; a server's filter cut it off."""


class Message(NamedTuple):
    """One message of a chat."""

    role: Role
    text: str


Prompt = str | Sequence[Message]
"""A text that is continued as it stands, or a chat that waits for the assistant's answer."""


class NoAnswer(NamedTuple):
    """What stands in the place of what was not computed.

    Attributes:
        why: a sentence for the evidence, where the item is a failed one. It holds nothing of the prompt.
    """

    why: str


NO_TEXT = "the prompt is no Unicode text: it has half of a surrogate pair"


def encodable(texts: Iterable[str]) -> bool:
    """Whether the texts can be written in UTF-8, as tokenizers and servers want them.

    >>> encodable(["é"]), encodable(["\\ud800"])
    (True, False)
    """
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Score(NamedTuple):
    """What a model makes of a continuation.

    Attributes:
        logprob: the natural logarithm of its probability after its prompt, at most 0.
        tokens: how many tokens it is.
        greedy: whether each of them is the likeliest at its place.
    """

    logprob: float
    tokens: int
    greedy: bool


class ScoresText(Protocol):
    """Says how likely texts are after others."""

    @property
    def chats(self) -> bool:
        """Whether a chat can be a prompt: the model has a template for one."""

    def score(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[Score] | NoAnswer]:
        """For each prompt the score of each of its options, in their order. What they share is computed once.

        Prompt and option are made tokens of together, and the tokens after those that the prompt alone has are the option's.
        White space at the end of a text prompt counts as the option's.

        Args:
            prompts: what stands before. A text may be empty where the model has a token that begins texts.
            options: for each prompt, the continuations; none is empty.
        """


@dataclass(frozen=True)
class Decoding:
    """How a text is drawn.

    Attributes:
        max_tokens: at most this many.
        temperature: 0 takes the likeliest token each time; what is scored is divided by it before drawing.
        top_p: draws among the likeliest tokens that together reach this probability.
        stop: texts before which the answer ends. The end of text always ends it.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What a model wrote.

    Attributes:
        text: without the prompt, and without a stop text and what follows it.
        tokens: how many the model wrote, what was cut off included; None where a server does not say.
        finish: why it ends.
    """

    text: str
    tokens: int | None
    finish: Finish


class GeneratesText(Protocol):
    """Goes on with a prompt."""

    @property
    def chats(self) -> bool:
        """Whether a chat can be a prompt: the model has a template for one."""

    def generate(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], decoding: Decoding
    ) -> Sequence[Answer | NoAnswer]:
        """One answer a prompt.

        Args:
            prompts: what is gone on with.
            seeds: as many, of all that is drawn at random; at temperature 0 they do not matter.
            decoding: how.
        """


class Predicted(NamedTuple):
    """What a model makes of each token of a window but the first.

    Attributes:
        likeliest: int64 [t - 1], the likeliest token at each place, given the true ones before it.
        logprobs: float32 [t - 1], the natural logarithm of the probability of the true token.
    """

    likeliest: Tensor
    logprobs: Tensor


class PredictsTokens(Protocol):
    """Works on tokens, whose numbers are its tokenizer's."""

    @property
    def vocabulary(self) -> int:
        """How many tokens it scores."""

    @property
    def context(self) -> int:
        """Tokens of the longest text that it reads."""

    @property
    def begin(self) -> tuple[int, ...]:
        """The tokens that the tokenizer puts before every text; often none."""

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end a text."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without any that begin or end it."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; those that are no text are left out."""

    def logits(self, windows: Tensor) -> Tensor:
        """float32 [n, t, vocabulary], on the processor: at each place the scores of the next token.

        A row has the same bits whatever the others are, if there are as many and they are as long.

        Args:
            windows: int64 [n, t].
        """

    def predict(self, windows: Sequence[Sequence[int]]) -> list[Predicted]:
        """What becomes of each window, on the processor; they may differ in length, and have at least two tokens each."""

    def extend(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        """For each prefix the `tokens` likeliest next tokens, one after another; a token that ends texts ends nothing."""


class Speculated(NamedTuple):
    """What self-speculative decoding came to.

    Attributes:
        tokens: those that follow, as many as were asked for.
        steps: for each pass through the model how many tokens it yielded, from 1 to the number of heads; their sum is the
            number of tokens, or more by what was too much at the end.
    """

    tokens: list[int]
    steps: list[int]


class PredictsSeveralTokens(Protocol):
    """Has heads that predict further ahead than the next token."""

    @property
    def heads(self) -> int:
        """How many heads, that of the next token included."""

    def head_logits(self, windows: Tensor, head: int) -> Tensor:
        """float32 [n, t, vocabulary], on the processor: at each place the scores of the token 1 + `head` places on.

        Args:
            windows: int64 [n, t].
            head: 0 is the next token's.

        Raises:
            PartAbsent: the checkpoint has no such head.
        """

    def speculate(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[Speculated]:
        """What `extend` gives, with fewer passes: the extra heads guess, and the head of the next token checks.

        Raises:
            PartAbsent: the checkpoint has no extra head.
        """
