"""Sigstore bundles (v0.3, JSON form), one a line: who signed, and the envelope. A bundle is read, not believed.

Format: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, TypeVar

import rfc8785
from pydantic import JsonValue, model_validator

from releasegate.attestation.envelope import (
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    Hint,
    ShortBase64,
    decoded,
    pae,
)
from releasegate.attestation.predicates import SUMMARY_TYPE, TEST_RESULT_TYPE, TestResult, VerificationSummary
from releasegate.attestation.reading import RESTORE, read_json
from releasegate.attestation.release import RELEASE_TYPE, ReleaseAttestation
from releasegate.attestation.statement import Statement, digest_of_payload, parse_statement
from releasegate.canonical import canonical
from releasegate.errors import VerifyError
from releasegate.records import Record

R = TypeVar("R", bound=Record)

MediaType = Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
MEDIA_TYPE: MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BYTES = 32 << 20
"""Of the file of attestations."""
MAX_LINE = 8 << 20
"""Bytes of one: a release of 30,000 files."""
MAX_LINES = 100


class KeyHint(Record):
    """A key that whoever verifies has already."""

    hint: Hint


class Certificate(Record):
    """A certificate of a moment, which names whom it was given to."""

    rawBytes: ShortBase64  # noqa: N815 - as Sigstore spells it
    """DER."""


class VerificationMaterial(Record):
    """What is needed to check the signature, besides what whoever verifies trusts."""

    publicKey: KeyHint | None = None  # noqa: N815 - as Sigstore spells it
    certificate: Certificate | None = None
    tlogEntries: tuple[dict[str, JsonValue], ...] | None = None  # noqa: N815
    """Places in a transparency log."""
    timestampVerificationData: dict[str, JsonValue] | None = None  # noqa: N815

    @model_validator(mode="after")
    def _names_one_signer(self) -> Self:
        if (self.publicKey is None) == (self.certificate is None):
            raise ValueError("must have either publicKey or certificate")
        return self


class Bundle(Record):
    """One signed statement."""

    mediaType: MediaType  # noqa: N815 - as Sigstore spells it
    verificationMaterial: VerificationMaterial  # noqa: N815
    dsseEnvelope: Envelope  # noqa: N815


@dataclass(frozen=True)
class KeySigner:
    """Somebody with a key of their own; the hint says which, and proves nothing."""

    hint: str


@dataclass(frozen=True)
class CertificateSigner:
    """Somebody with a certificate of a moment, in DER; what it says is not checked here."""

    certificate: bytes = field(repr=False)


@dataclass(frozen=True)
class SignedStatement:
    """One line of a file of attestations, read and not verified.

    Attributes:
        where: file and line, for messages.
        number: of the line, from 1.
        line: the bundle as it stands, without its line feed.
        signer: who is said to have signed.
        payload: the bytes that were signed.
        signature: over `pae(payload)`; of a key: ECDSA in DER.
        statement: what the payload says.
    """

    where: str
    number: int
    line: bytes = field(repr=False)
    signer: KeySigner | CertificateSigner
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    statement: Statement = field(repr=False)

    @property
    def pae(self) -> bytes:
        """What the signature must fit."""
        return pae(self.payload)

    @property
    def hint(self) -> str | None:
        """The key that is said to have signed; None: somebody with a certificate."""
        return self.signer.hint if isinstance(self.signer, KeySigner) else None

    @property
    def certificate(self) -> bytes | None:
        """The certificate of whoever is said to have signed, in DER; None: somebody with a key."""
        return self.signer.certificate if isinstance(self.signer, CertificateSigner) else None

    @property
    def digest(self) -> str:
        """What the attestation is known by, for instance to revoke it, `sha256:…`: the digest of its payload. The bundle
        around it can be written in many ways, and so can an ECDSA signature."""
        return digest_of_payload(self.payload)

    @property
    def predicate_type(self) -> str:
        """A URI that says what kind of statement it is."""
        return self.statement.predicateType

    def summary(self) -> VerificationSummary:
        """Its SLSA verification summary.

        Raises:
            VerifyError: it is something else.
        """
        return self._predicate(VerificationSummary, SUMMARY_TYPE, "a SLSA verification summary")

    def test_result(self) -> TestResult:
        """Its in-toto test result.

        Raises:
            VerifyError: it is something else.
        """
        return self._predicate(TestResult, TEST_RESULT_TYPE, "an in-toto test result")

    def release(self) -> ReleaseAttestation:
        """Its releasegate predicate.

        Raises:
            VerifyError: it is something else.
        """
        return self._predicate(ReleaseAttestation, RELEASE_TYPE, "releasegate's predicate")

    def _predicate(self, kind: type[R], predicate_type: str, noun: str) -> R:
        if self.predicate_type != predicate_type:
            raise VerifyError(self.where, f"is not {noun}: its predicate is {self.predicate_type}", RESTORE)
        try:
            data = canonical(self.statement.predicate)
        except rfc8785.CanonicalizationError as error:
            raise VerifyError(self.where, f"is not {noun}: {str(error)[:200]}", RESTORE) from None
        return read_json(kind, data, self.where, noun)


def parse_bundle_lines(data: bytes, source: str = "the attestations") -> tuple[SignedStatement, ...]:
    """Every signed statement in a file of attestations, in order. No signature is checked here.

    Args:
        data: the file: one bundle a line, each line ended by a line feed.
        source: its name, for messages.

    Raises:
        VerifyError: a line is no bundle of one signed statement, or there are none, or too many, or too long ones.
    """
    if len(data) > MAX_BYTES:
        raise VerifyError(source, f"is larger than {MAX_BYTES >> 20} MiB", RESTORE)
    if not data.endswith(b"\n"):
        what = "is cut off: its last line has no line feed" if data else "is empty"
        raise VerifyError(source, what, RESTORE)
    if data.count(b"\n") > MAX_LINES:
        raise VerifyError(source, f"has more than {MAX_LINES} lines", RESTORE)
    lines = data[:-1].split(b"\n")
    return tuple(parse_bundle(line, source, number) for number, line in enumerate(lines, start=1))


def parse_bundle(line: bytes, source: str, number: int) -> SignedStatement:
    """The signed statement in one bundle. Its signature is not checked here.

    Args:
        line: the bundle, without a line feed.
        source: the name of the file, for messages.
        number: of the line, from 1.

    Raises:
        VerifyError: it is no bundle of one signed statement.
    """
    where = f"{source}:{number}"
    if len(line) > MAX_LINE:
        raise VerifyError(where, f"is longer than {MAX_LINE >> 20} MiB", RESTORE)
    bundle = read_json(Bundle, line, where, "a Sigstore bundle v0.3 with a DSSE envelope")
    envelope, material = bundle.dsseEnvelope, bundle.verificationMaterial
    (signature,) = envelope.signatures
    signer: KeySigner | CertificateSigner
    if material.certificate is not None:
        signer = CertificateSigner(decoded(material.certificate.rawBytes))
    else:
        assert material.publicKey is not None, "the record has either"
        signer = KeySigner(material.publicKey.hint)
        if signature.keyid not in ("", signer.hint):
            raise VerifyError(where, "names two keys: publicKey.hint and signatures.0.keyid differ", RESTORE)
    payload = decoded(envelope.payload)
    statement = parse_statement(payload, where)
    return SignedStatement(where, number, line, signer, payload, decoded(signature.sig), statement)


def bundle_line(payload: bytes, signature: bytes, key_id: str) -> bytes:
    """The bundle of a statement that a key signed, as a line with its line feed.

    Args:
        payload: the statement's bytes.
        signature: ECDSA in DER, over `pae(payload)`.
        key_id: the key, by its id in the policy's `trust`.
    """
    envelope = Envelope(
        payload=_encoded(payload),
        payloadType=PAYLOAD_TYPE,
        signatures=(EnvelopeSignature(sig=_encoded(signature), keyid=key_id),),
    )
    material = VerificationMaterial(publicKey=KeyHint(hint=key_id), tlogEntries=())
    plain: Mapping[str, JsonValue] = Bundle(
        mediaType=MEDIA_TYPE, verificationMaterial=material, dsseEnvelope=envelope
    ).plain()
    return canonical(dict(plain)) + b"\n"


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
