"""An approval: somebody agrees, in a role, that what one decision would publish is published. Pure.

It stands outside the decision and names it by its digest. Who signs has seen the verdict, so an approval can never be a part
of what leads to it; and a decision that changes, by a waiver or by another day, has no approval yet.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from releasegate.ledger import Outcome
from releasegate.policy import ApprovalSpec, Channel
from releasegate.records import Digest, Document, Identifier
from releasegate.signing import Untrusted, verify
from releasegate.trust import Approver, Day, Line, Signature, Trust


class Approval(Document):
    """A signed agreement, in one role, to what one decision would publish."""

    schema_: Annotated[Literal["releasegate/approval/v1"], Field(alias="schema")]
    policy: Identifier
    role: Identifier
    """In which it was given."""
    owner: Line
    """Who gave it, as the policy names the holder of the key."""
    day: Day
    """The day on which it was signed."""
    plan: Digest
    """Of the plan before it was opened, as the decision names it."""
    decision: Digest
    """Of the decision: it counts for this one alone."""
    verdict: Outcome
    """What that decision says."""
    channel: Channel
    """The narrowest of those that it grants."""
    source: Digest
    """Of the model that was judged."""
    released: Digest
    """Of the model that would go out: the source, or what was stripped from it."""
    key: Identifier
    """The key, by its id in the policy's `trust`."""
    signature: Signature | None = None
    """Over everything else. None: a draft."""


@dataclass(frozen=True)
class Matter:
    """What an approval is held against.

    Attributes:
        policy: id of the policy that judged.
        plan: digest, as the decision names it.
        decision: digest.
        source: digest of the model that was judged.
        released: digest of the model that would go out.
        opened: the day on which the attempt was opened.
    """

    policy: str
    plan: str
    decision: str
    verdict: Outcome
    channel: Channel
    source: str
    released: str
    opened: date


@dataclass(frozen=True)
class Given:
    """An approval that counts, and who gave it."""

    approval: Approval
    key: Approver


@dataclass(frozen=True)
class Wanted:
    """A role that was asked for, and what there is of it.

    Attributes:
        count: different people that must have signed.
        given: the approvals that are counted, by owner.
        idle: sentences on the approvals in this role that are not, each with why.
    """

    role: str
    count: int
    given: tuple[Given, ...] = ()
    idle: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many are missing still."""
        return max(0, self.count - len(self.given))

    @property
    def text(self) -> str:
        """The role, and how far it is, where more than one is asked for."""
        return self.role if self.count == 1 else f"{self.role} ({len(self.given)} of {self.count})"


def awaiting_sentence(wanted: Iterable[Wanted]) -> str | None:
    """`awaiting approval: research_lead (1 of 2)`; None where nothing is missing.

    >>> awaiting_sentence([Wanted("research_lead", 2), Wanted("safety", 1)])
    'awaiting approval: research_lead (0 of 2), safety'
    """
    missing = [one.text for one in wanted if one.missing]
    return f"awaiting approval: {', '.join(missing)}" if missing else None


def asked(*specs: Sequence[ApprovalSpec] | None) -> dict[str, int]:
    """How many are asked for in each role by any of several policies: of two numbers, the larger.

    >>> asked([ApprovalSpec(role="lead")], None, [ApprovalSpec(role="lead", count=2), ApprovalSpec(role="safety")])
    {'lead': 2, 'safety': 1}
    """
    counts: dict[str, int] = {}
    for listed in specs:
        for spec in listed or ():
            counts[spec.role] = max(spec.count, counts.get(spec.role, 0))
    return counts


def standing(approval: Approval, matter: Matter, trust: Trust | None, today: date) -> Given | str:
    """The approval with its key if it counts on the day `today`; else why not, to go on after its name.

    The key must be valid on the day of signing and today: an expired key cannot be told from a stolen one that writes an
    earlier day.

    Args:
        trust: the keys that count, of the policy as it is today.
    """
    foreign = _foreign(approval, matter)
    if foreign:
        return foreign
    day = date.fromisoformat(approval.day)
    signer = verify(approval, approval.signature, approval.key, trust, "approvals", (day, today))
    if isinstance(signer, Untrusted):
        return signer.why
    approver = trust.approver(approval.key) if trust is not None else None
    if approver is None or approval.role not in approver.roles:
        return f"is signed with key {approval.key}, which has no role {approval.role}"
    if approval.owner != approver.owner:
        return f"names another owner than the policy does for key {approval.key}"
    if day < matter.opened:
        return f"is dated {day}, before its attempt was opened on {matter.opened}"
    if today < day:
        return f"is dated {day}, and today is {today}"
    return Given(approval, approver)


def _foreign(approval: Approval, matter: Matter) -> str | None:
    if approval.policy != matter.policy:
        return f"is for policy {approval.policy}, not {matter.policy}"
    if approval.decision != matter.decision:
        return "is for another decision"
    for name in ("plan", "verdict", "channel", "source", "released"):
        said, true = getattr(approval, name), getattr(matter, name)
        if said != true:
            return f"says {name} {said}, and its decision says {true}"
    return None


def wanted(
    counts: Mapping[str, int], approvals: Iterable[Approval], trust: Trust | None, matter: Matter, today: date
) -> tuple[Wanted, ...]:
    """Every role that is asked for, with the approvals that are counted in it, and why the others are not.

    A person is counted once: not in two roles, nor twice in one with two keys. Of the ways to place people in the roles that
    they have approved in, one that fills the most places is taken.

    Args:
        counts: by role, how many are asked for, see `asked`.
        approvals: those at hand.
        trust: the keys that count, of the policy as it is today.
    """
    ordered = sorted(approvals, key=lambda a: (a.day, a.role, a.key))
    judged = [(one, standing(one, matter, trust, today)) for one in ordered]
    by_role: dict[str, dict[str, Given]] = {role: {} for role in counts}
    for one, found in judged:
        if isinstance(found, Given) and one.role in by_role:
            by_role[one.role].setdefault(person(found.key.owner), found)
    placed = places(counts, {role: tuple(people) for role, people in by_role.items()})
    counted = {role: tuple(by_role[role][who] for who in sorted(placed[role])) for role in counts}
    return tuple(Wanted(role, counts[role], counted[role], tuple(_idle(role, judged, counted))) for role in counts)


def _idle(
    role: str, judged: Sequence[tuple[Approval, Given | str]], counted: Mapping[str, tuple[Given, ...]]
) -> Iterable[str]:
    taken = {person(one.key.owner): name for name, given in counted.items() for one in given}
    kept = [one.approval for given in counted.values() for one in given]
    full = len(counted[role])
    for approval, found in judged:
        if approval.role != role or any(approval is one for one in kept):
            continue
        if isinstance(found, str):
            why = found
        elif person(found.key.owner) in taken:
            why = f"is by {found.key.owner}, who is counted once, as {taken[person(found.key.owner)]}"
        else:
            why = f"is not needed: {full} of {full} are counted"
        yield f"approval by {approval.key} as {role} does not count: it {why}"


def places(counts: Mapping[str, int], able: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Who is counted in which role: everybody in one role at most, as many places filled as can be.

    A maximum matching of people to places, by augmenting paths (Berge 1957).

    Args:
        counts: by role, its places.
        able: by role, who could be counted there.

    >>> places({"lead": 1, "safety": 1}, {"lead": ["ann", "bob"], "safety": ["ann"]})
    {'lead': {'bob'}, 'safety': {'ann'}}
    """
    slots = [(role, number) for role, count in counts.items() for number in range(count)]
    holder: dict[tuple[str, int], str] = {}
    at: dict[str, tuple[str, int]] = {}

    def place(slot: tuple[str, int], tried: set[str]) -> bool:
        for who in able.get(slot[0], ()):
            if who in tried:
                continue
            tried.add(who)
            before = at.get(who)
            if before is None or place(before, tried):
                holder[slot], at[who] = who, slot
                return True
        return False

    for slot in slots:
        place(slot, set())
    return {role: {holder[slot] for slot in slots if slot[0] == role and slot in holder} for role in counts}


# Cyrillic and Greek letters, without capitals, beside the Latin ones that they look like, as capitals or as they are.
_ALIKE = str.maketrans("авекмнорстухіјѕһԁԛԝӏαβεζηικμνορτυχ", "abekmhopctyxijshdqwlabezhikmnoptyx")
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def person(owner: str) -> str:
    """An owner as people are told apart: neither capitals nor spaces make another one, nor what only looks like a letter.

    >>> person("Alice  Example") == person("alice example"), person("Alice") == person("Bob")
    (True, False)
    >>> person("\\u0410da") == person("Ada"), person("Ada\\ufe0f") == person("Ada")
    (True, True)
    """
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", owner)).casefold().translate(_ALIKE)
    return " ".join(unicodedata.normalize("NFKC", seen).split())
