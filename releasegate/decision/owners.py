"""Which findings belong to which capability: on the stripped checkpoint, those on its requirements."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.decision.record import Decision, Finding
from releasegate.policy import Policy


def findings_by_capability(decision: Decision, policy: Policy) -> Iterator[tuple[str | None, Finding]]:
    """Every finding with the id of its capability: each on the source, then on the stripped checkpoint.

    Last those that no capability of the policy names, with None.
    """
    after = _by_owner(decision, policy)
    for capability in decision.capabilities:
        yield from ((capability.id, f) for f in (*capability.findings, *after.pop(capability.id, ())))
    yield from ((None, f) for left in after.values() for f in left)


def after_by_capability(decision: Decision, policy: Policy) -> dict[str, tuple[Finding, ...]]:
    """By capability of the decision, its findings on the stripped checkpoint."""
    after = _by_owner(decision, policy)
    return {c.id: tuple(after.get(c.id, ())) for c in decision.capabilities}


def _by_owner(decision: Decision, policy: Policy) -> dict[str | None, list[Finding]]:
    owners = {r.id: c.id for c in policy.capabilities for _, _, r in c.sections()}
    found: dict[str | None, list[Finding]] = {}
    for finding in decision.stripped_findings:
        found.setdefault(finding.capability or owners.get(finding.requirement), []).append(finding)
    return found
