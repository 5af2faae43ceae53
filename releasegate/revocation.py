"""A list of what was revoked after it had been published, and whether the list counts. Pure.

A revoked release cannot be called back from those who have it. What a list does: whoever checks a release against a policy
that names one refuses what stands on it. A list says until when the next one comes, so that holding one back has an end: a
list past that day is none.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, model_validator

from releasegate.records import Digest, Document, Identifier, Record
from releasegate.signing import Untrusted, verify
from releasegate.trust import Day, Line, Signature, Trust

LONGEST_DAYS = 31
"""From the day on which a list is issued to the last day on which it counts: as long as one that is held back deceives."""

MOST_ENTRIES = 10_000


class RevokedDigest(Record):
    """A release, a model or an attestation that is not to be used any more."""

    what: Literal["release", "model", "attestation"]
    sha256: Digest
    """The release digest; the digest of the model's manifest; the sha256 of what the attestation signs, its payload."""
    reason: Line
    day: Day
    """The day on which it came onto the list."""

    @property
    def named(self) -> str:
        """What it is, in words."""
        return f"{self.what} {self.sha256}"


class RevokedKey(Record):
    """A key whose signatures do not count any more, whatever day they name."""

    what: Literal["key"]
    key: Identifier
    """Its id in the policy's `trust`."""
    reason: Line
    day: Day
    """The day on which it came onto the list."""

    @property
    def named(self) -> str:
        """What it is, in words."""
        return f"key {self.key}"


Revoked = Annotated[RevokedDigest | RevokedKey, Discriminator("what")]
"""One entry."""


class RevocationList(Document):
    """Everything that was revoked, signed."""

    schema_: Annotated[Literal["releasegate/revocations/v1"], Field(alias="schema")]
    id: Identifier
    """As policies name it."""
    number: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Of the issue: each has one more than the one before."""
    issued: Day
    next_update: Day
    """The last day on which it counts; the next issue comes before that."""
    revoked: Annotated[tuple[Revoked, ...], Field(max_length=MOST_ENTRIES)]
    """In the order in which it was revoked; may be empty."""
    key: Identifier
    """The key, by its id in the policy's `trust`."""
    signature: Signature | None = None
    """Over everything else. None: a draft."""

    @model_validator(mode="after")
    def _lasts_no_longer_than_allowed(self) -> Self:
        days = (date.fromisoformat(self.next_update) - date.fromisoformat(self.issued)).days
        if days < 0:
            raise ValueError(f"next_update {self.next_update} is before issued {self.issued}")
        if days > LONGEST_DAYS:
            raise ValueError(f"lasts {days} days, from issued to next_update; at most {LONGEST_DAYS}")
        return self

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        seen: set[str] = set()
        for entry in self.revoked:
            if entry.named in seen:
                raise ValueError(f"revokes {entry.named} twice")
            if entry.day > self.issued:
                raise ValueError(f"was issued on {self.issued}, before {entry.named} was revoked on {entry.day}")
            seen.add(entry.named)
        if f"key {self.key}" in seen:
            raise ValueError(f"revokes key {self.key}, with which it is signed itself: sign with another one")
        return self


def fault(listed: RevocationList, list_id: str, trust: Trust | None, today: date) -> str | None:
    """Why a list does not count on the day `today`, to go on after its name; None if it does.

    The key must be valid on the day of issue and today, as for every other signature here.

    Args:
        list_id: the list that the policy names.
        trust: the keys that count.
    """
    if listed.id != list_id:
        return f"is the list {listed.id}, and the policy names {list_id}"
    issued, last = date.fromisoformat(listed.issued), date.fromisoformat(listed.next_update)
    signer = verify(listed, listed.signature, listed.key, trust, "revocations", (issued, today))
    if isinstance(signer, Untrusted):
        return signer.why
    if today < issued:
        return f"was issued on {issued}, and today is {today}"
    if today > last:
        return f"is stale: its next issue was due by {last}, and today is {today}"
    return None


def revoked(
    listed: RevocationList,
    *,
    release: str | None = None,
    models: Collection[str] = (),
    attestations: Collection[str] = (),
    keys: Collection[str] = (),
) -> Revoked | None:
    """The first entry that is about any of what is given; None if there is none.

    Args:
        release: the release digest.
        models: digests of manifests: of the model that goes out, and of the one that it was stripped from.
        attestations: the sha256 of each payload.
        keys: ids of the keys whose signatures are leant on.
    """
    given = {"release": (release,), "model": models, "attestation": attestations}
    for entry in listed.revoked:
        if isinstance(entry, RevokedKey):
            if entry.key in keys:
                return entry
        elif entry.sha256 in given[entry.what]:
            return entry
    return None
