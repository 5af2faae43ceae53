"""Signing with a key that never leaves where it is kept: AWS, Google or Azure key management, or a PKCS #11 token.

securesystemslib knows how to ask each of them, by a URI of its own: https://python-securesystemslib.readthedocs.io. What
comes back is checked against the public key that the policy lists before it counts.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING

from releasegate.attestation import bundle_line, pae
from releasegate.attesting.signing import require_valid
from releasegate.errors import NotFound, TrustError, UsageError
from releasegate.policy import Policy
from releasegate.signing import p256_fits
from releasegate.trust import AttestationKey

if TYPE_CHECKING:
    from securesystemslib.signer import Signer as ManagedSigner

_SERVICES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "awskms": (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError")),
    "gcpkms": (("google.api_core.exceptions", "GoogleAPIError"), ("google.auth.exceptions", "GoogleAuthError")),
    "azurekms": (("azure.core.exceptions", "AzureError"),),
    "hsm": (("PyKCS11", "PyKCS11Error"),),
}
"""The scheme of a URI, and what its library raises."""

SCHEMES = tuple(_SERVICES)


def is_managed(key: str) -> bool:
    """Whether `key` is the URI of a managed key, and not a file.

    >>> is_managed("awskms:alias/release"), is_managed("keys/release.key")
    (True, False)
    """
    return key.split(":")[0] in SCHEMES and ":" in key


@dataclass(frozen=True)
class ManagedKeySigner:
    """A key that somebody else keeps, and signs with when asked."""

    key: AttestationKey
    uri: str
    asked: ManagedSigner = field(repr=False)

    @property
    def id(self) -> str:
        """The id of the key in the policy's `trust`."""
        return self.key.id

    def bundle(self, payload: bytes) -> bytes:
        """The signed payload as one line of a file of attestations.

        Raises:
            TrustError: whoever keeps the key did not sign, or with another key than the policy lists.
        """
        data = pae(payload)
        try:
            signature = bytes.fromhex(self.asked.sign(data).signature)
        except _errors(self.uri) as error:
            raise _refused(self.uri, error) from None
        if not p256_fits(signature, data, self.key):
            what = f"signed with another key than {self.key.id} of the policy"
            raise TrustError(self.uri, what, "name the key with --key-id, or list its public half in the policy")
        return bundle_line(payload, signature, self.key.id)


def managed_key_signer(uri: str, key_id: str | None, pin: str | None, policy: Policy, today: date) -> ManagedKeySigner:
    """The signer whose private key is kept at `uri`.

    Args:
        key_id: the key, by its id in the policy's `trust.attestations`; None: the only one.
        pin: of a PKCS #11 token.

    Raises:
        NotFound: the policy lists no such key.
        UsageError: it lists several, and none was named.
        TrustError: securesystemslib or the service's library is not installed, the service refuses, or the key does not
            count today.
    """
    key = _listed(key_id, policy)
    require_valid(key, today, uri)
    try:
        from cryptography.hazmat.primitives.serialization import load_der_public_key
        from securesystemslib.signer import Signer, SSlibKey
    except ImportError:
        raise TrustError(uri, "needs the library securesystemslib", "pip install 'releasegate[attest]'") from None
    public = SSlibKey.from_crypto(load_der_public_key(base64.b64decode(key.key)), keyid=key.id)
    try:
        return ManagedKeySigner(key, uri, Signer.from_priv_key_uri(uri, public, lambda wanted: pin or ""))
    except _errors(uri) as error:
        raise _refused(uri, error) from None


def _listed(key_id: str | None, policy: Policy) -> AttestationKey:
    keys = {key.id: key for key in (policy.trust and policy.trust.attestations) or ()}
    if key_id is not None:
        if key_id not in keys:
            what = f"policy {policy.id} lists no key {key_id!r} for attestations"
            raise NotFound("--key-id", what, f"use one of {', '.join(keys)}" if keys else "list it in the policy")
        return keys[key_id]
    if len(keys) != 1:
        what = f"policy {policy.id} lists {len(keys) or 'no'} keys for attestations"
        raise UsageError("--key", what, "say with --key-id which of them it is" if keys else "list it in the policy")
    return next(iter(keys.values()))


def _errors(uri: str) -> tuple[type[Exception], ...]:
    """What may go wrong with a key at `uri`: only those of libraries that are installed."""
    found: list[type[Exception]] = [ValueError, KeyError, OSError, ImportError, RuntimeError]
    names = [("securesystemslib.exceptions", "Error"), *_SERVICES.get(uri.split(":")[0], ())]
    for module, name in names:
        try:
            found.append(getattr(import_module(module), name))
        except (ImportError, AttributeError):
            continue
    return tuple(found)


def _refused(uri: str, error: Exception) -> TrustError:
    told = ascii(str(error))[1:-1][:300]
    fix = "check the URI, the credentials of the service, and that its library is installed"
    return TrustError(uri, f"cannot be signed with: {told}", fix)
