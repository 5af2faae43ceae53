"""A key that is kept elsewhere signs through the same interface; what comes back is checked before it counts."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from releasegate.attestation import TEST_RESULT_TYPE, parse_bundle_lines
from releasegate.attesting.managed_keys import is_managed, managed_key_signer
from releasegate.attesting.signers import signer_of
from releasegate.errors import NotFound, TrustError, UsageError
from tests.tiny_releases import EXAMINER, LAB, TODAY, listed, policy_of, signed_line, statement

pytest.importorskip("securesystemslib")
ABOUT = [{"name": "release", "digest": {"sha256": "ab" * 32}}]
(SAID,) = parse_bundle_lines(signed_line(statement(ABOUT, TEST_RESULT_TYPE, {"result": "PASSED"})))
SERVICES = ["awskms:alias/release", "gcpkms:projects/x", "azurekms://vault/keys/x", "hsm:2?label=x", "nosuch:x"]


def kept(folder: Path, private: EllipticCurvePrivateKey) -> str:
    """The URI of a key that securesystemslib reads from a file, as it asks a service for one."""
    path = folder / "kept.pem"
    path.write_bytes(private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    return f"file2:{path}"


def test_the_key_elsewhere_signs_what_a_key_in_a_file_would(tmp_path: Path) -> None:
    policy = policy_of()
    signer = managed_key_signer(kept(tmp_path, LAB), None, None, policy, TODAY)
    (one,) = parse_bundle_lines(signer.bundle(SAID.payload))
    assert (one.payload, one.hint) == (SAID.payload, "lab")
    found = signer_of(one, policy.trust)
    assert getattr(found, "id", None) == "lab"


def test_a_signature_by_another_key_than_the_policy_lists_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="private key does not match public key"):
        managed_key_signer(kept(tmp_path, EXAMINER), None, None, policy_of(), TODAY)
    sound = managed_key_signer(kept(tmp_path, LAB), None, None, policy_of(), TODAY)
    wrong = EXAMINER.sign(SAID.pae, ECDSA(SHA256())).hex()
    for signature in (wrong, "00", ""):
        asked = SimpleNamespace(sign=lambda data, given=signature: SimpleNamespace(signature=given))
        with pytest.raises(TrustError, match="signed with another key than lab"):
            replace(sound, asked=asked).bundle(SAID.payload)


def test_of_several_keys_one_is_named(tmp_path: Path) -> None:
    uri, two = kept(tmp_path, LAB), policy_of(trust={"attestations": [listed(), listed("other", EXAMINER)]})
    with pytest.raises(UsageError, match="lists 2 keys for attestations"):
        managed_key_signer(uri, None, None, two, TODAY)
    with pytest.raises(NotFound, match="lists no key 'third'"):
        managed_key_signer(uri, "third", None, two, TODAY)
    with pytest.raises(UsageError, match="lists no keys for attestations"):
        managed_key_signer(uri, None, None, policy_of(trust=None), TODAY)
    assert managed_key_signer(uri, "lab", None, two, TODAY).id == "lab"
    with pytest.raises(TrustError, match="counts from 2026-01-01 to 2026-12-31, not on 2027-01-01"):
        managed_key_signer(uri, "lab", None, two, date(2027, 1, 1))


@pytest.mark.parametrize("uri", SERVICES)
def test_a_service_that_cannot_be_asked_is_one_error(uri: str) -> None:
    with pytest.raises(TrustError, match="cannot be signed with"):
        managed_key_signer(uri, None, "1234", policy_of(), TODAY).bundle(SAID.payload)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", ModuleType("empty"))
    with pytest.raises(TrustError, match="needs the library securesystemslib"):
        managed_key_signer("awskms:x", None, None, policy_of(), TODAY)


def test_a_file_is_told_from_a_service() -> None:
    assert is_managed("awskms:arn:aws:kms:x")
    for path in ("keys/awskms", "./awskms:x", "awskms", "C:/release.key", "file2:release.pem", ""):
        assert not is_managed(path)
