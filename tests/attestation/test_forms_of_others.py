"""Tools of other people read what we sign: bundle, envelope, statement and predicates, each in its own library."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as form

from releasegate.attestation import SUMMARY_TYPE, TEST_RESULT_TYPE, SignedStatement, parse_bundle_lines
from releasegate.attestation.making import Attestable, statements_of
from releasegate.attestation.release import MeasuredFile
from releasegate.attesting.signing import FileKeySigner
from releasegate.ledger import Anchor
from releasegate.released import Released, ReleasedFile
from releasegate.trust import AttestationKey
from tests.tiny_gates import WEAK, Gate, capability, policy, share
from tests.tiny_releases import EXAMINER, LAB, TODAY, listed, sha


def matter(gate: Gate) -> Attestable:
    """A release of the one file that a gate's plan is about."""
    files = tuple(
        MeasuredFile(path=entry.path, size=entry.size, sha256=str(entry.sha256))
        for entry in gate.plan.model.manifest.files
    )
    card = ReleasedFile(path="README.md", size=5, sha256=sha("card"))
    released = (card, *(ReleasedFile(path=f.path, size=f.size, sha256=f.sha256) for f in files))
    return Attestable(
        plan=gate.plan,
        decision=gate.decide(),
        receipt=None,
        released=Released(files=released),
        files=files,
        source_files=None,
        replaced=(),
        closed=Anchor(count=4, head="ab" * 32),
        approvals=(),
        day=TODAY,
        signer="lab",
        version="0.1",
    )


@pytest.fixture(scope="module")
def signed() -> tuple[SignedStatement, ...]:
    """What a signer made of a release, read again."""
    gate = Gate(policy(capability("drawing", misuse=[WEAK])), {("drawing", "source"): share(0)})
    signer = FileKeySigner(AttestationKey(**listed()), LAB)
    return parse_bundle_lines(b"".join(signer.bundle(one.payload()) for one in statements_of(matter(gate))))


def test_sigstore_reads_every_bundle(signed: tuple[SignedStatement, ...]) -> None:
    models = pytest.importorskip("sigstore_models.bundle.v1")
    for one in signed:
        bundle = models.Bundle.from_json(one.line)
        assert bundle.verification_material.public_key.hint == "lab"
        assert bundle.dsse_envelope.payload == one.payload
        assert [signature.sig for signature in bundle.dsse_envelope.signatures] == [one.signature]


def test_sigstore_signs_the_same_bytes(signed: tuple[SignedStatement, ...]) -> None:
    dsse = pytest.importorskip("sigstore.dsse")
    for one in signed:
        assert dsse.Statement(one.payload)._pae() == one.pae


def test_in_toto_reads_every_statement(signed: tuple[SignedStatement, ...]) -> None:
    statements = pytest.importorskip("in_toto_attestation.v1.statement")
    from google.protobuf import json_format
    from in_toto_attestation.v1 import statement_pb2

    for one in signed:
        read = statements.Statement.copy_from_pb(json_format.Parse(one.payload, statement_pb2.Statement()))
        read.validate()
        assert [subject.name for subject in read.pb.subject] == ["release", "README.md", "source"]
        assert read.pb.predicate_type == one.predicate_type


def test_in_toto_reads_the_summary_and_the_test_result(signed: tuple[SignedStatement, ...]) -> None:
    pytest.importorskip("in_toto_attestation")
    from google.protobuf import json_format
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
    from in_toto_attestation.predicates.vsa.v1 import vsa_pb2

    by_type: dict[str, Any] = {one.predicate_type: one.statement.predicate for one in signed}
    plain = dict(by_type[SUMMARY_TYPE])
    levels = plain.pop("verifiedLevels")  # the library has one text here, where the specification has a list
    assert levels == ["SLSA_BUILD_LEVEL_UNEVALUATED", "RELEASEGATE_RELEASE"]
    summary = json_format.ParseDict(plain, vsa_pb2.VerificationSummary())
    assert (summary.verification_result, summary.slsa_version) == ("PASSED", "1.1")
    assert summary.time_verified.ToJsonString() == "2026-03-01T00:00:00Z"
    result = json_format.ParseDict(by_type[TEST_RESULT_TYPE], test_result_pb2.TestResult())
    assert result.result == "PASSED"
    assert list(result.passed_tests) == ["weak on source"]
    assert [one.name for one in result.configuration] == ["plan", "policy", "evidence"]


def test_securesystemslib_verifies_the_envelope_with_the_key_and_with_no_other(
    signed: tuple[SignedStatement, ...],
) -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    lab, examiner = (SSlibKey.from_crypto(key.public_key(), keyid="lab") for key in (LAB, EXAMINER))
    for one in signed:
        plain = json.loads(one.line)["dsseEnvelope"]
        assert set(dsse.Envelope.from_dict(plain).verify([lab], 1)) == {"lab"}
        with pytest.raises(VerificationError):
            dsse.Envelope.from_dict(json.loads(one.line)["dsseEnvelope"]).verify([examiner], 1)


def test_openssl_verifies_the_signature_over_the_pre_authentication_encoding(
    signed: tuple[SignedStatement, ...], tmp_path: Path
) -> None:
    pem = LAB.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "lab.pem").write_bytes(pem)
    plain = json.loads(signed[0].line)["dsseEnvelope"]
    payload = base64.b64decode(plain["payload"])
    encoded = f"DSSEv1 {len(plain['payloadType'])} {plain['payloadType']} {len(payload)} ".encode() + payload
    (tmp_path / "pae").write_bytes(encoded)
    (tmp_path / "sig").write_bytes(base64.b64decode(plain["signatures"][0]["sig"]))
    command = ["openssl", "dgst", "-sha256", "-verify", "lab.pem", "-signature", "sig", "pae"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Verified OK\n"
    (tmp_path / "pae").write_bytes(encoded[:-1] + b" ")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1
