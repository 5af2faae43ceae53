"""Attestations: in-toto statements about a released folder, signed as DSSE, in Sigstore bundles. Records and parsing; pure.

::

    a line of attestations.jsonl     one Sigstore bundle (v0.3, JSON): who signed, and the envelope     `bundle`
      dsseEnvelope                   payload type, payload, one signature over both (DSSE)              `envelope`
        payload                      an in-toto Statement v1: subjects and a predicate                  `statement`
          predicate                  SLSA verification summary, in-toto test result, or our own         `predicates`, `release`
"""

from releasegate.attestation.bundle import (
    CertificateSigner,
    KeySigner,
    SignedStatement,
    bundle_line,
    parse_bundle_lines,
)
from releasegate.attestation.envelope import PAYLOAD_TYPE, pae
from releasegate.attestation.predicates import SUMMARY_TYPE, TEST_RESULT_TYPE, TestResult, VerificationSummary
from releasegate.attestation.release import RELEASE_TYPE, ReleaseAttestation
from releasegate.attestation.statement import Statement, Subject, Subjects, parse_statement, subjects_of

__all__ = [
    "PAYLOAD_TYPE",
    "RELEASE_TYPE",
    "SUMMARY_TYPE",
    "TEST_RESULT_TYPE",
    "CertificateSigner",
    "KeySigner",
    "ReleaseAttestation",
    "SignedStatement",
    "Statement",
    "Subject",
    "Subjects",
    "TestResult",
    "VerificationSummary",
    "bundle_line",
    "pae",
    "parse_bundle_lines",
    "parse_statement",
    "subjects_of",
]
