"""From prompts to tokens and from tokens to text, through a checkpoint's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from releasegate.errors import UsageError
from releasegate.subjects.language import NoAnswer, Prompt
from releasegate.subjects.scoring import Choice

TAIL = 8
"""Tokens before a text that are decoded with it: some tokenizers write its first token otherwise at the beginning."""


class Wording:
    """A tokenizer, and what its model takes for the end of a text.

    Args:
        tokenizer: of the checkpoint.
        ends: tokens that end a text for its model, apart from the tokenizer's own.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int] = frozenset()) -> None:
        self._tokenizer: Any = tokenizer
        own = tokenizer.eos_token_id
        self.ends = ends | (frozenset() if own is None else {int(own)})
        with_special: list[int] = self._tokenizer("")["input_ids"]
        begin = tokenizer.bos_token_id
        self.begin: tuple[int, ...] = (begin,) if begin is not None and with_special[:1] == [begin] else ()
        """The tokens that the tokenizer puts before every text."""
        self._before_nothing = next((one for one in (begin, own) if one is not None), None)

    @property
    def chats(self) -> bool:
        """Whether there is a template for chats."""
        return bool(self._tokenizer.chat_template)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without any that begin or end it."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; special ones are left out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def after(self, prompt: Sequence[int], ids: Sequence[int]) -> str:
        """The text of tokens that stand after those of a prompt."""
        tail = list(prompt[-TAIL:])
        before, both = self.decode(tail), self.decode([*tail, *ids])
        return both[len(before) :] if both.startswith(before) else self.decode(ids)

    def prompt(self, prompt: Prompt) -> list[int] | NoAnswer:
        """The tokens of a prompt, with those that begin a text."""
        if isinstance(prompt, str):
            ids = [*self.begin, *self.encode(prompt)]
        else:
            ids = self.encode(self.rendered(prompt))
        if not ids and self._before_nothing is not None:
            ids = [self._before_nothing]
        return ids or NoAnswer("the prompt is empty, and the tokenizer has no token that begins a text")

    def choice(self, prompt: Prompt, options: Sequence[str]) -> Choice | NoAnswer:
        """A prompt and its options in tokens; see `ScoresText.score`."""
        if isinstance(prompt, str):
            given = prompt.rstrip()
            text, space = given, prompt[len(given) :]
            begin = self.begin
        else:
            text, space, begin = self.rendered(prompt), "", ()
        first = [*begin, *self.encode(text)] or [one for one in (self._before_nothing,) if one is not None]
        if not first:
            return NoAnswer("the prompt is empty, and the tokenizer has no token that begins a text")
        ahead = begin if text else first
        wholes = tuple((*ahead, *self.encode(text + space + option)) for option in options)
        if any(len(whole) <= len(first) for whole in wholes):
            return NoAnswer("an option has no token of its own")
        return Choice(len(first), wholes)

    def rendered(self, messages: Sequence[Any]) -> str:
        """A chat as text, up to where the assistant's answer begins.

        Raises:
            UsageError: there is no template, or it does not take these messages.
        """
        if not self.chats:
            raise UsageError(
                "chat", "the checkpoint has no chat template", "ask for what `chats` allows, or use a text"
            )
        given = [{"role": message.role, "content": message.text} for message in messages]
        try:
            text: str = self._tokenizer.apply_chat_template(given, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            what = f"the checkpoint's chat template does not take these messages: {str(error)[:200]}"
            raise UsageError("chat", what, "use roles that it knows, in the order that it wants") from None
        return text
