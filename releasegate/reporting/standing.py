"""Whether a page in a run folder says what would be said today, so that it need not be rendered again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.records import digest_of

HEAD_BYTES = 4096
"""Of a page, in which its mark stands."""


def mark_of(decision: Decision, plan: Plan, approvals: Iterable[Wanted]) -> str:
    """What a page tells of, as one digest: the decision, the policy in today's words, and who approved.

    The samples need not be in it: the decision holds the digest of the evidence.
    """
    asked = [
        {
            "role": one.role,
            "count": one.count,
            "given": [g.approval.digest() for g in one.given],
            "idle": list(one.idle),
        }
        for one in approvals
    ]
    return digest_of({"decision": decision.digest(), "policy": plan.policy.digest(), "approvals": asked})


def stands(page: Path, mark: str) -> bool:
    """Whether the page is there and bears the mark. It is no proof against whoever can write to the run folder."""
    if page.is_symlink() or not page.is_file():
        return False
    with page.open("rb") as file:
        return f'data-told="{mark}"'.encode() in file.read(HEAD_BYTES)
