"""A waiver: somebody answers, by name and for a time, for one requirement that one measurement did not meet. Pure.

It is bound to the digest of a measurement under the nonce of its attempt. That is one eval with its code, on one
checkpoint, with the items of one attempt: the same model measured again, another model, or a stripped checkpoint is
another measurement, and the waiver says nothing about it. An eval with a model's digest alone would not do, as a waiver
would then outlive the attempt whose result was read before it was signed. Metric and limit stand in it as well, so that
whoever reviews the file reads what was waived, and a replay under another limit does not inherit it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from releasegate.policy import Section
from releasegate.records import Digest, Document, Identifier, MetricId
from releasegate.signing import Untrusted, verify
from releasegate.trust import Day, Line, PublicKey, Signature, Trust

LONGEST_DAYS = 365
"""From the day on which it is signed to the last day on which it counts."""

WAIVABLE = ("misuse", "safeguards", "keep")
"""Sections whose requirements may be waived. That a removed capability is gone is never a matter of opinion."""

Waivable = Literal["not_shown", "violated"]
"""What a waiver can be for, from the lesser to the worse."""
_WORSE: tuple[Waivable, ...] = ("not_shown", "violated")


def _prose(text: str) -> str:
    if not text.strip() or not all(character.isprintable() or character == "\n" for character in text):
        raise ValueError("must be text of printable characters and line feeds, and not empty")
    return text


Reasoning = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_prose)]
"""Why, in words; not trimmed, as every character is signed."""


class Waiver(Document):
    """A signed, dated, reasoned exception for one requirement on one measurement."""

    schema_: Annotated[Literal["releasegate/waiver/v1"], Field(alias="schema")]
    id: Identifier
    owner: Line
    """Who answers for it."""
    reason: Reasoning
    opened: Day
    """The day on which it was signed."""
    expires: Day
    """The last day on which it counts."""
    policy: Identifier
    requirement: Identifier
    metric: MetricId
    side: Literal["at_most", "at_least", "margin"]
    limit: float
    checkpoint: Line
    """`source`, or the name of a strip."""
    measurement: Digest
    """Of the measurement under the nonce of its attempt, as the plan names it."""
    finding: Waivable
    """What was found when it was signed. Should the finding become worse, it is not what was waived."""
    key: Identifier
    """The key, by its id in the policy's `trust`."""
    signature: Signature | None = None
    """Over everything else. None: a draft."""

    @model_validator(mode="after")
    def _lasts_no_longer_than_allowed(self) -> Self:
        days = (date.fromisoformat(self.expires) - date.fromisoformat(self.opened)).days
        if days < 0:
            raise ValueError(f"expires {self.expires} is before opened {self.opened}")
        if days > LONGEST_DAYS:
            raise ValueError(f"lasts {days} days, from opened to expires; at most {LONGEST_DAYS}")
        return self


@dataclass(frozen=True)
class Case:
    """One finding as a waiver is held against it: before any waiver.

    Attributes:
        policy: the id of the policy that judges.
        measurement: digest under the plan's nonce; None where nothing was planned.
        opened: the day on which the attempt was opened.
        status: `met`, `violated` or `not_shown`.
        reason: why it is not shown, such as `unsettled`.
    """

    policy: str
    requirement: str
    section: Section
    metric: str
    side: str
    limit: float
    checkpoint: str
    measurement: str | None
    opened: date
    status: str
    reason: str | None


@dataclass(frozen=True)
class Counts:
    """A waiver that counts, and the key that signed it."""

    waiver: Waiver
    key: PublicKey


@dataclass(frozen=True)
class DoesNotCount:
    """A waiver that does not count; `why` goes on after its name: "expired on 2026-01-31"."""

    waiver: Waiver
    why: str

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"waiver {self.waiver.id} does not count: it {self.why}"


def unwaivable(section: Section, status: str, reason: str | None) -> str | None:
    """Why a finding may not be waived, to go on after the requirement's name; None if it may be.

    What was violated, and what enough evidence did not settle, may be waived. Evidence that is wanting may not, nor a
    safeguard that does not protect at the channel, nor a removal.

    >>> unwaivable("misuse", "violated", None), unwaivable("keep", "not_shown", "unsettled")
    (None, None)
    >>> unwaivable("removal", "violated", None)
    'shows that a capability was removed, which is never waived'
    """
    if section == "working":
        return "shows whether the model works, which is never waived"
    if section not in WAIVABLE:
        return "shows that a capability was removed, which is never waived"
    if status == "met":
        return "is met: there is nothing to waive"
    if status == "violated" or (status == "not_shown" and reason == "unsettled"):
        return None
    if reason == "want_of_evidence":
        return "is not shown for want of evidence, which is never waived"
    if reason == "does_not_count":
        return "is a safeguard that does not count at the channel, which is never waived"
    return f"is {status}, which is not waived"


def standing(waiver: Waiver, case: Case, trust: Trust | None, today: date) -> Counts | DoesNotCount:
    """Whether `waiver` counts for the finding of `case` on the day `today`, or why not.

    The key must be valid on the day of signing and today: an expired key cannot be told from a stolen one that writes an
    earlier day. The day of signing must not lie before the attempt, whose nonce nobody knew before it was opened.

    Args:
        trust: the keys that count, see `trust.still`.
    """
    opened, expires = date.fromisoformat(waiver.opened), date.fromisoformat(waiver.expires)
    foreign = _foreign(waiver, case)
    if foreign:
        return DoesNotCount(waiver, foreign)
    signer = verify(waiver, waiver.signature, waiver.key, trust, "waivers", (opened, today))
    if isinstance(signer, Untrusted):
        return DoesNotCount(waiver, signer.why)
    if opened < case.opened:
        return DoesNotCount(waiver, f"is dated {opened}, before its attempt was opened on {case.opened}")
    if today < opened:
        return DoesNotCount(waiver, f"counts from {opened}, and today is {today}")
    if today > expires:
        return DoesNotCount(waiver, f"expired on {expires}")
    barred = unwaivable(case.section, case.status, case.reason)
    if barred:
        return DoesNotCount(waiver, f"is for requirement {case.requirement}, which {barred}")
    if _WORSE.index(waiver.finding) < _WORSE.index("violated" if case.status == "violated" else "not_shown"):
        return DoesNotCount(waiver, f"was signed when {case.requirement} was {waiver.finding}; it is {case.status} now")
    return Counts(waiver, signer)


def _foreign(waiver: Waiver, case: Case) -> str | None:
    """What else the waiver is about, if it is not about this finding."""
    if waiver.policy != case.policy:
        return f"is for policy {waiver.policy}, not {case.policy}"
    if waiver.requirement != case.requirement:
        return f"is for requirement {waiver.requirement}, not {case.requirement}"
    if (waiver.metric, waiver.side, waiver.limit) != (case.metric, case.side, case.limit):
        given = f"{waiver.metric} {waiver.side} {waiver.limit:g}"
        return f"is for {given}, and {case.requirement} says {case.metric} {case.side} {case.limit:g}"
    if waiver.checkpoint != case.checkpoint:
        return f"is for the checkpoint {waiver.checkpoint}, not {case.checkpoint}"
    if waiver.measurement != case.measurement:
        return "is for another measurement: another model, another attempt, or other code"
    return None


@dataclass(frozen=True)
class Waivers:
    """The waivers of a gate repository, and what they are judged by.

    Attributes:
        documents: every waiver that was read.
        trust: the keys that count, see `trust.still`.
        today: the day of deciding.
    """

    documents: tuple[Waiver, ...]
    trust: Trust | None
    today: date

    def on(self, case: Case) -> Counts | None:
        """The waiver that counts for a finding, if one does: of several, the one that counts longest."""
        judged = [standing(w, case, self.trust, self.today) for w in self.documents if _is_about(w, case)]
        counting = [found for found in judged if isinstance(found, Counts)]
        return max(counting, key=lambda found: (found.waiver.expires, found.waiver.id), default=None)

    def idle(self, policy: str, cases: Iterable[Case]) -> tuple[DoesNotCount, ...]:
        """The waivers of a policy that count for none of `cases`, each with why, by id; other policies' are not its
        business.

        Args:
            cases: every finding of the decision, as it was before any waiver.
        """
        known = tuple(cases)
        own = sorted((w for w in self.documents if w.policy == policy), key=lambda w: w.id)
        judged = [self._nearest(waiver, known) for waiver in own]
        return tuple(found for found in judged if isinstance(found, DoesNotCount))

    def _nearest(self, waiver: Waiver, cases: tuple[Case, ...]) -> Counts | DoesNotCount:
        """Where the waiver counts; else why not, as seen from the finding that it comes closest to."""
        same = [case for case in cases if case.requirement == waiver.requirement]
        if not same:
            return DoesNotCount(waiver, f"is for requirement {waiver.requirement}, which was not judged")
        close = [case for case in same if case.checkpoint == waiver.checkpoint] or same
        judged = [standing(waiver, case, self.trust, self.today) for case in close]
        return next((found for found in judged if isinstance(found, Counts)), judged[0])


def _is_about(waiver: Waiver, case: Case) -> bool:
    return (waiver.policy, waiver.requirement) == (case.policy, case.requirement)
