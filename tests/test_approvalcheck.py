"""Whether a policy can get what it asks for: each mistake is named at its place with its remedy."""

from __future__ import annotations

import json

import pytest

from releasegate.policy import parse_policy
from releasegate.policycheck import unused
from tests.test_policycheck import POLICY, found
from tests.tiny_approvals import ROLES, approver, revoker

FIX = "list keys of other people with that role under `trust: approvals:`, or ask for fewer"


def asking(approvals: str, *names: str, more: str = "") -> str:
    """A policy that asks for approvals and lists these people's keys."""
    keys = "".join(f"    - {json.dumps(approver(name).plain())}\n" for name in names)
    trust = f"trust:\n  approvals:\n{keys}" if names else ""
    return f"{POLICY}{trust}approvals: {approvals}\n{more}"


@pytest.mark.parametrize(
    ("approvals", "names"),
    [
        ("[{role: lead}]", ("bob",)),
        ("[{role: lead, count: 2}]", ("ann", "bob")),
        ("[{role: lead}, {role: safety}]", ("ann", "bob")),
        ("[{role: lead, count: 2}, {role: safety}]", tuple(ROLES)),
    ],
)
def test_what_the_keys_can_give_may_be_asked_for(approvals: str, names: tuple[str, ...]) -> None:
    assert found(asking(approvals, *names)) == []


@pytest.mark.parametrize(
    ("approvals", "names", "at", "what"),
    [
        ("[{role: lead}]", (), "approvals.0.role", "lead is asked of 1, and 0 people have it"),
        ("[{role: lead}, {role: legal}]", ("bob",), "approvals.1.role", "legal is asked of 1, and 0 people have it"),
        ("[{role: lead, count: 2}]", ("ann", "ann-too"), "approvals.0.role", "lead is asked of 2, and 1 person has it"),
        (
            "[{role: lead}, {role: safety}]",
            ("ann",),
            "approvals.1.role",
            "safety is asked of 1, and of the 1 who have it, some are needed in another role, and a person is counted once",
        ),
    ],
)
def test_what_the_keys_cannot_give_is_named_with_its_line(
    approvals: str, names: tuple[str, ...], at: str, what: str
) -> None:
    (problem,) = found(asking(approvals, *names))
    where, _, told = problem.partition(" ")
    line = asking(approvals, *names).splitlines().index(f"approvals: {approvals}") + 1
    assert where.startswith(f"p.yaml:{line}:")
    assert told == f"{at}: {what} | {FIX}"


def test_a_list_that_nobody_may_sign_is_refused() -> None:
    publication = "publication: {revocations: lab}\n"
    (problem,) = found(POLICY + publication)
    assert problem.partition(" ")[2].startswith("publication.revocations: names a list that nobody may sign")
    trust = f"trust: {{revocations: [{json.dumps(revoker().plain())}]}}\n"
    assert found(POLICY + publication + trust) == []
    assert unused(parse_policy(POLICY + publication + trust, "p.yaml").record) == []
    assert unused(parse_policy(POLICY + trust, "p.yaml").record) == [
        "trust: revocations are not used without `publication: revocations:`, which names the list"
    ]


def test_roles_in_which_nothing_is_asked_for_are_listed() -> None:
    assert unused(parse_policy(asking("[{role: lead}]", "ann", "bob"), "p.yaml").record) == [
        "trust: key ann has the role safety, in which no approval is asked for"
    ]
