"""Attesting a release: what was decided, on which files, signed, in one file beside the run.

decided run -> may it go out? -> who signs -> ledger and approvals -> the folder that goes out -> statements -> signed lines
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import releasegate
from releasegate.approval import awaiting_sentence
from releasegate.attestation import SignedStatement, parse_bundle_lines
from releasegate.attestation.making import Attestable, statements_of
from releasegate.attestation.release import MeasuredFile, ReplacedFile
from releasegate.attesting.signers import Stranger, signer_of
from releasegate.attesting.signing import Signer
from releasegate.checkpoint.parallel import Watch
from releasegate.errors import EvidenceUntrusted, Exit, LedgerError, TrustError
from releasegate.ledger import Anchor
from releasegate.manifest import Manifest
from releasegate.plan import SOURCE
from releasegate.policy import Policy
from releasegate.publishing.bundle_file import BundleFile
from releasegate.publishing.composing import Composition, compose
from releasegate.publishing.releasable import Hindrance, hindrance
from releasegate.released import ReleasedFile
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.approvals import approvals_wanted
from releasegate.repository.attempts import family_ledger, known_attempt
from releasegate.repository.deciding_run import Decided, read_decided
from releasegate.stripped import open_source, open_stripped, require_source, require_told


@dataclass(frozen=True)
class Call:
    """What is to be attested.

    Attributes:
        run: a decided run.
        repository: where the policy lies as it is today.
        today: the day, in UTC.
        file: where the attestations go.
        ledger: where attempts are counted; None: the repository's.
        model: the source checkpoint, which is needed where it goes out whole.
    """

    run: RunFolder
    repository: GateRepository
    today: date
    file: BundleFile
    ledger: Path | None = None
    model: Path | None = None


@dataclass(frozen=True)
class Attested:
    """What was attested.

    Attributes:
        release: the release digest.
        signer: the id of the key or identity that signed.
        added: the attestations that were made now.
        kept: how many of before stand ahead of them.
        files: how many files they cover.
        size: bytes of those.
        sources: whether the files of a stripped source are named as well; None where nothing was stripped.
    """

    release: str
    signer: str
    added: tuple[SignedStatement, ...]
    kept: int
    files: int
    size: int
    sources: bool | None


def attest(call: Call, signer_for: Callable[[Policy], Signer], watch: Watch | None = None) -> Attested | Hindrance:
    """What was attested, or what keeps the run from it; only in the first case were attestations written.

    Args:
        signer_for: who signs, given the policy as it is today.
        watch: is told the bytes of the model that were read.

    Raises:
        EvidenceUntrusted: the run was changed, decides otherwise today, or is not of the model that lies there.
        LedgerError: the ledger does not know that the attempt was closed with this decision.
        TrustError: the policy does not trust whoever signs, or its rules were changed since the run.
        PublishError: a file may not go out.
    """
    call.run.read_plan()  # no run here: said before anything is locked
    with call.run.locked():
        decided = read_decided(call.run, call.repository, call.today, still=True)
        hindered = hindrance(decided.decision)
        if hindered is not None:
            return hindered
        policy = _policy_today(call, decided)
        approvals = approvals_wanted(call.run, decided.plan, policy, decided.decision, call.today)
        awaited = awaiting_sentence(approvals)
        if awaited is not None:
            return Hindrance(Exit.INCOMPLETE, awaited)
        signer = signer_for(policy)
        closed = _closed(call, decided)
        decided = replace(decided, plan=decided.plan.reworded(policy))  # no word of the run's own copy goes out
        _require_receipt(call, decided)
        composed = compose(decided, call.repository, policy, call.model, watch, approvals)
        signed = [given.approval.plain() for role in approvals for given in role.given]
        matter = _attestable(call, decided, composed, closed, signed, signer.id)
        before = call.file.kept(matter.released, signer.id)
        added = _signed(call, matter, signer, policy)
        call.file.write(before, added)
        return _attested(matter, before, added, composed.size)


def _policy_today(call: Call, decided: Decided) -> Policy:
    """The policy as it is today: its rules are those of the run, its lists of trust may be others."""
    policy = call.repository.require_policy_today(decided.plan.policy.id, "so nobody is trusted to sign")
    if policy.rules_digest() != decided.decision.policy_digest:
        what = "has other rules than the run was judged by, so nobody could verify the attestation with it"
        where = f"policies/{policy.id}.yaml"
        raise TrustError(where, what, "gate the model by the policy as it is, or restore it")
    return policy


def _require_receipt(call: Call, decided: Decided) -> None:
    """Nothing, if the receipt of a strip that goes out says what its recipes say, and, by the source, what was done.

    The decision names the stripped checkpoint, and not what its receipt tells of how it came to be.
    """
    weights, receipt = decided.decision.weights, decided.receipt
    if receipt is None or weights is None or weights.checkpoint == SOURCE:
        return
    if call.model is None:
        require_told(receipt, decided.plan, call.repository)
        return
    source = open_source(call.model, decided.plan.policy)
    require_source(call.model, decided.plan, source)
    open_stripped(call.run, decided.plan, call.repository, source)


def _closed(call: Call, decided: Decided) -> Anchor:
    """Where the ledger says that the attempt was closed with this decision."""
    plan, decision = decided.plan, decided.decision
    view = family_ledger(call.repository, plan.policy, call.ledger).read(plan.policy.family)
    known = known_attempt(view, plan)
    closed, line = known.closed, known.closed_at
    if closed is None or line is None:
        what = f"does not say that attempt {known.number} was closed"
        raise LedgerError(view.source, what, "run `releasegate decide`, which closes it once everything was measured")
    if (closed.decision, closed.evidence, closed.verdict) != (decision.digest(), decision.evidence, decision.verdict):
        what = f"says that attempt {known.number} was closed with another decision"
        raise LedgerError(f"{view.source}:{line}", what, "run `releasegate decide`, or restore the run")
    return Anchor(count=line, head=view.hashes[line - 1])


def _attestable(
    call: Call, decided: Decided, composed: Composition, closed: Anchor, approvals: list[dict[str, Any]], signer: str
) -> Attestable:
    source = composed.source
    return Attestable(
        plan=decided.plan,
        decision=decided.decision,
        receipt=decided.receipt,
        released=composed.released,
        files=tuple(_measured(composed.model, composed.released.files)),
        source_files=None if source is None else tuple(_measured(decided.plan.model.manifest, source)),
        replaced=tuple(_replaced(composed)),
        closed=closed,
        approvals=tuple(approvals),
        day=call.today,
        signer=signer,
        version=releasegate.__version__,
    )


def _measured(manifest: Manifest, files: Iterable[ReleasedFile]) -> Iterator[MeasuredFile]:
    """The files of a manifest, each with the digest of all its bytes as well."""
    plain = {file.path: file.sha256 for file in files}
    for entry in manifest.files:
        whole = entry.sha256 or plain[entry.path]
        yield MeasuredFile(path=entry.path, size=entry.size, sha256=whole, parts=entry.parts)


def _replaced(composed: Composition) -> Iterator[ReplacedFile]:
    for path, entry in sorted(composed.replaced.items()):
        out = composed.released.find(path)
        assert out is not None, "what replaces a file goes out"
        yield ReplacedFile.model_validate({"path": path, "measured": entry.sha256, "released": out.sha256})


def _signed(call: Call, matter: Attestable, signer: Signer, policy: Policy) -> tuple[SignedStatement, ...]:
    """The three statements, signed, and verified as whoever gets them would: nothing else is written."""
    where = str(call.file.path)
    try:
        payloads = [statement.payload() for statement in statements_of(matter)]
    except ValueError as error:
        raise EvidenceUntrusted(str(call.run.root), f"does not fit together: {error}", "gate the model anew") from None
    signed = parse_bundle_lines(b"".join(signer.bundle(payload) for payload in payloads), where)
    if [one.payload for one in signed] != payloads:
        raise TrustError(where, "was signed over something else than was asked", "sign again")
    for one in signed:
        found = signer_of(one, policy.trust)
        if isinstance(found, Stranger) or found.id != signer.id:
            raise TrustError(where, f"was not signed by {signer.id}", "sign with a key that the policy lists")
    return signed


def _attested(
    matter: Attestable, before: tuple[SignedStatement, ...], added: tuple[SignedStatement, ...], size: int
) -> Attested:
    stripped = matter.weights.verdict == "release_stripped"
    return Attested(
        release=matter.released.digest(),
        signer=matter.signer,
        added=added,
        kept=len(before),
        files=len(matter.released.files),
        size=size,
        sources=matter.source_files is not None if stripped else None,
    )
