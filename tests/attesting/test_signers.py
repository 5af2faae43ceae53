"""Who signed without a key: a certificate is believed as far as Sigstore bears it out, and whom the policy lists alone."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from releasegate.attestation import PAYLOAD_TYPE
from releasegate.attesting.signers import Stranger, signer_of
from releasegate.errors import VerifyError
from releasegate.trust import KeylessIdentity, Trust
from tests.tiny_releases import LAB, Release, make_release, policy_of

pytest.importorskip("sigstore")

DAYS = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
WORKFLOW = "https://github.com/lab/models/.github/workflows/release.yml@refs/tags/v1"
ISSUER = "https://token.actions.githubusercontent.com"
CI = {"id": "ci", "identity": WORKFLOW, "issuer": ISSUER, **DAYS}
TRUST = Trust(identities=(KeylessIdentity.model_validate(CI),))


def certificate(identity: str = WORKFLOW, issuer: str | None = ISSUER) -> bytes:
    """One as Fulcio gives them, by nobody in particular."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(LAB.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(minutes=10))
    named = x509.RFC822Name(identity) if "@" in identity and ":" not in identity else None
    builder = builder.add_extension(
        x509.SubjectAlternativeName([named or x509.UniformResourceIdentifier(identity)]), critical=True
    )
    if issuer is not None:
        text = issuer.encode()
        length = bytes([len(text)]) if len(text) < 128 else bytes([0x81, len(text)])
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\x0c" + length + text), critical=False)
    return builder.sign(LAB, SHA256()).public_bytes(Encoding.DER)


def keyless(made: Release, der: bytes) -> Release:
    """The release, its lines naming a certificate in place of a key."""
    lines = []
    for line in made.lines.splitlines():
        bundle = json.loads(line)
        bundle["verificationMaterial"] = {"certificate": {"rawBytes": base64.b64encode(der).decode()}}
        del bundle["dsseEnvelope"]["signatures"][0]["keyid"]
        lines.append(json.dumps(bundle).encode() + b"\n")
    return replace(made, statements=(), extra=tuple(lines))


@pytest.fixture
def made(tmp_path: Path) -> Release:
    return make_release(tmp_path, policy_of(trust={"identities": [CI]}))


def first(release: Release) -> Any:
    from releasegate.attestation import parse_bundle_lines

    return parse_bundle_lines(release.lines)[0]


@pytest.mark.parametrize(
    ("identity", "issuer"),
    [
        ("https://github.com/mallory/models/.github/workflows/release.yml@refs/tags/v1", ISSUER),
        (WORKFLOW.replace("refs/tags/v1", "refs/heads/v1"), ISSUER),
        (WORKFLOW.upper(), ISSUER),
        (WORKFLOW, "https://accounts.google.com"),
        (WORKFLOW, "https://" + "a" * 150),
        ("mallory@example.com", ISSUER),
    ],
)
def test_whom_the_policy_does_not_list_is_a_stranger(made: Release, identity: str, issuer: str) -> None:
    found = signer_of(first(keyless(made, certificate(identity, issuer))), TRUST)
    assert found == Stranger(f"{identity}, vouched for by {issuer}")


def test_without_listed_identities_every_certificate_is_a_strangers(made: Release) -> None:
    assert isinstance(signer_of(first(keyless(made, certificate())), None), Stranger)


def test_a_certificate_that_sigstore_did_not_give_is_refused_under_a_listed_name(made: Release) -> None:
    with pytest.raises(
        VerifyError, match=r"names https://github\.com/lab/models/.*, and Sigstore does not bear it out"
    ):
        keyless(made, certificate()).verify()


@pytest.mark.parametrize("der", [b"\x30\x00", b"no certificate", certificate(issuer=None)])
def test_what_is_no_certificate_of_sigstore_is_refused(made: Release, der: bytes) -> None:
    with pytest.raises(VerifyError, match="has a certificate that Sigstore does not give"):
        keyless(made, der).verify()


class Library:
    """The verifier of sigstore, bearing everything out; it shows the payload that it was told."""

    payload: bytes | None = None

    def verify_dsse(self, bundle: Any, policy: Any) -> tuple[str, bytes]:
        return PAYLOAD_TYPE, bundle if self.payload is None else self.payload


def test_what_sigstore_bears_out_counts_and_over_another_payload_does_not(
    made: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sigstore.models import Bundle
    from sigstore.verify import Verifier

    library = Library()
    monkeypatch.setattr(Verifier, "production", lambda offline: library)
    monkeypatch.setattr(Bundle, "from_json", lambda line: base64.b64decode(json.loads(line)["dsseEnvelope"]["payload"]))
    verified = keyless(made, certificate()).verify()
    assert verified.attested.signer.id == "ci"
    library.payload = b"another"
    with pytest.raises(VerifyError, match="is signed over another payload than it shows"):
        keyless(made, certificate()).verify()
