"""Lists of what was revoked: where they lie, and reading one that counts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from releasegate.errors import TrustError
from releasegate.policy import Policy
from releasegate.repository.signed_files import Form, read_signed
from releasegate.revocation import RevocationList, fault

FORM = Form(
    "a revocation list",
    "fetch it from who signs it, or issue one with `releasegate revoke`",
    "restore it, or fetch it again",
    4 << 20,
)


def revocations_beside(policy: Path, list_id: str) -> Path:
    """Where the list `list_id` is looked for: `revocations/<id>.json` beside the policy's file."""
    return policy.parent / "revocations" / f"{list_id}.json"


def revocations_for(policy: Policy, file: Path, today: date, given: Path | None = None) -> RevocationList | None:
    """The list that was given, or else the one that the policy names; None where it names none. It counts today.

    Args:
        file: the policy's.

    Raises:
        NotFound, DocumentError, TrustError: as `read_revocations`.
    """
    named = policy.published.revocations
    path = given or (revocations_beside(file, named) if named is not None else None)
    return read_revocations(path, policy, today) if path is not None else None


def read_list(path: Path) -> RevocationList:
    """The list in a file. Whether it counts is not asked here.

    Raises:
        NotFound: there is no such file.
        DocumentError: it holds something else.
    """
    return read_signed(RevocationList, path, str(path), FORM)


def read_revocations(path: Path, policy: Policy, today: date) -> RevocationList:
    """The list that the policy names, which counts today.

    Raises:
        NotFound: there is no such file.
        DocumentError: it holds something else.
        TrustError: the policy names no list; it is another one, badly signed, stale, or not issued yet.
    """
    wanted = policy.published.revocations
    if wanted is None:
        fix = "leave the list out, or add `publication: {revocations: ID}` to the policy"
        raise TrustError(str(path), f"is a list that policy {policy.id} does not ask for", fix)
    listed = read_list(path)
    why = fault(listed, wanted, policy.trust, today)
    if why is not None:
        raise TrustError(str(path), f"does not count: it {why}", "fetch the list that is in force")
    return listed
