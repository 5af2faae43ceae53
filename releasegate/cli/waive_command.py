"""`releasegate waive`: a signed exception for one finding of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.cli.passphrase import passphrase
from releasegate.decision import Decision, Finding
from releasegate.decision.waiving import case_of
from releasegate.errors import NotFound, TrustError, UsageError
from releasegate.plan import Plan
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.key_files import read_key
from releasegate.repository.waivers import read_trust, waivers_folder
from releasegate.repository.writing import write_whole
from releasegate.signing import public_bytes, sign
from releasegate.trust import PublicKey, Trust
from releasegate.waiver import Case, DoesNotCount, Waiver, standing, unwaivable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class _Answer:
    """What the person who signs says."""

    owner: str
    reason: str
    expires: str
    opened: date


@click.command("waive")
@options.run
@click.argument("requirement")
@click.option("--key", type=options.FILE, required=True, metavar="FILE", help="The private key that signs.")
@click.option("--owner", required=True, metavar="TEXT", help="Who answers for the exception.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is acceptable.")
@click.option("--expires", required=True, metavar="DATE", help="The last day on which it counts; in 365 days at most.")
@click.option("--checkpoint", metavar="NAME", help="`source`, or the strip's name, where both have open findings.")
@click.option("--out", type=options.FILE, metavar="FILE", help="Default: policies/waivers/<id>.json.")
@options.repository
@options.format_
def command(
    run: Path,
    requirement: str,
    key: Path,
    owner: str,
    reason: str,
    expires: str,
    checkpoint: str | None,
    out: Path | None,
    repo: Path,
    format_: str,
) -> int:
    """Waive REQUIREMENT as it was found in RUN: by name, with a reason, until a day.

    What was violated or not settled may be waived; never evidence that is wanting, and never a removal. The waiver counts
    for this one measurement. It changes nothing in RUN until `releasegate decide` reads it.

    \b
    Example:
      releasegate waive runs/mini-chameleon ig-weak --key ~/releasegate-keys/alice.key --owner "Alice Example" \\
        --reason "Draws digits alone; reviewed on 12 May." --expires 2026-09-30
    """
    repository = GateRepository.around(repo)
    folder = RunFolder(run)
    plan = folder.read_plan()
    finding = _finding(folder.decision_path, _decision(folder, plan), requirement, checkpoint)
    case = case_of(plan.policy, plan, finding)
    private = read_key(key, passphrase())
    trust = read_trust(repository, plan.policy)
    answer = _Answer(owner, reason, expires, datetime.now(UTC).date())
    path = out or waivers_folder(repository) / f"{_name(case)}.json"
    waiver = _signed(path, case, answer, private, _trusted(key, private, trust, plan.policy.id))
    judged = standing(waiver, case, trust, answer.opened)
    if isinstance(judged, DoesNotCount):
        raise TrustError(requirement, f"cannot be waived like that: the waiver {judged.why}", "correct it")
    if path.exists() or path.is_symlink():
        raise UsageError(str(path), "exists already", "remove it, or choose another file with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, waiver.text().encode())
    if format_ == "json":
        print_json({"path": str(path), "digest": waiver.digest(), "waiver": waiver.plain()})
        return 0
    click.echo(
        f"{path}: {requirement} on {case.checkpoint} ({waiver.finding.replace('_', ' ')}) until {waiver.expires}"
    )
    click.echo(f"signed with key {waiver.key}; it counts once `releasegate decide` reads it")
    return 0


def _decision(folder: RunFolder, plan: Plan) -> Decision:
    decision = folder.read_decision()
    if decision.plan != plan.fixed or decision.replay:
        what = "is a replay" if decision.replay else "was made under another plan than plan.json"
        raise TrustError(
            str(folder.decision_path), f"{what}, so nothing in it can be waived", "run `releasegate decide`"
        )
    return decision


def _finding(path: Path, decision: Decision, requirement: str, checkpoint: str | None) -> Finding:
    """The one finding to waive.

    Raises:
        NotFound: there is no such finding.
        UsageError: several can be waived.
        TrustError: it may not be waived.
    """
    named = [f for f in decision.findings if f.requirement == requirement and checkpoint in (None, f.checkpoint)]
    if not named:
        on = f" on {checkpoint}" if checkpoint else ""
        ids = ", ".join(dict.fromkeys(f.requirement for f in decision.findings))
        raise NotFound(str(path), f"has no finding for {requirement!r}{on}", f"use one of {ids or 'none'}")
    able = [f for f in named if unwaivable(f.section, f.status, f.reason) is None]
    if not able:
        why = unwaivable(named[0].section, named[0].status, named[0].reason)
        raise TrustError(requirement, str(why), "measure again, or change the model; a waiver does not help")
    if len(able) > 1:
        names = ", ".join(f.checkpoint for f in able)
        raise UsageError(requirement, f"can be waived on each of {names}", "name one with --checkpoint")
    return able[0]


def _trusted(path: Path, private: Ed25519PrivateKey, trust: Trust | None, policy: str) -> PublicKey:
    """The entry of the policy that lists the public half of the key."""
    listed = public_bytes(private)
    for key in (trust and trust.waivers) or ():
        if key.key == listed:
            return key
    what = f"is not trusted for waivers by policy {policy}, both in the plan of the run and in the repository today"
    raise TrustError(str(path), what, "list its public half under `trust:` before the attempt is opened")


def _signed(path: Path, case: Case, answer: _Answer, private: Ed25519PrivateKey, key: PublicKey) -> Waiver:
    draft = {
        "schema": "releasegate/waiver/v1",
        "id": path.stem,
        "owner": answer.owner,
        "reason": answer.reason,
        "opened": answer.opened.isoformat(),
        "expires": answer.expires,
        "policy": case.policy,
        "requirement": case.requirement,
        "metric": case.metric,
        "side": case.side,
        "limit": case.limit,
        "checkpoint": case.checkpoint,
        "measurement": case.measurement,
        "finding": case.status,
        "key": key.id,
    }
    try:
        waiver = Waiver.model_validate(draft)
    except ValidationError as error:
        raise _usage(error) from None
    if waiver.expires > key.valid_to:
        what = f"{waiver.expires} is after {key.valid_to}, the last day of key {key.id}"
        raise TrustError("--expires", what, "choose an earlier day, or sign with another key")
    return waiver.model_copy(update={"signature": sign(waiver, private)})


def _usage(error: ValidationError) -> UsageError:
    """What is wrong with the arguments, in the words of the command line."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "expires"
    where = {"id": "--out", "owner": "--owner", "reason": "--reason"}.get(field, "--expires")
    if field == "id":
        return UsageError(
            where, "is no name for a waiver", "use lower-case letters, digits, `-`, `_` and `.`; at most 64"
        )
    return UsageError(where, first["msg"].removeprefix("Value error, "), "correct it")


def _name(case: Case) -> str:
    """An identifier that says what is waived: the requirement, cut if need be, and digits of the measurement."""
    digits = str(case.measurement).removeprefix("sha256:")[:12]
    return re.sub(r"[^a-z0-9]+$", "", case.requirement[:51]) + f"-{digits}"
