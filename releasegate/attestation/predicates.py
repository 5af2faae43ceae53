"""Predicates of other people's making: the SLSA verification summary and the in-toto test result.

Formats: https://slsa.dev/spec/v1.1/verification_summary and
https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md. Both say that fields which one does not
know are passed over.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from releasegate.attestation.reading import Growing

SUMMARY_TYPE = "https://slsa.dev/verification_summary/v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"

Uri = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,1000}$")]
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$")]
"""RFC 3339, in UTC."""
Test = Annotated[str, StringConstraints(min_length=1, max_length=400)]
DigestSet = Annotated[dict[str, str], Field(min_length=1)]
"""By the name of the algorithm, in hexadecimal digits."""


class ResourceDescriptor(Growing):
    """Something by its digest, in in-toto's way."""

    name: Annotated[str, StringConstraints(max_length=400)] | None = None
    uri: Uri | None = None
    digests: DigestSet | None = Field(default=None, alias="digest")

    @property
    def sha256(self) -> str | None:
        """`sha256:…`, if it has one."""
        digits = (self.digests or {}).get("sha256")
        return None if digits is None else f"sha256:{digits}"


class Verifier(Growing):
    """Who verified."""

    id: Uri


class VerificationSummary(Growing):
    """That something was verified by a policy, and how it came out (SLSA)."""

    verifier: Verifier
    timeVerified: Time  # noqa: N815 - as SLSA spells it
    resourceUri: Uri  # noqa: N815
    """What was verified."""
    policy: ResourceDescriptor
    inputAttestations: tuple[ResourceDescriptor, ...] | None = None  # noqa: N815
    verificationResult: Literal["PASSED", "FAILED"]  # noqa: N815
    verifiedLevels: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...]  # noqa: N815
    """SLSA levels, and words of the verifier's own that do not begin with `SLSA_`."""
    slsaVersion: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")] | None = None  # noqa: N815


class TestResult(Growing):
    """How tests came out (in-toto)."""

    result: Literal["PASSED", "WARNED", "FAILED"]
    configuration: tuple[ResourceDescriptor, ...]
    """What was tested by: plan, policy, evidence."""
    passedTests: tuple[Test, ...] | None = None  # noqa: N815 - as in-toto spells it
    warnedTests: tuple[Test, ...] | None = None  # noqa: N815
    failedTests: tuple[Test, ...] | None = None  # noqa: N815

    @property
    def passed(self) -> bool:
        """Whether no test failed, by its result and by its lists."""
        return self.result != "FAILED" and not self.failedTests
