"""What `releasegate verify` says of a release: line by line for people, whole as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from releasegate.attesting.hashing import shown
from releasegate.attesting.judging import matter_of
from releasegate.attesting.sets import Line
from releasegate.attesting.signers import Stranger, described
from releasegate.attesting.verifying import Verified
from releasegate.policy import Policy
from releasegate.revocation import RevocationList


def lines_of(verified: Verified, policy: Policy, revocations: RevocationList | None) -> Iterator[str]:
    """Each thing that was checked, what differs, and what the release leans on, as sentences."""
    attested = verified.attested
    release = attested.release
    yield f"ok: {_counted(verified.files, 'file')}, none missing, none extra, {verified.size:,} bytes as attested"
    how = "worked out from the folder" if verified.digest_recomputed else "as attested"
    yield f"ok: release {attested.subjects.release}, {how}"
    yield f"ok: model {release.model.released}, {_counted(len(release.files), 'file')} as measured"
    yield f"ok: signed with {described(attested.signer)} on {release.day}"
    for statement in attested.lines:
        yield f"ok: attestation {statement.digest} ({statement.predicate_type})"
    yield f"ok: policy {policy.id}, {release.policy_digest}"
    yield f"ok: verdict {release.verdict}: the weights may go out through {release.channel}"
    for given in verified.approvals:
        yield f"ok: approved as {given.approval.role} by {given.key.owner} on {given.approval.day}"
    if revocations is not None:
        last = f"in force until {revocations.next_update}"
        yield f"ok: not on the revocation list {revocations.id}, number {revocations.number}, {last}"
    for differing in verified.may_differ:
        yield f"differs, as the policy lets it: {differing.path} {differing.sentence}"
    for line in verified.others:
        yield f"not considered: {_shown(line)}"
    places = release.ledger
    anchored = "anchored" if places.opened.anchored else "not anchored"
    yield f"ledger: {places.family}, attempt {release.attempt}, closed at line {places.closed.count}, {anchored}"
    for one in release.leans_on:
        yield f"leans on: {shown(one)}"
    for one in release.not_measured:
        yield f"not measured: {shown(one.removesuffix(': not measured'))}"


def plain(verified: Verified, policy: Policy, revocations: RevocationList | None) -> dict[str, Any]:
    """The same as JSON data."""
    attested = verified.attested
    release = attested.release
    return {
        "valid": True,
        "release": attested.subjects.release,
        "release_recomputed": verified.digest_recomputed,
        "files": verified.files,
        "bytes": verified.size,
        "model": release.model.plain(),
        "policy": {"id": policy.id, "digest": release.policy_digest},
        "verdict": release.verdict,
        "channel": release.channel,
        "day": release.day,
        "signer": {"id": attested.signer.id, "described": described(attested.signer)},
        "attestations": [line.digest for line in attested.lines],
        "decision": matter_of(attested).decision,
        "approvals": [
            {"role": g.approval.role, "owner": g.key.owner, "key": g.key.id, "day": g.approval.day}
            for g in verified.approvals
        ],
        "revocations": None
        if revocations is None
        else {"id": revocations.id, "number": revocations.number, "next_update": revocations.next_update},
        "may_differ": [{"path": one.path, "attested": one.attested, "found": one.found} for one in verified.may_differ],
        "not_considered": [
            {"line": line.signed.number, "kind": line.signed.predicate_type, "signer": _signer(line)}
            for line in verified.others
        ],
        "ledger": release.ledger.plain(),
        "leans_on": list(release.leans_on),
        "not_measured": list(release.not_measured),
    }


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _signer(line: Line) -> str:
    return line.signer.named if isinstance(line.signer, Stranger) else described(line.signer)


def _shown(line: Line) -> str:
    by = _signer(line)
    why = "whom the policy does not list" if isinstance(line.signer, Stranger) else "which this does not rest on"
    return f"line {line.signed.number}, {line.signed.predicate_type} by {by}, {why}"
