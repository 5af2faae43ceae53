"""From prompts to tokens and from tokens to text, through a checkpoint's tokenizer.

What a prompt says is text, and never a control token, however it is spelt: a `<|im_end|>` in a message would otherwise end the
message, and what follows it would be put into the assistant's mouth. Control tokens come from the checkpoint's template alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from releasegate.errors import CheckpointError, UsageError
from releasegate.subjects.language import NO_TEXT, Message, NoAnswer, Prompt, encodable
from releasegate.subjects.reading import Reader
from releasegate.subjects.scoring import Choice

TAIL = 8
"""Tokens before a text that are decoded with it: some tokenizers write its first token otherwise at the beginning."""
NO_BEGIN = "the prompt is empty, and the tokenizer has no token that begins a text"
NO_CHAT = "the checkpoint's chat template does not take this chat"
LEFT_OUT = "the checkpoint's chat template leaves out some of this chat"
_REFUSALS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What a template raises, beside its own complaints: it computes."""
_SIGN = "\ue000"
"""Of Unicode's private use. Masks of control tokens are made of it."""


class Wording:
    """A tokenizer, and what its model takes for the end of a text.

    Args:
        tokenizer: of the checkpoint.
        ends: tokens that end a text for its model, apart from the tokenizer's own.

    Raises:
        CheckpointError: an ordinary piece of text is said to end texts. Whoever has the weights takes that line out of the
            configuration, and reads what it kept back.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int] = frozenset()) -> None:
        self._tokenizer: Any = tokenizer
        own = tokenizer.eos_token_id
        self.ends = ends | (frozenset() if own is None else {int(own)})
        known: Any = self._tokenizer
        pieces: list[str | None] = known.convert_ids_to_tokens(sorted(one for one in self.ends if 0 <= one < 1 << 31))
        plain = [piece for piece in pieces if piece is not None and not _is_sign(piece)]
        if plain:
            what = f"says that texts end at the token {plain[0][:40]!a}, which is text and no sign of an end"
            raise CheckpointError("eos_token_id", what, "list control tokens alone, such as </s>")
        with_special: list[int] = self._tokenizer("")["input_ids"]
        begin = tokenizer.bos_token_id
        self.begin: tuple[int, ...] = (begin,) if begin is not None and with_special[:1] == [begin] else ()
        """The tokens that the tokenizer puts before every text."""
        self._before_nothing = next((one for one in (begin, own) if one is not None), None)
        added = {str(token.content): token for token in tokenizer.added_tokens_decoder.values() if token.special}
        special = {**dict.fromkeys(tokenizer.all_special_ids), **tokenizer.added_tokens_decoder}
        spelt = zip(special, known.convert_ids_to_tokens(list(special)), strict=True)
        ordinary = {n for n, token in tokenizer.added_tokens_decoder.items() if not token.special}
        self._unseen = frozenset(n for n, piece in spelt if n not in ordinary and _is_sign(str(piece).strip()))
        """What is no text in an answer. A word that is said to be a control token is one that users read."""
        self._controls = dict(sorted(added.items(), key=lambda pair: -len(pair[0])))  # of two, the longer one first

    def reader(self, place: str, rows: int | None) -> Reader:
        """Return how texts are read and written, to be tried.

        Args:
            place: the file or folder of the tokenizer, for errors.
            rows: of the model's embedding; None where nothing says how many.
        """
        return Reader(place, self.encode, self.decode, *ids_of(self._tokenizer), rows)

    @property
    def chats(self) -> bool:
        """Whether there is a template for chats."""
        return bool(self._tokenizer.chat_template)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without any that begin or end it, and without control tokens."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; control tokens are left out, if they are spelt as such."""
        seen = [one for one in ids if one not in self._unseen]
        text: str = self._tokenizer.decode(seen, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def after(self, prompt: Sequence[int], ids: Sequence[int]) -> str:
        """The text of tokens that stand after those of a prompt."""
        tail = list(prompt[-TAIL:])
        before, both = self.decode(tail), self.decode([*tail, *ids])
        return both[len(before) :] if both.startswith(before) else self.decode(ids)

    def prompt(self, prompt: Prompt) -> list[int] | NoAnswer:
        """The tokens of a prompt, with those that begin a text.

        Raises:
            UsageError: a chat cannot be a prompt.
        """
        if not encodable(_texts(prompt)):
            return NoAnswer(NO_TEXT)
        if isinstance(prompt, str):
            ids = [*self.begin, *self.encode(prompt)]
        else:
            sign = self._sign(_texts(prompt))
            chat = self._rendered(prompt, sign)
            if isinstance(chat, NoAnswer):
                return chat
            ids = self._chat_ids(chat, sign)
        if not ids and self._before_nothing is not None:
            ids = [self._before_nothing]
        return ids or NoAnswer(NO_BEGIN)

    def choice(self, prompt: Prompt, options: Sequence[str]) -> Choice | NoAnswer:
        """A prompt and its options in tokens; see `ScoresText.score`.

        Raises:
            UsageError: a chat cannot be a prompt.
        """
        if not encodable([*_texts(prompt), *options]):
            return NoAnswer(NO_TEXT)
        if isinstance(prompt, str):
            text = prompt.rstrip()
            space, begin = prompt[len(text) :], self.begin
            first, wholes = self.encode(text), [self.encode(text + space + option) for option in options]
        else:
            sign, begin = self._sign([*_texts(prompt), *options]), ()
            chat = self._rendered(prompt, sign)
            if isinstance(chat, NoAnswer):
                return chat
            text, first = chat, self._chat_ids(chat, sign)
            wholes = [self._chat_ids(chat + self._masked(option, sign), sign) for option in options]
        first = [*begin, *first] or [one for one in (self._before_nothing,) if one is not None]
        if not first:
            return NoAnswer(NO_BEGIN)
        ahead = begin if text else first
        whole = tuple((*ahead, *each) for each in wholes)
        if any(len(each) <= len(first) for each in whole):
            return NoAnswer("an option has no token of its own")
        return Choice(len(first), whole)

    def _rendered(self, messages: Sequence[Message], sign: str) -> str | NoAnswer:
        """A chat as text, up to where the assistant's answer begins; control tokens that a message spells are masked.

        Raises:
            UsageError: there is no template, or it does not take messages of these roles, whatever they say.
        """
        if not self.chats:
            raise UsageError(
                "chat", "the checkpoint has no chat template", "ask for what `chats` allows, or use a text"
            )
        given = [(one.role, self._masked(one.text, sign)) for one in messages]
        try:
            chat = self._apply(given)
            return chat if all(text.strip() in chat for _, text in given) else NoAnswer(LEFT_OUT)
        except _REFUSALS:
            pass  # its message may repeat the chat, which stands in no error: another one, of the same roles, is tried
        try:
            self._apply([(one.role, "x") for one in messages])
        except _REFUSALS as error:
            what = f"the checkpoint's chat template does not take these messages: {str(error)[:200]}"
            raise UsageError("chat", what, "use roles that it knows, in the order that it wants") from None
        return NoAnswer(NO_CHAT)

    def _apply(self, messages: Iterable[tuple[str, str]]) -> str:
        given = [{"role": role, "content": text} for role, text in messages]
        text: str = self._tokenizer.apply_chat_template(given, tokenize=False, add_generation_prompt=True)
        return text

    def _sign(self, texts: Sequence[str]) -> str:
        """What masks are made of, which no text holds; empty where no text spells a control token."""
        if not any(control in text for text in texts for control in self._controls):
            return ""
        longest = max((len(run) for text in texts for run in re.findall(f"{_SIGN}+", text)), default=0)
        return _SIGN * (longest + 1)

    def _masked(self, text: str, sign: str) -> str:
        """The text, with a mask for each control token that it spells."""
        if not sign:
            return text
        numbers = {control: number for number, control in enumerate(self._controls)}
        return re.sub(self._any_control(), lambda found: f"{sign}{numbers[found[0]]}{sign}", text)

    def _chat_ids(self, chat: str, sign: str) -> list[int]:
        """The tokens of a chat: of its control tokens, and between them of text, the masks in it being text again."""
        if not sign:
            found: list[int] = self._tokenizer(chat, add_special_tokens=False)["input_ids"]
            return found
        spelt = list(self._controls)
        ids: list[int] = []
        parts = re.split(f"({self._any_control()})", chat)  # text and control tokens by turns
        for place, part in enumerate(parts):
            if place % 2:
                ids.append(self._tokenizer.convert_tokens_to_ids(part))
                continue
            if place > 0 and self._controls[parts[place - 1]].rstrip:
                part = part.lstrip()
            if place + 1 < len(parts) and self._controls[parts[place + 1]].lstrip:
                part = part.rstrip()
            ids += self.encode(re.sub(f"{sign}([0-9]+){sign}", lambda found: spelt[int(found[1])], part))
        return ids

    def _any_control(self) -> str:
        return "|".join(map(re.escape, self._controls))


def ids_of(tokenizer: PreTrainedTokenizerBase) -> tuple[frozenset[int], frozenset[int]]:
    """Return the ids of all tokens of a tokenizer, and of those that were not added to its vocabulary."""
    added = frozenset(tokenizer.added_tokens_decoder)
    known = frozenset(tokenizer.get_vocab().values())
    return known | added, known - added


def _is_sign(piece: str) -> bool:
    """Whether a token is spelt as control tokens are: a word between signs.

    >>> [_is_sign(piece) for piece in ("</s>", "<|im_end|>", "[EOS]", "\u2581Sure", ".", "\u010a")]
    [True, True, True, False, False, False]
    """
    return any(c.isalpha() for c in piece) and not piece[0].isalnum() and not piece[-1].isalnum()


def _texts(prompt: Prompt) -> list[str]:
    """What a prompt says."""
    return [prompt] if isinstance(prompt, str) else [message.text for message in prompt]
