"""Whether a file that is called a text is text of its kind, how much it tells, and the codes and numbers in it.

Bounds are of compressed bytes (zlib, level 6), so that they count what a text tells and not how long it is. Beside each
stands the most that was measured in the model cards, licences and tokenizers of packages and of SmolLM2.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from releasegate.checkpoint.jsontext import parse_json

TextKind = Literal["card", "licence", "template", "vocabulary", "index", "configuration", "text"]

MOST_TOLD: Mapping[TextKind, int] = {
    "card": 65_536,  # 10,669 in 757 cards
    "licence": 65_536,  # 24,515 in 1,245 licences
    "template": 32_768,  # 6,209
    "vocabulary": 65_536,  # and `BYTES_A_TOKEN`
    "index": 65_536,  # and `BYTES_A_TENSOR`
    "configuration": 65_536,
    "text": 65_536,
}
"""Compressed bytes of a text of each kind, at most."""
BYTES_A_TOKEN = 32
"""Compressed bytes more for each entry of a vocabulary: 13 in SmolLM2's `tokenizer.json`."""
BYTES_A_TENSOR = 16
"""Compressed bytes more of an index for each tensor."""
MOST_CODE = 1024
"""Characters of base64 or hexadecimal digits in a row, at most: 138 in the texts that were measured."""
LEAST_CODE = 88
"""Characters of such a run from which on it is decoded and searched: 64 bytes of base64."""
FEW_SIGNS = 12
"""Different characters of a run, at least; a ruled line has fewer."""

_CARD = re.compile(r"(?:readme|model_card|modelcard|changelog|contributing).*|.*\.(?:md|rst)")
_LICENCE = re.compile(r"(?:license|licence|notice|copying|use_policy|authors|citation|copyright).*")
_VOCABULARY = re.compile(
    r".*(?:tokenizer|vocab|merges|special_tokens_map|added_tokens).*\.(?:json|txt|model)|.*\.(?:tiktoken|spm|model|bpe)"
)
_CODE = re.compile(
    rb"[A-Za-z0-9+/_-]{32,}={0,2}(?:(?:\s|\\n|\\r)+[A-Za-z0-9+/_-]{32,}={0,2})*(?:\s+[A-Za-z0-9+/_-]+={0,2})?"
)
_HEX = re.compile(rb"[0-9a-fA-F]+")
_GAPS = re.compile(rb"\s|\\n|\\r")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def text_kind(name: str) -> TextKind:
    """What kind of text a file is, by its name.

    >>> text_kind("LICENSE.dat"), text_kind("vocab.json"), text_kind("model.safetensors.index.json")
    ('licence', 'vocabulary', 'index')
    """
    base = PurePosixPath(name).name.lower()
    if base.endswith(".index.json"):
        return "index"
    if base.endswith((".jinja", ".jinja2")):
        return "template"
    if _VOCABULARY.fullmatch(base):
        return "vocabulary"
    if _LICENCE.fullmatch(base):
        return "licence"
    if _CARD.fullmatch(base):
        return "card"
    return "configuration" if base.endswith((".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")) else "text"


def not_text(name: str, content: bytes) -> str | None:
    """Why the file is no text of its kind; `None` if it is.

    A vocabulary may hold control characters, as tokens, but no NUL.
    """
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is no text: it is not UTF-8 at byte {error.start:,}"
    found = re.search(rb"\x00", content) if text_kind(name) == "vocabulary" else _CONTROLS.search(content)
    if found is not None:
        return f"is no text: it has the control character {found.group()[0]:#04x} at byte {found.start():,}"
    if name.lower().endswith(".json"):
        try:
            parse_json(content)
        except ValueError as error:
            return f"is not valid JSON: {error}"
    return None


def is_sentencepiece(content: bytes) -> bool:
    """Whether these are the bytes of a SentencePiece model: fields of its message, and nothing else, one after the other.

    Format: `sentencepiece_model.proto`, whose message has the fields 1 (pieces), 2 and 3 (how it was trained and
    normalises), 4 (tests of itself), 5 (how it denormalises).
    """
    at, pieces = 0, 0
    while at < len(content):
        tag = content[at]
        if tag & 7 != 2 or not 1 <= tag >> 3 <= 5:
            return False
        length, at = _varint(content, at + 1)
        if length < 0 or at + length > len(content):
            return False
        if tag >> 3 == 1:
            pieces += 1
        elif length > 1 << 20:
            return False
        at += length
    return pieces > 0


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends; -1 where there is none."""
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(content):
            return -1, at
        value |= (content[at] & 127) << shift
        at += 1
        if content[at - 1] < 128:
            return value, at
    return -1, at


def told(content: bytes) -> int:
    """Bytes that the content takes when it is compressed."""
    return len(zlib.compress(content, 6))


def codes(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Runs that look like base64 or hexadecimal digits, broken into lines or not: where each begins, and its characters."""
    for found in _CODE.finditer(content):
        run = _GAPS.sub(b"", found.group())
        if len(run) >= LEAST_CODE and len(set(run)) >= FEW_SIGNS:
            yield found.start(), run


def decoded(run: bytes) -> list[bytes]:
    """What a run of `codes` may stand for: its bytes as hexadecimal digits and as base64, from each of its first places."""
    readings: list[bytes] = []
    if _HEX.fullmatch(run):
        readings += [binascii.unhexlify(run[start : start + (len(run) - start) // 2 * 2]) for start in (0, 1)]
    plain = run.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=").replace(b"=", b"")
    readings += [base64.b64decode(plain[start : start + (len(plain) - start) // 4 * 4]) for start in range(4)]
    return readings


def numbers_in(data: Any) -> tuple[list[float], list[int]]:
    """All numbers of parsed JSON in the order in which they stand: those with a fraction, and whole ones."""
    floats: list[float] = []
    whole: list[int] = []
    waiting: list[Any] = [data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting.extend(reversed(list(one.values())))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
        elif type(one) is float:
            floats.append(one)
        elif type(one) is int:
            whole.append(one)
    return floats, whole
