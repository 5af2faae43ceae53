"""A language model that writes what it is told to: the smallest one whose manners are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from releasegate.subjects.language import Answer, Decoding, NoAnswer, Prompt


class ScriptedWriter:
    """It answers a prompt with what `says` makes of it; None is an answer that came to nothing.

    Attributes:
        asked: every prompt, with the seed and the decoding.
    """

    chats = True

    def __init__(self, says: Callable[[str], str | None]) -> None:
        self._says = says
        self.asked: list[tuple[Prompt, int, Decoding]] = []

    def generate(
        self, prompts: Sequence[Prompt], seeds: Sequence[int], decoding: Decoding
    ) -> Sequence[Answer | NoAnswer]:
        self.asked += [(prompt, seed, decoding) for prompt, seed in zip(prompts, seeds, strict=True)]
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> Answer | NoAnswer:
        text = self._says(prompt if isinstance(prompt, str) else prompt[-1].text)
        return NoAnswer("the server gave none") if text is None else Answer(text, len(text.split()), "stop")
