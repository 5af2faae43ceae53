"""Whose signature counts for what: the public keys that a policy lists by purpose. Pure.

A purpose is a list of its own under `trust:`, and the policy knows only purposes that something reads: keys that nobody
asks for would look like protection. A key has one purpose and stands once. Whoever may sign two kinds of documents has
two keys, so that taking one away takes away that power alone, and a leaked one opens one door.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from releasegate.records import Identifier, Record

Purpose = Literal["waivers", "approvals", "revocations"]
"""What an Ed25519 key may sign: the name of its list. Attestations have keys of their own kind."""

_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
"""The field and the constant of NIST P-256 (SEC 2, section 2.4.2), whose curve is y^2 = x^3 - 3x + b."""
_P256_HEADER = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What stands before the two coordinates of an uncompressed P-256 point in a SubjectPublicKeyInfo (RFC 5480)."""

PRIME = 2**255 - 19
"""The field of Curve25519 (RFC 8032, section 5.1)."""
_D = -121665 * pow(121666, -1, PRIME) % PRIME
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_LOW_ORDER = frozenset({0, 1, PRIME - 1, _ORDER_8, PRIME - _ORDER_8})
"""The y of every point whose order divides 8: under such a key, one signature fits many documents."""


def _day(text: str) -> str:
    try:
        known = date.fromisoformat(text).isoformat() == text
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"must be a day such as 2026-01-31; got {text[:40]!r}")
    return text


def _line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of printable characters, without spaces around it")
    return text


def _bytes_of(text: str, size: int) -> bytes:
    """The `size` bytes that base64 `text` holds, if it is the one way to write them."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != size or base64.b64encode(data).decode() != text:
        raise ValueError(f"must be {size} bytes in base64")
    return data


def _key(text: str) -> str:
    """`text`, if it holds a key under which a signature binds one document."""
    encoded = int.from_bytes(_bytes_of(text, 32), "little")
    y, sign = encoded % 2**255, encoded >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    if y >= PRIME or pow(square, (PRIME - 1) // 2, PRIME) not in (0, 1) or (square == 0 and sign):
        raise ValueError("is no Ed25519 key: no point of the curve is written like that")
    if y in _LOW_ORDER:
        raise ValueError("is no Ed25519 key: a point of low order, under which one signature fits many documents")
    return text


def _p256(text: str) -> str:
    """`text`, if it holds a point of P-256 as a SubjectPublicKeyInfo."""
    data = _bytes_of(text, len(_P256_HEADER) + 64)
    x, y = (int.from_bytes(part, "big") for part in (data[-64:-32], data[-32:]))
    on_curve = x < _P256 and y < _P256 and (y * y - (x**3 - 3 * x + _P256_B)) % _P256 == 0
    if not data.startswith(_P256_HEADER) or not on_curve:
        raise ValueError("is no ECDSA P-256 key: base64 of its SubjectPublicKeyInfo (RFC 5480) belongs here")
    return text


def _signature(text: str) -> str:
    _bytes_of(text, 64)
    return text


Day = Annotated[str, AfterValidator(_day)]
"""A day, `YYYY-MM-DD`, in UTC."""
Line = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_line)]
"""One line of text."""
PublicBytes = Annotated[str, AfterValidator(_key)]
"""The 32 bytes of an Ed25519 public key (RFC 8032) in base64."""
Signature = Annotated[str, AfterValidator(_signature)]
"""The 64 bytes of an Ed25519 signature in base64. Their value is judged by `signing.verify`."""


P256Bytes = Annotated[str, AfterValidator(_p256)]
"""A P-256 public key: its SubjectPublicKeyInfo (RFC 5480, point not compressed) in base64."""


class Dated(Record):
    """Something that counts on some days alone."""

    id: Identifier
    valid_from: Day
    valid_to: Day
    """The last day, included."""

    @model_validator(mode="after")
    def _is_some_day_valid(self) -> Self:
        if self.valid_from > self.valid_to:
            raise ValueError(f"valid_from {self.valid_from} is after valid_to {self.valid_to}")
        return self

    def valid_on(self, day: date) -> bool:
        """Whether its signatures count on `day`."""
        return self.valid_from <= day.isoformat() <= self.valid_to


class PublicKey(Dated):
    """A key whose signatures count, and when."""

    key: PublicBytes
    owner: Line
    """Who holds the private half."""


class Approver(PublicKey):
    """A key that may approve a release."""

    roles: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=20)]
    """In which roles."""


class AttestationKey(Dated):
    """A key that may sign attestations."""

    key: P256Bytes
    owner: Line
    """Who holds the private half."""


class KeylessIdentity(Dated):
    """An identity that may sign attestations with a certificate of a moment, without a key of its own (Sigstore)."""

    identity: Line
    """As the certificate states it: an e-mail address, or the URL of a workflow at its ref."""
    issuer: Line
    """The OpenID Connect issuer that vouched for it."""


class Trust(Record):
    """The keys that a policy trusts, by purpose."""

    waivers: Annotated[tuple[PublicKey, ...], Field(min_length=1)] | None = None
    """Whose waivers count."""
    approvals: Annotated[tuple[Approver, ...], Field(min_length=1)] | None = None
    """Who may approve, in which roles."""
    revocations: Annotated[tuple[PublicKey, ...], Field(min_length=1)] | None = None
    """Whose list of what was revoked counts."""
    attestations: Annotated[tuple[AttestationKey, ...], Field(min_length=1)] | None = None
    """Whose attestations count."""
    identities: Annotated[tuple[KeylessIdentity, ...], Field(min_length=1)] | None = None
    """Whose attestations count that are signed without a key of their own."""

    def listed(self) -> Iterator[tuple[Purpose, PublicKey]]:
        """Every Ed25519 key with its purpose."""
        for key in self.waivers or ():
            yield "waivers", key
        for approver in self.approvals or ():
            yield "approvals", approver
        for key in self.revocations or ():
            yield "revocations", key

    def key(self, purpose: Purpose, key_id: str) -> PublicKey | None:
        """The key that is named `key_id` and listed for `purpose`, if there is one."""
        return next((key for listed, key in self.listed() if (listed, key.id) == (purpose, key_id)), None)

    def approver(self, key_id: str) -> Approver | None:
        """The key that is named `key_id` and may approve, if there is one."""
        return next((key for key in self.approvals or () if key.id == key_id), None)

    @model_validator(mode="after")
    def _lists_each_key_once(self) -> Self:
        seen: set[str] = set()
        keys = [(key.id, key.key) for _, key in self.listed()]
        keys += [(key.id, key.key) for key in self.attestations or ()]
        keys += [(one.id, f"{one.identity} of {one.issuer}") for one in self.identities or ()]
        for name, key in keys:
            if name in seen:
                raise ValueError(f"two keys have the id {name}")
            if key in seen:
                raise ValueError(
                    f"key {name} stands there already under another id: a key has one purpose and one owner"
                )
            seen |= {name, key}
        return self


def still(fixed: Trust | None, today: Trust | None) -> Trust | None:
    """The keys of `fixed` that `today` lists too, each for the days on which both count it; None if no key is left.

    Args:
        fixed: what the plan's policy trusts. A key that is added after the results are known changes nothing about them.
        today: what the policy in the gate repository trusts. A key that was taken out there counts for nothing any more.
    """
    both = []
    for key in (fixed and fixed.waivers) or ():
        again = today and today.key("waivers", key.id)
        if again is None or again.key != key.key:
            continue
        first, last = max(key.valid_from, again.valid_from), min(key.valid_to, again.valid_to)
        if first <= last:
            both.append(key.model_copy(update={"valid_from": first, "valid_to": last}))
    return Trust(waivers=tuple(both)) if both else None
