"""Whether an attestation counts for a policy on a day: every rule but those about the folder's bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from pydantic import ValidationError

from releasegate.approval import Approval, Given, Matter, asked, awaiting_sentence, wanted
from releasegate.attestation import Subjects
from releasegate.attesting.sets import AttestedRelease
from releasegate.attesting.signers import described, outside_its_days
from releasegate.decision import worst
from releasegate.errors import ReleaseRefused, VerifyError
from releasegate.policy import CHANNELS, Policy
from releasegate.records import first_fault
from releasegate.released import COMPANIONS, Released, ReleasedFile
from releasegate.revocation import RevocationList, fault, revoked

_RENEW = "have the release attested again, with `releasegate attest --append`"
_RIGHT = "use the policy that the release was made under"
_REFUSE = "do not use this release; ask whoever published it for another one"


def judge(
    attested: AttestedRelease, policy: Policy, today: date, revocations: RevocationList | None
) -> tuple[Given, ...]:
    """The approvals that were counted, if the attestation counts.

    Raises:
        ReleaseRefused: it holds, and says no.
        VerifyError: it does not count.
    """
    _check_signer(attested, today)
    _check_policy(attested, policy)
    _check_day(attested, policy, today)
    _check_weights(attested)
    given = _approvals(attested, policy, today)
    check_model(attested)
    _check_not_revoked(attested, given, policy, today, revocations)
    _check_result(attested)
    return given


def _check_signer(attested: AttestedRelease, today: date) -> None:
    """An expired key cannot be told from a stolen one that writes an earlier day, so it must be valid today as well."""
    signed = date.fromisoformat(attested.release.day)
    why = outside_its_days(attested.signer, signed, today)
    if why is not None:
        raise VerifyError(attested.where, f"is signed with {described(attested.signer)}, {why}", _RENEW)


def _check_policy(attested: AttestedRelease, policy: Policy) -> None:
    release, rules = attested.release, policy.rules_digest()
    if release.policy != policy.id:
        what = f"is of a release under policy {release.policy}, not {policy.id}"
        raise VerifyError(attested.where, what, _RIGHT)
    if release.policy_digest != rules:
        what = f"is of a release under other rules: {release.policy_digest}, and those of {policy.id} are {rules}"
        raise VerifyError(attested.where, what, _RIGHT)


def _check_day(attested: AttestedRelease, policy: Policy, today: date) -> None:
    made = date.fromisoformat(attested.release.day)
    if made > today:
        raise VerifyError(attested.where, f"is of {made}, and today is {today}", "check the clock of this machine")
    most = policy.published.max_age_days
    if most is not None and made + timedelta(days=most) < today:
        what = f"is {(today - made).days} days old; policy {policy.id} accepts {most} (publication.max_age_days)"
        raise VerifyError(attested.where, what, _RENEW)


def _check_weights(attested: AttestedRelease) -> None:
    release = attested.release
    weights = next((one for one in release.artefacts if one.name == "weights"), None)
    if weights is None or (weights.granted, weights.verdict) != (release.channel, release.verdict):
        what = f"says {release.verdict} through {release.channel}, which is not what its artefacts grant to the weights"
        raise VerifyError(attested.where, what, _REFUSE)


def _approvals(attested: AttestedRelease, policy: Policy, today: date) -> tuple[Given, ...]:
    """The approvals that count, if they are all that the policy asks for."""
    counts = asked(policy.approvals)
    found = wanted(counts, tuple(_documents(attested)), policy.trust, matter_of(attested), today)
    missing = awaiting_sentence(found)
    if missing is not None:
        idle = [sentence for one in found for sentence in one.idle]
        raise VerifyError(
            attested.where, "; ".join([missing, *idle]), "have it approved, and the release attested again"
        )
    return tuple(given for one in found for given in one.given)


def _documents(attested: AttestedRelease) -> Iterator[Approval]:
    for number, plain in enumerate(attested.release.approvals):
        try:
            yield Approval.from_plain(plain)
        except ValidationError as error:
            what = f"holds an approval that is none: approvals.{number}: {ascii(first_fault(error))[1:-1][:400]}"
            raise VerifyError(attested.where, what, _RENEW) from None


def matter_of(attested: AttestedRelease) -> Matter:
    """What approvals of the release are held against."""
    release = attested.release
    return Matter(
        policy=release.policy,
        plan=release.plan,
        decision=release.decision,
        verdict=worst(artefact.verdict for artefact in release.artefacts),
        channel=max((artefact.granted for artefact in release.artefacts), key=CHANNELS.index),
        source=release.model.source,
        released=release.model.released,
        opened=date.min,  # the decision's digest ties them to the attempt
    )


def check_model(attested: AttestedRelease) -> None:
    """Nothing, if the attested files are the model as it was measured, and what may stand beside it.

    Raises:
        VerifyError: a file of the model was not measured like that, or another file could be read as part of it.
    """
    release, files, where = attested.release, attested.subjects.files, attested.where
    replaced: dict[str, str] = {one.path: one.released for one in release.replaced}
    for file in release.files:
        expected = replaced.get(file.path, file.sha256)
        if files.get(file.path) != expected:
            what = (
                f"says that {file.path} was measured as {expected}, and attests {files.get(file.path, 'no such file')}"
            )
            raise VerifyError(where, what, _REFUSE)
    model = {file.path for file in release.files}
    for path in files:
        if path not in model and path not in COMPANIONS:
            raise VerifyError(where, f"attests {path}, which is no file of the model that was measured", _REFUSE)
    try:
        Released(files=tuple(ReleasedFile(path=path, size=0, sha256=digest) for path, digest in files.items()))
    except ValidationError as error:
        raise VerifyError(where, f"attests no released folder: {ascii(first_fault(error))[1:-1]}", _REFUSE) from None


def _check_not_revoked(
    attested: AttestedRelease,
    given: tuple[Given, ...],
    policy: Policy,
    today: date,
    revocations: RevocationList | None,
) -> None:
    named = policy.published.revocations
    if named is None:
        return
    if revocations is None:
        what = f"names the revocation list {named}, which is not at hand"
        raise VerifyError(f"policy {policy.id}", what, "give it with --revocations FILE")
    why = fault(revocations, named, policy.trust, today)
    if why is not None:
        raise VerifyError(f"revocation list {revocations.id}", f"does not count: it {why}", "fetch the one in force")
    entry = revoked(
        revocations,
        release=attested.subjects.release,
        models=(attested.release.model.released, attested.release.model.source),
        attestations=tuple(line.digest for line in attested.lines),
        keys=(attested.signer.id, *(one.key.id for one in given), *(one.key for one in attested.release.waivers)),
    )
    if entry is not None:
        what = f"is revoked: {entry.named}, on {entry.day}: {entry.reason}"
        raise VerifyError(attested.where, what, _REFUSE)


def _check_result(attested: AttestedRelease) -> None:
    if attested.summary.verificationResult != "PASSED" or not attested.result.passed:
        raise refusal(attested.lines[0].where, attested.subjects)


def refusal(where: str, subjects: Subjects) -> ReleaseRefused:
    """The sound no about a release."""
    return ReleaseRefused(where, f"says that release {subjects.release} did not pass", _REFUSE)
