"""The DSSE envelope: what is signed, and the form in which payload and signature stand together.

Format: https://github.com/secure-systems-lab/dsse (version 1.0.2).
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from releasegate.records import Record

PayloadType = Literal["application/vnd.in-toto+json"]
PAYLOAD_TYPE: PayloadType = "application/vnd.in-toto+json"
"""Of an in-toto statement."""


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed: the pre-authentication encoding of type and payload, each with its length in bytes before it.

    >>> pae(b"hello world", "http://example.com/HelloWorld")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def decoded(text: str) -> bytes:
    """The bytes that base64 `text` holds, if it is the one way to write them.

    Raises:
        ValueError: it is not.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
    if base64.b64encode(data).decode() != text:
        raise ValueError("must be base64, written in the one way in which those bytes are")
    return data


def _base64(text: str) -> str:
    decoded(text)
    return text


Base64 = Annotated[str, StringConstraints(min_length=4), AfterValidator(_base64)]
"""Bytes in base64: RFC 4648, section 4, with padding."""
ShortBase64 = Annotated[str, StringConstraints(min_length=4, max_length=32 << 10), AfterValidator(_base64)]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters alone")
    return text


Hint = Annotated[str, StringConstraints(max_length=200), AfterValidator(_printable)]
"""What tells a reader which key to try; it proves nothing."""


class EnvelopeSignature(Record):
    """One signature."""

    sig: ShortBase64
    """Over the pre-authentication encoding; of ECDSA in DER."""
    keyid: Hint = ""
    """Which key to try; it is not signed."""


class Envelope(Record):
    """A payload with its type, and the one signature over both."""

    payload: Base64
    payloadType: PayloadType  # noqa: N815 - as DSSE spells it
    signatures: Annotated[tuple[EnvelopeSignature, ...], Field(min_length=1, max_length=1)]
