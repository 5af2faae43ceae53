"""Ids and names of tokens in configurations: renumbered where they are understood, refused where they may be missed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import Any

from releasegate.errors import RecipeMismatch
from releasegate.stripping.planning.numbering import KEEP_IT, Numbering

SIZE = "vocab_size"
_IDS = re.compile(r"(?:.*_)?token_(?:ids?|index|indices)|force_words_ids|padding_idx")
_UNWANTED = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids")
"""Lists of what must not come out; what is taken out need not be named there."""
_MAPS = ("vocabulary_map", "lang_to_id", "task_to_id", "lang_code_to_id")
_NAMES = ("additional_special_tokens", "extra_special_tokens")
_PERHAPS = re.compile(
    r"(?!(?:num|max|min|n|total|top|per)_).*"
    r"(?:token|word|vocab|bos|eos|pad|sos|sep|cls|mask|start|end|stop|image|img|boi|eoi|audio|video|speech|special)"
    r"(?:.*_)?(?:id|ids|idx|index|indices)|(?!(?:num|max|min|n|total|top|per)_)(?:.*_)?tokens?"
)


@dataclass(frozen=True, slots=True)
class TokenIds:
    """What is known about the tokens that are taken out.

    Attributes:
        numbering: old ids to new ones.
        names: the tokens that are taken out.
        length: how many rows a tensor with a row for each token had.
        where: the file, for errors.
        settled: dotted paths of keys that the recipe itself sets or takes out.
    """

    numbering: Numbering
    names: Set[str]
    length: int
    where: str
    settled: Collection[str]

    def renumbered(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration `data` with the new ids and the new size of the vocabulary.

        An object that states another `vocab_size` is about another vocabulary, and stays as it is.

        Raises:
            RecipeMismatch: a key needs a token that is taken out, or may hold ids and is not understood.
        """
        return self._object(data, "", inside=True)

    def _object(self, data: Mapping[str, Any], path: str, *, inside: bool) -> dict[str, Any]:
        if type(data.get(SIZE)) is int:
            inside = data[SIZE] == self.length
        return {key: self._value(key, value, f"{path}{key}", inside=inside) for key, value in data.items()}

    def _value(self, key: str, value: Any, path: str, *, inside: bool) -> Any:
        if path in self.settled or value is None:
            return value
        if not inside:
            return self._object(value, f"{path}.", inside=False) if isinstance(value, Mapping) else value
        if key == SIZE and type(value) is int:
            return value - len(self.numbering.removed)
        if key in _MAPS and isinstance(value, Mapping):
            return self.numbering.mapping(value)
        if key == "added_tokens_decoder" and isinstance(value, Mapping):
            return {str(new): one for old, one in value.items() if (new := self.numbering.new(int(old))) is not None}
        if key == "forced_decoder_ids" and isinstance(value, list):
            return [[position, self._needed(identity, path)] for position, identity in value]
        if key == "sequence_bias" and isinstance(value, list):
            return [[new, bias] for ids, bias in value if (new := self._unwanted(ids)) is not None]
        if key in _UNWANTED and isinstance(value, list):
            return [new for one in value if (new := self._unwanted(one)) is not None]
        if _IDS.fullmatch(key):
            return self._needed(value, path)
        if _PERHAPS.fullmatch(key) and _holds_ids(value):
            what = f"has {path}, which may hold ids of tokens and is not understood"
            raise RecipeMismatch(self.where, what, "set or unset the key in the recipe, with ids as they are after it")
        return self._other(key, value, path)

    def _other(self, key: str, value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            if self._names(value):
                raise self._names_gone(value["content"], path)
            return self._object(value, f"{path}.", inside=True)
        if isinstance(value, list) and key in _NAMES:
            return [one for one in value if not self._names(one)]
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and self._names(one):
                raise self._names_gone(one, path)
        return value

    def _names(self, value: Any) -> bool:
        """Whether `value` is a token that is taken out, by its name or as tokenizers describe one in full."""
        name = value.get("content") if isinstance(value, Mapping) else value
        return isinstance(name, str) and name in self.names

    def _names_gone(self, name: str, path: str) -> RecipeMismatch:
        return RecipeMismatch(self.where, f"needs token {name!r} as {path}, and the recipe drops it", KEEP_IT)

    def _needed(self, value: Any, path: str) -> Any:
        """The new ids in `value`, however they are nested; none of them may be taken out."""
        if isinstance(value, list):
            return [self._needed(one, path) for one in value]
        return self.numbering.needed(value, self.where, path) if type(value) is int else value

    def _unwanted(self, value: Any) -> Any:
        """The new ids in `value`; `None` if one of them is taken out."""
        if isinstance(value, list):
            inner = [self._unwanted(one) for one in value]
            return None if None in inner else inner
        return self.numbering.new(value) if type(value) is int else value


def _holds_ids(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(type(one) is int and one >= 0 for one in values)


def states_size(data: Any, length: int) -> bool:
    """Whether some object in `data` says that the vocabulary has `length` entries."""
    if not isinstance(data, Mapping):
        return False
    return data.get(SIZE) == length or any(states_size(value, length) for value in data.values())
