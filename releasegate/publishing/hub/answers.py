"""What a hub answers, as data; and what its failures are called. Nothing here talks to a hub."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Gating = Literal["auto", "manual", False]
"""Whether who downloads must ask first, and who answers."""


@dataclass(frozen=True, slots=True)
class State:
    """A repository as the hub describes it now."""

    private: bool
    gated: Gating
    head: str | None
    """The newest commit of its main branch."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file at a commit."""

    path: str
    size: int
    """Bytes of the content."""
    blob: str
    """What git calls the content, or the pointer to it: a SHA-1 in hex."""
    sha256: str | None
    """`sha256:…` of the content where the hub keeps it beside git (LFS); None where it lies in git itself."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file was found to be when it was read to its end."""

    size: int
    """Bytes."""
    sha256: str
    """`sha256:…`."""
    text: bool
    """Whether it is UTF-8 without a NUL: weights never are."""


class Reading:
    """A file that is being read, piece by piece.

    >>> reading = Reading()
    >>> reading.take("ü".encode()[:1]), reading.take("ü".encode()[1:])
    (None, None)
    >>> reading.content().size, reading.content().text
    (2, True)
    """

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = True

    def take(self, piece: bytes) -> None:
        """Nothing; the piece is part of the file."""
        self.size += len(piece)
        self._sha256.update(piece)
        self._text = self._text and b"\0" not in piece and self._decodes(piece)

    def content(self) -> Content:
        """The file, if the last piece was its end."""
        return Content(self.size, f"sha256:{self._sha256.hexdigest()}", self._text and self._decodes(b"", end=True))

    def _decodes(self, piece: bytes, *, end: bool = False) -> bool:
        try:
            self._decoder.decode(piece, end)
        except UnicodeDecodeError:
            return False
        return True


STATUS = {
    400: "it does not accept the call",
    401: "the token is missing, wrong or expired",
    403: "the token may not do this",
    404: "it knows no such repository, or the token may not see it",
    409: "it clashes with what is there",
    412: "somebody else changed the repository meanwhile",
    413: "it is too large for it",
    416: "it has fewer bytes than it says",
    429: "too many calls",
}
REMEDIES = {
    401: "give a token that is valid in HF_TOKEN, or log in with `hf auth login`; then run the same command again",
    403: "use a token with the right to write to the organisation, its settings included; then run the same command again",
    409: "look who else writes to the repository, and run the same command again",
    412: "look who else writes to the repository, and run the same command again",
}
AGAIN = "run the same command again: it goes on where this one stopped"

_SHOWN = 200


def meaning(status: int) -> str:
    """What a status means, in words.

    >>> meaning(429), meaning(503)
    ('429: too many calls', '503: it is out of order')
    """
    return f"{status}: {STATUS.get(status, 'it is out of order' if status >= 500 else 'it refuses')}"


def shown(text: str, secret: str | None = None) -> str:
    """A text of a hub in one short printable line; nothing at all if it repeats a part of the secret.

    >>> shown("no\\n\\x1b[31mroom\\u202e"), shown("you sent hf_abcdefgh", "hf_abcdefgh")
    ('no [31mroom', '')
    """
    if secret and any(piece in text for piece in _pieces(secret)):
        return ""
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * _SHOWN])
    return " ".join(kept.split())[:_SHOWN]


def _pieces(secret: str, length: int = 8) -> Iterator[str]:
    """Every run of characters of the secret that is long enough to be of use to somebody."""
    yield secret
    for start in range(max(0, len(secret) - length + 1)):
        yield secret[start : start + length]
