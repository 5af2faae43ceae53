"""Keys that may approve, a decision that waits for them, and their approvals."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from releasegate.approval import Approval, Matter, Wanted, wanted
from releasegate.records import digest_of
from releasegate.revocation import RevocationList
from releasegate.signing import public_bytes, sign
from releasegate.trust import Approver, PublicKey, Trust
from tests.tiny_waivers import private_key

OPENED = date(2026, 1, 1)
SIGNED = date(2026, 2, 1)
TODAY = date(2026, 2, 10)

KEYS: dict[str, Ed25519PrivateKey] = {
    name: private_key(number) for number, name in enumerate(("ann", "ann-too", "bob", "cyd", "eve", "rex"), 10)
}
OWNERS = {"ann": "Ann Example", "ann-too": "ann  example", "bob": "Bob Example", "cyd": "Cyd Example"}
ROLES = {"ann": ("lead", "safety"), "ann-too": ("lead", "safety"), "bob": ("lead",), "cyd": ("safety",)}


def approver(name: str, **changes: Any) -> Approver:
    """A key as a policy lists it for approvals."""
    plain: dict[str, Any] = {
        "id": name,
        "key": public_bytes(KEYS[name]),
        "owner": OWNERS[name],
        "roles": ROLES[name],
        "valid_from": "2026-01-01",
        "valid_to": "2026-12-31",
        **changes,
    }
    return Approver.model_validate(plain)


def revoker(**changes: Any) -> PublicKey:
    """The key of who signs what is revoked."""
    plain = {"owner": "Rex", "valid_from": "2026-01-01", "valid_to": "2026-12-31", **changes}
    return PublicKey(id="rex", key=public_bytes(KEYS["rex"]), **plain)


TRUST = Trust(approvals=tuple(map(approver, ROLES)), revocations=(revoker(),))

MATTER = Matter(
    policy="tiny",
    plan=digest_of("plan"),
    decision=digest_of("decision"),
    verdict="release",
    channel="open_weights",
    source=digest_of("model"),
    released=digest_of("model"),
    opened=OPENED,
)


def approval(key: str, role: str, *, signed_by: str | None = None, **changes: Any) -> Approval:
    """A signed approval of `MATTER`."""
    plain: dict[str, Any] = {
        "schema": "releasegate/approval/v1",
        "policy": MATTER.policy,
        "role": role,
        "owner": OWNERS.get(key, key),
        "day": SIGNED.isoformat(),
        "plan": MATTER.plan,
        "decision": MATTER.decision,
        "verdict": MATTER.verdict,
        "channel": MATTER.channel,
        "source": MATTER.source,
        "released": MATTER.released,
        "key": key,
        **changes,
    }
    draft = Approval.model_validate(plain)
    return draft.model_copy(update={"signature": sign(draft, KEYS[signed_by or key])})


def of(*approvals: Approval, asks: dict[str, int] | None = None, **changes: Any) -> tuple[Wanted, ...]:
    """What there is of one lead, or of other roles, on the day `TODAY`."""
    given: dict[str, Any] = {"trust": TRUST, "today": TODAY, **changes}
    matter = given.pop("matter", MATTER)
    return wanted(asks or {"lead": 1}, approvals, given["trust"], matter, given["today"])


def other_matter(**changes: Any) -> Matter:
    """`MATTER`, but for this."""
    return replace(MATTER, **changes)


def revocations(*entries: dict[str, Any], signed_by: str = "rex", **changes: Any) -> RevocationList:
    """A signed list of what was revoked."""
    plain: dict[str, Any] = {
        "schema": "releasegate/revocations/v1",
        "id": "tiny-models",
        "number": 3,
        "issued": "2026-02-01",
        "next_update": "2026-03-01",
        "revoked": tuple({"reason": "It was broken.", "day": "2026-02-01", **entry} for entry in entries),
        "key": "rex",
        **changes,
    }
    draft = RevocationList.model_validate(plain)
    return draft.model_copy(update={"signature": sign(draft, KEYS[signed_by])})
