"""Who signs attestations: a key of their own in a file. What it signs is what others will verify: DSSE, ECDSA P-256, SHA-256."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from releasegate.attestation import bundle_line, pae
from releasegate.attesting.signers import outside_its_days
from releasegate.errors import TrustError
from releasegate.policy import Policy
from releasegate.repository.key_files import read_attestation_key
from releasegate.signing import p256_public_bytes
from releasegate.trust import AttestationKey, Dated

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


class Signer(Protocol):
    """Somebody whom a policy trusts for attestations, and who can sign now."""

    @property
    def id(self) -> str:
        """The id of the key or identity in the policy's `trust`."""
        ...

    def bundle(self, payload: bytes) -> bytes:
        """The signed payload as one line of a file of attestations.

        Raises:
            TrustError: it cannot be signed.
        """
        ...


@dataclass(frozen=True)
class FileKeySigner:
    """A private key that lies in a file."""

    key: AttestationKey
    private: EllipticCurvePrivateKey = field(repr=False)

    @property
    def id(self) -> str:
        """The id of the key in the policy's `trust`."""
        return self.key.id

    def bundle(self, payload: bytes) -> bytes:
        """The signed payload as one line of a file of attestations."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return bundle_line(payload, self.private.sign(pae(payload), ECDSA(SHA256())), self.key.id)


def file_key_signer(path: Path, passphrase: str | None, policy: Policy, today: date) -> FileKeySigner:
    """The signer whose private key lies in a file.

    Args:
        passphrase: tried only if the key is encrypted.
        policy: as it is today; its `trust.attestations` must list the key.

    Raises:
        NotFound: there is no such file.
        TrustError: it holds no such key, cannot be decrypted, or the policy does not trust it today.
    """
    private = read_attestation_key(path, passphrase)
    public = p256_public_bytes(private)
    for key in (policy.trust and policy.trust.attestations) or ():
        if key.key == public:
            require_valid(key, today, str(path))
            return FileKeySigner(key, private)
    what = f"is not trusted for attestations by policy {policy.id}"
    raise TrustError(str(path), what, "list its public half under `trust: attestations:` of the policy")


def require_valid(signer: Dated, today: date, where: str) -> None:
    """Nothing, if a key or identity counts today.

    Raises:
        TrustError: it does not.
    """
    why = outside_its_days(signer, today)
    if why is not None:
        raise TrustError(
            where, f"is {signer.id}, {why}", "sign with one that counts today, or renew its days in the policy"
        )
