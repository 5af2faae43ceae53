"""Signing a document, and whether a signature counts. Ed25519 (RFC 8032) over the document's kind and RFC 8785 form.

cryptography is imported when a signature is made or checked: most commands do neither.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from releasegate.canonical import canonical
from releasegate.records import Document
from releasegate.trust import AttestationKey, PublicKey, Purpose, Signature, Trust

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class Untrusted:
    """A signature that does not count; `why` goes on after the document's name: "is not signed"."""

    why: str


def signed_bytes(document: Document) -> bytes:
    """What is signed: the schema, a line feed, and the RFC 8785 form of the document without `signature`.

    The schema stands first so that no signature of one kind of document fits another kind.
    """
    payload = {name: value for name, value in document.plain().items() if name != "signature"}
    return f"{document.schema_}\n".encode() + canonical(payload)


def sign(document: Document, private: Ed25519PrivateKey) -> Signature:
    """The signature of `document` in base64; a signature that it holds already does not matter."""
    return base64.b64encode(private.sign(signed_bytes(document))).decode()


def public_bytes(private: Ed25519PrivateKey) -> str:
    """The public half of a key: its 32 bytes in base64."""
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def p256_public_bytes(private: EllipticCurvePrivateKey) -> str:
    """The public half of a P-256 key: its SubjectPublicKeyInfo (RFC 5480) in base64."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def p256_fits(signature: bytes, data: bytes, key: AttestationKey) -> bool:
    """Whether a signature (ECDSA in DER, over SHA-256) over `data` was made with a P-256 key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    public = load_der_public_key(base64.b64decode(key.key))
    assert isinstance(public, EllipticCurvePublicKey), "the record holds P-256 keys alone"
    try:
        public.verify(signature, data, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def verify(
    document: Document,
    signature: Signature | None,
    key_id: str,
    trust: Trust | None,
    purpose: Purpose,
    days: Iterable[date],
) -> PublicKey | Untrusted:
    """The key that signed `document`, or why its signature does not count.

    Args:
        signature: what the document holds.
        key_id: the key that it names.
        trust: the keys that count.
        purpose: the list on which the key must stand.
        days: those on which the key must be valid.
    """
    if signature is None:
        return Untrusted("is not signed")
    key = trust.key(purpose, key_id) if trust else None
    if key is None:
        return Untrusted(f"is signed with key {key_id}, which is not trusted for {purpose}")
    if not _fits(signature, signed_bytes(document), key):
        return Untrusted(f"was changed after it was signed, or not signed with key {key_id}")
    for day in days:
        if not key.valid_on(day):
            why = f"is signed with key {key_id}, which is valid from {key.valid_from} to {key.valid_to}, not on {day}"
            return Untrusted(why)
    return key


def _fits(signature: Signature, data: bytes, key: PublicKey) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.key))
    try:
        public.verify(base64.b64decode(signature), data)
    except InvalidSignature:
        return False
    return True
