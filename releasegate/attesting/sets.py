"""Which lines of a file of attestations belong together: a summary, a test result and our predicate, by one signer. Pure.

One complete set is enough. Other lines (an examiner's, a renewal, one of another kind) stand beside it: they are listed,
and lend nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from releasegate.attestation import (
    RELEASE_TYPE,
    SUMMARY_TYPE,
    TEST_RESULT_TYPE,
    ReleaseAttestation,
    SignedStatement,
    Subjects,
    TestResult,
    VerificationSummary,
    subjects_of,
)
from releasegate.attestation.release import resource_uri
from releasegate.attesting.signers import Stranger, TrustedSigner
from releasegate.errors import VerifyError

KINDS = {SUMMARY_TYPE: "a verification summary", TEST_RESULT_TYPE: "a test result", RELEASE_TYPE: "our predicate"}
"""The three kinds of statements that a release needs, and what they are called."""


@dataclass(frozen=True)
class Line:
    """A line whose signature was looked at, and who signed it."""

    signed: SignedStatement
    signer: TrustedSigner | Stranger


@dataclass(frozen=True)
class AttestedRelease:
    """A complete set: three statements by one signer about one folder, which agree with each other.

    Attributes:
        lines: the three statements.
    """

    signer: TrustedSigner
    subjects: Subjects
    summary: VerificationSummary
    result: TestResult
    release: ReleaseAttestation
    lines: tuple[SignedStatement, SignedStatement, SignedStatement]

    @property
    def where(self) -> str:
        """The line of our predicate, for messages."""
        return self.lines[2].where


@dataclass(frozen=True)
class _Known:
    """A line by somebody whom the policy lists, of a kind that a release needs."""

    signed: SignedStatement
    signer: TrustedSigner
    subjects: Subjects


def complete_sets(lines: Sequence[Line], source: str) -> tuple[AttestedRelease, ...]:
    """Every complete set, the latest first.

    Args:
        source: the file, for messages.

    Raises:
        VerifyError: there is none, or a line by a listed signer is not what it says.
    """
    known = [
        _Known(line.signed, line.signer, subjects_of(line.signed.statement, line.signed.where))
        for line in lines
        if not isinstance(line.signer, Stranger) and line.signed.predicate_type in KINDS
    ]
    found = sorted(_sets(known), key=_newness, reverse=True)
    if not found:
        raise VerifyError(source, _incomplete(lines, known), _REMEDY)
    return tuple(found)


def _newness(one: AttestedRelease) -> tuple[str, list[int]]:
    """By which the later of two sets comes first; a renewal with the same test result takes the one beside it."""
    return one.release.day, [line.number for line in one.lines]


_REMEDY = "use the policy that the release was made under, and the attestations that were published with it"


def _incomplete(lines: Sequence[Line], known: Sequence[_Known]) -> str:
    """What is wrong where no set is complete."""
    if not known:
        strangers = dict.fromkeys(line.signer.named for line in lines if isinstance(line.signer, Stranger))
        by = f"; there is one by {', '.join(list(strangers)[:5])}" if strangers else ""
        return f"has no attestation of a release by a signer that the policy's `trust` lists{by}"
    missing = [noun for kind, noun in KINDS.items() if kind not in {one.signed.predicate_type for one in known}]
    if missing:
        return (
            f"is incomplete: {' and '.join(missing)} by a listed signer {'is' if len(missing) == 1 else 'are'} missing"
        )
    return "is incomplete: no verification summary, test result and predicate by one signer agree on files, day and digests"


def _sets(known: Sequence[_Known]) -> Iterator[AttestedRelease]:
    for ours in _of(known, RELEASE_TYPE):
        release = ours.signed.release()
        beside = [one for one in known if one.signer == ours.signer and one.subjects == ours.subjects]
        summaries = [(one, one.signed.summary()) for one in _of(beside, SUMMARY_TYPE)]
        results = [(one, one.signed.test_result()) for one in _of(beside, TEST_RESULT_TYPE)]
        for summed, summary in summaries:
            for tested, result in results:
                if summary.resourceUri == resource_uri(ours.subjects.release) and _agree(release, summary, result):
                    lines = (summed.signed, tested.signed, ours.signed)
                    yield AttestedRelease(ours.signer, ours.subjects, summary, result, release, lines)


def _of(known: Iterable[_Known], kind: str) -> list[_Known]:
    return [one for one in known if one.signed.predicate_type == kind]


def _agree(release: ReleaseAttestation, summary: VerificationSummary, result: TestResult) -> bool:
    """Whether three statements about the same files are about the same decision."""
    stated = {"policy": release.policy_digest, "plan": release.plan, "evidence": release.evidence}
    return (
        summary.timeVerified[:10] == release.day
        and summary.policy.sha256 == release.policy_digest
        and all(
            {r.sha256 for r in result.configuration if r.name == name} == {digest} for name, digest in stated.items()
        )
    )
