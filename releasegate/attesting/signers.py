"""Who signed an attestation: a key that the policy lists, an identity that it lists, or somebody whom it does not know.

Only what the policy lists is believed. A line that names a listed key or identity and is not signed by it is not passed
over as somebody else's: it is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from releasegate.attestation import PAYLOAD_TYPE, SignedStatement
from releasegate.attestation.reading import RESTORE
from releasegate.errors import VerifyError
from releasegate.signing import p256_fits
from releasegate.trust import AttestationKey, Dated, KeylessIdentity, Trust

TrustedSigner = AttestationKey | KeylessIdentity
"""A key or an identity that a policy lists; who can sign with it now is a `signing.Signer`."""

_ISSUER = "1.3.6.1.4.1.57264.1.8"
"""The extension of a Sigstore certificate that names the OpenID Connect issuer."""


@dataclass(frozen=True)
class Stranger:
    """Somebody whom the policy does not list.

    Attributes:
        named: who is said to have signed, fit to be printed; nothing shows that it is true.
    """

    named: str


def signer_of(signed: SignedStatement, trust: Trust | None) -> TrustedSigner | Stranger:
    """Who signed a statement, whatever the day.

    Raises:
        VerifyError: it names a key or identity that the policy lists, and is not signed by it.
    """
    if signed.hint is not None:
        listed = (trust.attestations if trust else None) or ()
        key = next((key for key in listed if key.id == signed.hint), None)
        if key is None:
            return Stranger(f"key {signed.hint or '(none named)'}")
        if not p256_fits(signed.signature, signed.pae, key):
            what = f"was changed after it was signed, or is not signed with key {key.id}, which it names"
            raise VerifyError(signed.where, what, RESTORE)
        return key
    return _identity_of(signed, (trust.identities if trust else None) or ())


def described(signer: TrustedSigner) -> str:
    """Who it is, in words.

    >>> described(KeylessIdentity(id="ci", identity="a@b.c", issuer="https://i", valid_from="2026-01-01",
    ...     valid_to="2026-12-31"))
    'ci (a@b.c, vouched for by https://i)'
    """
    if isinstance(signer, AttestationKey):
        return f"key {signer.id} of {signer.owner}"
    return f"{signer.id} ({signer.identity}, vouched for by {signer.issuer})"


def outside_its_days(signer: Dated, *days: date) -> str | None:
    """Why a signer does not count on all of the days, to go on after `signed with …`; None if it does."""
    for day in days:
        if not signer.valid_on(day):
            return f"which counts from {signer.valid_from} to {signer.valid_to}, not on {day}"
    return None


def _identity_of(signed: SignedStatement, listed: tuple[KeylessIdentity, ...]) -> KeylessIdentity | Stranger:
    identities, issuer = _claims(signed)
    for one in listed:
        if one.identity in identities and one.issuer == issuer:
            _check_keyless(signed, one)
            return one
    return Stranger(
        f"{ascii(', '.join(identities) or 'nobody')[1:-1][:200]}, vouched for by {ascii(issuer)[1:-1][:200]}"
    )


def _claims(signed: SignedStatement) -> tuple[list[str], str]:
    """Whom a certificate names, and who vouched for them, as it says itself."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(signed.certificate or b"")
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        issuer = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(_ISSUER)).value
    except (ValueError, x509.ExtensionNotFound) as error:
        what = f"has a certificate that Sigstore does not give: {ascii(str(error))[1:-1][:200]}"
        raise VerifyError(signed.where, what, RESTORE) from None
    assert isinstance(issuer, x509.UnrecognizedExtension), "no library reads this one"
    identities = [
        str(name.value) for name in names if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier)
    ]
    return identities, _utf8_string(issuer.value)


def _utf8_string(value: bytes) -> str:
    """The text in a DER UTF8String (X.690, 8.1.3); anything else gives a text that no policy lists."""
    start = 2 + (value[1] & 0x7F if len(value) > 1 and value[1] & 0x80 else 0)
    return value[start:].decode("utf-8", "replace") if value[:1] == b"\x0c" else ""


def _check_keyless(signed: SignedStatement, listed: KeylessIdentity) -> None:
    """Nothing, if certificate, transparency log and signature hold, by the roots that the library sigstore has at hand.

    The network is not asked: the same answer everywhere.
    """
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns that it was told to stay offline
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle, InvalidBundle
        from sigstore.verify import Verifier
        from sigstore.verify.policy import Identity
    except ImportError:
        what = "is signed without a key of its own, which takes the library sigstore to verify"
        raise VerifyError(signed.where, what, "pip install 'releasegate[attest]'") from None
    fix = "update the library sigstore, whose roots may be older than the signature; or fetch the attestations again"
    try:
        bundle = Bundle.from_json(signed.line)
        policy = Identity(identity=listed.identity, issuer=listed.issuer)
        kind, payload = Verifier.production(offline=True).verify_dsse(bundle, policy)
    except (Error, InvalidBundle, ValueError) as error:
        what = f"names {listed.identity}, and Sigstore does not bear it out: {ascii(str(error))[1:-1][:300]}"
        raise VerifyError(signed.where, what, fix) from None
    if kind != PAYLOAD_TYPE or payload != signed.payload:
        raise VerifyError(signed.where, "is signed over another payload than it shows", RESTORE)
