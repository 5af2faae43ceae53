"""Which lists of what was revoked count, and what stands on them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from releasegate.records import digest_of
from releasegate.revocation import RevocationList, fault, revoked
from releasegate.trust import Trust
from tests.tiny_approvals import TODAY, TRUST, revocations, revoker

RELEASE, MODEL, LINE = (digest_of(name) for name in ("release", "model", "line"))
FULL = revocations(
    {"what": "release", "sha256": RELEASE},
    {"what": "model", "sha256": MODEL},
    {"what": "attestation", "sha256": LINE},
    {"what": "key", "key": "ci"},
)


def why(listed: RevocationList, **changes: Any) -> str | None:
    given: dict[str, Any] = {"list_id": "tiny-models", "trust": TRUST, "today": TODAY, **changes}
    return fault(listed, given["list_id"], given["trust"], given["today"])


def test_a_signed_list_counts_from_its_issue_to_the_day_of_the_next() -> None:
    days = {day: why(FULL, today=date(2026, *day)) is None for day in ((1, 31), (2, 1), (3, 1), (3, 2))}
    assert days == {(1, 31): False, (2, 1): True, (3, 1): True, (3, 2): False}


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        (revocations(id="other"), "is the list other, and the policy names tiny-models"),
        (revocations(signed_by="eve"), "was changed after it was signed, or not signed with key rex"),
        (
            FULL.model_copy(update={"revoked": FULL.revoked[1:]}),
            "was changed after it was signed, or not signed with key rex",
        ),
        (
            FULL.model_copy(update={"next_update": "2026-03-02"}),
            "was changed after it was signed, or not signed with key rex",
        ),
        (FULL.model_copy(update={"signature": None}), "is not signed"),
        (revocations(key="bob", signed_by="bob"), "is signed with key bob, which is not trusted for revocations"),
        (
            revocations(issued="2025-12-31", next_update="2026-01-31"),
            "is signed with key rex, which is valid from 2026-01-01 to 2026-12-31, not on 2025-12-31",
        ),
        (
            revocations(next_update="2026-02-09"),
            "is stale: its next issue was due by 2026-02-09, and today is 2026-02-10",
        ),
        (revocations(issued="2026-02-11"), "was issued on 2026-02-11, and today is 2026-02-10"),
    ],
)
def test_a_list_that_does_not_count_says_why(listed: RevocationList, sentence: str) -> None:
    assert why(listed) == sentence


def test_a_list_by_a_key_that_ran_out_or_of_a_policy_that_trusts_none_does_not_count() -> None:
    spent = Trust(revocations=(revoker(valid_to="2026-02-09"),))
    assert why(FULL, trust=spent) == (
        "is signed with key rex, which is valid from 2026-01-01 to 2026-02-09, not on 2026-02-10"
    )
    for trust in (None, Trust(approvals=TRUST.approvals)):
        assert why(FULL, trust=trust) == "is signed with key rex, which is not trusted for revocations"


def test_what_stands_on_the_list_is_found_under_its_own_kind_alone() -> None:
    found = [
        revoked(FULL, release=RELEASE),
        revoked(FULL, models=(digest_of("other"), MODEL)),
        revoked(FULL, attestations=[LINE]),
        revoked(FULL, keys={"ci", "ann"}),
    ]
    assert [entry and entry.named for entry in found] == [
        f"release {RELEASE}",
        f"model {MODEL}",
        f"attestation {LINE}",
        "key ci",
    ]
    assert revoked(FULL, release=MODEL, models=[LINE], attestations=[RELEASE], keys=["CI", RELEASE]) is None
    assert revoked(FULL) is None
    assert revoked(revocations(), release=RELEASE, keys=["ci"]) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"next_update": "2026-03-05"}, "lasts 32 days"),
        ({"next_update": "2026-01-31"}, "is before issued"),
        ({"number": 0}, "greater than or equal to 1"),
        ({"number": 2**60}, "less than or equal to"),
        ({"number": 1.0}, "valid integer"),
        ({"issued": "20260201"}, "must be a day"),
        ({"schema": "releasegate/revocations/v2"}, "revocations/v1"),
        ({"more": 1}, "Extra inputs"),
        ({"revoked": ({"what": "key", "key": "rex"},)}, "revokes key rex, with which it is signed itself"),
        ({"revoked": ({"what": "key", "key": "ci"}, {"what": "key", "key": "ci"})}, "revokes key ci twice"),
        ({"revoked": ({"what": "key", "sha256": RELEASE},)}, "Field required"),
        ({"revoked": ({"what": "hub", "key": "ci"},)}, "what"),
        ({"revoked": ({"what": "release", "sha256": RELEASE.upper()},)}, "String should match"),
        ({"revoked": ({"what": "key", "key": "ci", "reason": "a\nb"},)}, "one line"),
        ({"revoked": ({"what": "key", "key": "ci", "reason": "a\u202eb"},)}, "one line"),
        ({"revoked": ({"what": "key", "key": "ci", "reason": ""},)}, "at least 1 character"),
        ({"revoked": ({"what": "key", "key": "ci", "day": "2026-02-02"},)}, "before key ci was revoked"),
        ({"signature": "AAAA"}, "must be 64 bytes"),
    ],
)
def test_a_list_that_is_none_is_refused(changes: dict[str, Any], message: str) -> None:
    plain = FULL.plain() | changes
    plain["revoked"] = tuple({"reason": "Broken.", "day": "2026-02-01", **entry} for entry in plain["revoked"])
    with pytest.raises(ValidationError, match=message):
        RevocationList.model_validate(plain)


def test_a_list_of_v1_is_signed_as_it_was() -> None:
    golden = Path(__file__).parent / "golden" / "v1" / "revocations.json"
    assert RevocationList.from_text(golden.read_bytes()) == FULL
