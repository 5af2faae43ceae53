"""`releasegate approve`: a signed agreement to what a run decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from releasegate.approval import Approval, Wanted, asked, standing
from releasegate.cli import options
from releasegate.cli.awaited import awaited_lines, awaited_plain
from releasegate.cli.console import print_json
from releasegate.cli.passphrase import passphrase
from releasegate.decision.wording import worded
from releasegate.errors import Exit, NotFound, TrustError, UsageError, nearest
from releasegate.policy import Policy
from releasegate.repository import Decided, GateRepository, RunFolder, read_decided
from releasegate.repository.approvals import (
    approvals_folder,
    approvals_wanted,
    file_name,
    matter_of,
    read_approvals,
)
from releasegate.repository.key_files import read_key
from releasegate.repository.writing import write_whole
from releasegate.signing import public_bytes, sign
from releasegate.trust import Approver

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@click.command("approve")
@options.run
@click.option("--role", metavar="ROLE", help="The role in which to approve.")
@click.option("--key", type=options.FILE, metavar="FILE", help="The private key that signs.")
@click.option("--list", "list_", is_flag=True, help="Show what there is to approve and who did; sign nothing.")
@options.repository
@options.format_
def command(run: Path, role: str | None, key: Path | None, repo: Path, format_: str, list_: bool) -> int:
    """Approve what RUN decided, in a role that its policy asks for.

    The approval is for this decision alone: once it changes, all have to approve again. With --list, nothing is signed,
    and the exit code is 3 while approvals are missing.

    \b
    Example:
      releasegate approve runs/mini-chameleon --list
      releasegate approve runs/mini-chameleon --role research_lead --key ~/releasegate-keys/alice-approves.key
    """
    if list_ and (role or key):
        raise UsageError("--list", "signs nothing", "leave out --role and --key")
    if not list_ and (role is None or key is None):
        raise UsageError("--role" if role is None else "--key", "is missing", "name it, or look first with --list")
    repository, folder, today = GateRepository.around(repo), RunFolder(run), datetime.now(UTC).date()
    with folder.locked():
        of = _decided(folder, repository, today)
        policy = repository.policy_today(of.plan.policy.id)
        counts = asked(of.plan.policy.approvals, policy.approvals if policy else None)
        if format_ == "text":
            for line in _matter(of, policy):
                click.echo(line)
        signed = None
        if role is not None and key is not None:
            approver, private = _approver(_role(role, counts), key, policy, of.plan.policy.id)
            signed = _signed(of, role, approver, private, policy, today)
        found = approvals_wanted(folder, of.plan, policy, of.decision, today)
    _tell(of, policy, found, signed, format_)
    return Exit.INCOMPLETE if list_ and any(one.missing for one in found) else Exit.YES


def _decided(folder: RunFolder, repository: GateRepository, today: date) -> Decided:
    """The run, if something of it waits for approval.

    Raises:
        TrustError: nothing does.
    """
    plan, where = folder.read_plan(), str(folder.decision_path)
    if plan.rehearsal:
        raise TrustError(
            str(folder.plan_path), "is a rehearsal, of which nothing goes out", "approve a run that counts"
        )
    of = read_decided(folder, repository, today, still=True)
    if not of.decision.lets_out:
        what = f"says {of.decision.verdict}: nothing that it decides waits for approval"
        raise TrustError(where, what, "approve a run whose verdict is release or release_stripped")
    return of


def _role(role: str, counts: Mapping[str, int]) -> str:
    if role not in counts:
        fix = nearest(role, list(counts), "add it under `approvals:` in the policy")
        raise NotFound("--role", f"no approval is asked for as {role!r}", fix)
    return role


def _approver(role: str, path: Path, policy: Policy | None, policy_id: str) -> tuple[Approver, Ed25519PrivateKey]:
    """The entry of today's policy that lists the public half of the key, with the role.

    Raises:
        NotFound: there is no such policy, or no such key.
        TrustError: the policy does not list the key, or not with the role.
    """
    if policy is None:
        where = f"policies/{policy_id}.yaml"
        raise NotFound(where, "is not in the gate repository, and it says whose approvals count", "restore it")
    private = read_key(path, passphrase())
    listed = public_bytes(private)
    found = next((one for one in (policy.trust and policy.trust.approvals) or () if one.key == listed), None)
    if found is None:
        what = f"is not trusted for approvals by policy {policy.id} in the repository"
        raise TrustError(str(path), what, "list its public half under `trust: approvals:`")
    if role not in found.roles:
        what = f"is key {found.id}, which has no role {role}; it has {', '.join(found.roles)}"
        raise TrustError(str(path), what, "sign with a key of that role")
    return found, private


def _signed(
    of: Decided, role: str, approver: Approver, private: Ed25519PrivateKey, policy: Policy | None, today: date
) -> Path:
    """Where the approval lies now.

    Raises:
        UsageError: there is one by this key in this role.
        TrustError: it would not count.
    """
    path = approvals_folder(of.run) / file_name(role, approver.id)
    read_approvals(of.run)  # of those at hand, none is broken
    if path.exists() or path.is_symlink():
        raise UsageError(str(path), "exists already", "keep it, or move it away to sign again")
    matter = matter_of(of.plan, of.decision)
    plain = {
        "schema": "releasegate/approval/v1",
        "policy": matter.policy,
        "role": role,
        "owner": approver.owner,
        "day": today.isoformat(),
        "plan": matter.plan,
        "decision": matter.decision,
        "verdict": matter.verdict,
        "channel": matter.channel,
        "source": matter.source,
        "released": matter.released,
        "key": approver.id,
    }
    draft = Approval.model_validate(plain)
    approval = draft.model_copy(update={"signature": sign(draft, private)})
    judged = standing(approval, matter, policy.trust if policy else None, today)
    if isinstance(judged, str):
        raise TrustError(str(path), f"would not count: it {judged}", "correct it")
    path.parent.mkdir(exist_ok=True)
    write_whole(path, approval.text().encode())
    return path


def _matter(of: Decided, policy: Policy | None) -> Iterator[str]:
    """What is signed, in lines: the verdict, what becomes of each capability, and what all of it leans on.

    In the words of today's policy, where there is one: those of a run, anybody can edit who holds it.
    """
    decision = worded(of.decision, policy) if policy is not None else of.decision
    yield f"{decision.verdict} · {decision.policy} · channel {decision.channel}"
    yield decision.summary
    if decision.verdict_without_waivers != decision.verdict:
        yield f"without waivers: {decision.verdict_without_waivers}"
    if len(decision.artefacts) > 1:
        for artefact in decision.artefacts:
            yield f"{artefact.verdict:>16}  {artefact.name}, asked for {artefact.asked}, granted {artefact.granted}"
    for capability in decision.capabilities:
        yield f"{capability.verdict:>16}  {capability.title}"
    for line in decision.leans_on:
        yield f"leans on: {line}"
    yield from decision.not_measured
    yield from decision.outside
    matter = matter_of(of.plan, of.decision)
    yield f"model: {matter.source}"
    if matter.released != matter.source:
        yield f"released: {matter.released}"
    yield f"decision: {matter.decision}"


def _tell(of: Decided, policy: Policy | None, found: tuple[Wanted, ...], signed: Path | None, format_: str) -> None:
    if format_ == "json":
        made = (
            {} if signed is None else {"path": str(signed), "approval": Approval.from_text(signed.read_bytes()).plain()}
        )
        print_json({**made, "matter": _plain(of, policy), "approvals": awaited_plain(found)})
        return
    if signed is not None:
        click.echo(f"signed: {signed}")
    for line in awaited_lines(found):
        click.echo(line)
    if not any(one.missing for one in found):
        click.echo("no approval is missing" if found else "no approval is asked for")


def _plain(of: Decided, policy: Policy | None) -> dict[str, Any]:
    decision = worded(of.decision, policy) if policy is not None else of.decision
    matter = matter_of(of.plan, of.decision)
    return {
        "verdict": decision.verdict,
        "channel": decision.channel,
        "summary": decision.summary,
        "verdict_without_waivers": decision.verdict_without_waivers,
        "artefacts": {a.name: {"verdict": a.verdict, "granted": a.granted} for a in decision.artefacts},
        "capabilities": {c.id: c.verdict for c in decision.capabilities},
        "leans_on": list(decision.leans_on),
        "not_measured": list(decision.not_measured),
        "policy": matter.policy,
        "plan": matter.plan,
        "source": matter.source,
        "released": matter.released,
        "decision": matter.decision,
    }
