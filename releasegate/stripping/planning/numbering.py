"""The ids of tokens after some were taken out: those that follow move up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from releasegate.errors import CheckpointError, RecipeMismatch
from releasegate.receipt import Ranges, expand

KEEP_IT = "keep that token, or set or unset the key in the recipe"


@contextmanager
def understood(where: str) -> Iterator[None]:
    """Nothing; what the block finds in the file at `where` that has another form than it must have is an error of ours.

    Raises:
        CheckpointError: the file has a part of another form.
    """
    try:
        yield
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        what = f"has a part that is not understood ({error!r:.80})"
        raise CheckpointError(where, what, "export the tokenizer and the configuration again") from error


@dataclass(frozen=True, slots=True)
class Numbering:
    """Old ids to new ones.

    Attributes:
        removed: ids that are taken out, ascending.
    """

    removed: tuple[int, ...]

    @classmethod
    def without(cls, tokens: Ranges) -> Numbering:
        """The numbering after the ids `tokens` were taken out."""
        return cls(tuple(expand(tokens)))

    def new(self, identity: int) -> int | None:
        """The new id; `None` of a token that is taken out. What is below 0 is no id and stays.

        >>> [Numbering((2, 3)).new(identity) for identity in (-1, 1, 2, 5)]
        [-1, 1, None, 3]
        """
        if type(identity) is not int:
            raise TypeError(f"{identity!r:.40} is no id")
        before = bisect_left(self.removed, identity)
        gone = before < len(self.removed) and self.removed[before] == identity
        return None if gone else identity - before if identity >= 0 else identity

    def needed(self, identity: int, where: str, key: str) -> int:
        """The new id of a token that `key` cannot do without.

        Raises:
            RecipeMismatch: it is taken out.
        """
        new = self.new(identity)
        if new is None:
            raise RecipeMismatch(where, f"needs token {identity} as {key}, and the recipe drops it", KEEP_IT)
        return new

    def mapping(self, ids: Mapping[str, Any]) -> dict[str, int]:
        """Ids by token, without those that are taken out."""
        return {token: new for token, identity in ids.items() if (new := self.new(identity)) is not None}
