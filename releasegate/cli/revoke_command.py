"""`releasegate revoke`: the signed list of what is not to be used any more, and its next issue."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.cli.passphrase import passphrase
from releasegate.errors import NotFound, TrustError, UsageError
from releasegate.policy import Policy, parse_policy
from releasegate.repository import GateRepository
from releasegate.repository.key_files import read_key
from releasegate.repository.revocations import FORM, read_list, revocations_beside
from releasegate.repository.writing import write_whole
from releasegate.revocation import RevocationList, fault
from releasegate.signing import Untrusted, public_bytes, sign, verify
from releasegate.trust import PublicKey

OPTIONS = {"release": "--release", "model": "--model", "attestation": "--attestation", "key": "--key-id"}
"""What an entry is about, and the option that names it."""


@click.command("revoke")
@click.argument("list_id", metavar="ID")
@click.option("--release", "releases", multiple=True, metavar="DIGEST", help="Revoke a release, by its digest.")
@click.option(
    "--model", "models", multiple=True, metavar="DIGEST", help="Revoke a model, by the digest of its manifest."
)
@click.option(
    "--attestation",
    "attestations",
    multiple=True,
    metavar="DIGEST",
    help="Revoke an attestation: the sha256 of its payload.",
)
@click.option("--key-id", "keys", multiple=True, metavar="ID", help="Revoke a key: nothing that it signed counts.")
@click.option("--reason", metavar="TEXT", help="Why; of everything that this call revokes.")
@click.option("--key", type=options.FILE, required=True, metavar="FILE", help="The private key that signs.")
@click.option(
    "--next-update", required=True, metavar="DATE", help="The last day on which it counts; in 31 days at most."
)
@options.repository
@options.format_
def command(
    list_id: str,
    releases: tuple[str, ...],
    models: tuple[str, ...],
    attestations: tuple[str, ...],
    keys: tuple[str, ...],
    reason: str | None,
    key: Path,
    next_update: str,
    repo: Path,
    format_: str,
) -> int:
    """Issue policies/revocations/ID.json, or the next issue of it; without anything to revoke, a renewal.

    Whoever checks a release against a policy with `publication: {revocations: ID}` needs the list, before the day on which
    its next issue is due, and refuses what stands on it. Nothing is ever taken off a list.

    \b
    Example:
      releasegate revoke lab-models --key ~/releasegate-keys/revoker.key --next-update 2026-06-30
      releasegate revoke lab-models --key-id ci-2026 --reason "Its runner was broken into." \\
        --key ~/releasegate-keys/revoker.key --next-update 2026-06-30
    """
    given = [
        (what, name)
        for what, names in zip(OPTIONS, (releases, models, attestations, keys), strict=True)
        for name in names
    ]
    if bool(given) != (reason is not None):
        what = "is missing" if given else "is given, and nothing is revoked"
        raise UsageError("--reason", what, "say why" if given else f"name what, with {', '.join(OPTIONS.values())}")
    repository, today = GateRepository.around(repo), datetime.now(UTC).date()
    path = revocations_beside(repository.policy_path("any"), list_id)
    policies = _naming(repository, list_id)
    private = read_key(key, passphrase())
    public = _listed(key, public_bytes(private), policies, list_id)
    with _locked(path.parent):
        before = _before(path, list_id, policies, today)
        draft = _draft(before, list_id, _entries(given, reason, today), public, today, next_update)
        issued = draft.model_copy(update={"signature": sign(draft, private)})
        _require_counting(issued, policies, key, today)
        data = issued.text().encode()
        if len(data) > FORM.most:
            raise TrustError(str(path), f"would be larger than {FORM.most >> 20} MiB", "start another list")
        write_whole(path, data)
    for doubt in _doubts(issued, policies, keys, today):
        click.echo(doubt, err=True)
    if format_ == "json":
        print_json({"path": str(path), "list": issued.plain()})
        return 0
    click.echo(
        f"{path}: issue {issued.number}, {len(issued.revoked)} revoked, the next one due by {issued.next_update}"
    )
    for entry in issued.revoked[len(issued.revoked) - len(given) :]:
        click.echo(f"revoked: {entry.named}")
    return 0


def _require_counting(issued: RevocationList, policies: Sequence[Policy], key: Path, today: date) -> None:
    """Nothing, if the list counts by one of the policies that name it.

    Raises:
        TrustError: it counts by none.
    """
    faults = [fault(issued, issued.id, policy.trust, today) for policy in policies]
    if all(faults):
        raise TrustError(str(key), f"would not count: it {faults[0]}", "sign with another key")


def _doubts(issued: RevocationList, policies: Sequence[Policy], keys: Iterable[str], today: date) -> Iterator[str]:
    """What whoever issued the list should look at again: policies by which it does not count, and keys that none has."""
    for policy in policies:
        if fault(issued, issued.id, policy.trust, today) is not None:
            yield f"policies/{policy.id}.yaml does not trust key {issued.key} for it: there, it does not count"
    for unknown in sorted(set(keys) - _key_ids(policies)):
        yield f"no policy that names the list has a key {unknown}: is it spelt as in `trust:`?"


def _naming(repository: GateRepository, list_id: str) -> list[Policy]:
    """The policies that name the list.

    Raises:
        NotFound: none does.
        DocumentError: a policy is none.
    """
    read = [parse_policy(path.read_bytes(), repository.shown(path)).record for path in repository.policies()]
    found = [policy for policy in read if policy.published.revocations == list_id]
    if not found:
        fix = f"add `publication: {{revocations: {list_id}}}` to the policy"
        raise NotFound(list_id if list_id.isprintable() else ascii(list_id), "is a list that no policy names", fix)
    return found


def _listed(path: Path, key: str, policies: Sequence[Policy], list_id: str) -> PublicKey:
    """The entry of a policy that lists the public half of the key for revocations."""
    for policy in policies:
        for one in (policy.trust and policy.trust.revocations) or ():
            if one.key == key:
                return one
    what = f"is trusted for revocations by no policy that names {list_id}"
    raise TrustError(str(path), what, "list its public half under `trust: revocations:`")


def _key_ids(policies: Sequence[Policy]) -> set[str]:
    """Every key and identity that any of the policies trusts for anything."""
    found: set[str] = set()
    for trust in (policy.trust for policy in policies if policy.trust is not None):
        found |= {key.id for _, key in trust.listed()}
        found |= {one.id for one in (*(trust.attestations or ()), *(trust.identities or ()))}
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nothing; while it lasts, nobody else issues a list here: two issues at once would lose an entry."""
    if folder.is_symlink():
        raise TrustError(str(folder), "is a symlink", "put a folder there")
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrustError(str(folder), "another releasegate issues a list there", "wait for it") from None
        yield
    finally:
        os.close(descriptor)


def _before(path: Path, list_id: str, policies: Sequence[Policy], today: date) -> RevocationList | None:
    """The issue of before, which nobody has changed since it was signed.

    Its key may have run out since; a list that was changed is never signed again, whatever was taken out of it.
    """
    if not path.exists() and not path.is_symlink():
        return None
    before = read_list(path)
    if before.id != list_id:
        raise TrustError(str(path), f"is the list {before.id}", "restore it")
    judged = [verify(before, before.signature, before.key, policy.trust, "revocations", ()) for policy in policies]
    if all(isinstance(one, Untrusted) for one in judged):
        why = next(one.why for one in judged if isinstance(one, Untrusted))
        fix = "restore it; if its key was taken out of the policy, list that key until the next issue is signed"
        raise TrustError(str(path), f"{why}, so nothing is added to it", fix)
    if before.issued > today.isoformat():
        raise TrustError(str(path), f"was issued on {before.issued}, and today is {today}", "set the clock")
    return before


def _entries(given: Sequence[tuple[str, str]], reason: str | None, today: date) -> list[dict[str, Any]]:
    return [
        {"what": what, "key" if what == "key" else "sha256": name, "reason": reason, "day": today.isoformat()}
        for what, name in given
    ]


def _draft(
    before: RevocationList | None,
    list_id: str,
    entries: Sequence[dict[str, Any]],
    public: PublicKey,
    today: date,
    next_update: str,
) -> RevocationList:
    """The next issue, not signed yet: everything that stood on the one before, and what comes onto it."""
    kept = [entry.plain() for entry in before.revoked] if before else []
    plain = {
        "schema": "releasegate/revocations/v1",
        "id": list_id,
        "number": before.number + 1 if before else 1,
        "issued": today.isoformat(),
        "next_update": next_update,
        "revoked": (*kept, *entries),
        "key": public.id,
    }
    try:
        draft = RevocationList.model_validate(plain)
    except ValidationError as error:
        raise _usage(error, [*kept, *entries]) from None
    if draft.next_update > public.valid_to:
        what = f"{draft.next_update} is after {public.valid_to}, the last day of key {public.id}"
        raise TrustError("--next-update", what, "choose an earlier day, or sign with another key")
    return draft


def _usage(error: ValidationError, entries: Sequence[dict[str, Any]]) -> UsageError:
    """What is wrong with the arguments, in the words of the command line."""
    first = error.errors()[0]
    loc, said = first["loc"], first["msg"].removeprefix("Value error, ")
    field = str(loc[0]) if loc else ""
    if field == "revoked" and len(loc) > 1:
        entry = entries[int(loc[1])]
        if loc[-1] == "reason":
            return UsageError("--reason", said, "correct it")
        what = "is no key's id" if entry["what"] == "key" else "is no digest: `sha256:` and 64 hexadecimal digits"
        return UsageError(OPTIONS[str(entry["what"])], what, "copy it from what is to be revoked")
    if field == "next_update" or said.startswith(("next_update", "lasts")):
        return UsageError("--next-update", said, "choose a day from today on, in 31 days at most")
    return UsageError("ID", said, "correct it")
