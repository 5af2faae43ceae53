"""Signing without a key of one's own: a certificate of a moment, for an identity that an OpenID Connect issuer vouches for.

The library sigstore does it, and is imported here and where such signatures are verified. It asks Fulcio for the
certificate and enters the signature in Rekor, a public log: both are on the network.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from releasegate.attesting.signing import require_valid
from releasegate.canonical import canonical
from releasegate.errors import NotFound, TrustError
from releasegate.policy import Policy
from releasegate.trust import KeylessIdentity

if TYPE_CHECKING:
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer as SigstoreSigner

MAX_TOKEN = 64 << 10
"""Bytes of a token."""
WHERE = "--keyless"
_FAILURES = (
    ("sigstore.errors", "Error"),
    ("sigstore.oidc", "IssuerError"),
    ("sigstore.oidc", "ExpiredIdentity"),
    ("sigstore._internal.fulcio.client", "FulcioClientError"),
    ("sigstore._internal.fulcio.client", "ExpiredCertificate"),
    ("sigstore._internal.rekor", "RekorClientError"),
    ("requests", "RequestException"),
    ("tuf.api.exceptions", "RepositoryError"),
    ("tuf.api.exceptions", "DownloadError"),
)
"""What sigstore raises; some of its errors have no public name."""


@dataclass(frozen=True)
class KeylessSigner:
    """An identity that the policy lists, with a certificate for the next minutes."""

    identity: KeylessIdentity
    signer: SigstoreSigner = field(repr=False)

    @property
    def id(self) -> str:
        """The id of the identity in the policy's `trust`."""
        return self.identity.id

    def bundle(self, payload: bytes) -> bytes:
        """The signed payload as one line of a file of attestations, entered in the public log.

        Raises:
            TrustError: it could not be signed or entered.
        """
        from sigstore.dsse import Statement

        with _told():
            made = self.signer.sign_dsse(Statement(payload)).to_json()
        return canonical(json.loads(made)) + b"\n"


def keyless_signer(token_file: Path | None, policy: Policy, today: date) -> KeylessSigner:
    """Whoever this process runs as, if the policy lists them.

    Args:
        token_file: holds an OpenID Connect token; None: the one that the CI at hand gives out.
        policy: as it is today; its `trust.identities` must list the identity.

    Raises:
        NotFound: there is no such file, or no token at hand.
        TrustError: sigstore is not installed, cannot reach what it needs, or the policy does not trust the identity.
    """
    try:
        from sigstore.models import ClientTrustConfig
        from sigstore.sign import SigningContext
    except ImportError:
        raise TrustError(WHERE, "needs the library sigstore", "pip install 'releasegate[attest]'") from None
    logging.getLogger("sigstore").setLevel(logging.ERROR)
    token = _token(token_file)
    identity = _listed(token, policy)
    require_valid(identity, today, WHERE)
    with _told():
        context = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(token) as signer:
            return KeylessSigner(identity, signer)


def _token(file: Path | None) -> IdentityToken:
    from sigstore.oidc import IdentityToken, detect_credential

    with _told():
        raw = detect_credential() if file is None else _read(file)
        if raw is None:
            what = "finds no identity: no CI that gives out OpenID Connect tokens is at hand"
            raise NotFound(WHERE, what, "run it in such a CI with `id-token: write`, or name --identity-token-file")
        return IdentityToken(raw)


def _read(file: Path) -> str:
    if not file.is_file():
        raise NotFound(str(file), "no such token", "name the file that holds an OpenID Connect token")
    with file.open("rb") as opened:
        data = opened.read(MAX_TOKEN + 1)
    if len(data) > MAX_TOKEN or not data.isascii():
        raise TrustError(str(file), "is no token", "name the file that holds an OpenID Connect token")
    return data.decode().strip()


def _listed(token: IdentityToken, policy: Policy) -> KeylessIdentity:
    for one in (policy.trust and policy.trust.identities) or ():
        if (one.identity, one.issuer) == (token.identity, token.federated_issuer):
            return one
    shown, issuer = (ascii(text)[1:-1][:200] for text in (token.identity, token.federated_issuer))
    what = f"signs as {shown}, vouched for by {issuer}, whom policy {policy.id} does not trust"
    raise TrustError(WHERE, what, "list the identity under `trust: identities:` of the policy")


@contextmanager
def _told() -> Iterator[None]:
    """Nothing; what sigstore raises inside is one error of ours, without a word of the token."""
    try:
        yield
    except tuple(_failures()) as error:
        cause = error.__cause__ or error
        told = ascii(str(error) or type(cause).__name__)[1:-1][:300]
        fix = "check the token, and that fulcio.sigstore.dev and rekor.sigstore.dev can be reached; or sign with --key"
        raise TrustError(WHERE, f"could not sign: {told}", fix) from None


def _failures() -> Iterator[type[Exception]]:
    for module, name in _FAILURES:
        try:
            yield getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
