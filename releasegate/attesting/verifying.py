"""A released folder against its attestations and a policy: what a user of the weights checks, without a run or a repository.

What is cheap comes first: signatures, policy, day, approvals and revocations are judged before a byte of the folder is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from releasegate.approval import Given
from releasegate.attestation import SUMMARY_TYPE, TEST_RESULT_TYPE, SignedStatement, parse_bundle_lines, subjects_of
from releasegate.attestation.bundle import MAX_BYTES
from releasegate.attesting.comparing import Comparison, Differing, compare
from releasegate.attesting.hashing import Hashed, hash_folder
from releasegate.attesting.judging import judge, refusal
from releasegate.attesting.pages import not_what_it_says
from releasegate.attesting.sets import AttestedRelease, Line, complete_sets
from releasegate.attesting.signers import Stranger, signer_of
from releasegate.checkpoint.files import foreign_files
from releasegate.checkpoint.parallel import Watch
from releasegate.errors import FolderDiffers, NotFound, Problem, ReleaseRefused, VerifyError
from releasegate.policy import Policy
from releasegate.records import digest_of_bytes
from releasegate.released import BUNDLE, Released
from releasegate.revocation import RevocationList

_AGAIN = "get the folder and its attestations again from where they were published"


@dataclass(frozen=True)
class Verified:
    """A release that holds, and what was checked.

    Attributes:
        attested: the statements that it rests on.
        approvals: those that were counted.
        files: how many files are as attested.
        size: their bytes.
        may_differ: files that differ, and may.
        others: lines that lend nothing to it: by somebody whom the policy does not list, of another kind, or older.
        digest_recomputed: whether the release digest was worked out from the folder; not where a file differs that may.
        own_bundle: the digest, `sha256:…`, of the attestations that lie in the folder; None: there are none.
    """

    attested: AttestedRelease
    approvals: tuple[Given, ...]
    files: int
    size: int
    may_differ: tuple[Differing, ...]
    others: tuple[Line, ...]
    digest_recomputed: bool
    own_bundle: str | None


def verify_release(
    folder: Path,
    bundle: Path,
    policy: Policy,
    today: date,
    revocations: RevocationList | None = None,
    watch: Watch | None = None,
) -> Verified:
    """What was checked, if the folder is a release that the policy vouches for today.

    Args:
        bundle: the file of attestations: one that came another way, or the folder's own.
        revocations: the list that the policy names; it is judged here.
        watch: is told the bytes that were read.

    Raises:
        NotFound: there is no such folder or file.
        ReleaseRefused: an attestation of just this folder holds, and says no.
        FolderDiffers: the folder is not the one that was attested.
        VerifyError: anything else that cannot be trusted.
    """
    data = read_bundle(bundle)
    lines = _signed_lines(data, str(bundle), policy)
    noes = _noes(lines)
    try:
        counting = _counting(lines, str(bundle), policy, today, revocations)
    except VerifyError:
        if noes:
            _refuse(folder, noes, hash_folder(folder, watch), policy)
        raise
    hashed = hash_folder(folder, watch)
    _refuse(folder, noes, hashed, policy)
    _check_own_bundle(folder, hashed, data, policy)
    return _agreeing(folder, hashed, counting, lines, policy)


def read_bundle(path: Path) -> bytes:
    """The bytes of a file of attestations.

    Raises:
        NotFound: there is no such file.
        VerifyError: it is no plain file, too large, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(str(path), "there are no such attestations", "name the file with --bundle") from None
    except OSError as error:
        raise VerifyError(str(path), f"cannot be read: {error.strerror}", "check its permissions") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # asked first: a folder is opened, and becomes no file
        os.close(descriptor)
        raise VerifyError(str(path), "is no plain file", "name the file of attestations with --bundle")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > MAX_BYTES:
            raise VerifyError(str(path), f"is larger than {MAX_BYTES >> 20} MiB", _AGAIN)
        return file.read(MAX_BYTES + 1)


def _signed_lines(data: bytes, source: str, policy: Policy) -> tuple[Line, ...]:
    return tuple(Line(signed, signer_of(signed, policy.trust)) for signed in parse_bundle_lines(data, source))


def _noes(lines: Sequence[Line]) -> list[SignedStatement]:
    """Statements of listed signers that something did not pass. Those count whatever the day."""
    listed = [line.signed for line in lines if not isinstance(line.signer, Stranger)]
    failed = [s for s in listed if s.predicate_type == SUMMARY_TYPE and s.summary().verificationResult == "FAILED"]
    return failed + [s for s in listed if s.predicate_type == TEST_RESULT_TYPE and not s.test_result().passed]


def _refuse(folder: Path, noes: Sequence[SignedStatement], hashed: Hashed, policy: Policy) -> None:
    """Nothing, unless one of the statements is about just this folder, files that may differ apart.

    Raises:
        ReleaseRefused: one is.
    """
    for signed in noes:
        subjects = subjects_of(signed.statement, signed.where)
        if not compare(hashed, subjects.files, _may_differ(policy), (), str(folder)).wrong:
            raise refusal(signed.where, subjects)


def _counting(
    lines: Sequence[Line], source: str, policy: Policy, today: date, revocations: RevocationList | None
) -> list[tuple[AttestedRelease, tuple[Given, ...]]]:
    """The complete sets that count, the latest first, each with its approvals.

    Raises:
        ReleaseRefused, VerifyError: none does; the error of the latest.
    """
    counting: list[tuple[AttestedRelease, tuple[Given, ...]]] = []
    failed: list[VerifyError] = []
    for one in complete_sets(lines, source):
        try:
            counting.append((one, judge(one, policy, today, revocations)))
        except ReleaseRefused:
            raise
        except VerifyError as error:
            failed.append(error)
    if not counting:
        raise failed[0]
    return counting


def _check_own_bundle(folder: Path, hashed: Hashed, data: bytes, policy: Policy) -> None:
    """Nothing, if the folder has no attestations, those that were given, or others that listed signers vouch for."""
    if hashed.bundle is None:
        return
    held = read_bundle(folder / BUNDLE)
    if digest_of_bytes(held) != hashed.bundle:
        raise VerifyError(str(folder / BUNDLE), "changed while the folder was read", _AGAIN)
    if held == data:
        return
    given = data.split(b"\n")
    for line in _signed_lines(held, str(folder / BUNDLE), policy):
        if isinstance(line.signer, Stranger) and line.signed.line not in given:
            what = f"is by {line.signer.named}, whom the policy does not list, and not among those that were given"
            raise VerifyError(line.signed.where, what, _AGAIN)


def _agreeing(
    folder: Path,
    hashed: Hashed,
    counting: Sequence[tuple[AttestedRelease, tuple[Given, ...]]],
    lines: Sequence[Line],
    policy: Policy,
) -> Verified:
    """What was checked, by the first of the sets that the folder agrees with.

    Raises:
        FolderDiffers: it agrees with none; the differences from the latest.
    """
    wrong: list[tuple[Problem, ...]] = []
    for attested, given in counting:
        compared = _compared(folder, hashed, attested, policy)
        if compared.wrong:
            wrong.append(compared.wrong)
            continue
        recomputed = not compared.may
        if recomputed:
            _check_release_digest(hashed, attested)
        agreed = set(compared.agreed)
        size = sum(file.size for file in hashed.files if file.path in agreed)
        others = tuple(line for line in lines if line.signed not in attested.lines)
        return Verified(attested, given, len(compared.agreed), size, compared.may, others, recomputed, hashed.bundle)
    raise FolderDiffers.of(wrong[0])


def _compared(folder: Path, hashed: Hashed, attested: AttestedRelease, policy: Policy) -> Comparison:
    model = {file.path for file in attested.release.files}
    compared = compare(hashed, attested.subjects.files, _may_differ(policy), model, str(folder))
    there = [one.path for one in compared.may if one.found is not None]
    foreign = {path: f"is {what}" for path, what in foreign_files(folder, there).items()}
    others = {path: what for path in there if path not in foreign and (what := not_what_it_says(folder / path))}
    problems = [
        Problem(str(folder / path), f"may differ, and {what}", "take it out of the folder")
        for path, what in {**foreign, **others}.items()
    ]
    return Comparison(compared.agreed, compared.may, (*compared.wrong, *problems))


def _may_differ(policy: Policy) -> tuple[str, ...]:
    return policy.published.may_differ or ()


def _check_release_digest(hashed: Hashed, attested: AttestedRelease) -> None:
    found = Released(files=tuple(file for file in hashed.files if file.path != BUNDLE)).digest()
    if found != attested.subjects.release:
        what = f"attests the release digest {attested.subjects.release}, and its files make {found}"
        raise VerifyError(attested.where, what, _AGAIN)
