"""What is attested of a release: three statements about the same folder, made of a run and its decision. Pure.

The same run, day and signer give the same statements, byte for byte; an ECDSA signature over them differs each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, cast

from releasegate.attestation.predicates import (
    SUMMARY_TYPE,
    TEST_RESULT_TYPE,
    ResourceDescriptor,
    TestResult,
    VerificationSummary,
    Verifier,
)
from releasegate.attestation.release import (
    RELEASE_TYPE,
    AttestedFinding,
    AttestedWaiver,
    Granted,
    LedgerPlaces,
    MeasuredFile,
    Models,
    ReleaseAttestation,
    ReplacedFile,
    StripSummary,
    measured_digest,
    resource_uri,
)
from releasegate.attestation.statement import Statement, statement_about, subjects_for
from releasegate.decision import Decision, Finding
from releasegate.decision.record import ArtefactDecision
from releasegate.decision.wording import worded
from releasegate.ledger import Anchor
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.released import Released

SLSA_VERSION = "1.1"
UNEVALUATED = "SLSA_BUILD_LEVEL_UNEVALUATED"
"""How it was built was not looked at: SLSA's own word for that."""


@dataclass(frozen=True)
class Attestable:
    """Everything that is attested, checked already.

    Attributes:
        plan: of the run.
        decision: as stored, of a kind that may be attested.
        receipt: of the stripped checkpoint, if that goes out.
        released: the folder that goes out.
        files: every file of the checkpoint that goes out, as measured.
        source_files: of a strip, if the source was at hand: its files.
        replaced: files of the checkpoint in whose place others go out.
        closed: where the ledger says that the attempt was closed with this decision.
        approvals: whole signed documents, as JSON data.
        day: today, in UTC.
        signer: id, in the policy's `trust`, of the key or identity that signs.
        version: of releasegate.
    """

    plan: Plan
    decision: Decision
    receipt: Receipt | None
    released: Released
    files: tuple[MeasuredFile, ...]
    source_files: tuple[MeasuredFile, ...] | None
    replaced: tuple[ReplacedFile, ...]
    closed: Anchor
    approvals: tuple[Mapping[str, Any], ...]
    day: date
    signer: str
    version: str

    @property
    def weights(self) -> ArtefactDecision:
        """What was decided on the weights."""
        weights = self.decision.weights
        if weights is None:
            raise ValueError("the decision is not about weights")
        return weights


def statements_of(matter: Attestable) -> tuple[Statement, Statement, Statement]:
    """The SLSA verification summary, the in-toto test result, and our own predicate.

    Raises:
        ValueError: parts of `matter` do not belong to one another.
    """
    subjects = subjects_for(matter.released)
    return (
        statement_about(subjects, SUMMARY_TYPE, _summary(matter)),
        statement_about(subjects, TEST_RESULT_TYPE, _test_result(matter)),
        statement_about(subjects, RELEASE_TYPE, _release(matter)),
    )


def verifier_id(signer: str) -> str:
    """The URI of whoever verified, by the id of the key that signs.

    >>> verifier_id("release-2026")
    'urn:releasegate:verifier:release-2026'
    """
    return f"urn:releasegate:verifier:{signer}"


def policy_uri(policy: str) -> str:
    """The URI of a policy, by its id.

    >>> policy_uri("mini-chameleon")
    'urn:releasegate:policy:mini-chameleon'
    """
    return f"urn:releasegate:policy:{policy}"


def _summary(matter: Attestable) -> VerificationSummary:
    decision = matter.decision
    return VerificationSummary(
        verifier=Verifier(id=verifier_id(matter.signer)),
        timeVerified=f"{matter.day.isoformat()}T00:00:00Z",
        resourceUri=resource_uri(matter.released.digest()),
        policy=_resource(None, decision.policy_digest, policy_uri(decision.policy)),
        verificationResult="PASSED",
        verifiedLevels=(UNEVALUATED, f"RELEASEGATE_{matter.weights.verdict.upper()}"),
        slsaVersion=SLSA_VERSION,
    )


def _test_result(matter: Attestable) -> TestResult:
    decision = matter.decision
    passed, warned = (tuple(sorted(set(_named(decision.findings, met=met)))) for met in (True, False))
    return TestResult(
        result="WARNED" if warned else "PASSED",
        configuration=(
            _resource("plan", decision.plan),
            _resource("policy", decision.policy_digest, policy_uri(decision.policy)),
            _resource("evidence", decision.evidence),
        ),
        passedTests=tuple(test for test in passed if test not in warned),
        warnedTests=warned,
        failedTests=(),
    )


def _named(findings: Iterable[Finding], *, met: bool) -> Iterator[str]:
    for finding in findings:
        if (finding.status == "met") == met:
            yield f"{finding.requirement} on {finding.checkpoint}"


def _resource(name: str | None, digest: str, uri: str | None = None) -> ResourceDescriptor:
    return ResourceDescriptor(name=name, uri=uri, digest={"sha256": digest.removeprefix("sha256:")})


def _release(matter: Attestable) -> ReleaseAttestation:
    plan, decision, weights = matter.plan, matter.decision, matter.weights
    assert decision.ledger is not None, "a rehearsal is never attested"
    return ReleaseAttestation(
        releasegate=matter.version,
        day=matter.day.isoformat(),
        verdict=cast('Literal["release", "release_stripped"]', weights.verdict),
        channel=cast('Literal["open_weights", "gated_weights"]', weights.granted),
        artefacts=tuple(_granted(artefact) for artefact in decision.artefacts),
        policy=decision.policy,
        policy_digest=decision.policy_digest,
        plan=decision.plan,
        evidence=decision.evidence,
        decision=decision.digest(),
        attempt=decision.attempt,
        ledger=LedgerPlaces(family=plan.policy.family, opened=decision.ledger, closed=matter.closed),
        model=Models(source=decision.model, released=measured_digest(matter.files)),
        files=matter.files,
        source_files=matter.source_files,
        replaced=matter.replaced,
        strip=_strip(decision, matter.receipt) if weights.verdict == "release_stripped" else None,
        findings=tuple(_finding(finding) for finding in decision.findings),
        leans_on=worded(decision, plan.policy).leans_on,
        not_measured=decision.not_measured,
        waivers=tuple(_waivers(decision.findings)),
        approvals=tuple(dict(approval) for approval in matter.approvals),
    )


def _granted(artefact: ArtefactDecision) -> Granted:
    return Granted(
        name=artefact.name,
        asked=artefact.asked,
        granted=artefact.granted,
        verdict=artefact.verdict,
        checkpoint=artefact.checkpoint,
    )


def _strip(decision: Decision, receipt: Receipt | None) -> StripSummary:
    if decision.strip is None or receipt is None or receipt.output_digest != decision.strip.model:
        raise ValueError("the receipt is not of the strip that was judged")
    return StripSummary(
        capabilities=decision.strip.capabilities,
        recipes={recipe.id: recipe.sha256 for recipe in receipt.recipes},
        receipt=receipt.digest(),
        tier=decision.strip.tier,
    )


def _finding(finding: Finding) -> AttestedFinding:
    worst = finding.slices[0]
    return AttestedFinding(
        requirement=finding.requirement,
        section=finding.section,
        safeguards=finding.safeguards,
        checkpoint=finding.checkpoint,
        channel=finding.channel,
        metric=finding.metric,
        side=finding.side,
        limit=finding.limit,
        status=finding.status,
        reason=finding.reason,
        enforced_by=finding.enforced_by,
        labels=worst.labels,
        estimate=worst.estimate,
        slices=len(finding.slices),
    )


def _waivers(findings: Iterable[Finding]) -> Iterator[AttestedWaiver]:
    for finding in findings:
        if finding.waived is not None:
            yield AttestedWaiver(
                requirement=finding.requirement,
                checkpoint=finding.checkpoint,
                waiver=finding.waived.waiver,
                sha256=finding.waived.sha256,
                owner=finding.waived.owner,
                expires=finding.waived.expires,
                key=finding.waived.key,
            )
