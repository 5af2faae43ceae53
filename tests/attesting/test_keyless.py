"""Signing without a key: who it would be is known before anything is asked of the network, and no token is ever told."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256

from releasegate.attestation import TEST_RESULT_TYPE, parse_bundle_lines
from releasegate.attesting.keyless import MAX_TOKEN, keyless_signer
from releasegate.errors import NotFound, ReleaseGateError, TrustError
from tests.tiny_releases import LAB, TODAY, policy_of, statement

pytest.importorskip("sigstore")
jwt = pytest.importorskip("jwt")

WHO = {"identity": "ci@example.com", "issuer": "https://accounts.google.com"}
DAYS = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
POLICY = policy_of(trust={"identities": [{"id": "ci", **WHO, **DAYS}]})


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for it anyway is refused at once."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name in ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


def token(folder: Path, **claims: Any) -> Path:
    """An OpenID Connect token in a file; nobody checks its signature but Fulcio."""
    now = int(time.time())
    stated = {
        "iss": WHO["issuer"],
        "aud": "sigstore",
        "sub": "1",
        "email": WHO["identity"],
        "iat": now,
        "exp": now + 600,
    }
    path = folder / "token"
    path.write_text(jwt.encode({**stated, **claims}, "s" * 32, algorithm="HS256") + "\n")
    return path


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email": "mallory@example.com"}, "signs as mallory@example.com, .* whom policy tiny does not trust"),
        ({"iss": "https://elsewhere.example"}, "whom policy tiny does not trust"),
        ({"email": "\x1b]0;x"}, r"signs as \\x1b\]0;x"),
        ({"exp": 1}, "could not sign"),
        ({"aud": "somebody"}, "could not sign"),
    ],
)
def test_who_would_sign_is_listed_by_the_policy_or_nothing_is_asked(
    tmp_path: Path, claims: dict[str, Any], why: str
) -> None:
    path = token(tmp_path, **claims)
    with pytest.raises(TrustError, match=why) as error:
        keyless_signer(path, POLICY, TODAY)
    assert path.read_text().strip() not in str(error.value)
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_an_identity_counts_on_its_days(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="is ci, which counts from 2026-01-01 to 2026-12-31, not on 2027-01-01"):
        keyless_signer(token(tmp_path), POLICY, date(2027, 1, 1))


def test_without_a_network_it_says_so_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(TrustError, match="could not sign") as error:
        keyless_signer(token(tmp_path), POLICY, TODAY)
    assert "can be reached; or sign with --key" in error.value.problems[0].fix


def test_where_no_ci_gives_out_tokens_there_is_nobody_to_sign_as() -> None:
    with pytest.raises(NotFound, match="finds no identity"):
        keyless_signer(None, POLICY, TODAY)


@pytest.mark.parametrize("held", [b"", b"not a token", b"\xff\xfe", b"a" * (MAX_TOKEN + 1), b"a.b.c"])
def test_what_is_no_token_is_refused_and_not_told(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(held)
    with pytest.raises(ReleaseGateError) as error:
        keyless_signer(path, POLICY, TODAY)
    assert len(str(error.value)) < 500
    assert not held.strip() or held.decode("latin-1") not in str(error.value)
    with pytest.raises(NotFound, match="no such token"):
        keyless_signer(tmp_path / "nothing", POLICY, TODAY)


def sigstore_bundle(envelope: Any, certificate: bytes) -> str:
    """What sigstore makes of an envelope, by its own record of the format."""
    from sigstore_models.bundle.v1 import Bundle

    entry = {
        "logIndex": "1",
        "logId": {"keyId": "AAAA"},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": "1769900000",
        "inclusionProof": {
            "logIndex": "1",
            "rootHash": "AAAA",
            "treeSize": "2",
            "hashes": ["AAAA"],
            "checkpoint": {"envelope": "rekor"},
        },
        "canonicalizedBody": "AAAA",
    }
    material = {
        "certificate": {"rawBytes": base64.b64encode(certificate).decode()},
        "tlogEntries": [entry],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]},
    }
    plain = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "dsseEnvelope": json.loads(envelope.to_json()),
    }
    return Bundle.from_json(json.dumps(plain)).to_json()


def test_what_sigstore_signs_becomes_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sigstore import dsse, models, sign

    class Fake:
        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *of: object) -> None:
            return None

        def sign_dsse(self, statement: Any) -> Any:
            made = sigstore_bundle(dsse._sign(LAB, statement), b"a certificate")
            return SimpleNamespace(to_json=lambda: made)

    context = SimpleNamespace(signer=lambda token: Fake())
    monkeypatch.setattr(models.ClientTrustConfig, "production", lambda: None)
    monkeypatch.setattr(sign.SigningContext, "from_trust_config", lambda config: context)
    signer = keyless_signer(token(tmp_path), POLICY, TODAY)
    about = [{"name": "release", "digest": {"sha256": "ab" * 32}}]
    said = json.dumps(statement(about, TEST_RESULT_TYPE, {"result": "PASSED"})).encode()
    (one,) = parse_bundle_lines(signer.bundle(said))
    assert (signer.id, one.payload, one.hint, one.certificate) == ("ci", said, None, b"a certificate")
    LAB.public_key().verify(one.signature, one.pae, ECDSA(SHA256()))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sigstore.sign", ModuleType("empty"))
    with pytest.raises(TrustError, match="needs the library sigstore"):
        keyless_signer(token(tmp_path), POLICY, TODAY)
