"""Whether a policy can get what it asks for: approvals from the keys that it trusts, a list of what is revoked. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.approval import asked, person, places
from releasegate.documents import Located
from releasegate.errors import Problem
from releasegate.policy import Policy


def approval_problems(located: Located[Policy]) -> Iterator[Problem]:
    """Roles that the keys of the policy cannot fill, and a list of what is revoked that nobody may sign."""
    policy = located.record
    yield from _unfilled(located)
    if policy.published.revocations is not None and (policy.trust is None or policy.trust.revocations is None):
        what = "names a list that nobody may sign, so no release could be checked"
        fix = "add a key under `trust: revocations:` (`releasegate keygen NAME --for revocations`)"
        yield located.problem(("publication", "revocations"), what, fix)


def _unfilled(located: Located[Policy]) -> Iterator[Problem]:
    policy = located.record
    able = _able(policy)
    counts = asked(policy.approvals)
    placed = places(counts, able)
    for number, spec in enumerate(policy.approvals or ()):
        people = able.get(spec.role, ())
        if len(placed[spec.role]) == spec.count:
            continue
        if len(people) < spec.count:
            had = f"{len(people)} {'person has' if len(people) == 1 else 'people have'} it"
        else:
            had = f"of the {len(people)} who have it, some are needed in another role, and a person is counted once"
        fix = "list keys of other people with that role under `trust: approvals:`, or ask for fewer"
        yield located.problem(("approvals", number, "role"), f"{spec.role} is asked of {spec.count}, and {had}", fix)


def _able(policy: Policy) -> dict[str, tuple[str, ...]]:
    """By role, the people whose keys have it."""
    able: dict[str, dict[str, None]] = {}
    for approver in (policy.trust and policy.trust.approvals) or ():
        for role in approver.roles:
            able.setdefault(role, {})[person(approver.owner)] = None
    return {role: tuple(people) for role, people in able.items()}


def unused_keys(policy: Policy) -> Iterator[str]:
    """Sentences on keys and roles that the policy lists and nothing asks for."""
    counts = asked(policy.approvals)
    trust = policy.trust
    for approver in (trust and trust.approvals) or ():
        idle = [role for role in approver.roles if role not in counts]
        if idle:
            yield f"trust: key {approver.id} has the role {', '.join(idle)}, in which no approval is asked for"
    if trust is not None and trust.revocations and policy.published.revocations is None:
        yield "trust: revocations are not used without `publication: revocations:`, which names the list"
