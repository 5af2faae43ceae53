"""The approvals of a run: where they lie, reading them, and which of those that are asked for are missing.

::

    RUN/approvals/<role>-<key id>.json

What is asked for, the plan says, and the policy in the repository as it is today: whichever wants more. Whose keys count,
the latter says alone. So a role that is asked for from today on is asked of runs that were opened before, and a key that
was taken away counts no more.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from releasegate.approval import Approval, Matter, Wanted, asked, wanted
from releasegate.decision import Decision
from releasegate.errors import DocumentError, Problem
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Policy
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.run_folder import RunFolder
from releasegate.repository.signed_files import Form, read_signed

FORM = Form(
    "an approval",
    "sign one with `releasegate approve`",
    "restore it, or sign a new one with `releasegate approve`",
    64 << 10,
)
MOST_FILES = 1000


def approvals_folder(run: RunFolder) -> Path:
    """`RUN/approvals/`, which need not exist."""
    return run.root / "approvals"


def file_name(role: str, key: str) -> str:
    """The name of the file of an approval."""
    return f"{role}-{key}.json"


def read_approvals(run: RunFolder) -> tuple[Approval, ...]:
    """Every approval of the run, by file name; none if there is no folder. Whether one counts is not asked here.

    Raises:
        DocumentError: everything that is wrong, in all files: an approval that cannot be read is never passed over.
    """
    folder = approvals_folder(run)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DocumentError([Problem(str(folder), "is no folder", "put a folder there, or remove it")])
    paths = sorted(folder.glob("*.json"))
    if len(paths) > MOST_FILES:
        raise DocumentError([Problem(str(folder), f"holds more than {MOST_FILES} approvals", "remove those of before")])
    found: list[Approval] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found.append(_read(path))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(problems)
    return tuple(found)


def _read(path: Path) -> Approval:
    approval = read_signed(Approval, path, str(path), FORM)
    name = file_name(approval.role, approval.key)
    if name != path.name:
        what = f"is an approval by {approval.key} as {approval.role}"
        raise DocumentError([Problem(str(path), what, f"rename it to {name}")])
    return approval


def matter_of(plan: Plan, decision: Decision) -> Matter:
    """What approvals of a decision are held against."""
    out = [a.checkpoint for a in decision.artefacts if a.granted != "none"]
    stripped = decision.strip is not None and any(checkpoint != SOURCE for checkpoint in out)
    return Matter(
        policy=decision.policy,
        plan=decision.plan,
        decision=decision.digest(),
        verdict=decision.verdict,
        channel=decision.channel,
        source=decision.model,
        released=decision.strip.model if stripped and decision.strip is not None else decision.model,
        opened=date.fromisoformat(plan.opened),
    )


def approvals_wanted(
    run: RunFolder, plan: Plan, today_policy: Policy | None, decision: Decision, today: date
) -> tuple[Wanted, ...]:
    """Every role that is asked for, with what there is of it; empty where none is.

    Args:
        today_policy: the policy as it is in the repository today; without one, no key counts.

    Raises:
        DocumentError: an approval of the run cannot be read.
    """
    counts = asked(plan.policy.approvals, today_policy.approvals if today_policy is not None else None)
    if not counts:
        return ()
    trust = today_policy.trust if today_policy is not None else None
    return wanted(counts, read_approvals(run), trust, matter_of(plan, decision), today)


def approvals_of(
    run: RunFolder, plan: Plan, repository: GateRepository | None, decision: Decision, today: date
) -> tuple[Wanted, ...]:
    """Every role that is asked for; empty where none is, and of a rehearsal or a replay, which publish nothing.

    Raises:
        DocumentError: an approval of the run, or the policy in the repository, cannot be read.
    """
    if decision.rehearsal or decision.replay:
        return ()
    policy = repository.policy_today(plan.policy.id) if repository is not None else None
    return approvals_wanted(run, plan, policy, decision, today)
