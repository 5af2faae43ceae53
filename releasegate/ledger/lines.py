"""The lines of a ledger: what each kind says, how it is bound to its place, and its bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, TypeAdapter, ValidationError

from releasegate.canonical import canonical
from releasegate.errors import LedgerError
from releasegate.records import Digest, Document, Identifier, Record, first_fault, refuse_duplicate_keys
from releasegate.spending import Attempts

SCHEMA = "releasegate/ledger/v1"
GENESIS = "0" * 64
"""What the first line holds in place of the hash of the line before."""

RESTORE = "restore the ledger from where it is kept; a ledger is never edited"

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""sha256 over the RFC 8785 form of a line without its `hash`."""

Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""32 random bytes."""

Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
ItemId = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,200}$")]
"""The name of an item of a private pool: printable ASCII, the same for as long as the pool is in use."""

Outcome = Literal["release", "release_stripped", "restrict", "withhold", "incomplete"]
"""A verdict."""

T = TypeVar("T")


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]


class Init(Document):
    """The first line: whose ledger this is."""

    schema_: Annotated[Literal["releasegate/ledger/v1"], Field(alias="schema")] = "releasegate/ledger/v1"
    event: Literal["init"] = "init"
    family: Identifier
    attempts: Attempts | None = None
    """The number of attempts that alpha is split over evenly; absent: the open-ended series."""


class Scheduled(Record):
    """What is left of alpha is divided anew, among the attempts that were not opened yet."""

    event: Literal["scheduled"] = "scheduled"
    first: Number
    """The attempt that is due: the first one that it rules."""
    attempts: Attempts | None = None
    """The number of the last attempt; absent: the open-ended series, begun anew on what is left."""


class Opened(Record):
    """An attempt is spent, whatever becomes of it."""

    event: Literal["opened"] = "opened"
    attempt: Number
    plan: Digest
    """Of the plan without its nonce."""
    day: Day


class Extended(Record):
    """A decided attempt goes on with fresh items, at its own alpha."""

    event: Literal["extended"] = "extended"
    attempt: Number
    plan: Digest
    """Of the extended plan without its last nonce."""
    extends: Digest
    """The plan that it goes on with, as in its opening or in its own extension."""
    evidence: Digest
    """As in the last closing under that plan."""
    items: Number
    """Fresh items of each measurement that goes on."""
    day: Day


class NonceDrawn(Record):
    """What the items of an attempt derive from."""

    event: Literal["nonce"] = "nonce"
    attempt: Number
    nonce: Nonce


class Used(Record):
    """Items of a private pool that no later attempt may draw."""

    event: Literal["used"] = "used"
    attempt: Number
    eval: Identifier
    items: Annotated[tuple[ItemId, ...], Field(min_length=1)]


class Closed(Record):
    """An attempt was decided."""

    event: Literal["closed"] = "closed"
    attempt: Number
    plan: Digest
    """As in its opening."""
    evidence: Digest
    decision: Digest
    verdict: Outcome


Event = Annotated[Init | Scheduled | Opened | Extended | NonceDrawn | Used | Closed, Discriminator("event")]
AttemptEvent = Scheduled | Opened | Extended | NonceDrawn | Used | Closed
"""Every kind of line but the first."""
_EVENT: TypeAdapter[Init | AttemptEvent] = TypeAdapter(Event)


class Link(Record):
    """What binds a line to its place."""

    number: Number
    previous: Hash
    hash: Hash


_LINK: TypeAdapter[Link] = TypeAdapter(Link)


def parse_line(raw: bytes, where: str) -> tuple[Init | AttemptEvent, Link]:
    """What one line says, and how it is bound to its place.

    Args:
        raw: the line without its newline.
        where: the file and line that it is.

    Raises:
        LedgerError: it is no line of a ledger, its own hash does not fit, or releasegate would write it otherwise.
    """
    try:
        text = raw.decode()
        refuse_duplicate_keys(text)
        data = json.loads(text)
    except UnicodeDecodeError:
        raise LedgerError(where, "is not UTF-8", RESTORE) from None
    except ValueError as error:
        raise LedgerError(where, f"is not JSON: {error}", RESTORE) from None
    if not isinstance(data, dict):
        raise LedgerError(where, "is no line of a ledger: not an object", RESTORE)
    schema = data.get("schema", SCHEMA)
    if schema != SCHEMA:
        what = f"has schema {str(schema)[:80]!r}, and this release reads {SCHEMA}"
        raise LedgerError(where, what, "use the release of releasegate that wrote it")
    bound = {key: data.pop(key) for key in Link.model_fields if key in data}
    event = _validated(_EVENT, data, where)
    link = _validated(_LINK, bound, where)
    if link.hash != _hash(event, link.number, link.previous):
        raise LedgerError(where, "was changed: its hash does not fit its content", RESTORE)
    if raw + b"\n" != line_of(event, link.number, link.previous):
        raise LedgerError(where, "was changed: not in the form that releasegate writes", RESTORE)
    return event, link


def _validated(adapter: TypeAdapter[T], data: Mapping[str, Any], where: str) -> T:
    try:
        return adapter.validate_json(json.dumps(data))
    except ValidationError as error:
        raise LedgerError(where, f"is no line of a ledger: {first_fault(error)}", RESTORE) from None


def _bound(event: Init | AttemptEvent, number: int, previous: str) -> dict[str, Any]:
    return {**event.plain(), "number": number, "previous": previous}


def _hash(event: Init | AttemptEvent, number: int, previous: str) -> str:
    return hashlib.sha256(canonical(_bound(event, number, previous))).hexdigest()


def line_of(event: Init | AttemptEvent, number: int, previous: str) -> bytes:
    """The bytes of a line, newline included: what it says, then its number, `previous` and `hash`."""
    data = {**_bound(event, number, previous), "hash": _hash(event, number, previous)}
    return (json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n").encode()
